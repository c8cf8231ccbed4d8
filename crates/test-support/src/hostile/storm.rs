//! Checks during and after each storm.

use std::{
    io::Write as _,
    sync::{LazyLock, Once},
    time::{Duration, Instant},
};

use tokio::sync::Semaphore;

use super::{
    neighbour::{Connects, Neighbour, Record},
    process::{self, Usage},
    target::{Example, Target},
};

/// This many storms run at the same time, on any machine. A neighbour is also compared with an
/// undisturbed one, which other storms affect equally.
static TURNS: Semaphore = Semaphore::const_new(2);

/// The value of `HOSTILE`: `long` asks for larger floods, more rounds, and a table of figures;
/// `short` only for the table.
static FORM: LazyLock<String> = LazyLock::new(|| std::env::var("HOSTILE").unwrap_or_default());

/// A size for the short form, and one for the long form.
pub fn scale(short: usize, long: usize) -> usize {
    if *FORM == "long" { long } else { short }
}

/// Runs a storm against an example, at least twice: the first run warms up its memory.
///
/// # Panics
/// If an answer breaks the contract, the process ends or panics, a neighbour is not served as
/// usual, or resources are leaked.
/// as usual, or something of the storm remains.
pub async fn endure(example: &'static Example, name: &str, storm: impl AsyncFn(&Target)) {
    process::raise_descriptor_limit();
    let _turn = TURNS.acquire().await.expect("it is never closed");
    let target = Target::start(example).await;
    let before = Neighbour::alone(&target).await;
    storm(&target).await;
    let Some(calm) = target.process.settles().await else {
        panic!("{}: {name}: it has ended\n{}", example.name, target.findings());
    };
    for _ in 0..scale(1, 5) {
        let neighbour = Neighbour::start(&target, Connects::Often).await;
        let (start, cases) = (Instant::now(), target.cases());
        storm(&target).await;
        let (time, cases) = (start.elapsed(), target.cases() - cases);
        let during = neighbour.stop().await;
        if let Err(fault) = during.compare(&before) {
            target.found("neighbour", fault);
        }
        match target.process.recovers(calm).await {
            Ok(after) => tell(&[example.name, name], time, cases, [&before, &during], [calm, after]),
            Err(fault) => target.found("afterwards", fault),
        }
    }
    conclude(&target, name);
}

/// Runs a storm against an example that may open no more descriptors than this. While all are
/// taken, only open connections are served; the storm brings its own neighbour.
///
/// # Panics
/// Like [`endure`].
pub async fn endure_with_descriptors(
    example: &'static Example,
    name: &str,
    most: usize,
    storm: impl AsyncFn(&Target),
) {
    process::raise_descriptor_limit();
    let _turn = TURNS.acquire().await.expect("it is never closed");
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
fn tell(
    names: &[&str; 2],
    time: Duration,
    cases: usize,
    [before, during]: [&Record; 2],
    [calm, after]: [Usage; 2],
) {
    static HEAD: Once = Once::new();
    if FORM.is_empty() {
        return;
    }
    // The test harness captures other output.
    let mut out = std::io::stderr().lock();
    HEAD.call_once(|| {
        let _ = writeln!(
            out,
            "| example | storm | cases | seconds | neighbour's calls | median, slowest before | in the storm \
             | MiB calm, peak, after | descriptors | threads |\n|---|---|--:|--:|--:|--:|--:|--:|--:|--:|",
        );
    });
    let mib = |kib: usize| kib / 1024;
    let _ = writeln!(
        out,
        "| {} | {cases} | {:.1} | {} | {:.1?}, {:.1?} | {:.1?}, {:.1?} | {}, {}, {} | {}, {} | {}, {} |",
        names.join(" | "),
        time.as_secs_f32(),
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
