//! What is at the other end of a guest's network interface.
//!
//! The guest's kernel connects to a socket of the host whenever the link is set up, and closes the connection when
//! it goes down; each packet is one message (uml's `vector_user.c`, transport `bess`).

use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketAddrUnix, SocketFlags, SocketType, accept, bind,
    listen, recv, send, socket_with,
};

/// More than any packet: the links' MTU is 1500 bytes.
const PACKET: usize = 2048;

/// The connection of one end, while its link is up.
type End = Arc<Mutex<Option<Arc<OwnedFd>>>>;

/// An interface with nobody at the other end, which takes every packet and answers none.
pub(super) fn alone(socket: &Path) {
    let listening = listening(socket);
    thread::spawn(move || relay(&listening, &End::default(), &End::default()));
}

/// Two interfaces that are connected: what leaves the one arrives at the other, while both links are up.
pub(super) fn between(sockets: [&Path; 2]) {
    let (left, right) = (End::default(), End::default());
    for (socket, own, other) in [(sockets[0], &left, &right), (sockets[1], &right, &left)] {
        let (listening, own, other) = (listening(socket), own.clone(), other.clone());
        thread::spawn(move || relay(&listening, &own, &other));
    }
}

fn listening(path: &Path) -> OwnedFd {
    let kind = SocketType::SEQPACKET;
    let socket = socket_with(AddressFamily::UNIX, kind, SocketFlags::CLOEXEC, None).unwrap();
    bind(&socket, &SocketAddrUnix::new(path).unwrap()).unwrap();
    listen(&socket, 4).unwrap();
    socket
}

fn relay(listening: &OwnedFd, own: &End, other: &End) {
    let set = |end: &End, link| *end.lock().unwrap_or_else(PoisonError::into_inner) = link;
    while let Ok(link) = accept(listening) {
        let link = Arc::new(link);
        set(own, Some(link.clone()));
        let mut packet = [0; PACKET];
        while let Ok((_, length @ 1..)) = recv(&*link, &mut packet, RecvFlags::empty()) {
            let to = other.lock().unwrap_or_else(PoisonError::into_inner).clone();
            if let Some(to) = to {
                // It waits where the guest is slow. The packet of a link that goes down is lost.
                let _ = send(&*to, &packet[..length], SendFlags::NOSIGNAL);
            }
        }
        set(own, None);
    }
}
