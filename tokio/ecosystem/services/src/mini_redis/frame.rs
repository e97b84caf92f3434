//! redis' protocol: what a frame is, and its bytes.

use std::io::{Error, ErrorKind, Result, Write};

use bytes::{Buf, Bytes, BytesMut};

/// The most that a string may hold, and the most elements of an array.
const LONGEST: usize = 512 << 20;
const MOST: usize = 1 << 20;
/// How deep arrays may hold arrays.
const DEEPEST: usize = 8;

/// A value of redis' protocol, version 2.
#[derive(Clone, Debug, PartialEq)]
pub enum Frame {
    /// A short text.
    Simple(&'static str),
    /// A text that the other side sent.
    Text(String),
    /// An error.
    Error(String),
    /// A number.
    Integer(i64),
    /// A string of bytes.
    Bulk(Bytes),
    /// What is not there.
    Null,
    /// Several values.
    Array(Vec<Frame>),
}

impl Frame {
    /// A string of bytes.
    pub fn bulk(bytes: impl Into<Bytes>) -> Frame {
        Frame::Bulk(bytes.into())
    }

    /// Takes the first frame out of `buffer`, if all of it is there.
    pub(super) fn take(buffer: &mut BytesMut) -> Result<Option<Frame>> {
        let mut reader = Reader {
            bytes: buffer,
            at: 0,
        };
        if !reader.skip(DEEPEST)? {
            return Ok(None);
        }
        let length = reader.at;
        let mut bytes = buffer.split_to(length).freeze();
        read(&mut bytes).map(Some)
    }

    /// Writes the frame's bytes.
    pub(super) fn write(&self, to: &mut BytesMut) {
        match self {
            Frame::Simple(text) => line(to, b'+', text),
            Frame::Text(text) => line(to, b'+', text),
            Frame::Error(text) => line(to, b'-', text),
            Frame::Integer(number) => line(to, b':', number),
            Frame::Null => to.extend_from_slice(b"$-1\r\n"),
            Frame::Bulk(bytes) => {
                line(to, b'$', bytes.len());
                to.extend_from_slice(bytes);
                to.extend_from_slice(b"\r\n");
            }
            Frame::Array(frames) => {
                line(to, b'*', frames.len());
                frames.iter().for_each(|frame| frame.write(to));
            }
        }
    }
}

fn line(to: &mut BytesMut, kind: u8, content: impl std::fmt::Display) {
    let mut to = bytes::BufMut::writer(to);
    write!(to, "{}{content}\r\n", kind as char).expect("memory takes all");
}

pub(super) fn invalid(what: &str) -> Error {
    Error::new(ErrorKind::InvalidData, format!("protocol error: {what}"))
}

/// Looks for a frame's end.
struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Reader<'_> {
    /// Goes behind the next frame; false if its end isn't there yet.
    fn skip(&mut self, depth: usize) -> Result<bool> {
        let Some(line) = self.line() else {
            return Ok(false);
        };
        match line.split_first() {
            Some((b'$', length)) => match number(length)? {
                -1 => Ok(true),
                length => {
                    self.at += limited(length, LONGEST)? + 2;
                    Ok(self.at <= self.bytes.len())
                }
            },
            Some((b'*', length)) => {
                let depth = depth.checked_sub(1).ok_or_else(|| invalid("too deep"))?;
                for _ in 0..limited(number(length)?.max(0), MOST)? {
                    if !self.skip(depth)? {
                        return Ok(false);
                    }
                }
                Ok(true)
            }
            _ => Ok(true),
        }
    }

    fn line(&mut self) -> Option<&[u8]> {
        let rest = self.bytes.get(self.at..)?;
        let length = rest.iter().position(|byte| *byte == b'\n')?;
        self.at += length + 1;
        Some(
            rest[..length]
                .strip_suffix(b"\r")
                .unwrap_or(&rest[..length]),
        )
    }
}

fn limited(number: i64, most: usize) -> Result<usize> {
    usize::try_from(number)
        .ok()
        .filter(|number| *number <= most)
        .ok_or_else(|| invalid("a wrong length"))
}

fn number(digits: &[u8]) -> Result<i64> {
    let text = std::str::from_utf8(digits).ok();
    text.and_then(|text| text.parse().ok())
        .ok_or_else(|| invalid("a number is expected"))
}

/// Reads a frame that is complete.
fn read(bytes: &mut Bytes) -> Result<Frame> {
    let length = bytes
        .iter()
        .position(|byte| *byte == b'\n')
        .expect("it is complete");
    let line = bytes.split_to(length + 1);
    let line = line.strip_suffix(b"\r\n").unwrap_or(&line[..length]);
    let Some((kind, rest)) = line.split_first() else {
        return Ok(Frame::Array(Vec::new()));
    };
    let text = || String::from_utf8_lossy(rest).into_owned();
    match kind {
        b'+' => Ok(Frame::Text(text())),
        b'-' => Ok(Frame::Error(text())),
        b':' => number(rest).map(Frame::Integer),
        b'$' => match number(rest)? {
            -1 => Ok(Frame::Null),
            length => {
                let content = bytes.split_to(limited(length, LONGEST)?);
                bytes.advance(2);
                Ok(Frame::Bulk(content))
            }
        },
        b'*' => match number(rest)? {
            -1 => Ok(Frame::Null),
            length => (0..length)
                .map(|_| read(bytes))
                .collect::<Result<_>>()
                .map(Frame::Array),
        },
        // Words in a line are a command too.
        _ => {
            let words = line
                .split(|byte| *byte == b' ')
                .filter(|word| !word.is_empty());
            Ok(Frame::Array(
                words.map(|word| Frame::bulk(word.to_vec())).collect(),
            ))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_taken_when_all_of_it_is_there() {
        let frame = Frame::Array(vec![
            Frame::bulk("a"),
            Frame::Integer(-3),
            Frame::Null,
            Frame::Array(vec![Frame::Error("ERR".into()), Frame::bulk("")]),
        ]);
        let mut bytes = BytesMut::new();
        frame.write(&mut bytes);
        for length in 0..bytes.len() {
            assert_eq!(
                Frame::take(&mut bytes.clone().split_to(length)).unwrap(),
                None
            );
        }
        assert_eq!(Frame::take(&mut bytes).unwrap(), Some(frame));
        assert!(bytes.is_empty());
    }

    #[test]
    fn nonsense_is_refused() {
        for bytes in [
            "$x\r\n",
            "$-2\r\n",
            "*99999999\r\n",
            "*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n",
        ] {
            assert!(Frame::take(&mut bytes.into()).is_err(), "{bytes:?}");
        }
    }
}
