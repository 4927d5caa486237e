//! The timeline of a first boot as a picture: stages one below the other, what took time in them, and the waits between.

use std::fmt::Write as _;

use super::{Kind, Stage, Work, line};
use crate::picture::clip;
use crate::picture::drawing::{BOLD, CHARACTER, LINE, PLAIN, document, rect, text};

/// Widths and margins in pixels.
const MARGIN: u64 = 16;
const NAMES: u64 = 150;
const BARS: u64 = 560;
const WORDS: u64 = 560;
/// Height of a bar within its line.
const BAR: u64 = 12;
/// Most pieces of work that are drawn of a stage: the longest.
const MOST: usize = 12;

/// Okabe and Ito's blue, orange, vermillion; grey for what has not failed and is none of them.
const STAGE: &str = "fill=\"#999999\"";
const OPERATION: &str = "fill=\"#0072b2\"";
const TRANSFER: &str = "fill=\"#e69f00\"";
const FAILED: &str = "fill=\"#d55e00\"";

/// Draws the stages of a boot.
pub fn svg(stages: &[Stage]) -> String {
    let begin = stages
        .iter()
        .map(|stage| stage.begun)
        .fold(f64::INFINITY, f64::min);
    let end = stages
        .iter()
        .map(|stage| stage.begun + stage.seconds)
        .fold(0.0, f64::max);
    let scale = Scale {
        begin: if begin.is_finite() { begin } else { 0.0 },
        end,
    };
    let mut body = String::new();
    let mut y = MARGIN + LINE;
    let whole = (scale.end - scale.begin).max(0.0);
    let title = format!(
        "First boot: {whole:.2} s, from {:.2} s after the kernel's start",
        scale.begin
    );
    text(&mut body, MARGIN, y, BOLD, &title);
    y += LINE * 3 / 2;
    for (fill, words) in [
        (STAGE, "a stage"),
        (OPERATION, "operations"),
        (TRANSFER, "a transfer"),
        (FAILED, "what failed"),
    ] {
        rect(&mut body, (MARGIN, y - BAR), (BAR, BAR), fill);
        text(&mut body, MARGIN + 2 * BAR, y, PLAIN, words);
        y += LINE;
    }
    y += LINE / 2;
    let mut ended: Option<f64> = None;
    for stage in stages {
        if let Some(gap) = ended
            .map(|ended| stage.begun - ended)
            .filter(|gap| *gap >= 0.1)
        {
            let words = format!("{gap:.2} s in which no stage ran: devices, network, other units");
            text(&mut body, MARGIN + NAMES, y, PLAIN, &words);
            y += LINE;
        }
        ended = Some(stage.begun + stage.seconds);
        let (fill, words) = match &stage.error {
            Some(error) => (FAILED, format!("FAILED: {}", first_line(error))),
            None => (
                STAGE,
                format!("{:.2} s, {} operations", stage.seconds, stage.operations),
            ),
        };
        row(
            &mut body,
            y,
            &stage.stage,
            scale.bar(stage.begun, stage.seconds),
            fill,
            &words,
        );
        y += LINE;
        let drawn: Vec<&Work> = longest(stage).collect();
        for work in &drawn {
            let fill = match work.kind {
                Kind::Operation => OPERATION,
                Kind::Transfer => TRANSFER,
            };
            let words = format!("{:.2} s {}", work.seconds, line(work));
            row(
                &mut body,
                y,
                "",
                scale.bar(work.begun, work.seconds),
                fill,
                &words,
            );
            y += LINE;
        }
        let more = stage.work.len() - drawn.len() + stage.left_out;
        if more > 0 {
            let words = format!("and {more} shorter ones");
            text(&mut body, MARGIN + NAMES + BARS + MARGIN, y, PLAIN, &words);
            y += LINE;
        }
    }
    let width = MARGIN + NAMES + BARS + MARGIN + WORDS + MARGIN;
    document("Timeline of a first boot", (width, y + MARGIN), "", &body)
}

/// The longest pieces of a stage, in their order; what nobody would see is left out.
fn longest(stage: &Stage) -> impl Iterator<Item = &Work> {
    let mut lengths: Vec<f64> = stage.work.iter().map(|work| work.seconds).collect();
    lengths.sort_by(|one, other| other.total_cmp(one));
    let least = lengths.get(MOST - 1).copied().unwrap_or(0.0).max(0.005);
    let drawn = stage.work.iter().filter(move |work| work.seconds >= least);
    drawn.take(MOST)
}

fn row(body: &mut String, y: u64, name: &str, (x, width): (u64, u64), fill: &str, words: &str) {
    if !name.is_empty() {
        text(body, MARGIN, y, PLAIN, name);
    }
    rect(body, (MARGIN + NAMES + x, y - BAR + 2), (width, BAR), fill);
    let most = usize::try_from(WORDS * 10 / CHARACTER).unwrap_or(0);
    text(
        body,
        MARGIN + NAMES + BARS + MARGIN,
        y,
        PLAIN,
        &clip(words, most),
    );
    // A line below each row leads from its bar to its words.
    let (left, right, below) = (MARGIN + NAMES, MARGIN + NAMES + BARS, y + 4);
    let _ = writeln!(
        body,
        "<path d=\"M{left} {below}H{right}\" stroke=\"#e5e5e5\"/>"
    );
}

fn first_line(text: &str) -> &str {
    let text = text.trim_start_matches("error: ");
    text.lines().next().unwrap_or_default()
}

/// From seconds to pixels.
struct Scale {
    begin: f64,
    end: f64,
}

impl Scale {
    /// Where a bar begins, and its width: at least a pixel, and never beyond the edge.
    fn bar(&self, begun: f64, seconds: f64) -> (u64, u64) {
        let from = self.at(begun);
        let to = self.at(begun + seconds).max(from + 1);
        (
            from.min(BARS - 1),
            (to - from).min(BARS - from.min(BARS - 1)),
        )
    }

    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    fn at(&self, seconds: f64) -> u64 {
        let whole = self.end - self.begin;
        let share = match whole > 0.0 {
            true => ((seconds - self.begin) / whole).clamp(0.0, 1.0),
            false => 0.0,
        };
        // Between 0 and the width; what is no number is 0.
        (share * BARS as f64) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::work;
    use super::*;

    fn stages() -> Vec<Stage> {
        let stage = |name: &str, begun, seconds| Stage {
            stage: name.into(),
            begun,
            seconds,
            operations: 2,
            ..Stage::default()
        };
        let mut fetch = stage("fetch", 6.5, 2.0);
        fetch.work = vec![Work {
            kind: Kind::Transfer,
            bytes: Some(1 << 20),
            ..work("https://example.com/a?(hidden)", 6.6, 1.5)
        }];
        let mut disks = stage("disks", 8.5, 1.0);
        disks.work = vec![
            work("make file system ext4 on /dev/vda9 <&\u{7}", 8.6, 0.8),
            work("too short to be seen", 9.4, 0.001),
        ];
        disks.error = Some("error: could not do it\n --> node.bu:1:2".into());
        vec![stage("fetch-offline", 3.0, 0.5), fetch, disks]
    }

    #[test]
    fn the_picture() {
        insta::assert_snapshot!(svg(&stages()));
    }

    #[test]
    fn every_picture_is_xml_within_its_size() {
        let mut odd = stages();
        odd[0].begun = f64::NAN;
        odd[1].seconds = -3.0;
        odd[2].seconds = 1e300;
        for stages in [Vec::new(), stages(), odd] {
            let picture = svg(&stages);
            let mut reader = quick_xml::Reader::from_str(&picture);
            loop {
                match reader.read_event().unwrap() {
                    quick_xml::events::Event::Eof => break,
                    _ => continue,
                }
            }
        }
    }
}
