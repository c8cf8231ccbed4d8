//! The cost of each workload, compared with the recorded one.

use std::collections::BTreeMap;
use std::fs;
use std::process::ExitCode;

use path::Variant;

use crate::Failure;
use crate::client::Era;
use crate::server::Server;
use crate::valgrind::{self, Cost};

const BASELINE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/baseline.json");

/// The tolerance above the baseline, in percent.
const TOLERANCE: Cost = Cost { instructions: 2, allocations: 0, locks: 0 };

/// The tolerance for a call over a socket: the number of wake-ups varies by one or two locks.
const TOLERANCE_ON_HYPER: Cost = Cost { instructions: 2, allocations: 0, locks: 3 };

/// The tolerance for a workload whose notifications are batched by time: under valgrind on a busy
/// machine, not all fit into one batch.
const TOLERANCE_BY_THE_CLOCK: Cost = Cost { instructions: 5, allocations: 10, locks: 10 };

/// The maximum number of instructions of a call on hyper, in percent of the hand-written server's.
const MOST_OF_HAND_WRITTEN: u64 = 115;

/// Whether this is the build without more features, in which most is measured.
const IS_ALONE: bool = cfg!(not(any(feature = "auth", feature = "tasks")));

/// The workloads that are also measured with somebody who observes them.
const OBSERVED: &[&str] = if IS_ALONE { &["add_legacy", "add_modern"] } else { &[] };

/// The most instructions that a request takes whose span a subscriber discards, in percent of one
/// that nobody observes.
const MOST_OBSERVED: u64 = 103;

/// The most instructions that a call takes which does not become a task where it could, in percent of one on a
/// manager without tasks: nothing more, unless the tool waits and the client can ask about tasks. Then the call may
/// become slow, and the parts of its request that a task needs are copied.
fn most_with_tasks(name: &str) -> u64 {
    if name == "later_declared" { 135 } else { 101 }
}

impl Cost {
    fn parts(self) -> [u64; 3] {
        [self.instructions, self.allocations, self.locks]
    }

    fn is_dearer_than(self, before: Self, tolerance: Self) -> bool {
        let mut parts = self.parts().into_iter().zip(before.parts()).zip(tolerance.parts());
        parts.any(|((now, before), tolerance)| now * 100 > before * (100 + tolerance))
    }
}

/// The costs by workload.
type Costs = BTreeMap<String, Cost>;
/// The baselines by build profile.
type Baseline = BTreeMap<String, Costs>;

/// Measures each workload in this build, and writes the costs to the baseline.
pub(crate) fn record() -> Result<(), Failure> {
    let costs = measure()?;
    for (name, cost) in &costs {
        println!("{}", row(name, *cost));
    }
    let mut baseline = read_baseline()?;
    // Those of the other build stay.
    baseline.entry(profile()?).or_default().extend(costs);
    fs::write(BASELINE, serde_json::to_string_pretty(&baseline)? + "\n")?;
    Ok(())
}

/// Measures each workload, and fails if one costs more than the baseline of this build, or if a call
/// on hyper costs much more than with the hand-written server.
pub(crate) fn check() -> Result<ExitCode, Failure> {
    let (profile, costs) = (profile()?, measure()?);
    let baseline = read_baseline()?;
    let mut is_fine = true;
    for (name, &now) in &costs {
        let before = baseline.get(&profile).and_then(|costs| costs.get(name));
        let &before =
            before.ok_or_else(|| format!("{profile} {name} is not in the baseline: `path record`"))?;
        let tolerance = match &name[..] {
            "progress_10" => TOLERANCE_BY_THE_CLOCK,
            name if name.starts_with("hyper/") => TOLERANCE_ON_HYPER,
            _ => TOLERANCE,
        };
        let is_dearer = now.is_dearer_than(before, tolerance);
        is_fine &= !is_dearer;
        println!(
            "{} (baseline {:?}){}",
            row(name, now),
            before.parts(),
            if is_dearer { "  DEARER" } else { "" }
        );
    }
    for &era in on_hyper() {
        let [ours, hand_written] = Server::ALL.map(|server| costs[&name_on_hyper(server, era)].instructions);
        let percent = ours * 100 / hand_written;
        is_fine &= ours * 100 <= hand_written * MOST_OF_HAND_WRITTEN;
        println!(
            "{} add on hyper: {percent} % of hand-written (at most {MOST_OF_HAND_WRITTEN} %)",
            era.name()
        );
    }
    for &name in OBSERVED {
        let variants = [Variant::Plain, Variant::Discarded];
        is_fine &= is_within(&costs, name, variants, MOST_OBSERVED, "a subscriber that discards everything");
    }
    for &name in path::BESIDE_TASKS {
        let variants = [Variant::WithoutTasks, Variant::WithTasks];
        is_fine &= is_within(&costs, name, variants, most_with_tasks(name), "tasks");
    }
    if is_fine {
        return Ok(ExitCode::SUCCESS);
    }
    println!("a workload costs too much; to accept the new costs, run `path record`");
    Ok(ExitCode::FAILURE)
}

/// Compares two variants of a workload, and prints the difference. Returns whether the second one takes at most
/// `most` percent of the instructions of the first.
fn is_within(costs: &Costs, name: &str, variants: [Variant; 2], most: u64, with: &str) -> bool {
    let of = |variant: Variant| costs[&format!("{}{name}", variant.prefix())].instructions;
    let [before, after] = variants.map(of);
    let per_mille = (after * 1000 / before).saturating_sub(1000);
    let (whole, tenth, most_more) = (per_mille / 10, per_mille % 10, most - 100);
    println!("{name} with {with}: {whole}.{tenth} % more (at most {most_more} %)");
    after * 100 <= before * most
}

fn measure() -> Result<Costs, Failure> {
    let plain = path::NAMES.iter().map(|name| (*name, &[Variant::Plain][..]));
    let observed = OBSERVED.iter().map(|name| (*name, &[Variant::Discarded, Variant::Counted][..]));
    let beside_tasks =
        path::BESIDE_TASKS.iter().map(|name| (*name, &[Variant::WithoutTasks, Variant::WithTasks][..]));
    let mut costs = Costs::new();
    for (name, variants) in plain.chain(observed).chain(beside_tasks) {
        for variant in variants {
            let name = format!("{}{name}", variant.prefix());
            let cost = valgrind::in_memory(&name)?;
            costs.insert(name, cost);
        }
    }
    for &era in on_hyper() {
        for server in Server::ALL {
            costs.insert(name_on_hyper(server, era), valgrind::on_hyper(server, &era.add())?);
        }
    }
    Ok(costs)
}

/// The eras of the calls on hyper; none in the build with more features.
fn on_hyper() -> &'static [Era] {
    if IS_ALONE { &Era::ALL } else { &[] }
}

fn name_on_hyper(server: Server, era: Era) -> String {
    format!("hyper/add_{}/{}", era.name(), server.name())
}

fn row(name: &str, cost: Cost) -> String {
    let Cost { instructions, allocations, locks } = cost;
    format!("{name:>29} {instructions:>9} instructions {allocations:>3} allocations {locks:>3} locks")
}

fn read_baseline() -> Result<Baseline, Failure> {
    Ok(serde_json::from_str(&fs::read_to_string(BASELINE)?)?)
}

/// Returns the profile of this build, from the directory that Cargo names after it.
fn profile() -> Result<String, Failure> {
    let program = std::env::current_exe()?;
    let directory = program.parent().and_then(|directory| directory.file_name());
    Ok(directory.ok_or("the program has no parent directory")?.to_string_lossy().into_owned())
}
