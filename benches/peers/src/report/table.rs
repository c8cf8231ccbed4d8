//! Tables of medians in Markdown.

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
    section("Of that in user space, µs", &ratios, |sample| sample.cpu_us - sample.kernel_us);
    section("Requests per second", &ratios, |sample| sample.requests_per_second);
    section("Latency, p50, µs", &ratios, |sample| sample.p50_us);
    section("Latency, p99, µs", &ratios, |sample| sample.p99_us);
    section("Peak memory, MiB", &ratios, |sample| sample.peak_kib / 1024.0);
    section("CPU of the load per request, µs", &[], |sample| sample.load_cpu_us);
    section("Share of the two cores that went elsewhere, %", &[], |sample| sample.others_percent);
    section("Between the two cores and back, ns", &[], |sample| sample.round_trip_ns);
    out
}

/// The servers, the same in every row.
pub(super) fn names(rows: &[Row]) -> Vec<&'static str> {
    rows.first().map(|row| row.servers.iter().map(|server| server.server).collect()).unwrap_or_default()
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
        line(out, row, ratios, value);
    }
}

fn line(out: &mut String, row: &Row, ratios: &[Ratio], value: fn(&Sample) -> f64) {
    write!(out, "| {} | {} |", row.workload, row.connections).expect(WRITE);
    for server in &row.servers {
        write!(out, " {} |", figure(value(&server.median))).expect(WRITE);
    }
    for &pair in ratios {
        write!(out, " {:.2} |", ratio(row, pair, value)).expect(WRITE);
    }
    out.push('\n');
}

/// Every server against the references that come before it.
pub(super) fn ratios<'a>(names: &[&'a str]) -> Vec<Ratio<'a>> {
    let of = |&name| {
        let before = REFERENCES.into_iter().take_while(move |&reference| reference != name);
        before.filter(|reference| names.contains(reference)).map(move |reference| (name, reference))
    };
    names.iter().flat_map(of).collect()
}

/// One ratio of a row's medians.
pub(super) fn ratio(row: &Row, (name, reference): Ratio, value: fn(&Sample) -> f64) -> f64 {
    let of = |name| {
        let server = row.servers.iter().find(|server| server.server == name);
        server.map_or(f64::NAN, |server| value(&server.median))
    };
    of(name) / of(reference)
}

/// Three digits, which is what the measurements can tell.
pub(super) fn figure(value: f64) -> String {
    match value {
        value if value >= 100.0 => format!("{value:.0}"),
        value if value >= 10.0 => format!("{value:.1}"),
        value => format!("{value:.2}"),
    }
}

const WRITE: &str = "a string takes all";
