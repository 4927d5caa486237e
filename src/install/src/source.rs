//! Where an image's packed bytes come from: a file, standard input or a server, as one reader.

use std::fs::File;
use std::io::{self, Cursor, Read};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::{Duration, Instant};

use pilotlight_core::redact;
use pilotlight_fetch::{
    Client, ClientConfig, FetchError, Progress, Proxy, Request, Sink, blocking,
};

use crate::voice::Voice;

/// Where something is.
#[derive(Clone, PartialEq, Eq)]
pub enum Place {
    /// A file.
    File(PathBuf),
    /// Standard input.
    Stdin,
    /// A URL.
    Url(String),
}

impl Place {
    /// The place in words, without secrets.
    pub fn shown(&self) -> String {
        match self {
            Self::File(path) => path.display().to_string(),
            Self::Stdin => "standard input".into(),
            Self::Url(url) => redact::url(url),
        }
    }
}

/// How servers are asked. It has no `Debug`: proxies may hold passwords.
#[derive(Clone, Default)]
pub struct Network {
    /// Proxies.
    pub http_proxy: Option<String>,
    /// For https.
    pub https_proxy: Option<String>,
    /// What is asked directly.
    pub no_proxy: Vec<String>,
    /// PEM texts of authorities to trust besides the system's.
    pub authorities: Vec<Vec<u8>>,
    /// How long a server that does not answer is asked again; `None` is for ever.
    pub patience: Option<Duration>,
}

impl Network {
    fn client(&self) -> Client {
        Client::new(ClientConfig {
            proxy: Proxy {
                http: self.http_proxy.clone(),
                https: self.https_proxy.clone(),
                no_proxy: self.no_proxy.clone(),
            },
            extra_ca_pem: self.authorities.clone(),
            ..ClientConfig::default()
        })
    }

    /// Fetches a small document, at most `limit` bytes.
    pub fn document(
        &self,
        url: &str,
        limit: u64,
        voice: &Arc<dyn Voice>,
    ) -> Result<Vec<u8>, FetchError> {
        let request = Request {
            total_timeout: self.patience,
            ..Request::new(url)
        };
        let told = Told::new(voice.clone());
        let fetched = blocking(async {
            let client = self.client();
            client.fetch_to_vec(&request, limit, &told).await
        });
        let io = |cause| FetchError {
            url: redact::url(url),
            cause: pilotlight_fetch::Cause::Sink(cause),
        };
        fetched.map_err(io)?.map(|(bytes, _)| bytes)
    }

    /// Begins to fetch a URL on a thread of its own; what has come waits in bounded memory for who reads it. A broken
    /// connection is resumed.
    pub fn stream(&self, url: &str, voice: &Arc<dyn Voice>) -> io::Result<Streamed> {
        let (sender, chunks) = sync_channel(CHUNKS);
        let (network, voice) = (self.clone(), voice.clone());
        let request = Request {
            total_timeout: None,
            ..Request::new(url)
        };
        std::thread::Builder::new()
            .name("fetch".into())
            .spawn(move || {
                let mut sink = Chunks {
                    sender: sender.clone(),
                    waiting: Vec::new(),
                    sent: 0,
                };
                let told = Told::new(voice);
                let fetched = blocking(async {
                    let client = network.client();
                    client.fetch(&request, &mut sink, &told).await
                });
                let end = match fetched {
                    Ok(Ok(_)) => sink.send(),
                    Ok(Err(error)) => Err(io::Error::other(error.to_string())),
                    Err(error) => Err(error),
                };
                // Nobody reads any more: that is not an error here.
                if let Err(error) = end {
                    let _ = sender.send(Err(error));
                }
            })?;
        Ok(Streamed {
            chunks,
            current: Cursor::new(Vec::new()),
        })
    }
}

/// Bytes in a chunk, and chunks that wait: 8 MiB at most.
const CHUNK: usize = 256 << 10;
const CHUNKS: usize = 32;

/// Collects what is fetched into chunks and hands them on.
struct Chunks {
    sender: SyncSender<io::Result<Vec<u8>>>,
    waiting: Vec<u8>,
    sent: u64,
}

impl Chunks {
    fn send(&mut self) -> io::Result<()> {
        if self.waiting.is_empty() {
            return Ok(());
        }
        let chunk = std::mem::take(&mut self.waiting);
        self.sent += chunk.len() as u64;
        self.sender
            .send(Ok(chunk))
            .map_err(|_| io::ErrorKind::BrokenPipe.into())
    }
}

impl Sink for Chunks {
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.waiting.extend_from_slice(bytes);
        match self.waiting.len() < CHUNK {
            true => Ok(()),
            false => self.send(),
        }
    }

    fn reset(&mut self) -> io::Result<()> {
        self.waiting.clear();
        match self.sent {
            0 => Ok(()),
            _ => Err(io::Error::other(
                "the server has another image than when the download began: begin again",
            )),
        }
    }
}

/// What a server sends, to be read.
pub struct Streamed {
    chunks: Receiver<io::Result<Vec<u8>>>,
    current: Cursor<Vec<u8>>,
}

impl Read for Streamed {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let read = self.current.read(buffer)?;
            if read > 0 || buffer.is_empty() {
                return Ok(read);
            }
            match self.chunks.recv() {
                Ok(Ok(chunk)) => self.current = Cursor::new(chunk),
                Ok(Err(error)) => return Err(error),
                // The thread has ended, and so have the bytes.
                Err(_) => return Ok(0),
            }
        }
    }
}

/// Says what a fetch waits for, not more often than anybody wants to read.
struct Told {
    voice: Arc<dyn Voice>,
    last: std::cell::Cell<Option<Instant>>,
}

const QUIET: Duration = Duration::from_secs(5);

impl Told {
    fn new(voice: Arc<dyn Voice>) -> Self {
        Self {
            voice,
            last: std::cell::Cell::new(None),
        }
    }
}

impl Progress for Told {
    fn waiting(&self, what: &str, since: Duration, attempt: u32, _: Option<Duration>) {
        if self.last.get().is_some_and(|last| last.elapsed() < QUIET) {
            return;
        }
        self.last.set(Some(Instant::now()));
        let seconds = since.as_secs();
        self.voice.note(&format!(
            "waiting for {what} since {seconds} s (attempt {attempt})"
        ));
    }

    fn bytes(&self, done: u64, total: Option<u64>) {
        self.voice.fetched(done, total);
    }
}

/// A reader that can be read twice up to some place: what was read is remembered and comes again.
pub struct Rewindable<R> {
    source: R,
    read: Vec<u8>,
}

/// How much is remembered, in bytes; packed images tell within that what they hold.
const REMEMBERED: usize = 64 << 20;

impl<R: Read> Rewindable<R> {
    /// Nothing has been read yet.
    pub fn new(source: R) -> Self {
        Self {
            source,
            read: Vec::new(),
        }
    }

    /// From the beginning.
    pub fn rewind(self) -> std::io::Chain<Cursor<Vec<u8>>, R> {
        Cursor::new(self.read).chain(self.source)
    }
}

impl<R: Read> Read for Rewindable<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let room = REMEMBERED - self.read.len().min(REMEMBERED);
        if room == 0 {
            return Err(io::Error::other("the image's beginning does not unpack"));
        }
        let length = buffer.len().min(room);
        let length = self.source.read(&mut buffer[..length])?;
        self.read.extend_from_slice(&buffer[..length]);
        Ok(length)
    }
}

/// A source with its length, where that is known.
pub struct Opened {
    /// The packed bytes.
    pub bytes: Box<dyn Read + Send>,
    /// How many there are.
    pub length: Option<u64>,
}

/// Opens a place for reading.
pub fn open(place: &Place, network: &Network, voice: &Arc<dyn Voice>) -> io::Result<Opened> {
    Ok(match place {
        Place::File(path) => {
            let file = File::open(path)?;
            let metadata = file.metadata()?;
            if metadata.is_dir() {
                return Err(io::Error::other("it is a directory"));
            }
            let length = metadata.is_file().then_some(metadata.len());
            Opened {
                bytes: Box::new(file),
                length,
            }
        }
        Place::Stdin => Opened {
            bytes: Box::new(io::stdin()),
            length: None,
        },
        Place::Url(url) => Opened {
            bytes: Box::new(network.stream(url, voice)?),
            length: None,
        },
    })
}
