//! The width and the colours of the chart.

pub(super) const WIDTH: f64 = 760.0;

/// One colour for each server, visible on white and on black.
const COLOURS: [&str; 6] = ["#8b93a1", "#d9822b", "#2f81f7", "#2da44e", "#a371f7", "#d1508f"];

pub(super) fn colour(server: usize) -> &'static str {
    COLOURS[server % COLOURS.len()]
}
