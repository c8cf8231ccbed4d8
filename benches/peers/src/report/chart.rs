//! The chart: bars of CPU time per request, with one panel for each group of workloads.

use std::fmt::Write as _;

use super::{
    panel::{self, Panel},
    style::{WIDTH, colour},
    table,
};
use crate::compare::Row;

/// The text colour is readable on both backgrounds, for viewers that ignore the media query.
const STYLE: &str = "text{font:12px system-ui,sans-serif;fill:#767c85}\
.title{font-weight:600;font-size:13px}\
.axis{stroke:#767c85;stroke-width:1}\
@media(prefers-color-scheme:light){text{fill:#1f2328}}\
@media(prefers-color-scheme:dark){text{fill:#e6edf3}}";

pub(super) fn draw(profile: &str, rows: &[Row]) -> String {
    let mut body = legend(profile, &table::names(rows));
    let mut top = 64.0;
    for panel in panels(rows) {
        body.push_str(&panel.draw(top));
        top += panel.height() + 18.0;
    }
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH}\" height=\"{top}\" \
         viewBox=\"0 0 {WIDTH} {top}\" role=\"img\" aria-label=\"CPU per request of MCP servers\">\n\
         <style>{STYLE}</style>\n{body}</svg>\n"
    )
}

/// Consecutive rows of one group.
fn panels(rows: &[Row]) -> Vec<Panel<'_>> {
    rows.chunk_by(|a, b| a.group == b.group).map(|rows| Panel { title: rows[0].group, rows }).collect()
}

fn legend(profile: &str, names: &[&str]) -> String {
    let mut out = format!(
        "<text class=\"title\" x=\"{}\" y=\"20\">CPU per request, µs (less is better; each panel has its own scale; » marks a truncated bar)</text>\n",
        panel::LEFT_EDGE
    );
    let mut left = panel::LEFT_EDGE;
    for (index, name) in names.iter().enumerate() {
        writeln!(
            out,
            "<rect x=\"{left}\" y=\"32\" width=\"12\" height=\"12\" rx=\"2\" fill=\"{}\"/>\
             <text x=\"{}\" y=\"42\">{name}</text>",
            colour(index),
            left + 18.0
        )
        .expect("writing to a string cannot fail");
        left += 100.0;
    }
    writeln!(
        out,
        "<text x=\"{}\" y=\"42\" text-anchor=\"end\">build: {profile}</text>",
        WIDTH - panel::LEFT_EDGE
    )
    .expect("writing to a string cannot fail");
    out
}
