//! A panel of the chart: a block of bars for each of its rows.

use std::fmt::Write as _;

use super::{
    style::{WIDTH, colour},
    table::figure,
};
use crate::compare::Row;

pub(super) const LEFT_EDGE: f64 = 8.0;
/// Where the bars start. The names of the rows are to the left of it.
const AXIS: f64 = 230.0;
/// The width of the number after the longest bar.
const FIGURE: f64 = 60.0;
const TITLE: f64 = 24.0;
const BAR: f64 = 14.0;
const GAP: f64 = 8.0;
/// The maximum length of a bar, as a multiple of the shortest.
const FAR: f64 = 40.0;

pub(super) struct Panel<'a> {
    pub(super) title: &'static str,
    pub(super) rows: &'a [Row],
}

impl Panel<'_> {
    pub(super) fn height(&self) -> f64 {
        TITLE + self.rows.iter().map(block).sum::<f64>()
    }

    pub(super) fn draw(&self, top: f64) -> String {
        let mut out = format!(
            "<text class=\"title\" x=\"{LEFT_EDGE}\" y=\"{}\">{}</text>\n",
            top + 13.0,
            escape(self.title)
        );
        let scale = (WIDTH - AXIS - FIGURE) / self.longest();
        let mut y = top + TITLE;
        for row in self.rows {
            draw_row(&mut out, row, y, scale);
            y += block(row);
        }
        writeln!(
            out,
            "<line class=\"axis\" x1=\"{AXIS}\" y1=\"{}\" x2=\"{AXIS}\" y2=\"{}\"/>",
            top + TITLE - 4.0,
            y - GAP + 4.0
        )
        .expect(WRITE);
        out
    }

    /// Returns the length of the longest bar. Bars far longer than the others are cut, so that the
    /// others stay visible.
    fn longest(&self) -> f64 {
        let values = || self.rows.iter().flat_map(|row| &row.servers).map(|server| server.median.cpu_us);
        let least = values().fold(f64::INFINITY, f64::min);
        values().filter(|value| *value <= least * FAR).fold(f64::MIN_POSITIVE, f64::max)
    }
}

#[expect(clippy::cast_precision_loss, reason = "a handful of servers")]
fn block(row: &Row) -> f64 {
    row.servers.len() as f64 * BAR + GAP
}

fn draw_row(out: &mut String, row: &Row, top: f64, scale: f64) {
    let connections = match (row.connections, row.streams) {
        (1, 1) => "1 connection".to_owned(),
        (count, 1) => format!("{count} connections"),
        (count, streams) => format!("{count} connections × {streams} streams"),
    };
    let middle = top + (block(row) - GAP) / 2.0;
    writeln!(
        out,
        "<text x=\"{0}\" y=\"{1:.1}\" text-anchor=\"end\">{2}</text>\
         <text x=\"{0}\" y=\"{3:.1}\" text-anchor=\"end\" opacity=\"0.75\">{connections}</text>",
        AXIS - 8.0,
        middle - 2.0,
        escape(&row.workload),
        middle + 12.0
    )
    .expect(WRITE);
    let mut y = top;
    // Only the last servers may be missing in a row, so the others keep their colours.
    for (index, server) in row.servers.iter().enumerate() {
        let value = server.median.cpu_us;
        let whole = value * scale;
        let width = whole.min(WIDTH - AXIS - FIGURE);
        let cut = if whole > width { " »" } else { "" };
        writeln!(
            out,
            "<rect x=\"{AXIS}\" y=\"{:.1}\" width=\"{width:.1}\" height=\"{}\" fill=\"{}\">\
             <title>{}: {} µs</title></rect><text x=\"{:.1}\" y=\"{:.1}\">{}{cut}</text>",
            y + 1.0,
            BAR - 2.0,
            colour(index),
            server.server,
            figure(value),
            AXIS + width + 5.0,
            y + BAR - 3.0,
            figure(value)
        )
        .expect(WRITE);
        y += BAR;
    }
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}

const WRITE: &str = "writing to a string cannot fail";
