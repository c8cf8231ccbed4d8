//! The output of a comparison: tables, a JSON file and a chart.

mod chart;
mod panel;
mod style;
mod table;

use std::{fs, io, path::Path};

use serde_json::{Value, json};

use crate::compare::{Plan, Row};

/// The servers that the others are compared with, if they took part.
const REFERENCES: [&str; 3] = ["limit", "two-pass", "rmcp"];

pub(crate) fn print(rows: &[Row]) {
    print!("{}", table::all(rows));
}

/// Writes `results.json` and `results.svg`.
pub(crate) fn write(directory: &Path, plan: &Plan, rows: &[Row]) -> io::Result<()> {
    let ratios = table::ratios(&table::names(rows));
    let settings = json!({
        "machine": machine(),
        "rounds": plan.rounds,
        "window_ms": plan.conditions.window.as_millis(),
        "warm_up_ms": plan.conditions.warm_up.as_millis(),
        "nearest_ns": plan.conditions.nearest_ns,
    });
    // One line for each row, which is easy to read and to diff.
    let rows_json: Vec<_> = rows.iter().map(|row| with_ratios(row, &ratios).to_string()).collect();
    let text = format!("{{\"settings\":{settings},\"rows\":[\n{}\n]}}\n", rows_json.join(",\n"));
    fs::write(directory.join("results.json"), text)?;
    fs::write(directory.join("results.svg"), chart::draw(rows))
}

fn with_ratios(row: &Row, ratios: &[table::Ratio]) -> Value {
    let mut value = json!(row);
    for &(name, reference) in ratios {
        let ratio = table::ratio(row, (name, reference), |sample| sample.cpu_us);
        value["cpu_ratios"][format!("{name} / {reference}")] = json!((ratio * 100.0).round() / 100.0);
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
