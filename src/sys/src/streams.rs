//! Connections that no HTTP client makes: from a port that root alone may have, and to the host by the hypervisor's
//! sockets.

use std::fs::File;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::time::Duration;

use nix::sys::socket::{self as vsock, SockFlag, SockType, VsockAddr};
use rustix::io::Errno;
use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, connect, socket_with};

/// Ports that are tried, the last first: those below 512 are of services.
const PORTS: std::ops::Range<u16> = 512..1024;

/// Whatever is connected, which gives up a read or a write after `timeout`.
fn bounded(socket: OwnedFd, timeout: Duration) -> io::Result<File> {
    set_socket_timeout(&socket, Timeout::Recv, Some(timeout))?;
    set_socket_timeout(&socket, Timeout::Send, Some(timeout))?;
    Ok(File::from(socket))
}

/// A connection from a port below 1024 (ip(7), `CAP_NET_BIND_SERVICE`).
pub fn from_low_port(to: SocketAddr, timeout: Duration) -> io::Result<File> {
    let (family, any) = match to {
        SocketAddr::V4(_) => (AddressFamily::INET, Ipv4Addr::UNSPECIFIED.into()),
        SocketAddr::V6(_) => (AddressFamily::INET6, Ipv6Addr::UNSPECIFIED.into()),
    };
    for port in PORTS.rev() {
        let socket = socket_with(family, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
        match bind(&socket, &SocketAddr::new(any, port)) {
            Ok(()) => {}
            Err(Errno::ADDRINUSE) => continue,
            Err(error) => return Err(error.into()),
        }
        // A connection from there to there that has only just ended.
        let socket = bounded(socket, timeout)?;
        match connect(&socket, &to) {
            Ok(()) => return Ok(socket),
            Err(Errno::ADDRNOTAVAIL | Errno::ADDRINUSE) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(io::Error::other("all ports below 1024 are in use"))
}

/// A connection to a port of the host (vsock(7), `VMADDR_CID_HOST`).
pub fn to_host(port: u32, timeout: Duration) -> io::Result<File> {
    to_peer(2, port, timeout)
}

fn to_peer(peer: u32, port: u32, timeout: Duration) -> io::Result<File> {
    let family = vsock::AddressFamily::Vsock;
    let socket = vsock::socket(family, SockType::Stream, SockFlag::SOCK_CLOEXEC, None)?;
    let socket = bounded(socket, timeout)?;
    vsock::connect(socket.as_raw_fd(), &VsockAddr::new(peer, port))?;
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read as _, Write as _};
    use std::net::TcpListener;

    #[test]
    fn a_low_port_is_one() {
        if !rustix::process::geteuid().is_root() {
            return;
        }
        for address in ["127.0.0.1:0", "[::1]:0"] {
            let Ok(listener) = TcpListener::bind(address) else {
                continue;
            };
            let to = listener.local_addr().unwrap();
            // Two at the same time, and one again.
            let second = Duration::from_secs(1);
            let mut kept = from_low_port(to, second).unwrap();
            let (mut peer, from) = listener.accept().unwrap();
            assert!(PORTS.contains(&from.port()), "{from}");
            drop(from_low_port(to, second).unwrap());
            let (_, other) = listener.accept().unwrap();
            assert!(
                PORTS.contains(&other.port()) && other.port() != from.port(),
                "{other}"
            );
            kept.write_all(b"a").unwrap();
            let mut byte = [0];
            peer.read_exact(&mut byte).unwrap();
            assert_eq!(byte, *b"a");
        }
    }

    #[test]
    fn nobody_listening_is_an_error() {
        if rustix::process::geteuid().is_root() {
            let closed = TcpListener::bind("127.0.0.1:0")
                .unwrap()
                .local_addr()
                .unwrap();
            assert!(from_low_port(closed, Duration::from_secs(1)).is_err());
        }
        assert!(to_peer(1, 1024, Duration::from_millis(100)).is_err());
    }
}
