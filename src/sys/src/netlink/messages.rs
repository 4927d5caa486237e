//! What comes over the socket, message by message (RFC 3549, section 2.3.2).

use netlink_packet_core::{
    DecodeError, NLM_F_CAPPED, NLM_F_DUMP_INTR, NLMSG_DONE, NLMSG_ERROR, NLMSG_OVERRUN,
    NetlinkBuffer, NlasIterator,
};
use rustix::io::Errno;

/// Extended acknowledgements follow (linux/netlink.h, `NLM_F_ACK_TLVS`).
const NLM_F_ACK_TLVS: u16 = 0x200;
/// The kernel's own words (linux/netlink.h, `NLMSGERR_ATTR_MSG`).
const NLMSGERR_ATTR_MSG: u16 = 1;
/// Numbers that errors have (linux/err.h, `MAX_ERRNO`).
const ERRNO: std::ops::RangeInclusive<i32> = 1..=4095;
/// Length of a message's header.
const HEADER: usize = 16;

/// One message.
#[derive(Debug)]
pub(super) struct Message<'b> {
    /// Type (linux/rtnetlink.h, `RTM_…`).
    pub kind: u16,
    /// Number of the request that it answers.
    pub sequence: u32,
    /// Socket of the request that it answers, or that brought about what it tells.
    pub port: u32,
    /// Whether things changed while they were listed.
    pub interrupted: bool,
    /// What it says.
    pub payload: &'b [u8],
    flags: u16,
}

/// The end of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct End {
    /// The error; `None` where it was done.
    pub error: Option<Errno>,
    /// The kernel's own words, if there are any.
    pub explanation: String,
}

impl Message<'_> {
    /// The end of an answer, if the message is one.
    pub fn end(&self) -> Option<End> {
        if !matches!(self.kind, NLMSG_DONE | NLMSG_ERROR | NLMSG_OVERRUN) {
            return None;
        }
        if self.kind == NLMSG_OVERRUN {
            return Some(End {
                error: Some(Errno::OVERFLOW),
                explanation: String::new(),
            });
        }
        let code = self.payload.first_chunk().copied().map(i32::from_ne_bytes);
        // An end without a code is that of an old dump, which was done.
        let code = code.unwrap_or(0);
        let number = code.checked_neg().filter(|number| ERRNO.contains(number));
        let error = (code != 0).then(|| number.map_or(Errno::IO, Errno::from_raw_os_error));
        Some(End {
            error,
            explanation: self.explanation().unwrap_or_default(),
        })
    }

    /// The words behind the code, and behind the request that an error repeats.
    fn explanation(&self) -> Option<String> {
        if self.flags & NLM_F_ACK_TLVS == 0 {
            return None;
        }
        let mut rest = self.payload.get(4..)?;
        if self.kind == NLMSG_ERROR {
            let repeated = match self.flags & NLM_F_CAPPED {
                0 => usize::try_from(u32::from_ne_bytes(*rest.first_chunk()?)).ok()?,
                _ => HEADER,
            };
            rest = rest.get(repeated.checked_next_multiple_of(4)?..)?;
        }
        let said = NlasIterator::new(rest)
            .map_while(Result::ok)
            .find(|attribute| attribute.kind() == NLMSGERR_ATTR_MSG)?;
        let text = String::from_utf8_lossy(said.value());
        Some(text.trim_end_matches('\0').to_string())
    }
}

/// The messages of what was received at once; after one that cannot be read there are no more.
pub(super) fn messages(bytes: &[u8]) -> impl Iterator<Item = Result<Message<'_>, DecodeError>> {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let now = std::mem::take(&mut rest);
        let header = match NetlinkBuffer::new_checked(now) {
            Ok(header) => header,
            Err(error) => return Some(Err(error)),
        };
        // It was checked that there are so many.
        let length = usize::try_from(header.length()).unwrap_or(usize::MAX);
        let payload = now.get(HEADER..length).unwrap_or_default();
        let next = length.checked_next_multiple_of(4).unwrap_or(usize::MAX);
        rest = now.get(next..).unwrap_or_default();
        Some(Ok(Message {
            kind: header.message_type(),
            sequence: header.sequence_number(),
            port: header.port_number(),
            interrupted: header.flags() & NLM_F_DUMP_INTR != 0,
            payload,
            flags: header.flags(),
        }))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(kind: u16, flags: u16, payload: &[u8]) -> Vec<u8> {
        let length = u32::try_from(HEADER + payload.len()).unwrap();
        let mut bytes = length.to_ne_bytes().to_vec();
        bytes.extend(kind.to_ne_bytes());
        bytes.extend(flags.to_ne_bytes());
        bytes.extend([7, 0, 0, 0, 9, 0, 0, 0]);
        bytes.extend(payload);
        bytes
    }

    #[test]
    fn an_end_has_its_error_and_the_kernels_words() {
        let refused = (-101_i32).to_ne_bytes();
        let words = [10, 0, 1, 0, b'n', b'o', b' ', b'!', 0, 0, 0, 0];
        let request = message(24, 0, &[1, 2, 3, 4]);
        let with = |request: &[u8]| [&refused[..], request, &words].concat();
        for (kind, flags, payload, error, said) in [
            (NLMSG_ERROR, 0, vec![0; 20], None, ""),
            (
                NLMSG_ERROR,
                0,
                refused.to_vec(),
                Some(Errno::NETUNREACH),
                "",
            ),
            (
                NLMSG_ERROR,
                NLM_F_ACK_TLVS,
                with(&request),
                Some(Errno::NETUNREACH),
                "no !",
            ),
            (
                NLMSG_ERROR,
                NLM_F_ACK_TLVS | NLM_F_CAPPED,
                with(&request[..HEADER]),
                Some(Errno::NETUNREACH),
                "no !",
            ),
            (
                NLMSG_DONE,
                NLM_F_ACK_TLVS,
                with(&[]),
                Some(Errno::NETUNREACH),
                "no !",
            ),
            (NLMSG_DONE, 0, vec![], None, ""),
            // No error has such a number.
            (
                NLMSG_ERROR,
                0,
                i32::MIN.to_ne_bytes().to_vec(),
                Some(Errno::IO),
                "",
            ),
            (
                NLMSG_ERROR,
                0,
                5_i32.to_ne_bytes().to_vec(),
                Some(Errno::IO),
                "",
            ),
            // Words that are cut off.
            (
                NLMSG_ERROR,
                NLM_F_ACK_TLVS,
                with(&request)[..10].to_vec(),
                Some(Errno::NETUNREACH),
                "",
            ),
        ] {
            let bytes = message(kind, flags, &payload);
            let all: Vec<_> = messages(&bytes).map(Result::unwrap).collect();
            assert_eq!((all[0].sequence, all[0].port), (7, 9));
            let expected = End {
                error,
                explanation: said.into(),
            };
            assert_eq!(all[0].end(), Some(expected), "{payload:?}");
        }
        assert_eq!(messages(&request).next().unwrap().unwrap().end(), None);
    }

    #[test]
    fn what_is_cut_off_is_an_error_and_the_last_one() {
        let whole = message(24, 0, &[1, 2, 3, 4]);
        for cut in 1..whole.len() {
            let bytes = [&whole[..], &whole[..cut]].concat();
            let read: Vec<bool> = messages(&bytes).map(|one| one.is_ok()).collect();
            assert_eq!(read, [true, false], "{cut}");
        }
        // One that says of itself that it is shorter than its own header.
        assert!(messages(&[0; 32]).next().unwrap().is_err());
    }
}
