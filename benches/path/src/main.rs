//! `path check` compares the cost of each workload with `baseline.json`, and fails if one has become
//! more expensive. `path record` updates the file. `path run WORKLOAD TIMES` is what both run under
//! valgrind; it can also be profiled.

use std::collections::BTreeMap;
use std::error::Error;
use std::fs;
use std::process::{Command, ExitCode};

use path::{NAMES, Workload};
use serde::{Deserialize, Serialize};

const BASELINE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/baseline.json");

/// How much more than the baseline a workload may cost, in percent.
const TOLERANCE: Cost = Cost { instructions: 3, allocations: 0 };

/// The tolerance for a workload whose notifications are gathered for a time: under valgrind, fewer
/// fit into it.
const TOLERANCE_BY_THE_CLOCK: Cost = Cost { instructions: 25, allocations: 50 };

/// The cost of one request.
#[derive(Clone, Copy, Serialize, Deserialize)]
struct Cost {
    instructions: u64,
    allocations: u64,
}

type Costs = BTreeMap<String, Cost>;

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["check"] => check(&measure_all()?),
        ["record"] => record(&measure_all()?),
        ["run", name, times] => run(name, times.parse()?),
        _ => Err("usage: path check | record | run WORKLOAD TIMES".into()),
    }
}

fn run(name: &str, times: u32) -> Result<ExitCode, Box<dyn Error>> {
    if !NAMES.contains(&name) {
        return Err(format!("the workloads are {}", NAMES.join(", ")).into());
    }
    let workload = Workload::new(name);
    for _ in 0..times {
        workload.answer(workload.request());
    }
    Ok(ExitCode::SUCCESS)
}

fn record(costs: &Costs) -> Result<ExitCode, Box<dyn Error>> {
    fs::write(BASELINE, serde_json::to_string_pretty(costs)? + "\n")?;
    for (name, cost) in costs {
        println!("{name:>16} {:>9} instructions {:>3} allocations", cost.instructions, cost.allocations);
    }
    Ok(ExitCode::SUCCESS)
}

fn check(costs: &Costs) -> Result<ExitCode, Box<dyn Error>> {
    let baseline: Costs = serde_json::from_str(&fs::read_to_string(BASELINE)?)?;
    let mut code = ExitCode::SUCCESS;
    for (name, now) in costs {
        let before =
            baseline.get(name).ok_or_else(|| format!("{name} is not in the baseline: `path record`"))?;
        let tolerance = if name == "progress_10" { TOLERANCE_BY_THE_CLOCK } else { TOLERANCE };
        let is_dearer = now.instructions * 100 > before.instructions * (100 + tolerance.instructions)
            || now.allocations * 100 > before.allocations * (100 + tolerance.allocations);
        println!(
            "{name:>16} {:>9} instructions (baseline {:>9}) {:>3} allocations (baseline {:>3}){}",
            now.instructions,
            before.instructions,
            now.allocations,
            before.allocations,
            if is_dearer { "  DEARER" } else { "" }
        );
        if is_dearer {
            code = ExitCode::FAILURE;
        }
    }
    if code == ExitCode::FAILURE {
        println!("a workload costs more than the baseline; if that is meant, record it: `path record`");
    }
    Ok(code)
}

fn measure_all() -> Result<Costs, Box<dyn Error>> {
    NAMES.into_iter().map(|name| Ok((name.to_owned(), measure(name)?))).collect()
}

/// Measures the difference between few and many requests, so that the setup does not count.
fn measure(name: &str) -> Result<Cost, Box<dyn Error>> {
    const FEW: u64 = 20;
    const MANY: u64 = 120;
    let per_request = |count: &dyn Fn(u64) -> Result<u64, Box<dyn Error>>| -> Result<u64, Box<dyn Error>> {
        Ok((count(MANY)? - count(FEW)?) / (MANY - FEW))
    };
    Ok(Cost {
        instructions: per_request(&|times| {
            let options = ["--tool=callgrind", "--callgrind-out-file=/dev/null"];
            number_after(&valgrind(&options, name, times)?, "Collected : ")
        })?,
        allocations: per_request(&|times| {
            number_after(
                &valgrind(&["--tool=memcheck", "--undef-value-errors=no"], name, times)?,
                "total heap usage: ",
            )
        })?,
    })
}

/// Runs a workload under valgrind. Returns valgrind's output.
fn valgrind(options: &[&str], name: &str, times: u64) -> Result<String, Box<dyn Error>> {
    let mut command = Command::new("valgrind");
    command.args(options).arg(std::env::current_exe()?).args(["run", name, &times.to_string()]);
    let output = command.output().map_err(|error| format!("valgrind cannot be run: {error}"))?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    if !output.status.success() {
        return Err(format!("valgrind failed: {said}").into());
    }
    Ok(said)
}

/// Returns the number after `label`, which may contain commas.
fn number_after(text: &str, label: &str) -> Result<u64, Box<dyn Error>> {
    let (_, rest) =
        text.split_once(label).ok_or_else(|| format!("valgrind does not tell {label:?}: {text}"))?;
    let digits: String =
        rest.chars().take_while(|&letter| letter.is_ascii_digit() || letter == ',').collect();
    Ok(digits.replace(',', "").parse()?)
}
