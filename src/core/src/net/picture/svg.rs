//! The picture as a drawing: three columns, and a line from each group of rules to its table.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::{List, Mark, Picture, Table, words};
use crate::picture::clip;
use crate::picture::drawing::{self, BOLD, CHARACTER, LINE, ON_PATTERN, PLAIN, rect, safe, text};

const WIDTH: u64 = 1400;
const MARGIN: u64 = 20;
/// Where each column begins, and how wide it is. Between the second and the third are the lines.
const INTERFACES: (u64, u64) = (MARGIN, 370);
const RULES: (u64, u64) = (420, 320);
const TABLES: (u64, u64) = (840, 540);
/// Distance of boxes, and of what is in them from their edges.
const GAP: u64 = 14;
const INSET: u64 = 10;
/// Height of a box' heading.
const HEADING: u64 = 26;

/// Renders a picture as an SVG document with a title. The same picture gives the same bytes.
pub fn svg(picture: &Picture, title: &str) -> String {
    let mut body = String::new();
    let full = columns_in(WIDTH - 2 * MARGIN) * 12 / 14;
    text(
        &mut body,
        MARGIN,
        MARGIN + 12,
        BOLD,
        &clip(&safe(title), full),
    );
    let mut y = MARGIN + 26;
    for (at, mark) in (0..).zip(Mark::ALL) {
        let x = MARGIN + at * 200;
        swatch(&mut body, x, y, mark);
        text(&mut body, x + 28, y + 10, PLAIN, mark.words());
    }
    y += 46;
    for ((x, _), words) in [
        (INTERFACES, "Interfaces"),
        (RULES, "Rules, as they are asked"),
        (TABLES, "Tables"),
    ] {
        text(&mut body, x, y, BOLD, words);
    }
    let top = y + 12;

    let mut below = top;
    for interface in &picture.interfaces {
        let heading = (interface.name.as_str(), interface.about.as_str());
        below = draw(&mut body, INTERFACES, below, heading, &interface.addresses) + GAP;
    }
    let mut bottom = left_out(
        &mut body,
        INTERFACES.0,
        below,
        picture.more_interfaces,
        "interfaces",
    );

    // Lines lie below boxes.
    let mut boxes = String::new();
    let mut at_table: BTreeMap<u32, u64> = BTreeMap::new();
    below = top;
    for table in &picture.tables {
        at_table.insert(table.number, below + HEADING / 2);
        let about = about(table, picture);
        let name = words::table_name(table.number);
        below = draw(&mut boxes, TABLES, below, (&name, &about), &table.routes) + GAP;
    }
    bottom = bottom.max(left_out(
        &mut boxes,
        TABLES.0,
        below,
        picture.more_tables,
        "tables",
    ));

    below = top;
    let mut arrivals: BTreeMap<u32, u64> = BTreeMap::new();
    for group in &picture.groups {
        let table = group.table.map(words::table_name);
        let known = group
            .table
            .and_then(|table| Some((table, *at_table.get(&table)?)));
        let leads = match (&table, known) {
            (Some(table), Some(_)) => format!("→ {table}"),
            (Some(table), None) => format!("→ {table}, which is empty"),
            (None, _) => "leads to no table".into(),
        };
        let heading = (group.priority.to_string(), leads);
        if let Some((table, to)) = known {
            // Those that come to one table arrive beside each other.
            let arrival = arrivals.entry(table).or_default();
            let to = to + (*arrival).min(HEADING);
            *arrival += 4;
            line(&mut body, below + HEADING / 2, to, &group.rules);
        }
        below = draw(
            &mut boxes,
            RULES,
            below,
            (&heading.0, &heading.1),
            &group.rules,
        ) + GAP;
    }
    bottom = bottom.max(left_out(
        &mut boxes,
        RULES.0,
        below,
        picture.more_groups,
        "groups of rules",
    ));
    body.push_str(&boxes);

    if !picture.not_done.lines.is_empty() {
        bottom += 2 * GAP;
        text(&mut body, MARGIN, bottom, BOLD, "Wanted and not done");
        for line in picture.not_done.lines.iter().map(|(_, line)| line) {
            bottom += LINE;
            text(
                &mut body,
                MARGIN,
                bottom,
                PLAIN,
                &clip(&safe(&format!("! {line}")), full),
            );
        }
        let left: usize = picture.not_done.more.values().sum();
        if left > 0 {
            bottom += LINE;
            text(
                &mut body,
                MARGIN,
                bottom,
                PLAIN,
                &format!("and {left} more"),
            );
        }
    }
    let size = (WIDTH, bottom + MARGIN);
    drawing::document("A network, drawn by pilotlight", size, DEFINITIONS, &body)
}

/// A fill for each mark but that of others, and the end of a line.
const DEFINITIONS: &str = "\
<pattern id=\"removed\" width=\"8\" height=\"8\" patternUnits=\"userSpaceOnUse\" patternTransform=\"rotate(45)\">\
<rect width=\"8\" height=\"8\" fill=\"#fbe3d3\"/><rect width=\"3\" height=\"8\" fill=\"#d55e00\"/></pattern>
<pattern id=\"missing\" width=\"8\" height=\"8\" patternUnits=\"userSpaceOnUse\">\
<rect width=\"8\" height=\"8\" fill=\"#c5ebdd\"/><circle cx=\"4\" cy=\"4\" r=\"1.4\" fill=\"#009e73\"/></pattern>
<marker id=\"end\" markerWidth=\"8\" markerHeight=\"8\" refX=\"7\" refY=\"4\" orient=\"auto\" \
markerUnits=\"userSpaceOnUse\"><path d=\"M0 0 L8 4 L0 8 z\" fill=\"#3a3a3a\"/></marker>
";

/// The inside and the edge of a mark's swatch, its sign, and its line.
fn look(mark: Mark) -> (&'static str, &'static str, &'static str) {
    match mark {
        Mark::Removed => (
            "fill=\"url(#removed)\" stroke=\"#a04600\"",
            "-",
            "stroke=\"#a04600\" stroke-width=\"2\" stroke-dasharray=\"2 4\"",
        ),
        Mark::Missing => (
            "fill=\"url(#missing)\" stroke=\"#00664a\"",
            "+",
            "stroke=\"#00664a\" stroke-width=\"2\" stroke-dasharray=\"8 4\"",
        ),
        Mark::Ours => (
            "fill=\"#9ec3e6\" stroke=\"#1f4e79\" stroke-width=\"2\"",
            "=",
            "stroke=\"#1f4e79\" stroke-width=\"2\"",
        ),
        Mark::Foreign => (
            "fill=\"#f2f2f2\" stroke=\"#8a8a8a\"",
            "",
            "stroke=\"#8a8a8a\"",
        ),
    }
}

fn swatch(out: &mut String, x: u64, y: u64, mark: Mark) {
    let (fill, sign, _) = look(mark);
    rect(out, (x, y), (18, 12), fill);
    if !sign.is_empty() {
        let attributes = format!("{ON_PATTERN} font-weight=\"bold\"");
        text(out, x + 5, y + 10, &attributes, sign);
    }
}

/// How many characters have room in a width.
fn columns_in(width: u64) -> usize {
    usize::try_from(width * 10 / CHARACTER).unwrap_or(0)
}

/// Draws a box below `y`; answers where it ends.
fn draw(
    out: &mut String,
    (x, width): (u64, u64),
    y: u64,
    (name, about): (&str, &str),
    list: &List,
) -> u64 {
    let rest = list.rest();
    let count = list.lines.len() + usize::from(rest.is_some());
    let rows = u64::try_from(count).unwrap_or(0);
    let height = HEADING + rows * LINE + if rows > 0 { 6 } else { 0 };
    rect(
        out,
        (x, y),
        (width, height),
        "fill=\"#ffffff\" stroke=\"#3a3a3a\"",
    );
    rect(
        out,
        (x, y),
        (width, HEADING),
        "fill=\"#e4e4e4\" stroke=\"#3a3a3a\"",
    );
    let room = columns_in(width - 2 * INSET);
    let name = clip(&safe(name), room.min(20));
    text(out, x + INSET, y + 17, " font-weight=\"bold\"", &name);
    let used = name.chars().count() + 2;
    let about_x = x + INSET + u64::try_from(used).unwrap_or(0) * CHARACTER / 10;
    text(
        out,
        about_x,
        y + 17,
        PLAIN,
        &clip(&safe(about), room.saturating_sub(used)),
    );
    let room = columns_in(width - 2 * INSET - 26);
    let mut at = y + HEADING + 5;
    for (mark, line) in &list.lines {
        swatch(out, x + INSET, at, *mark);
        let attributes = match mark {
            Mark::Removed => " text-decoration=\"line-through\"",
            _ => PLAIN,
        };
        text(
            out,
            x + INSET + 26,
            at + 10,
            attributes,
            &clip(&safe(line), room),
        );
        at += LINE;
    }
    if let Some(rest) = rest {
        text(out, x + INSET + 26, at + 10, PLAIN, &clip(&rest, room));
    }
    y + height
}

/// Says that there are more boxes; answers where the column ends.
fn left_out(out: &mut String, x: u64, y: u64, count: usize, what: &str) -> u64 {
    if count == 0 {
        return y;
    }
    text(out, x, y + 12, PLAIN, &format!("and {count} more {what}"));
    y + 2 * GAP
}

fn about(table: &Table, picture: &Picture) -> String {
    let mut words = Vec::new();
    let mut groups = picture.groups.iter();
    let is_asked = groups.any(|group| group.table == Some(table.number));
    // Of rules that are left out nothing is said.
    if !is_asked && picture.more_groups == 0 {
        words.push("no rule leads here".to_string());
    }
    if table.of_kernel > 0 {
        words.push(format!(
            "and {} of the kernel's own, for addresses",
            table.of_kernel
        ));
    }
    words.join(", ")
}

/// A line from a group of rules to a table.
fn line(out: &mut String, from: u64, to: u64, rules: &List) {
    // Mixed ones stay, whatever comes or goes.
    let mark = rules.only_mark().unwrap_or(Mark::Ours);
    let (_, _, stroke) = look(mark);
    let (left, right) = (RULES.0 + RULES.1, TABLES.0);
    let middle = left.midpoint(right);
    let _ = writeln!(
        out,
        "<path d=\"M{left} {from} C{middle} {from} {middle} {to} {right} {to}\" fill=\"none\" {stroke} \
         marker-end=\"url(#end)\"/>"
    );
}
