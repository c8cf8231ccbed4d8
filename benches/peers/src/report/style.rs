//! What chart and panels share: a width, and a colour for each server.

pub(super) const WIDTH: f64 = 760.0;

/// Colours that stand out on white and on black alike, one for each server.
const COLOURS: [&str; 6] = ["#8b93a1", "#d9822b", "#2f81f7", "#2da44e", "#a371f7", "#d1508f"];

pub(super) fn colour(server: usize) -> &'static str {
    COLOURS[server % COLOURS.len()]
}
