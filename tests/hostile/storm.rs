//! What must hold in and after each storm.

use std::{
    io::Write as _,
    sync::{LazyLock, Once},
};

use tokio::sync::Mutex;

use crate::{
    neighbour::{Connects, Neighbour, Record},
    process::{self, Usage},
    target::{Example, Target},
};

/// Storms take turns: a neighbour is to be disturbed by its own alone.
static ALONE: Mutex<()> = Mutex::const_new(());

/// Whether `HOSTILE=long` asks for larger floods, more rounds, and a table of figures.
static IS_LONG: LazyLock<bool> = LazyLock::new(|| std::env::var("HOSTILE").is_ok_and(|form| form == "long"));

/// A size for the short form and one for the long.
pub(crate) fn scale(short: usize, long: usize) -> usize {
    if *IS_LONG { long } else { short }
}

/// Lets a storm loose on an example, twice or more often: the first time shows what its
/// memory is once it is warm.
///
/// # Panics
/// When an answer breaks the contract, the process ends or panics, a neighbour is not served
/// as usual, or something of the storm remains.
pub(crate) async fn endure(example: &'static Example, name: &str, storm: impl AsyncFn(&Target)) {
    process::raise_descriptor_limit();
    let _turn = ALONE.lock().await;
    let target = Target::start(example).await;
    let before = Neighbour::alone(&target).await;
    storm(&target).await;
    let Some(calm) = target.process.settles().await else {
        panic!("{}: {name}: it has ended\n{}", example.name, target.findings());
    };
    for _ in 0..scale(1, 5) {
        let neighbour = Neighbour::start(&target, Connects::Often).await;
        storm(&target).await;
        let during = neighbour.stop().await;
        if let Err(fault) = during.compare(&before) {
            target.found("neighbour", fault);
        }
        match target.process.recovers(calm).await {
            Ok(after) => tell(&target, name, [&before, &during], [calm, after]),
            Err(fault) => target.found("afterwards", fault),
        }
    }
    conclude(&target, name);
}

/// Lets a storm loose on an example that may open no more descriptors than this. While they are
/// all taken, only those who are inside are served; the storm sees to its own neighbour.
///
/// # Panics
/// As [`endure`] does.
pub(crate) async fn endure_with_descriptors(
    example: &'static Example,
    name: &str,
    most: usize,
    storm: impl AsyncFn(&Target),
) {
    process::raise_descriptor_limit();
    let _turn = ALONE.lock().await;
    let target = Target::start_with_descriptors(example, most).await;
    let calm = target.process.settles().await.expect("it runs");
    storm(&target).await;
    if let Err(fault) = target.process.recovers(calm).await {
        target.found("afterwards", fault);
    }
    conclude(&target, name);
}

fn conclude(target: &Target, name: &str) {
    let findings = target.findings();
    assert!(findings.is_empty(), "{}: {name}:\n{findings}", target.example.name);
}

/// A row of the table of figures.
fn tell(target: &Target, name: &str, neighbour: [&Record; 2], usage: [Usage; 2]) {
    static HEAD: Once = Once::new();
    if !*IS_LONG {
        return;
    }
    // The harness holds back what is printed otherwise.
    let mut out = std::io::stderr().lock();
    HEAD.call_once(|| {
        let _ = writeln!(
            out,
            "| example | storm | cases | neighbour's calls | median, slowest before | in the storm | \
             MiB calm, peak, after | descriptors | threads |\n|---|---|--:|--:|--:|--:|--:|--:|--:|",
        );
    });
    let [before, during] = neighbour;
    let [calm, after] = usage;
    let mib = |kib: usize| kib / 1024;
    let _ = writeln!(
        out,
        "| {} | {name} | {} | {} | {:.1?}, {:.1?} | {:.1?}, {:.1?} | {}, {}, {} | {}, {} | {}, {} |",
        target.example.name,
        target.cases(),
        during.calls,
        before.times.median,
        before.times.worst,
        during.times.median,
        during.times.worst,
        mib(calm.memory),
        mib(during.peak),
        mib(after.memory),
        calm.descriptors,
        after.descriptors,
        calm.threads,
        after.threads,
    );
}
