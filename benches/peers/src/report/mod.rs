//! The output of a comparison: tables, a JSON file and a chart.

mod chart;
mod panel;
mod readme;
mod style;
mod table;

use std::{fs, io, path::Path};

use serde_json::{Value, json};

use crate::{
    compare::{Plan, Row},
    profile,
};

/// The servers that the others are compared with, if they took part.
const REFERENCES: [&str; 3] = ["limit", "two-pass", "rmcp"];

/// Prints the README's table and those of all measures.
pub(crate) fn print(plan: &Plan, rows: &[Row]) -> io::Result<()> {
    print!("{}{}", readme_table(plan, rows)?, table::all(rows));
    Ok(())
}

/// Replaces the table in a README.
pub(crate) fn write_readme(path: &Path, plan: &Plan, rows: &[Row]) -> io::Result<()> {
    readme::write(path, &profile::name()?, &readme_table(plan, rows)?)
}

fn readme_table(plan: &Plan, rows: &[Row]) -> io::Result<String> {
    Ok(readme::table(&profile::name()?, &machine(), plan.rounds, rows))
}

/// Writes `results.json` and `results.svg`, or for profiles other than `release`,
/// `results-PROFILE.json` and `results-PROFILE.svg`.
pub(crate) fn write(directory: &Path, plan: &Plan, rows: &[Row]) -> io::Result<()> {
    let ratios = table::ratios(&table::names(rows));
    let profile = profile::name()?;
    let settings = json!({
        "profile": profile::describe(&profile),
        "machine": machine(),
        "rounds": plan.rounds,
        "window_ms": plan.conditions.window.as_millis(),
        "warm_up_ms": plan.conditions.warm_up.as_millis(),
        "nearest_ns": plan.conditions.nearest_ns,
    });
    // One line for each row, which is easy to read and to diff.
    let rows_json: Vec<_> = rows.iter().map(|row| with_ratios(row, &ratios).to_string()).collect();
    let text = format!("{{\"settings\":{settings},\"rows\":[\n{}\n]}}\n", rows_json.join(",\n"));
    let stem = match &*profile {
        "release" => "results".to_owned(),
        other => format!("results-{other}"),
    };
    fs::write(directory.join(format!("{stem}.json")), text)?;
    fs::write(directory.join(format!("{stem}.svg")), chart::draw(&profile, rows))
}

fn with_ratios(row: &Row, ratios: &[table::Ratio]) -> Value {
    let mut value = json!(row);
    for &(name, reference) in ratios {
        for (of, ratio) in [
            ("cpu_ratios", table::ratio(row, (name, reference), |sample| sample.cpu_us)),
            ("user_ratios", table::ratio(row, (name, reference), |sample| sample.user_us)),
        ] {
            if let Some(ratio) = ratio {
                value[of][format!("{name} / {reference}")] = json!((ratio * 100.0).round() / 100.0);
            }
        }
    }
    value
}

/// Returns the name of the processor, if the system provides it.
fn machine() -> String {
    let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    info.lines()
        .find(|line| line.starts_with("model name"))
        .and_then(|line| line.split_once(':'))
        .map_or_else(|| "unknown".to_owned(), |(_, name)| name.trim().to_owned())
}
