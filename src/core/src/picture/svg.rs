//! The picture as a drawing.
//!
//! Every device has a bar as it is and one as it will be, to one scale, and what the bars consist of in
//! words below. Fates differ in colour and in pattern.

use std::fmt::Write as _;

use super::drawing::{self, BOLD, CHARACTER, LINE, ON_PATTERN, PLAIN, safe, text, xml};
use super::scale::Scale;
use super::{Data, Device, Fate, Mark, Picture, Segment, Side, When, clip};
use crate::op::human;

/// All lengths are in user units, which are pixels where nothing scales the drawing.
const WIDTH: u64 = 1100;
const MARGIN: u64 = 20;
/// Where bars begin, behind the words "before" and "after".
const BAR_X: u64 = 100;
const BAR_WIDTH: u64 = WIDTH - MARGIN - BAR_X;
const BAR_HEIGHT: u64 = 46;
/// The least width of a segment: two digits fit in.
const LEAST: u64 = 28;
/// Most columns of a line that spans the drawing, and of a line of half its width.
const FULL: usize = 142;
const HALF: usize = 69;

/// Renders a picture as an SVG document. The same picture gives the same bytes.
pub fn svg(picture: &Picture) -> String {
    let mut body = String::new();
    let mut y = MARGIN + 12;
    text(&mut body, MARGIN, y, BOLD, "Disks before and after");
    y += 12;
    legend(&mut body, y);
    y += 2 * LINE + 10;
    if picture.is_empty() {
        y += 20;
        text(
            &mut body,
            MARGIN,
            y,
            PLAIN,
            "The config names none of the disks.",
        );
    }
    for device in picture.devices() {
        y = draw(&mut body, device, y + 24);
    }
    let height = y + MARGIN;
    drawing::document(
        "Disks before and after, drawn by pilotlight",
        (WIDTH, height),
        PATTERNS,
        &body,
    )
}

/// One fill for each mark, and the hatching of what a partition that shrinks loses.
const PATTERNS: &str = "\
<pattern id=\"lost\" width=\"8\" height=\"8\" patternUnits=\"userSpaceOnUse\" patternTransform=\"rotate(45)\">\
<rect width=\"8\" height=\"8\" fill=\"#fbe3d3\"/><rect width=\"3\" height=\"8\" fill=\"#d55e00\"/></pattern>
<pattern id=\"new\" width=\"8\" height=\"8\" patternUnits=\"userSpaceOnUse\">\
<rect width=\"8\" height=\"8\" fill=\"#c5ebdd\"/><circle cx=\"4\" cy=\"4\" r=\"1.4\" fill=\"#009e73\"/></pattern>
<pattern id=\"changed\" width=\"8\" height=\"8\" patternUnits=\"userSpaceOnUse\">\
<rect width=\"8\" height=\"8\" fill=\"#fdf3c0\"/><rect width=\"8\" height=\"1.5\" fill=\"#e69f00\"/></pattern>
";

fn fill(mark: Mark) -> &'static str {
    match mark {
        Mark::Lost => "fill=\"url(#lost)\" stroke=\"#a04600\"",
        Mark::New => "fill=\"url(#new)\" stroke=\"#00664a\"",
        Mark::Changed => "fill=\"url(#changed)\" stroke=\"#8f6400\"",
        Mark::Kept => "fill=\"#cfdded\" stroke=\"#3d5a80\"",
        Mark::Free => "fill=\"#ffffff\" stroke=\"#8a8a8a\" stroke-dasharray=\"4 3\"",
    }
}

fn rect(out: &mut String, at: (u64, u64), size: (u64, u64), mark: Mark) {
    drawing::rect(out, at, size, fill(mark));
}

fn legend(out: &mut String, y: u64) {
    for (at, mark) in (0..).zip(Mark::ALL) {
        let x = MARGIN + at * 160;
        rect(out, (x, y), (20, 12), mark);
        text(out, x + 28, y + 10, PLAIN, mark.words());
    }
    let scale =
        "Widths are in proportion to sizes, but what would be too small to be seen is drawn wider.";
    text(out, MARGIN, y + 10 + LINE, PLAIN, scale);
}

/// Draws a device below `y` and answers where it ends.
fn draw(out: &mut String, device: &Device, y: u64) -> u64 {
    let sides = device.sides();
    let edges: Vec<(u64, u64)> = (sides.iter())
        .flat_map(|(_, side)| &side.segments)
        .map(edges)
        .collect();
    let scale = Scale::new(&edges, BAR_WIDTH, LEAST);
    text(
        out,
        MARGIN,
        y,
        BOLD,
        &clip(&safe(&device.title()), FULL * 12 / 14),
    );
    let mut y = y + 10;
    for (when, side) in &sides {
        if !side.table.is_empty() {
            let table = clip(&safe(&side.table), FULL - 12);
            text(out, BAR_X, y + 8, PLAIN, &table);
            y += 14;
        }
        text(out, MARGIN, y + BAR_HEIGHT / 2 + 4, PLAIN, when.words());
        bar(out, &scale, (device, side, *when), y);
        y += BAR_HEIGHT + 10;
    }
    // A volume is one segment, in which all that there is to say has room.
    if device.made_of.is_some() {
        return y;
    }
    y += 4;
    let mut longest = 0;
    for (column, (when, side)) in (0..).zip(&sides) {
        let x = MARGIN + column * (WIDTH / 2 - MARGIN / 2);
        for (row, segment) in (0..).zip(&side.segments) {
            let top = y + row * LINE;
            rect(out, (x, top), (16, 12), segment.mark(*when));
            text(
                out,
                x + 24,
                top + 10,
                PLAIN,
                &clip(&described(segment), HALF),
            );
            longest = longest.max(row + 1);
        }
    }
    y + longest * LINE
}

/// A device whose size is not known has a width all the same.
fn edges(segment: &Segment) -> (u64, u64) {
    (
        segment.start,
        segment.end().max(segment.start.saturating_add(1)),
    )
}

/// A line of the list below the bars.
fn described(segment: &Segment) -> String {
    let number = segment.number.map(|n| n.to_string()).unwrap_or_default();
    let size = match segment.size {
        0 => "-".to_string(),
        size => human(size),
    };
    let label = clip(&safe(&segment.label), 14);
    let content = clip(&safe(&segment.content.words()), 18);
    format!(
        "{number:>2} {label:<14} {size:>10} {content:<18} {}",
        segment.what()
    )
}

fn bar(out: &mut String, scale: &Scale, (device, side, when): (&Device, &Side, When), y: u64) {
    for segment in &side.segments {
        let (from, to) = edges(segment);
        let x = BAR_X + scale.at(from);
        let width = scale.at(to).saturating_sub(scale.at(from)).max(2);
        let _ = writeln!(out, "<g>\n<title>{}</title>", xml(&tooltip(segment)));
        // Of a partition that shrinks only the tail is lost. Where that begins is an edge of the other side.
        match tail(segment, device, when) {
            Some(end) => {
                let kept = scale.at(end).saturating_sub(scale.at(from)).min(width);
                rect(out, (x, y), (kept, BAR_HEIGHT), Mark::Changed);
                rect(out, (x + kept, y), (width - kept, BAR_HEIGHT), Mark::Lost);
            }
            None => rect(out, (x, y), (width, BAR_HEIGHT), segment.mark(when)),
        }
        let shown = usize::try_from(width.saturating_sub(8) * 10 / CHARACTER).unwrap_or(0);
        let lines = words(segment, shown);
        for (line, words) in (0..).zip(lines.iter().filter(|words| !words.is_empty())) {
            text(out, x + 5, y + 19 + line * 16, ON_PATTERN, words);
        }
        out.push_str("</g>\n");
    }
}

/// Where the part of a segment begins that is cut off.
fn tail(segment: &Segment, device: &Device, when: When) -> Option<u64> {
    if when != When::Before || segment.data != Data::Cut {
        return None;
    }
    let mut later = device.after.segments.iter();
    later
        .find(|later| later.number == segment.number)
        .map(Segment::end)
}

/// What is written into a segment that has room for so many characters in a line.
fn words(segment: &Segment, shown: usize) -> [String; 2] {
    let number = segment.number.map(|n| n.to_string()).unwrap_or_default();
    let label = safe(&segment.label);
    let content = safe(&segment.content.words());
    // A few letters of a word say nothing.
    if shown < 6 {
        return [clip(&number, shown), String::new()];
    }
    let name = format!("{number} {label}");
    let size = match segment.size {
        0 => segment.what(),
        size => human(size),
    };
    match segment.number {
        Some(_) => [
            clip(&name, shown),
            clip(&format!("{size} {content}"), shown),
        ],
        None => [clip(&content, shown), clip(&size, shown)],
    }
}

/// All that is known of a segment.
fn tooltip(segment: &Segment) -> String {
    let mut out = match segment.number {
        Some(number) => format!("partition {number} {:?}: ", segment.label),
        None => String::new(),
    };
    out.push_str(&segment.content.words());
    if segment.size > 0 {
        let (size, start) = (human(segment.size), human(segment.start));
        out.push_str(&format!(", {size} from {start}"));
    }
    if let Some(used) = &segment.used {
        out.push_str(&format!(", {used}"));
    }
    let what = segment.what();
    if !what.is_empty() {
        out.push_str(&format!("; {what}"));
    }
    if (segment.fate, segment.data) == (Fate::Shrunk, Data::Cut) {
        out.push_str(": what lies behind the new end is lost");
    }
    out
}
