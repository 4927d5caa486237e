//! What the drawings have in common: SVG 1.1 with no script, no style sheet, nothing from elsewhere.
//!
//! Colours are Okabe and Ito's, which are told apart with any colour vision, and never the only difference. The
//! background is drawn, so that the page around it may be dark.

use std::fmt::Write as _;

use crate::diag::on_one_line;

/// All lengths are in user units, which are pixels where nothing scales the drawing. This is the distance of lines.
pub(crate) const LINE: u64 = 18;
/// Width of a character in tenths, in the size and the kind of font that is asked for.
pub(crate) const CHARACTER: u64 = 73;

/// A document of this title and size. `definitions` are its patterns.
pub(crate) fn document(
    title: &str,
    (width, height): (u64, u64),
    definitions: &str,
    body: &str,
) -> String {
    let title = xml(title);
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
         <svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" \
         viewBox=\"0 0 {width} {height}\" font-family=\"DejaVu Sans Mono, Menlo, Consolas, monospace\" \
         font-size=\"12\" fill=\"#1a1a1a\">\n\
         <title>{title}</title>\n\
         <defs>\n{definitions}</defs>\n\
         <rect width=\"{width}\" height=\"{height}\" fill=\"#ffffff\"/>\n\
         {body}</svg>\n"
    )
}

pub(crate) const PLAIN: &str = "";
pub(crate) const BOLD: &str = " font-weight=\"bold\" font-size=\"14\"";
/// Text on a pattern is read through a margin of its own.
pub(crate) const ON_PATTERN: &str =
    " stroke=\"#ffffff\" stroke-width=\"4\" stroke-linejoin=\"round\" paint-order=\"stroke\"";

/// Draws a line of text.
pub(crate) fn text(out: &mut String, x: u64, y: u64, attributes: &str, words: &str) {
    let words = xml(words);
    // Writing to a String cannot fail, here and below.
    let _ = writeln!(
        out,
        "<text x=\"{x}\" y=\"{y}\"{attributes} xml:space=\"preserve\">{words}</text>"
    );
}

/// Draws a rectangle; `fill` is the attributes of its inside and its edge.
pub(crate) fn rect(out: &mut String, (x, y): (u64, u64), (width, height): (u64, u64), fill: &str) {
    let _ = writeln!(
        out,
        "<rect x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\" {fill}/>"
    );
}

/// Text whose characters may all stand in XML 1.0: control characters may not, nor may two others.
pub(crate) fn safe(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in on_one_line(text).chars() {
        match c {
            '\u{fffe}' | '\u{ffff}' => out.extend(c.escape_unicode()),
            other => out.push(other),
        }
    }
    out
}

/// The same with what XML takes for markup replaced.
pub(crate) fn xml(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in safe(text).chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            other => out.push(other),
        }
    }
    out
}
