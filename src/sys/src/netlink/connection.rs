//! A socket on which the kernel is asked.

use std::io;
use std::time::Duration;

use netlink_packet_core::{NLM_F_ACK, NLM_F_DUMP, NLM_F_REQUEST, NetlinkMessage};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_sys::protocols::NETLINK_ROUTE;
use netlink_sys::{Socket, SocketAddr};
use pilotlight_core::net::Actual;
use rustix::io::Errno;
use rustix::net::RecvFlags;
use rustix::net::sockopt::{Timeout, set_socket_timeout};

use super::NetlinkError;
use super::decode::{Unreadable, read_message};
use super::messages::{End, messages};

/// The kernel answers while it is asked; an answer that takes longer than this does not come.
const ANSWER: Duration = Duration::from_secs(10);
/// Bytes that are received at once: the kernel makes the pieces of a list as large as what the last call took, up to
/// 32 KiB (af_netlink.c, `netlink_dump`).
const AT_ONCE: usize = 64 << 10;
/// The kernel's address.
const KERNEL: u32 = 0;

/// Asks and changes the network of one namespace.
#[derive(Debug)]
pub struct Netlink {
    socket: Socket,
    port: u32,
    sequence: u32,
    buffer: Vec<u8>,
}

/// Why a request came to nothing.
#[derive(Debug)]
pub(super) enum Failure {
    /// The kernel refused it, or the socket failed.
    Refused(Errno, String),
    /// The answer makes no sense.
    Unreadable(Unreadable),
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Failure::Refused(
            Errno::from_io_error(&error).unwrap_or(Errno::IO),
            String::new(),
        )
    }
}

impl Failure {
    pub fn during(self, doing: &str) -> NetlinkError {
        let doing = doing.to_string();
        match self {
            Failure::Refused(cause, explanation) => NetlinkError::Refused {
                doing,
                cause: cause.into(),
                explanation,
            },
            Failure::Unreadable(cause) => NetlinkError::Unreadable { doing, cause },
        }
    }
}

impl Netlink {
    /// Opens a socket in the network namespace of this thread.
    ///
    /// # Errors
    ///
    /// There are no sockets of this family, or no more of any.
    pub fn open() -> Result<Self, NetlinkError> {
        let opened = || -> io::Result<Self> {
            let mut socket = Socket::new(NETLINK_ROUTE)?;
            let port = socket.bind_auto()?.port_number();
            set_socket_timeout(&socket, Timeout::Recv, Some(ANSWER))?;
            // All of them older than the oldest kernel: words with errors, no repeated requests in answers, and
            // requests whose filters count and whose mistakes are told.
            socket.set_ext_ack(true)?;
            socket.set_cap_ack(true)?;
            socket.set_netlink_get_strict_chk(true)?;
            Ok(Self {
                socket,
                port,
                sequence: 0,
                buffer: Vec::with_capacity(AT_ONCE),
            })
        };
        opened().map_err(|error| Failure::from(error).during("open a netlink socket"))
    }

    /// The number of this socket, which is in the events of the changes that it made.
    pub(super) fn port(&self) -> u32 {
        self.port
    }

    /// Performs a change.
    pub(super) fn request(
        &mut self,
        message: RouteNetlinkMessage,
        flags: u16,
    ) -> Result<(), Failure> {
        self.send(message, NLM_F_REQUEST | NLM_F_ACK | flags)?;
        self.answer(None).map(|_| ())
    }

    /// Performs changes in their order, all sent at once; the answer to each.
    ///
    /// The kernel performs each before it looks at the next one, whatever became of the one before, and answers what
    /// failed and what asks for an answer (af_netlink.c, `netlink_rcv_skb`). The last one asks: when its answer is
    /// there, those of the others are.
    pub(super) fn requests(
        &mut self,
        changes: Vec<(RouteNetlinkMessage, u16)>,
    ) -> Result<Vec<Result<(), Failure>>, Failure> {
        let mut answers: Vec<Result<(), Failure>> = changes.iter().map(|_| Ok(())).collect();
        let Some(last) = answers.len().checked_sub(1) else {
            return Ok(answers);
        };
        let mut bytes = Vec::new();
        let mut numbers = Vec::with_capacity(answers.len());
        for (position, (message, flags)) in changes.into_iter().enumerate() {
            let ack = if position == last { NLM_F_ACK } else { 0 };
            self.append(message, NLM_F_REQUEST | ack | flags, &mut bytes);
            numbers.push(self.sequence);
        }
        self.socket
            .send_to(&bytes, &SocketAddr::new(KERNEL, 0), 0)?;
        loop {
            self.receive()?;
            for message in messages(&self.buffer) {
                let message = message.map_err(|error| Failure::Unreadable(error.into()))?;
                let of = numbers.iter().position(|one| *one == message.sequence);
                let (Some(of), Some(end)) = (of, message.end()) else {
                    continue;
                };
                if message.port != self.port {
                    continue;
                }
                if let (Some(error), Some(answer)) = (end.error, answers.get_mut(of)) {
                    *answer = Err(Failure::Refused(error, end.explanation));
                }
                if of == last {
                    return Ok(answers);
                }
            }
        }
    }

    /// Adds a list to a network; whether the list was whole.
    pub(super) fn list(
        &mut self,
        message: RouteNetlinkMessage,
        actual: &mut Actual,
    ) -> Result<bool, Failure> {
        self.send(message, NLM_F_REQUEST | NLM_F_DUMP)?;
        self.answer(Some(actual))
    }

    /// Writes a message behind others.
    fn append(&mut self, message: RouteNetlinkMessage, flags: u16, bytes: &mut Vec<u8>) {
        self.sequence = self.sequence.wrapping_add(1);
        let mut message = NetlinkMessage::from(message);
        message.header.flags = flags;
        message.header.sequence_number = self.sequence;
        message.finalize();
        // Each begins at a multiple of four (linux/netlink.h, `NLMSG_ALIGN`).
        let begin = bytes.len().next_multiple_of(4);
        bytes.resize(begin + message.buffer_len(), 0);
        message.serialize(&mut bytes[begin..]);
    }

    fn send(&mut self, message: RouteNetlinkMessage, flags: u16) -> Result<(), Failure> {
        let mut bytes = Vec::new();
        self.append(message, flags, &mut bytes);
        self.socket
            .send_to(&bytes, &SocketAddr::new(KERNEL, 0), 0)?;
        Ok(())
    }

    /// Reads up to the end of the answer to the last request.
    fn answer(&mut self, mut list: Option<&mut Actual>) -> Result<bool, Failure> {
        let mut whole = true;
        loop {
            self.receive()?;
            for message in messages(&self.buffer) {
                let message = message.map_err(|error| Failure::Unreadable(error.into()))?;
                // An answer that was given up is followed by its rest.
                if message.sequence != self.sequence || message.port != self.port {
                    continue;
                }
                whole &= !message.interrupted;
                match message.end() {
                    Some(End {
                        error: Some(error),
                        explanation,
                    }) => return Err(Failure::Refused(error, explanation)),
                    Some(End { error: None, .. }) => return Ok(whole),
                    None => {}
                }
                if let Some(actual) = list.as_deref_mut() {
                    read_message(message.kind, message.payload, actual)
                        .map_err(Failure::Unreadable)?;
                }
            }
        }
    }

    fn receive(&mut self) -> io::Result<()> {
        receive(&self.socket, &mut self.buffer, RecvFlags::empty())
    }
}

/// Receives what the kernel sent; what others sent is passed over.
pub(super) fn receive(socket: &Socket, buffer: &mut Vec<u8>, how: RecvFlags) -> io::Result<()> {
    // The bits are the system's own.
    let flags = (how | RecvFlags::TRUNC).bits().cast_signed();
    loop {
        buffer.clear();
        buffer.reserve(AT_ONCE);
        let (length, from) = match socket.recv_from(buffer, flags) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            other => other?,
        };
        if length > buffer.len() {
            return Err(Errno::MSGSIZE.into());
        }
        if from.port_number() == KERNEL {
            return Ok(());
        }
    }
}
