//! The README's table: CPU per request, all and in user space.

use std::{fmt::Write as _, fs, io, path::Path};

use super::table::{self, WRITE, connections, figure, ratio};
use crate::{
    compare::{Row, median},
    profile,
};

/// The server that the others are compared with.
const REFERENCE: &str = "limit";

/// Returns the table with its caption.
pub(super) fn table(profile: &str, machine: &str, rounds: usize, rows: &[Row]) -> String {
    let profile = profile::describe(profile);
    let mut out = format!(
        "CPU time per request in µs, total / in user space, and as a multiple of the first server's.\n\
         Build: {profile}. Processor: {machine}. Medians of {rounds} rounds.\n"
    );
    if let Some(error) = user_error_percent(rows) {
        writeln!(out, "Typical standard error of the times in user space: {error:.0} %.").expect(WRITE);
    }
    out.push_str("\n| request | connections |");
    let names = table::names(rows);
    for name in &names {
        write!(out, " {} |", title(name)).expect(WRITE);
    }
    writeln!(out, "\n|---|--:|{}", "--:|".repeat(names.len())).expect(WRITE);
    for row in rows {
        write!(out, "| {} | {} |", row.workload, connections(row)).expect(WRITE);
        for name in &names {
            write!(out, " {} |", cell(row, name)).expect(WRITE);
        }
        out.push('\n');
    }
    out
}

/// Returns a server's name for readers who do not know those of the command line.
fn title(name: &str) -> &str {
    match name {
        "limit" => "by hand",
        "two-pass" => "by hand, in two passes",
        "ours" => "this crate",
        other => other,
    }
}

fn cell(row: &Row, name: &str) -> String {
    let Some(server) = row.server(name) else {
        return String::new();
    };
    let times = format!("{} / {}", figure(server.median.cpu_us), figure(server.median.user_us));
    let all = ratio(row, (name, REFERENCE), |sample| sample.cpu_us);
    let user = ratio(row, (name, REFERENCE), |sample| sample.user_us);
    match all.zip(user) {
        Some((all, user)) if name != REFERENCE => format!("{times} ({all:.2} × / {user:.2} ×)"),
        _ => times,
    }
}

/// Returns the typical standard error of user time. There is none after a single round.
fn user_error_percent(rows: &[Row]) -> Option<f64> {
    let servers = rows.iter().flat_map(|row| &row.servers);
    let errors: Vec<f64> =
        servers.filter_map(|server| Some(server.user_error_us? / server.median.user_us * 100.0)).collect();
    (!errors.is_empty()).then(|| median(errors))
}

/// Replaces the table between the comments for this profile. Writes nothing if the README has
/// none, as for debug builds.
pub(super) fn write(path: &Path, profile: &str, table: &str) -> io::Result<()> {
    let text = fs::read_to_string(path)?;
    match replace(&text, profile, table) {
        Some(text) => fs::write(path, text),
        None => Ok(()),
    }
}

fn replace(text: &str, profile: &str, table: &str) -> Option<String> {
    let begin = format!("<!-- results of {profile} -->\n");
    let (before, rest) = text.split_once(&begin)?;
    let (_, after) = rest.split_once("<!-- end -->")?;
    Some(format!("{before}{begin}{table}<!-- end -->{after}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_replaces_the_last_one_of_its_profile() {
        let text = "a\n<!-- results of release -->\nold\n<!-- end -->\nb\n<!-- results of other -->\nkept\n<!-- end -->\n";
        let replaced = replace(text, "release", "new\n").expect("the profile has a table");
        assert_eq!(replaced, text.replace("old", "new"));
        assert_eq!(replace(text, "debug", "new\n"), None);
    }

    #[test]
    fn the_readme_has_a_place_for_either_build() {
        let text = include_str!("../../README.md");
        for profile in ["release", "default-release"] {
            assert!(replace(text, profile, "").is_some(), "{profile}");
        }
    }
}
