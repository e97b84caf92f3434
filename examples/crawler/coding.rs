//! Content codings: gzip, deflate and br, one piece at a time.

use std::io::{self, Write};

use brotli_decompressor::{BrotliDecompressStream, BrotliResult, BrotliState, StandardAlloc};
use bytes::{Buf, Bytes};
use flate2::write::{DeflateDecoder, GzDecoder, ZlibDecoder};
use hyper::HeaderMap;
use hyper::header::CONTENT_ENCODING;

use crate::error::FetchError;

/// What the crawler asks for.
pub(crate) const ACCEPTED: &str = "gzip, deflate, br";

/// The codings that IANA has registered and that are not decoded here. Any other name is no coding. Then the bytes are
/// taken as they are, as the Fetch standard says (`none` and `utf-8` do occur).
const NOT_DECODED: &[&str] = &[
    "zstd",
    "compress",
    "x-compress",
    "dcb",
    "dcz",
    "exi",
    "aes128gcm",
    "pack200-gzip",
];

/// How many codings on top of each other are undone. One is usual, two are a mistake.
const MOST_CODINGS: usize = 4;

/// How much is decoded in one step, and a little more. A few bytes may hold gigabytes, so nothing is decoded at once.
const STEP: usize = 64 * 1024;

/// How much Brotli decodes at once.
const BROTLI_STEP: usize = 32 * 1024;

/// A decoder for each coding of a body, the outermost first.
pub(crate) fn decoders(headers: &HeaderMap) -> Result<Vec<Decoder>, FetchError> {
    let mut decoders = Vec::new();
    for value in headers.get_all(CONTENT_ENCODING) {
        for name in String::from_utf8_lossy(value.as_bytes()).split(',') {
            let name = name.trim().to_ascii_lowercase();
            if NOT_DECODED.contains(&&*name) {
                return Err(FetchError::Encoded(name));
            }
            decoders.extend(Decoder::named(&name));
        }
    }
    if decoders.len() > MOST_CODINGS {
        let codings = format!("{} codings on top of each other", decoders.len());
        return Err(FetchError::Encoded(codings));
    }
    decoders.reverse();
    Ok(decoders)
}

/// Undoes one coding.
pub(crate) struct Decoder {
    name: &'static str,
    state: State,
    /// What was received and is not decoded yet.
    input: Bytes,
    /// How many bytes were received.
    came: usize,
}

enum State {
    /// Nothing was received yet. The first bytes decide how to go on.
    Empty(fn(&[u8]) -> State),
    Gzip(GzDecoder<Vec<u8>>),
    Zlib(ZlibDecoder<Vec<u8>>),
    Deflate(DeflateDecoder<Vec<u8>>),
    Brotli(Box<Brotli>),
    /// The data has ended. What comes after it is ignored, as browsers do.
    Ended,
}

impl Decoder {
    fn named(name: &str) -> Option<Decoder> {
        let (name, start): (_, fn(&[u8]) -> State) = match name {
            "gzip" | "x-gzip" => ("gzip", gzip),
            "deflate" => ("deflate", zlib_or_not),
            "br" => ("br", |_| State::Brotli(Box::new(Brotli::new()))),
            _ => return None,
        };
        Some(Decoder {
            name,
            state: State::Empty(start),
            input: Bytes::new(),
            came: 0,
        })
    }

    /// Takes the next piece. Call this only if there is nothing to decode.
    pub(crate) fn receive(&mut self, piece: Bytes) {
        self.came += piece.len();
        self.input = piece;
    }

    /// How many bytes were received.
    pub(crate) fn came(&self) -> usize {
        self.came
    }

    /// Whether something was received that is not decoded yet.
    pub(crate) fn has_more(&self) -> bool {
        !self.input.is_empty() || matches!(&self.state, State::Brotli(brotli) if brotli.has_more)
    }

    /// Decodes about 64 KiB of what was received, or all of it.
    pub(crate) fn decode(&mut self) -> Result<Vec<u8>, FetchError> {
        let mut decoded = Vec::new();
        while self.has_more() && decoded.len() < STEP {
            match self.state {
                State::Ended => self.input.clear(),
                State::Empty(start) => self.state = start(&self.input),
                _ => {
                    let input = self.input.clone();
                    match self.write(&input)? {
                        Some(taken) => self.input.advance(taken),
                        None => {
                            decoded.append(&mut self.end()?);
                            if self.name == "gzip" {
                                self.state = State::Empty(next_member);
                            }
                        }
                    }
                }
            }
            if !self.has_more() {
                self.flush()?;
            }
            if let Some(output) = self.output() {
                decoded.append(output);
            }
        }
        Ok(decoded)
    }

    /// Says that no more comes, and returns what was left inside.
    pub(crate) fn finish(&mut self) -> Result<Vec<u8>, FetchError> {
        if matches!(self.state, State::Empty(_) | State::Ended) {
            return Ok(Vec::new());
        }
        // A stream that has ended accepts nothing any more.
        match self.write(&[0])? {
            None => self.end(),
            Some(_) => Err(self.garbled(io::ErrorKind::UnexpectedEof.into())),
        }
    }

    /// Checks what follows the data.
    fn end(&mut self) -> Result<Vec<u8>, FetchError> {
        let ended = match std::mem::replace(&mut self.state, State::Ended) {
            State::Gzip(decoder) => decoder.finish(),
            State::Zlib(decoder) => decoder.finish(),
            State::Deflate(decoder) => decoder.finish(),
            State::Brotli(decoder) => Ok(decoder.output),
            State::Empty(_) | State::Ended => Ok(Vec::new()),
        };
        ended.map_err(|error| self.garbled(error))
    }

    /// Decodes some bytes, and returns how many. `None` if the data has ended before them.
    fn write(&mut self, piece: &[u8]) -> Result<Option<usize>, FetchError> {
        let taken = match &mut self.state {
            State::Gzip(decoder) => decoder.write(piece).map(not_zero),
            State::Zlib(decoder) => decoder.write(piece).map(not_zero),
            State::Deflate(decoder) => decoder.write(piece).map(not_zero),
            State::Brotli(decoder) => decoder.write(piece),
            State::Empty(_) | State::Ended => Ok(None),
        };
        taken.map_err(|error| self.garbled(error))
    }

    /// Moves what was decoded so far into the output.
    fn flush(&mut self) -> Result<(), FetchError> {
        let flushed = match &mut self.state {
            State::Gzip(decoder) => decoder.flush(),
            State::Zlib(decoder) => decoder.flush(),
            State::Deflate(decoder) => decoder.flush(),
            // It holds nothing back.
            State::Brotli(_) | State::Empty(_) | State::Ended => Ok(()),
        };
        flushed.map_err(|error| self.garbled(error))
    }

    fn output(&mut self) -> Option<&mut Vec<u8>> {
        match &mut self.state {
            State::Gzip(decoder) => Some(decoder.get_mut()),
            State::Zlib(decoder) => Some(decoder.get_mut()),
            State::Deflate(decoder) => Some(decoder.get_mut()),
            State::Brotli(decoder) => Some(&mut decoder.output),
            State::Empty(_) | State::Ended => None,
        }
    }

    fn garbled(&self, error: io::Error) -> FetchError {
        FetchError::Garbled(self.name, error)
    }
}

/// A stream that has ended accepts nothing any more.
fn not_zero(taken: usize) -> Option<usize> {
    (taken > 0).then_some(taken)
}

/// Brotli has no decoder like those of flate2. That of its crate does not stop before a piece is decoded, however long
/// it becomes.
struct Brotli {
    state: BrotliState<StandardAlloc, StandardAlloc, StandardAlloc>,
    output: Vec<u8>,
    /// Whether more can be decoded of what was received.
    has_more: bool,
    ended: bool,
}

impl Brotli {
    fn new() -> Brotli {
        let alloc = StandardAlloc::default;
        Brotli {
            // The strict form has windows of 16 MiB at most.
            state: BrotliState::new_strict(alloc(), alloc(), alloc()),
            output: Vec::new(),
            has_more: false,
            ended: false,
        }
    }

    fn write(&mut self, piece: &[u8]) -> io::Result<Option<usize>> {
        if self.ended {
            return Ok(None);
        }
        let start = self.output.len();
        self.output.resize(start + BROTLI_STEP, 0);
        let (mut taken, mut left) = (0, piece.len());
        let (mut end, mut room) = (start, BROTLI_STEP);
        let result = BrotliDecompressStream(
            &mut left,
            &mut taken,
            piece,
            &mut room,
            &mut end,
            &mut self.output,
            &mut 0,
            &mut self.state,
        );
        self.output.truncate(end);
        self.has_more = matches!(result, BrotliResult::NeedsMoreOutput);
        self.ended = matches!(result, BrotliResult::ResultSuccess);
        match result {
            BrotliResult::ResultFailure => Err(io::ErrorKind::InvalidData.into()),
            _ => Ok(Some(taken)),
        }
    }
}

fn gzip(_: &[u8]) -> State {
    State::Gzip(GzDecoder::new(Vec::new()))
}

/// A gzip file may have several members.
fn next_member(start: &[u8]) -> State {
    match start.first() {
        Some(0x1f) => gzip(start),
        _ => State::Ended,
    }
}

/// `deflate` means zlib's format, but some hosts send the bare data. The first byte of zlib's format tells them apart:
/// no compressor begins bare data with it.
fn zlib_or_not(start: &[u8]) -> State {
    match start.first() {
        Some(first) if first & 0x0f == 8 => State::Zlib(ZlibDecoder::new(Vec::new())),
        _ => State::Deflate(DeflateDecoder::new(Vec::new())),
    }
}

#[cfg(test)]
mod tests {
    use flate2::Compression;
    use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};

    use super::*;

    /// `hello` and a newline in Brotli.
    const BROTLI: &[u8] = b"\x8f\x02\x80\x68\x65\x6c\x6c\x6f\x0a\x03";

    /// 16 MiB in Brotli.
    const BROTLI_BOMB: &[u8] = b"\xcb\xff\xff\x3f\x00\x04\x5a\x72\x48\x15\x58\x06\xe7\xed\xb7\x4f\x45\x84\x39\x30\x91\xad\xcc\x23\x2b\xf9\x33\
        \x7a\xff\x17\x5e\xdc\xa8\xf1\xff\xff\x0f\x00\x09\x80\x38\x2c\x00\xdd\xfb\xbf\xa8\x00\x00\x20\x01\x10\x44\x04\x00";

    fn zipped(text: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    fn decode(coding: &str, data: &[u8], piece: usize) -> Result<Vec<u8>, FetchError> {
        let mut decoder = Decoder::named(coding).unwrap();
        let mut all = Vec::new();
        for piece in data.chunks(piece) {
            decoder.receive(Bytes::copy_from_slice(piece));
            while decoder.has_more() {
                let step = decoder.decode()?;
                assert!(step.len() <= 2 * STEP, "{}", step.len());
                all.extend(step);
            }
        }
        all.extend(decoder.finish()?);
        Ok(all)
    }

    #[test]
    fn each_coding_is_undone_in_pieces_of_any_size() {
        let text: Vec<u8> = (0..2500_u32)
            .flat_map(|i| i.wrapping_mul(i).to_le_bytes())
            .collect();
        let mut zlib = ZlibEncoder::new(Vec::new(), Compression::fast());
        zlib.write_all(&text).unwrap();
        let mut bare = DeflateEncoder::new(Vec::new(), Compression::fast());
        bare.write_all(&text).unwrap();
        let two = [zipped(&text[..7]), zipped(&text[7..])].concat();
        for (coding, data) in [
            ("gzip", zipped(&text)),
            ("x-gzip", two),
            ("deflate", zlib.finish().unwrap()),
            ("deflate", bare.finish().unwrap()),
        ] {
            for piece in [1, 7, 4096, usize::MAX] {
                assert!(decode(coding, &data, piece).unwrap() == text, "{coding}");
                let surplus = [&data, &b"\0\0surplus"[..]].concat();
                assert!(decode(coding, &surplus, piece).unwrap() == text, "{coding}");
            }
            for cut in [1, data.len() / 2, data.len() - 1] {
                assert!(decode(coding, &data[..cut], 100).is_err(), "{coding} {cut}");
            }
        }
        for piece in [1, 7, 4096] {
            let surplus = [BROTLI, b"surplus"].concat();
            assert_eq!(decode("br", BROTLI, piece).unwrap(), b"hello\n");
            assert_eq!(decode("br", &surplus, piece).unwrap(), b"hello\n");
            assert!(decode("br", &BROTLI[..8], piece).is_err());
        }
    }

    /// Each step is checked in `decode`.
    #[test]
    fn a_few_bytes_that_become_many_are_decoded_step_by_step() {
        let gzip = zipped(&vec![b'.'; 16 << 20]);
        for (coding, data) in [("gzip", &*gzip), ("br", BROTLI_BOMB)] {
            let decoded = decode(coding, data, usize::MAX).unwrap();
            assert!(decoded.len() >= 16 << 20, "{coding}");
        }
    }

    #[test]
    fn no_data_is_an_empty_body_and_other_data_is_garbled() {
        for coding in ["gzip", "deflate", "br"] {
            assert_eq!(decode(coding, b"", 1).unwrap(), b"");
            assert!(decode(coding, b"<a href=x>not compressed</a>", 5).is_err());
        }
    }
}
