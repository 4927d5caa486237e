//! The figures as a picture.

use std::fmt::Write as _;

use crate::stampede::{Outcome, TICK};

const COLORS: [&str; 4] = ["#b3341f", "#c98a1b", "#5b7f2b", "#1f5fb3"];
/// Size of one diagram and its distance from the left, in pixels.
const WIDTH: f64 = 760.0;
const HEIGHT: f64 = 220.0;
const LEFT: f64 = 70.0;
/// Seconds that are shown.
const SHOWN: u32 = 60;

/// Two diagrams, one above the other: requests in each tick, and nodes that are answered.
pub fn svg(outcomes: &[(&str, Outcome)]) -> String {
    let mut text = String::from(
        r##"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 860 620" font-family="sans-serif" font-size="13">
<rect width="860" height="620" fill="white"/>
"##,
    );
    diagram(
        &mut text,
        40.0,
        "requests in 100 ms (10000 nodes boot at once; the server answers 50 in 100 ms)",
        outcomes.iter().map(|(_, outcome)| &outcome.asked),
    );
    diagram(
        &mut text,
        340.0,
        "nodes answered",
        outcomes.iter().map(|(_, outcome)| &outcome.served),
    );
    for (index, (name, _)) in outcomes.iter().enumerate() {
        let x = LEFT + 180.0 * f64::from(u32::try_from(index).unwrap_or(0));
        let color = COLORS[index % COLORS.len()];
        // Writing to a String cannot fail, here and below.
        let _ = writeln!(
            text,
            r#"<rect x="{x}" y="596" width="14" height="4" fill="{color}"/><text x="{}" y="602">{name}</text>"#,
            x + 20.0
        );
    }
    text.push_str("</svg>\n");
    text
}

/// One diagram with seconds to the right and a logarithmic count upwards.
fn diagram<'a>(
    text: &mut String,
    top: f64,
    title: &str,
    series: impl Iterator<Item = &'a Vec<u32>>,
) {
    let y = |count: u32| top + HEIGHT * (1.0 - f64::from(count.max(1)).log10() / 4.0);
    let x = |seconds: f64| LEFT + WIDTH * seconds / f64::from(SHOWN);
    let _ = writeln!(
        text,
        r#"<text x="{LEFT}" y="{}">{title}</text>"#,
        top - 12.0
    );
    for count in [1, 10, 100, 1000, 10_000] {
        let y = y(count);
        let _ = writeln!(
            text,
            r##"<path d="M{LEFT} {y}h{WIDTH}" stroke="#ddd"/><text x="{}" y="{}" text-anchor="end">{count}</text>"##,
            LEFT - 6.0,
            y + 4.0
        );
    }
    for seconds in (0..=SHOWN).step_by(10) {
        let _ = writeln!(
            text,
            r#"<text x="{}" y="{}" text-anchor="middle">{seconds} s</text>"#,
            x(f64::from(seconds)),
            top + HEIGHT + 18.0
        );
    }
    for (index, counts) in series.enumerate() {
        let color = COLORS[index % COLORS.len()];
        let mut path = String::new();
        for (tick, count) in (0..SHOWN * 1000 / u32::try_from(TICK).unwrap_or(1)).zip(counts) {
            let seconds = f64::from(tick) * TICK as f64 / 1000.0;
            let letter = if path.is_empty() { 'M' } else { 'L' };
            let _ = write!(path, "{letter}{:.1} {:.1}", x(seconds), y(*count));
        }
        let _ = writeln!(
            text,
            r#"<path d="{path}" fill="none" stroke="{color}" stroke-width="1.2"/>"#
        );
    }
}
