//! Writes tables of medians in Markdown.

use std::fmt::Write as _;

use super::REFERENCES;
use crate::{cell::Sample, compare::Row};

/// A server and the reference it is compared with.
pub(super) type Ratio<'a> = (&'a str, &'a str);

pub(super) fn all(rows: &[Row]) -> String {
    let ratios = ratios(&names(rows));
    let mut out = String::new();
    let mut section = |title, ratios: &[Ratio], value| section(&mut out, rows, title, ratios, value);
    section("CPU per request, µs", &ratios, |sample| sample.cpu_us);
    section("Of that in user space, µs", &ratios, |sample| sample.user_us);
    section("Requests per second", &ratios, |sample| sample.requests_per_second);
    section("Latency, p50, µs", &ratios, |sample| sample.p50_us);
    section("Latency, p99, µs", &ratios, |sample| sample.p99_us);
    section("Peak memory, MiB", &ratios, |sample| sample.peak_kib / 1024.0);
    section("CPU of the load per request, µs", &[], |sample| sample.load_cpu_us);
    section("Share of the two cores used by others, %", &[], |sample| sample.others_percent);
    section("Round trip between the two cores, ns", &[], |sample| sample.round_trip_ns);
    out
}

/// Returns the servers of all rows.
pub(super) fn names(rows: &[Row]) -> Vec<&'static str> {
    let mut names = Vec::new();
    for server in rows.iter().flat_map(|row| &row.servers) {
        if !names.contains(&server.server) {
            names.push(server.server);
        }
    }
    names
}

fn section(out: &mut String, rows: &[Row], title: &str, ratios: &[Ratio], value: fn(&Sample) -> f64) {
    let names = names(rows);
    write!(out, "\n### {title}\n\n| workload | connections |").expect(WRITE);
    for name in &names {
        write!(out, " {name} |").expect(WRITE);
    }
    for (name, reference) in ratios {
        write!(out, " {name} / {reference} |").expect(WRITE);
    }
    let columns = names.len() + ratios.len();
    writeln!(out, "\n|---|--:|{}", "--:|".repeat(columns)).expect(WRITE);
    for row in rows {
        write!(out, "| {} | {} |", row.workload, connections(row)).expect(WRITE);
        for name in &names {
            let shown = row.server(name).map(|server| figure(value(&server.median)));
            write!(out, " {} |", shown.unwrap_or_default()).expect(WRITE);
        }
        for &pair in ratios {
            let shown = ratio(row, pair, value).map(|ratio| format!("{ratio:.2}"));
            write!(out, " {} |", shown.unwrap_or_default()).expect(WRITE);
        }
        out.push('\n');
    }
}

/// Returns the number of connections, and of streams if there are several on each.
pub(super) fn connections(row: &Row) -> String {
    match row.streams {
        1 => row.connections.to_string(),
        streams => format!("{} × {streams}", row.connections),
    }
}

/// Returns a pair for each server and each reference before it.
pub(super) fn ratios<'a>(names: &[&'a str]) -> Vec<Ratio<'a>> {
    let of = |&name| {
        let before = REFERENCES.into_iter().take_while(move |&reference| reference != name);
        before.filter(|reference| names.contains(reference)).map(move |reference| (name, reference))
    };
    names.iter().flat_map(of).collect()
}

/// Returns the ratio of two medians of a row, or `None` if a server is missing.
pub(super) fn ratio(row: &Row, (name, reference): Ratio, value: fn(&Sample) -> f64) -> Option<f64> {
    let of = |name| row.server(name).map(|server| value(&server.median));
    Some(of(name)? / of(reference)?)
}

/// Formats a number with three digits, which is the precision of the measurements.
pub(super) fn figure(value: f64) -> String {
    match value {
        value if value >= 100.0 => format!("{value:.0}"),
        value if value >= 10.0 => format!("{value:.1}"),
        value => format!("{value:.2}"),
    }
}

pub(super) const WRITE: &str = "writing to a string cannot fail";
