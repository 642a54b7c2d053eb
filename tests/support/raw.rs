//! HTTP as bytes on a socket: for what no client library sends.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// No answer takes longer than this.
const TIMEOUT: Duration = Duration::from_secs(60);

/// An open connection.
#[derive(Debug)]
pub struct Wire {
    stream: TcpStream,
    buffer: Vec<u8>,
}

/// An answer, with its head as text.
#[derive(Debug, Clone)]
pub struct RawAnswer {
    /// The status code.
    pub status: u16,
    /// The status line and the headers, in lower case.
    pub head: String,
    /// The body, of the length that the head announces.
    pub body: Vec<u8>,
}

impl Wire {
    /// Connects to `http://HOST:PORT`.
    ///
    /// # Panics
    /// When nobody listens.
    #[must_use]
    pub fn connect(url: &str) -> Self {
        let address = url.trim_start_matches("http://").trim_end_matches('/');
        let stream = TcpStream::connect(address).unwrap_or_else(|error| panic!("{url}: {error}"));
        stream.set_read_timeout(Some(TIMEOUT)).unwrap();
        stream.set_nodelay(true).unwrap();
        Self { stream, buffer: Vec::new() }
    }

    /// Another hold of the same connection, for one thread to send and another to read.
    ///
    /// # Panics
    /// When the system has no descriptor left.
    #[must_use]
    pub fn twin(&self) -> Self {
        Self { stream: self.stream.try_clone().unwrap(), buffer: Vec::new() }
    }

    /// Sends bytes as they are. A server that has hung up is no failure: what it said before can still be read.
    pub fn send(&mut self, bytes: &[u8]) {
        let _ = self.stream.write_all(bytes);
    }

    /// Sends bytes, and says whether the server still took them.
    pub fn try_send(&mut self, bytes: &[u8]) -> bool {
        self.stream.write_all(bytes).is_ok()
    }

    /// Reads one answer; `None` when the server hangs up before it. A body without `content-length` is read as chunks.
    ///
    /// # Panics
    /// On an answer that is cut within, and when none comes.
    pub fn answer(&mut self) -> Option<RawAnswer> {
        let head_len = loop {
            if let Some(at) = find(&self.buffer, b"\r\n\r\n") {
                break at + 4;
            }
            if !self.fill() {
                assert!(self.buffer.is_empty(), "cut in the head: {}", String::from_utf8_lossy(&self.buffer));
                return None;
            }
        };
        let head = String::from_utf8_lossy(&self.buffer[..head_len]).to_lowercase();
        self.buffer.drain(..head_len);
        let status =
            head.split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap_or_else(|| panic!("no status: {head}"));
        let body = if head.contains("transfer-encoding: chunked") { self.chunks() } else { self.take(length(&head)) };
        Some(RawAnswer { status, head, body })
    }

    /// Whether the server closes the connection, with nothing more on it.
    pub fn is_closed(&mut self) -> bool {
        self.buffer.is_empty() && !self.fill()
    }

    /// All that comes until the server hangs up.
    pub fn rest(&mut self) -> Vec<u8> {
        while self.fill() {}
        std::mem::take(&mut self.buffer)
    }

    /// Reads until `mark` has come, and returns all up to its end in lower case. Chunk lengths between the bytes of `mark` are
    /// not taken out: choose one that lies within a chunk, or between two of one byte.
    ///
    /// # Panics
    /// When the server hangs up before.
    #[must_use]
    pub fn read_until(&mut self, mark: &[u8]) -> String {
        let end = loop {
            if let Some(at) = find(&self.buffer, mark) {
                break at + mark.len();
            }
            assert!(self.fill(), "cut before {:?}", String::from_utf8_lossy(mark));
        };
        let seen: Vec<u8> = self.buffer.drain(..end).collect();
        String::from_utf8_lossy(&seen).to_lowercase()
    }

    fn chunks(&mut self) -> Vec<u8> {
        let mut body = Vec::new();
        loop {
            let line_len = loop {
                if let Some(at) = find(&self.buffer, b"\r\n") {
                    break at;
                }
                assert!(self.fill(), "cut before a chunk");
            };
            let line = String::from_utf8(self.take(line_len)).unwrap();
            self.take(2);
            let len = usize::from_str_radix(&line, 16).unwrap_or_else(|_| panic!("no chunk length: {line:?}"));
            let chunk = self.take(len);
            self.take(2);
            if chunk.is_empty() {
                return body;
            }
            body.extend(chunk);
        }
    }

    fn take(&mut self, len: usize) -> Vec<u8> {
        while self.buffer.len() < len {
            assert!(self.fill(), "cut after {} of {len} bytes", self.buffer.len());
        }
        self.buffer.drain(..len).collect()
    }

    /// Reads more; false at the end, which a reset is too.
    fn fill(&mut self) -> bool {
        let mut piece = [0; 16 * 1024];
        let read = loop {
            match self.stream.read(&mut piece) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                read => break read,
            }
        };
        match read {
            Ok(0) => false,
            Ok(n) => {
                self.buffer.extend_from_slice(&piece[..n]);
                true
            }
            Err(error) if matches!(error.kind(), ErrorKind::ConnectionReset | ErrorKind::BrokenPipe) => false,
            Err(error) => panic!("no answer within {} s: {error}", TIMEOUT.as_secs()),
        }
    }
}

impl RawAnswer {
    /// The value of a header.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }

    /// The body as text.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// Sends one request on a connection of its own and reads the answer.
///
/// # Panics
/// When none comes.
#[must_use]
pub fn ask(url: &str, request: &[u8]) -> Option<RawAnswer> {
    let mut wire = Wire::connect(url);
    wire.send(request);
    wire.answer()
}

fn length(head: &str) -> usize {
    head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok()).unwrap_or(0)
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|window| window == what)
}
