//! The picture as text.

use std::fmt::Write as _;

use super::{Device, Mark, Picture, Segment, Side, When, clip, columns};
use crate::diag::{Style, on_one_line};
use crate::op::human;

/// Longest line, in columns.
const WIDTH: usize = 100;
/// Most columns of a label, and of a content, that are shown.
const LABEL: usize = 18;
const CONTENT: usize = 24;

/// A line of the table, every cell fit to be printed.
struct Row {
    mark: Mark,
    cells: [String; 6],
}

impl Row {
    fn new(segment: &Segment, when: When) -> Self {
        let size = |bytes| match (segment.size, bytes) {
            (0, _) => "-".into(),
            (_, 0) => "0".into(),
            _ => human(bytes),
        };
        let safe = |text: &str, most| clip(&on_one_line(text), most);
        Self {
            mark: segment.mark(when),
            cells: [
                segment.number.map(|n| n.to_string()).unwrap_or_default(),
                safe(&segment.label, LABEL),
                size(segment.start),
                size(segment.size),
                safe(&segment.content.words(), CONTENT),
                segment.what(),
            ],
        }
    }
}

/// Renders a picture for people. Lines that begin with `!` are of data that is destroyed.
pub fn table(picture: &Picture, style: Style) -> String {
    let mut out = String::new();
    for device in picture.devices() {
        let title = wrapped(&on_one_line(&device.title()), 4);
        let (bold, end) = match style {
            Style::Plain => ("", ""),
            Style::Coloured => ("\x1b[1m", "\x1b[0m"),
        };
        // Writing to a String cannot fail.
        let _ = writeln!(out, "{bold}{title}{end}");
        rows(device, style, &mut out);
    }
    out
}

fn rows(device: &Device, style: Style, out: &mut String) {
    let sides: Vec<(When, &Side, Vec<Row>)> = (device.sides().into_iter())
        .map(|(when, side)| {
            let rows = side.segments.iter().map(|segment| Row::new(segment, when));
            (when, side, rows.collect())
        })
        .collect();
    let heads = ["", "label", "start", "size", "content", ""].map(str::to_string);
    let mut widths = heads.each_ref().map(String::len);
    for row in sides.iter().flat_map(|(_, _, rows)| rows) {
        for (width, cell) in widths.iter_mut().zip(&row.cells) {
            *width = (*width).max(columns(cell));
        }
    }
    // A volume has one line on either side, which needs no head.
    if device.made_of.is_none() {
        line(' ', &heads, &widths, "", out);
    }
    for (when, side, rows) in &sides {
        let caption = match side.table.as_str() {
            "" => when.words().to_string(),
            table => format!("{}: {}", when.words(), on_one_line(table)),
        };
        let _ = writeln!(out, "  {}", wrapped(&caption, 6));
        for row in rows {
            let colour = match style {
                Style::Plain => "",
                Style::Coloured => colour(row.mark),
            };
            line(row.mark.sign(), &row.cells, &widths, colour, out);
        }
    }
}

fn colour(mark: Mark) -> &'static str {
    match mark {
        Mark::Lost => "\x1b[1;31m",
        Mark::New => "\x1b[32m",
        Mark::Changed => "\x1b[33m",
        Mark::Free => "\x1b[2m",
        Mark::Kept => "",
    }
}

fn line(sign: char, cells: &[String; 6], widths: &[usize; 6], colour: &str, out: &mut String) {
    let mut text = format!("  {sign}");
    for (at, (cell, width)) in cells.iter().zip(widths).enumerate() {
        let padding = width.saturating_sub(columns(cell));
        // Numbers end below each other, words begin so.
        let (before, after) = match at {
            0 | 2 | 3 => (padding, 0),
            _ => (0, padding),
        };
        let gap = if at == 0 { 1 } else { 2 };
        let _ = write!(text, "{:gap$}{:before$}{cell}{:after$}", "", "", "");
    }
    let end = if colour.is_empty() { "" } else { "\x1b[0m" };
    let _ = writeln!(out, "{colour}{}{end}", text.trim_end());
}

/// Breaks a long line between words; what follows is indented. A word that is too long is left alone.
fn wrapped(text: &str, indent: usize) -> String {
    let mut out = String::new();
    let mut column = 0;
    for word in text.split(' ') {
        let length = columns(word);
        if column > 0 && column + 1 + length + 2 > WIDTH {
            let _ = write!(out, "\n{:indent$}", "");
            column = indent;
        } else if column > 0 {
            out.push(' ');
            column += 1;
        }
        out.push_str(word);
        column += length;
    }
    out
}
