//! What the guest answers through its virtio port.

use std::time::Duration;

/// What the guest answered.
#[derive(Default)]
pub struct Answers {
    /// `ok …` lines.
    pub good: Vec<String>,
    /// `FAIL …` lines.
    pub bad: Vec<String>,
    /// Stage and its time.
    pub times: Vec<(String, Duration)>,
    /// Where the guest said that it ended.
    pub end: Option<String>,
    /// Everything, as it came.
    pub text: String,
}

impl Answers {
    /// Understands the lines.
    pub fn parse(text: String) -> Self {
        let mut answers = Self::default();
        for line in text.lines() {
            match line.split_once(' ') {
                Some(("ok", what)) => answers.good.push(what.to_owned()),
                Some(("FAIL", what)) => answers.bad.push(what.to_owned()),
                Some(("end", place)) => answers.end = Some(place.to_owned()),
                Some(("time", rest)) => {
                    if let Some((stage, micros)) = rest.split_once(' ')
                        && let Ok(micros) = micros.parse()
                    {
                        answers
                            .times
                            .push((stage.to_owned(), Duration::from_micros(micros)));
                    }
                }
                _ => {}
            }
        }
        answers.text = text;
        answers
    }

    /// `fetch-offline 0.21 s, disks 0.01 s`; empty when no stage ran.
    pub fn times(&self) -> String {
        self.times
            .iter()
            .map(|(stage, took)| format!("{stage} {:.2} s", took.as_secs_f32()))
            .collect::<Vec<_>>()
            .join(", ")
    }
}
