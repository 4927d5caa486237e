//! Files for the guest over HTTP: a server on the loopback address, and the relay by which QEMU's
//! user network reaches it without giving the guest any other way out.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::{fs, io, thread};

use anyhow::{Context, Result};

/// Serves the files on a port of the loopback address, until this process ends; returns the port.
pub fn serve(files: BTreeMap<String, PathBuf>) -> Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let port = listener.local_addr()?.port();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            // A guest that breaks off its own request is no failure of the server.
            let _ = answer(&stream, &files);
            let _ = stream.shutdown(Shutdown::Both);
        }
    });
    Ok(port)
}

fn answer(mut stream: &TcpStream, files: &BTreeMap<String, PathBuf>) -> Result<()> {
    let mut lines = BufReader::new(stream).lines();
    let request = lines.next().context("empty request")??;
    for line in lines {
        if line?.is_empty() {
            break;
        }
    }
    let path = request.split(' ').nth(1).unwrap_or_default();
    match files.get(path).map(fs::read) {
        Some(Ok(body)) => {
            write!(
                stream,
                "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
                body.len()
            )?;
            stream.write_all(&body)?;
        }
        _ => stream.write_all(
            b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
        )?,
    }
    Ok(())
}

/// Copies stdin to a local port and its answer to stdout; ends when the server closes the connection.
pub fn relay(port: u16) -> Result<()> {
    let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    let mut towards = stream.try_clone()?;
    thread::spawn(move || {
        // Unbuffered: each piece of a request goes on at once.
        let mut input = io::stdin().lock();
        let mut piece = [0; 4096];
        while let Ok(count @ 1..) = input.read(&mut piece) {
            if towards.write_all(&piece[..count]).is_err() {
                break;
            }
        }
        // A server that waits for another request learns that none comes.
        let _ = towards.shutdown(Shutdown::Write);
    });
    // Not through Rust's standard output, which would hold back what follows the last line feed while a
    // server keeps its connection open.
    let mut answer = fs::File::from(io::stdout().as_fd().try_clone_to_owned()?);
    io::copy(&mut &stream, &mut answer)?;
    Ok(())
}
