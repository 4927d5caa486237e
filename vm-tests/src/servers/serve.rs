//! HTTP/1.1 over sockets, one request per connection.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::script::{Fate, Script};
use super::{Record, Request, Response, Service};

/// More than any agent has to tell.
const BODY_LIMIT: usize = 1 << 20;
/// No guest keeps a server's thread longer.
const PATIENCE: Duration = Duration::from_secs(60);

/// A service with its script.
pub struct Served {
    /// Answers.
    pub service: Mutex<Box<dyn Service>>,
    /// Fails first.
    pub script: Arc<Script>,
    /// Remembers.
    pub record: Record,
    /// Where it speaks TLS.
    pub tls: Option<Arc<rustls::ServerConfig>>,
}

/// Listens until this process ends; for `refused` seconds after the first lease nobody does.
pub fn start(served: Arc<Served>, address: SocketAddr, refused: u64, leases: &Path) -> Result<()> {
    let listen =
        move || TcpListener::bind(address).with_context(|| format!("while listening on {address}"));
    if refused == 0 {
        let listener = listen()?;
        thread::spawn(move || accept(&served, &listener));
        return Ok(());
    }
    let leases: PathBuf = leases.to_owned();
    thread::spawn(move || {
        while std::fs::metadata(&leases).map_or(0, |file| file.len()) == 0 {
            thread::sleep(Duration::from_millis(100));
        }
        thread::sleep(Duration::from_secs(refused));
        match listen() {
            Ok(listener) => accept(&served, &listener),
            Err(error) => eprintln!("{error:#}"),
        }
    });
    Ok(())
}

fn accept(served: &Arc<Served>, listener: &TcpListener) {
    for stream in listener.incoming().flatten() {
        let served = served.clone();
        thread::spawn(move || {
            // A guest that breaks off its own request is no failure of the server.
            let _ = connection(&served, &stream);
            let _ = stream.shutdown(Shutdown::Both);
        });
    }
}

fn connection(served: &Served, stream: &TcpStream) -> Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    match &served.tls {
        None => exchange(served, stream),
        Some(tls) => {
            let session = rustls::ServerConnection::new(tls.clone())?;
            let mut stream = rustls::StreamOwned::new(session, stream.try_clone()?);
            exchange(served, &mut stream)?;
            stream.conn.send_close_notify();
            stream.flush()?;
            Ok(())
        }
    }
}

fn exchange(served: &Served, mut stream: impl Read + Write) -> Result<()> {
    let request = read(&mut BufReader::new(&mut stream))?;
    let response = match served.script.fate(&request) {
        Fate::Dropped => {
            served.record.add(&request, "no answer");
            return Ok(());
        }
        Fate::Answered(response) => response,
        Fate::Served => {
            let mut service = served
                .service
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            service.answer(&request)
        }
    };
    served.record.add(&request, &response.status.to_string());
    write(&mut stream, &response)
}

fn read(from: &mut impl BufRead) -> Result<Request> {
    let mut line = String::new();
    from.read_line(&mut line)?;
    let mut words = line.split_whitespace();
    let mut request = Request {
        method: words.next().context("an empty request")?.to_owned(),
        target: words.next().context("a request without a path")?.to_owned(),
        ..Request::default()
    };
    loop {
        let mut line = String::new();
        from.read_line(&mut line)?;
        let Some((name, value)) = line.trim_end().split_once(':') else {
            break;
        };
        let name = name.to_ascii_lowercase();
        request.headers.insert(name, value.trim().to_owned());
    }
    if let Some(length) = request.header("content-length") {
        let length: usize = length.parse()?;
        ensure!(length <= BODY_LIMIT, "a body of {length} bytes");
        request.body = vec![0; length];
        from.read_exact(&mut request.body)?;
    }
    Ok(request)
}

fn write(to: &mut impl Write, response: &Response) -> Result<()> {
    // One write: the answer is on its way as a whole.
    let mut bytes = format!(
        "HTTP/1.1 {} Answer\r\nConnection: close\r\n",
        response.status
    );
    if response.status != 204 {
        bytes.push_str(&format!("Content-Length: {}\r\n", response.body.len()));
    }
    for (name, value) in &response.headers {
        bytes.push_str(&format!("{name}: {value}\r\n"));
    }
    bytes.push_str("\r\n");
    let mut bytes = bytes.into_bytes();
    bytes.extend(&response.body);
    to.write_all(&bytes)?;
    to.flush()?;
    Ok(())
}
