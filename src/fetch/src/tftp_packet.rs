//! TFTP's packets, and what a reader does about each: octet mode (RFC 1350), options (RFC 2347), block size
//! (RFC 2348), transfer size and time-out (RFC 2349), window (RFC 7440).

use crate::error::Cause;

/// Longest block that is asked for: fits Ethernet's 1500 bytes with IPv6 and some tunnels around it.
pub(crate) const BLOCK: usize = 1428;

/// Blocks that the server may send without waiting for an acknowledgement.
const WINDOW: u16 = 16;

/// Longest name of a file: a request has to fit into 512 bytes as it did of old.
const LONGEST_NAME: usize = 400;

/// Error codes.
const NOT_FOUND: u16 = 1;
const UNKNOWN_TRANSFER: u16 = 5;
const OPTIONS: u16 = 8;

/// A request for a file; `None` where there can be no file of this name.
pub(crate) fn request(name: &[u8], with_options: bool) -> Option<Vec<u8>> {
    if name.is_empty() || name.len() > LONGEST_NAME || name.contains(&0) {
        return None;
    }
    let mut packet = vec![0, 1];
    packet.extend_from_slice(name);
    packet.extend_from_slice(b"\0octet\0");
    if with_options {
        let options = format!("tsize\x000\0blksize\0{BLOCK}\0timeout\x001\0windowsize\0{WINDOW}\0");
        packet.extend_from_slice(options.as_bytes());
    }
    Some(packet)
}

/// An acknowledgement.
pub(crate) fn acknowledgement(block: u16) -> Vec<u8> {
    let [high, low] = block.to_be_bytes();
    vec![0, 4, high, low]
}

/// Tells one who is not taking part that this is so.
pub(crate) fn stranger() -> Vec<u8> {
    error(UNKNOWN_TRANSFER, "unknown transfer")
}

/// Ends a transfer early.
pub(crate) fn farewell() -> Vec<u8> {
    error(0, "stopped")
}

fn error(code: u16, text: &str) -> Vec<u8> {
    let [high, low] = code.to_be_bytes();
    [&[0, 5, high, low], text.as_bytes(), b"\0"].concat()
}

/// What to do about a packet.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Step<'p> {
    /// Nothing.
    Ignore,
    /// Acknowledge a block (again): the server goes on after it.
    Acknowledge(u16),
    /// Take the next bytes, and acknowledge a block where one is named.
    Take {
        bytes: &'p [u8],
        acknowledge: Option<u16>,
        last: bool,
    },
    /// Ask again without options.
    Simpler,
}

/// The reader's side of one transfer.
pub(crate) struct Reader {
    block: usize,
    window: u16,
    /// Number of the block that comes next, modulo 2^16.
    next: u16,
    /// Blocks since the last acknowledgement.
    unacknowledged: u16,
    /// Whether data have come.
    begun: bool,
    /// Whether the server was told about a gap, and has not closed it.
    gap_told: bool,
    /// The size of the file, where the server told it.
    pub(crate) total: Option<u64>,
}

impl Reader {
    pub(crate) fn new() -> Self {
        Self {
            block: 512,
            window: 1,
            next: 1,
            unacknowledged: 0,
            begun: false,
            gap_told: false,
            total: None,
        }
    }

    /// Whether data have come.
    pub(crate) fn has_begun(&self) -> bool {
        self.begun
    }

    /// What was acknowledged last, when the server is silent about it.
    pub(crate) fn remind(&mut self) -> u16 {
        self.gap_told = false;
        self.unacknowledged = 0;
        self.next.wrapping_sub(1)
    }

    /// Takes a packet of the server's.
    pub(crate) fn take<'p>(&mut self, packet: &'p [u8]) -> Result<Step<'p>, Cause> {
        match packet {
            [0, 3, high, low, bytes @ ..] => self.data(u16::from_be_bytes([*high, *low]), bytes),
            [0, 6, options @ ..] if !self.begun => {
                self.options(options)?;
                Ok(Step::Acknowledge(0))
            }
            [0, 5, high, low, text @ ..] => {
                let code = u16::from_be_bytes([*high, *low]);
                if code == OPTIONS && !self.begun {
                    return Ok(Step::Simpler);
                }
                Err(refusal(code, text))
            }
            _ => Ok(Step::Ignore),
        }
    }

    fn data<'p>(&mut self, number: u16, bytes: &'p [u8]) -> Result<Step<'p>, Cause> {
        if bytes.len() > self.block {
            return Err(broken("a block is larger than agreed"));
        }
        // After block 65535 most servers count on from 0, and some from 1. Those send block by block.
        let from_one = self.window == 1 && self.begun && self.next == 0 && number == 1;
        if number != self.next && !from_one {
            return Ok(self.out_of_order());
        }
        let last = bytes.len() < self.block;
        self.begun = true;
        self.gap_told = false;
        self.next = number.wrapping_add(1);
        self.unacknowledged += 1;
        let due = last || self.unacknowledged >= self.window;
        if due {
            self.unacknowledged = 0;
        }
        Ok(Step::Take {
            bytes,
            acknowledge: due.then_some(number),
            last,
        })
    }

    /// A block came twice, or one before it is missing.
    fn out_of_order(&mut self) -> Step<'static> {
        if !self.begun && self.next == 1 {
            // The first block is missing: the acknowledgement of the options brings it.
            return Step::Ignore;
        }
        // Of a window only the first block says something new.
        if self.window > 1 && self.gap_told {
            return Step::Ignore;
        }
        let last = self.remind();
        self.gap_told = true;
        Step::Acknowledge(last)
    }

    fn options(&mut self, mut text: &[u8]) -> Result<(), Cause> {
        let (mut block, mut window, mut total) = (512, 1, None);
        while let Some((name, rest)) = word(text) {
            let (value, rest) = word(rest).ok_or_else(|| broken("its options are cut off"))?;
            text = rest;
            let value: u64 = std::str::from_utf8(value)
                .ok()
                .and_then(|value| value.parse().ok())
                .ok_or_else(|| broken("the value of an option is no number"))?;
            let is = |known: &str| name.eq_ignore_ascii_case(known.as_bytes());
            if is("blksize") {
                block = usize::try_from(value).unwrap_or(0);
            } else if is("windowsize") {
                window = u16::try_from(value).unwrap_or(0);
            } else if is("tsize") {
                total = Some(value);
            } else if !is("timeout") {
                return Err(broken("it agrees to an option that was not asked for"));
            }
        }
        if !(8..=BLOCK).contains(&block) || !(1..=WINDOW).contains(&window) {
            return Err(broken("it wants other options than it was asked for"));
        }
        (self.block, self.window, self.total) = (block, window, total);
        Ok(())
    }
}

/// A text up to its NUL, and what comes after it.
fn word(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = text.iter().position(|byte| *byte == 0)?;
    Some((&text[..end], &text[end + 1..]))
}

fn refusal(code: u16, text: &[u8]) -> Cause {
    let text = word(text).map_or(text, |(text, _)| text);
    let text: String = String::from_utf8_lossy(text)
        .chars()
        .filter(|char| !char.is_control())
        .take(200)
        .collect();
    let text = match text.trim() {
        "" => String::new(),
        text => format!(" ({text:?})"),
    };
    match code {
        NOT_FOUND => Cause::Absent(format!("the TFTP server has no such file{text}")),
        2 => Cause::Refused(format!(
            "the TFTP server does not let everybody read the file{text}"
        )),
        _ => Cause::Refused(format!(
            "the TFTP server refuses the file with error {code}{text}"
        )),
    }
}

fn broken(why: &str) -> Cause {
    Cause::Refused(format!(
        "the TFTP server does not keep to the protocol: {why}"
    ))
}

#[cfg(test)]
#[path = "tftp_packet_tests.rs"]
mod tests;
