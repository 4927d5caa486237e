//! The bytes of one resource on their way to the sink: inflated, bounded, hashed.

use std::io::{self, Write};

use flate2::write::MultiGzDecoder;
use pilotlight_core::model::{Compression, Digest};
use sha2::{Digest as _, Sha256, Sha512};

use crate::error::Cause;
use crate::request::Request;
use crate::sink::Sink;

/// Input that is inflated at once. One byte of gzip stands for at most 1032 bytes, so this bounds the
/// buffer between inflater and sink to about 4 MiB, for a bomb, and to a few KiB for honest data.
const SLICE: usize = 4096;

pub(crate) struct Body<'s> {
    sink: &'s mut dyn Sink,
    compression: Compression,
    verify: Option<Digest>,
    limit: Option<u64>,
    received: u64,
    inflater: Option<MultiGzDecoder<Vec<u8>>>,
    output: Output,
}

impl<'s> Body<'s> {
    pub(crate) fn new(request: &Request, sink: &'s mut dyn Sink) -> Self {
        Self {
            sink,
            compression: request.compression,
            verify: request.verify,
            limit: request.max_bytes,
            received: 0,
            inflater: inflater(request.compression),
            output: Output::new(request.verify),
        }
    }

    /// Bytes taken since the last restart, before inflating.
    pub(crate) fn received(&self) -> u64 {
        self.received
    }

    /// Whether a digest will tell a patchwork of two versions from the resource.
    pub(crate) fn is_verified(&self) -> bool {
        self.verify.is_some()
    }

    pub(crate) fn restart(&mut self) -> Result<(), Cause> {
        if self.received > 0 {
            self.received = 0;
            self.inflater = inflater(self.compression);
            self.output = Output::new(self.verify);
            self.sink.reset().map_err(Cause::Sink)?;
        }
        Ok(())
    }

    pub(crate) fn feed(&mut self, chunk: &[u8]) -> Result<(), Cause> {
        self.received = self.received.saturating_add(chunk.len() as u64);
        let Some(inflater) = &mut self.inflater else {
            return self.output.emit(chunk, self.sink, self.limit);
        };
        // Gzip is hardly ever larger than what it holds; an endless row of empty members would be.
        if let Some(limit) = self.limit
            && self.received > limit.saturating_mul(2).saturating_add(1 << 16)
        {
            return Err(Cause::TooLarge { limit });
        }
        for slice in chunk.chunks(SLICE) {
            inflater.write_all(slice).map_err(not_gzip)?;
            self.output
                .emit(inflater.get_ref(), self.sink, self.limit)?;
            inflater.get_mut().clear();
        }
        Ok(())
    }

    /// Checks that the resource is whole; gives the bytes written and their SHA-256.
    pub(crate) fn finish(&mut self) -> Result<(u64, [u8; 32]), Cause> {
        if let Some(inflater) = &mut self.inflater {
            // The inflater says the same of a missing end as of a wrong checksum there.
            inflater.try_finish().map_err(|_| {
                Cause::Decompress("they end early, or their checksum is wrong".to_owned())
            })?;
            self.output
                .emit(inflater.get_ref(), self.sink, self.limit)?;
        }
        let output = std::mem::replace(&mut self.output, Output::new(None));
        let sha256: [u8; 32] = output.sha256.finalize().into();
        let got = match output.sha512 {
            Some(sha512) => Digest::Sha512(sha512.finalize().into()),
            None => Digest::Sha256(sha256),
        };
        match self.verify {
            Some(expected) if expected != got => Err(Cause::Digest {
                expected: Box::new(expected),
                got: Box::new(got),
            }),
            _ => Ok((output.written, sha256)),
        }
    }
}

fn inflater(compression: Compression) -> Option<MultiGzDecoder<Vec<u8>>> {
    match compression {
        Compression::None => None,
        Compression::Gzip => Some(MultiGzDecoder::new(Vec::new())),
    }
}

fn not_gzip(error: io::Error) -> Cause {
    Cause::Decompress(error.to_string())
}

/// What was written so far, as numbers.
struct Output {
    written: u64,
    sha256: Sha256,
    sha512: Option<Sha512>,
}

impl Output {
    fn new(verify: Option<Digest>) -> Self {
        Self {
            written: 0,
            sha256: Sha256::new(),
            sha512: matches!(verify, Some(Digest::Sha512(_))).then(Sha512::new),
        }
    }

    fn emit(&mut self, bytes: &[u8], sink: &mut dyn Sink, limit: Option<u64>) -> Result<(), Cause> {
        self.written = self.written.saturating_add(bytes.len() as u64);
        if let Some(limit) = limit
            && self.written > limit
        {
            return Err(Cause::TooLarge { limit });
        }
        self.sha256.update(bytes);
        if let Some(sha512) = &mut self.sha512 {
            sha512.update(bytes);
        }
        sink.write(bytes).map_err(Cause::Sink)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::write::GzEncoder;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    /// Feeds `wire` in pieces of `piece` bytes to a gzip body bounded to `limit` bytes.
    fn inflate(wire: &[u8], piece: usize, limit: u64) -> Result<Vec<u8>, Cause> {
        let mut sink = Vec::new();
        let request = Request {
            compression: Compression::Gzip,
            max_bytes: Some(limit),
            ..Request::default()
        };
        let mut body = Body::new(&request, &mut sink);
        for chunk in wire.chunks(piece) {
            body.feed(chunk)?;
        }
        body.finish()?;
        Ok(sink)
    }

    #[test]
    fn gzip_is_inflated_however_it_is_cut() {
        let text = b"a node comes up ".repeat(1000);
        let mut wire = gzip(&text);
        wire.extend(gzip(b"")); // an empty member
        wire.extend(gzip(b"as configured"));
        let whole = [&text[..], b"as configured"].concat();
        for piece in [1, 7, 4096, wire.len()] {
            assert_eq!(inflate(&wire, piece, 1 << 20).unwrap(), whole);
        }
    }

    #[test]
    fn broken_gzip_is_refused() {
        let wire = gzip(b"contents");
        let mut wrong_sum = wire.clone();
        wrong_sum[wire.len() - 8] ^= 1;
        let trailing = [&wire[..], b"garbage"].concat();
        for broken in [&b""[..], b"no gzip", &wrong_sum, &trailing] {
            assert!(
                matches!(inflate(broken, 4096, 100), Err(Cause::Decompress(_))),
                "{broken:?}"
            );
        }
        for cut in 0..wire.len() {
            let result = inflate(&wire[..cut], 3, 100);
            assert!(matches!(result, Err(Cause::Decompress(_))), "cut at {cut}");
        }
    }

    #[test]
    fn bombs_do_not_pass_the_limit() {
        let bomb = gzip(&vec![0; 10 << 20]);
        assert!(bomb.len() < 20_000);
        let result = inflate(&bomb, 1 << 16, 1 << 20);
        assert!(matches!(result, Err(Cause::TooLarge { limit: 1_048_576 })));
        // Members that hold nothing do not pass either, however many.
        let empty = gzip(b"").repeat(10_000);
        let result = inflate(&empty, 1 << 16, 10);
        assert!(matches!(result, Err(Cause::TooLarge { limit: 10 })));
    }
}
