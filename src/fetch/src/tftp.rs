//! One file over TFTP: attempts, and the conversation of each.
//!
//! A file that breaks off is begun again: the protocol knows no ranges.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use reqwest::Url;
use tokio::net::UdpSocket;
use tokio::time::{Instant, timeout, timeout_at};

use crate::attempts::{Attempts, BrokenOff, TELL_EVERY, total_timeout};
use crate::backoff::{Backoff, random};
use crate::body::Body;
use crate::error::Cause;
use crate::progress::Progress;
use crate::request::{Fetched, Request};
use crate::s3_place::unescape;
use crate::settings::ClientConfig;
use crate::tftp_packet::{self as packet, BLOCK, Reader, Step};

/// A file on a TFTP server.
pub(crate) struct Tftp<'a> {
    config: &'a ClientConfig,
    request: &'a Request,
    body: Body<'a>,
    progress: &'a dyn Progress,
    shown: &'a str,
    host: String,
    port: u16,
    name: Vec<u8>,
    with_options: bool,
    attempts: Attempts<'a>,
}

impl<'a> Tftp<'a> {
    /// The file of a URL: its path is the name, with the slash in front, as in Ignition.
    pub(crate) fn new(
        url: &Url,
        config: &'a ClientConfig,
        request: &'a Request,
        body: Body<'a>,
        progress: &'a dyn Progress,
        shown: &'a str,
    ) -> Result<Self, Cause> {
        let host = url.host_str().unwrap_or_default();
        let name = unescape(url.path());
        if host.is_empty() || packet::request(&name, true).is_none() {
            let why = "it names no host, or no file of at most 400 characters";
            return Err(Cause::InvalidUrl(why.to_owned()));
        }
        Ok(Self {
            config,
            request,
            body,
            progress,
            shown,
            host: host.trim_matches(['[', ']']).to_owned(),
            port: url.port().unwrap_or(69),
            name,
            with_options: true,
            attempts: Attempts::new(progress),
        })
    }

    /// Fetches the file within the total time.
    pub(crate) async fn run(mut self) -> Result<Fetched, Cause> {
        let Some(after) = total_timeout(self.config, self.request) else {
            return self.attempts().await;
        };
        match timeout(after, self.attempts()).await {
            Ok(result) => result,
            Err(_) => Err(self.attempts.over(after)),
        }
    }

    async fn attempts(&mut self) -> Result<Fetched, Cause> {
        let mut backoff = Backoff::new(self.config.first_pause, self.config.longest_pause);
        loop {
            self.attempts.number = self.attempts.number.saturating_add(1);
            self.body.restart()?;
            let cause = match self.attempt().await {
                Ok(fetched) => return Ok(fetched),
                Err(cause) if cause.is_retryable() => cause,
                Err(cause) => return Err(cause),
            };
            if matches!(cause, Cause::Truncated { .. })
                && let BrokenOff::Enough = self.attempts.broke_off(self.body.received())
            {
                return Err(cause);
            }
            let what = format!("{}: {cause}", self.shown);
            self.attempts.last = Some(cause);
            let pause = backoff.pause(random(), Duration::ZERO);
            self.attempts.pause(&what, pause).await;
        }
    }

    async fn attempt(&mut self) -> Result<Fetched, Cause> {
        let server = self.server().await?;
        let any: IpAddr = match server {
            SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
            SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
        };
        let socket = UdpSocket::bind((any, 0)).await.map_err(network)?;
        let mut peer = None;
        let result = self.converse(&socket, server, &mut peer).await;
        if let (Err(_), Some(peer)) = (&result, peer) {
            // It would go on sending; whether it hears this makes no difference here.
            let _ = socket.send_to(&packet::farewell(), peer).await;
        }
        result?;
        let (bytes, sha256) = self.body.finish()?;
        Ok(Fetched {
            bytes,
            sha256,
            status: None,
        })
    }

    /// The server's addresses take turns.
    async fn server(&self) -> Result<SocketAddr, Cause> {
        let found = tokio::net::lookup_host((self.host.as_str(), self.port)).await;
        let found: Vec<SocketAddr> = found
            .map_err(|error| Cause::Network(format!("cannot find the server's address: {error}")))?
            .collect();
        let turn = usize::try_from(self.attempts.number.saturating_sub(1)).unwrap_or(0);
        let turn = turn.checked_rem(found.len()).unwrap_or(0);
        found
            .get(turn)
            .copied()
            .ok_or_else(|| Cause::Network("the server's name has no address".to_owned()))
    }

    /// Reads the file into the body. `peer` is the address that the server answers from: that of the
    /// request with a port of the transfer's own (RFC 1350, section 4); nobody else is listened to.
    async fn converse(
        &mut self,
        socket: &UdpSocket,
        server: SocketAddr,
        peer: &mut Option<SocketAddr>,
    ) -> Result<(), Cause> {
        let mut reader = Reader::new();
        let asking = packet::request(&self.name, self.with_options).unwrap_or_default();
        let mut buffer = vec![0; BLOCK + 5];
        let first_wait = (self.config.first_pause * 5).max(Duration::from_millis(10));
        let (mut wait, mut heard, mut told) = (first_wait, Instant::now(), Instant::now());
        socket.send_to(&asking, server).await.map_err(network)?;
        let mut again = Instant::now() + wait;
        loop {
            // A flood of strangers' packets keeps the timer from nothing.
            let received = match Instant::now() < again {
                true => timeout_at(again, socket.recv_from(&mut buffer)).await.ok(),
                false => None,
            };
            let packet = match received {
                Some(Ok((length, from))) if peer.unwrap_or(from) == from => {
                    if from.ip() != server.ip() {
                        continue;
                    }
                    *peer = Some(from);
                    &buffer[..length]
                }
                Some(Ok((_, stranger))) => {
                    let _ = socket.send_to(&packet::stranger(), stranger).await;
                    continue;
                }
                Some(Err(error)) => return Err(network(error)),
                None => {
                    self.check_silence(heard, peer.is_some())?;
                    if told.elapsed() >= TELL_EVERY {
                        told = Instant::now();
                        let what = format!("{}: waiting for the server's answer", self.shown);
                        self.attempts.tell(&what, None);
                    }
                    // Once it answers, it is asked for the file no more.
                    match *peer {
                        Some(peer) => {
                            let reminder = packet::acknowledgement(reader.remind());
                            socket.send_to(&reminder, peer).await
                        }
                        None => socket.send_to(&asking, server).await,
                    }
                    .map_err(network)?;
                    wait = (wait * 2).min(self.config.longest_pause.max(first_wait));
                    again = Instant::now() + wait;
                    continue;
                }
            };
            let step = match reader.take(packet) {
                // It knew the file a moment ago: perhaps it was started again.
                Err(cause) if reader.has_begun() => {
                    return Err(self.truncated(&reader, &cause.to_string()));
                }
                step => step?,
            };
            let Some(peer) = *peer else { continue };
            let (acknowledge, last) = match step {
                Step::Ignore => continue,
                Step::Simpler => {
                    self.with_options = false;
                    return Err(Cause::Network(
                        "the server refuses the options of the request".to_owned(),
                    ));
                }
                Step::Acknowledge(block) => (Some(block), false),
                Step::Take {
                    bytes,
                    acknowledge,
                    last,
                } => {
                    self.body.feed(bytes)?;
                    heard = Instant::now();
                    (wait, again) = (first_wait, heard + first_wait);
                    self.progress.bytes(self.body.received(), reader.total);
                    (acknowledge, last)
                }
            };
            if let Some(block) = acknowledge {
                let packet = packet::acknowledgement(block);
                socket.send_to(&packet, peer).await.map_err(network)?;
            }
            if last {
                return match reader.total {
                    Some(total) if total != self.body.received() => {
                        Err(self.truncated(&reader, "the file has another size than announced"))
                    }
                    _ => Ok(()),
                };
            }
        }
    }

    /// How long a server may keep silent before the transfer is begun again.
    fn check_silence(&self, heard: Instant, answered: bool) -> Result<(), Cause> {
        let silence = heard.elapsed();
        if !answered && silence >= self.config.response_header_timeout {
            return Err(Cause::NoAnswer(self.config.response_header_timeout));
        }
        let idle = self.config.body_idle_timeout;
        if answered && silence >= idle {
            let reason = format!("nothing came for {} s", idle.as_secs_f32());
            return Err(self.truncated(&Reader::new(), &reason));
        }
        Ok(())
    }

    fn truncated(&self, reader: &Reader, reason: &str) -> Cause {
        Cause::Truncated {
            got: self.body.received(),
            expected: reader.total,
            reason: reason.to_owned(),
        }
    }
}

fn network(error: std::io::Error) -> Cause {
    Cause::Network(format!("while talking to the TFTP server: {error}"))
}
