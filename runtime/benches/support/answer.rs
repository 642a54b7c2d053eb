//! As much of HTTP/1.1 as it takes to know where an answer ends: a length or chunks.

use std::time::Duration;

use anyhow::{Context, Result, bail};

const HEAD_END: &[u8] = b"\r\n\r\n";

/// A whole answer.
#[derive(Debug)]
pub(crate) struct Answer {
    /// The status code.
    pub(crate) status: u16,
    /// What `server-timing` says, empty where it is not there.
    pub(crate) timing: String,
    /// The body, without the marks of its chunks.
    pub(crate) body: Vec<u8>,
}

impl Answer {
    /// How long a stage took, as `server-timing` has it; `None` where it does not name it.
    pub(crate) fn stage(&self, stage: &str) -> Option<Duration> {
        let stages = self.timing.split(',').filter_map(|part| part.trim().split_once(";dur="));
        let (_, milliseconds) = stages.into_iter().find(|(name, _)| *name == stage)?;
        Duration::try_from_secs_f64(milliseconds.trim().parse::<f64>().ok()? / 1e3).ok()
    }
}

/// A whole answer, measured only.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Measured {
    /// The status code.
    pub(crate) status: u16,
    /// Its bytes on the wire.
    pub(crate) bytes: usize,
}

/// Where the answer at the front of `received` ends; `None` while some of it is missing.
///
/// # Errors
/// When it is no HTTP/1.1 with a length or chunks.
pub(crate) fn measure(received: &[u8]) -> Result<Option<Measured>> {
    scan(received, |_| ())
}

/// The answer at the front of `received`; `None` while some of it is missing.
///
/// # Errors
/// When it is no HTTP/1.1 with a length or chunks.
pub(crate) fn parse(received: &[u8]) -> Result<Option<Answer>> {
    let mut body = Vec::new();
    let measured = scan(received, |piece| body.extend_from_slice(piece))?;
    Ok(measured.map(|measured| Answer { status: measured.status, timing: timing(received), body }))
}

fn timing(received: &[u8]) -> String {
    let end = find(received, HEAD_END).unwrap_or_default();
    let head = String::from_utf8_lossy(received.get(..end).unwrap_or_default());
    let fields = head.lines().filter_map(|line| line.split_once(':'));
    let values = fields.filter(|(name, _)| name.eq_ignore_ascii_case("server-timing")).map(|(_, value)| value.trim());
    values.collect::<Vec<_>>().join(",")
}

fn scan(received: &[u8], piece: impl FnMut(&[u8])) -> Result<Option<Measured>> {
    let Some(end) = find(received, HEAD_END) else {
        return Ok(None);
    };
    let (head, rest) = received.split_at_checked(end + HEAD_END.len()).unwrap_or_default();
    let mut lines = head.split(|byte| *byte == b'\n');
    let first = std::str::from_utf8(lines.next().unwrap_or_default())?;
    let code = first.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3));
    let status: u16 = code.with_context(|| format!("no status line: {first:?}"))?.parse()?;
    let body = match framing(lines)? {
        Framing::Length(length) => plain(rest, length, piece),
        Framing::Chunked => chunks(rest, piece)?,
    };
    Ok(body.map(|body| Measured { status, bytes: head.len() + body }))
}

enum Framing {
    Length(usize),
    Chunked,
}

fn framing<'a>(lines: impl Iterator<Item = &'a [u8]>) -> Result<Framing> {
    for line in lines {
        let Some(colon) = line.iter().position(|byte| *byte == b':') else {
            continue;
        };
        let (name, value) = line.split_at(colon);
        let value = value.get(1..).unwrap_or_default().trim_ascii();
        if name.eq_ignore_ascii_case(b"content-length") {
            return Ok(Framing::Length(std::str::from_utf8(value)?.parse()?));
        }
        if name.eq_ignore_ascii_case(b"transfer-encoding") && value.eq_ignore_ascii_case(b"chunked") {
            return Ok(Framing::Chunked);
        }
    }
    bail!("an answer with neither a length nor chunks")
}

fn plain(rest: &[u8], length: usize, mut piece: impl FnMut(&[u8])) -> Option<usize> {
    piece(rest.get(..length)?);
    Some(length)
}

/// The bytes that the chunks take, with their marks and without trailers.
fn chunks(rest: &[u8], mut piece: impl FnMut(&[u8])) -> Result<Option<usize>> {
    let mut at = 0;
    loop {
        let left = rest.get(at..).unwrap_or_default();
        let Some(line) = find(left, b"\r\n") else {
            return Ok(None);
        };
        let size = std::str::from_utf8(left.get(..line).unwrap_or_default())?;
        let size = usize::from_str_radix(size, 16).with_context(|| format!("the size of a chunk: {size:?}"))?;
        let data = line + 2;
        let Some(chunk) = left.get(data..data + size + 2) else {
            return Ok(None);
        };
        piece(chunk.get(..size).unwrap_or_default());
        at += data + size + 2;
        if size == 0 {
            return Ok(Some(at));
        }
    }
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|window| window == wanted)
}
