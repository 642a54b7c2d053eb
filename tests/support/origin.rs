//! A server somewhere else, as functions call it: plain or by TLS, on a loopback address, with a thread per connection.

use crate::authority::Authority;
use rustls::pki_types::PrivateKeyDer;
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// A connection that nobody uses ends at last, should a test leave it.
const IDLE_MAX: Duration = Duration::from_secs(120);

/// A server that does what the path says: `/hello` answers `hello`; `/head` answers with the request's head;
/// `/to/URL` redirects; `/bytes/N` answers with N letters of announced length, `/chunks/N` in chunks of unannounced; `/echo` sends
/// the chunks of the body back as they come; `/cut` promises more than it sends; `/silent` never answers; `/stall` stops within
/// its body; `/heads/N` has a header of N letters; `/garbage` answers no HTTP.
#[derive(Debug)]
pub struct Origin {
    /// Where it listens.
    pub address: SocketAddr,
    connections: Arc<AtomicUsize>,
}

trait Wire: Read + Write {}
impl<T: Read + Write> Wire for T {}

impl Origin {
    /// A server without TLS on 127.0.0.1.
    #[must_use]
    pub fn start() -> Self {
        Self::serve("127.0.0.1:0", |stream| Some(Box::new(stream)))
    }

    /// A server with TLS on 127.0.0.1, whose certificate is for `name`; its authority's certificate is written to `ca_file`.
    ///
    /// # Panics
    /// When it cannot be written.
    #[must_use]
    pub fn with_tls(name: &str, ca_file: &Path) -> Self {
        let config = Arc::new(tls(name, ca_file));
        Self::serve("127.0.0.1:0", move |stream| {
            let connection = ServerConnection::new(Arc::clone(&config)).ok()?;
            Some(Box::new(StreamOwned::new(connection, stream)))
        })
    }

    fn serve(at: &str, wrap: impl Fn(TcpStream) -> Option<Box<dyn Wire>> + Clone + Send + 'static) -> Self {
        let listener = TcpListener::bind(at).unwrap();
        let address = listener.local_addr().unwrap();
        let connections = Arc::new(AtomicUsize::new(0));
        let seen = Arc::clone(&connections);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                seen.fetch_add(1, Ordering::SeqCst);
                let wrap = wrap.clone();
                std::thread::spawn(move || {
                    stream.set_read_timeout(Some(IDLE_MAX)).unwrap();
                    // A client that hangs up, or does not trust us, is what some tests are about.
                    if let Some(mut wire) = wrap(stream) {
                        let _ = answer(&mut *wire);
                    }
                });
            }
        });
        Self { address, connections }
    }

    /// `http://ADDRESS`, which is also the rule that allows it.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// How many connections came.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

fn tls(name: &str, ca_file: &Path) -> ServerConfig {
    let authority = Authority::make();
    authority.lay(ca_file);
    let (certificate, key) = authority.certify(&[name]);
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    builder.with_no_client_auth().with_single_cert(vec![certificate.der().clone()], key).unwrap()
}

/// Answers one request, and hangs up when the client does; at once, where the answer is not to be whole.
fn answer(wire: &mut dyn Wire) -> std::io::Result<()> {
    let (head, rest) = read_head(wire)?;
    let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
    let (what, argument) = path.trim_start_matches('/').split_once('/').unwrap_or((path.trim_start_matches('/'), ""));
    let number = argument.parse::<usize>().unwrap_or(0);
    match what {
        "head" => whole(wire, "200 OK", "", &head),
        "to" => whole(wire, "302 Found", &format!("location: {argument}\r\n"), ""),
        "bytes" => whole(wire, "200 OK", "", &"x".repeat(number)),
        "heads" => whole(wire, "200 OK", &format!("x-long: {}\r\n", "y".repeat(number)), "short"),
        "chunks" => {
            wire.write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")?;
            let letters = [b'x'; 1000];
            (0..number.div_ceil(1000)).try_for_each(|_| chunk(wire, &letters))?;
            wire.write_all(b"0\r\n\r\n")
        }
        "echo" => echo(wire, rest),
        "cut" => wire.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf"),
        "silent" => wait(wire),
        "stall" => {
            wire.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf")?;
            wire.flush()?;
            wait(wire)
        }
        "garbage" => wire.write_all(b"* OK IMAP4rev1 ready\r\n"),
        _ => whole(wire, "200 OK", "", "hello"),
    }?;
    wire.flush()?;
    if matches!(what, "cut" | "garbage") {
        return Ok(());
    }
    // Hung up with bytes unread, the connection would be reset, and the answer with it.
    wait(wire)
}

fn read_head(wire: &mut dyn Wire) -> std::io::Result<(String, Vec<u8>)> {
    let mut bytes = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            let rest = bytes.split_off(end + 4);
            return Ok((String::from_utf8_lossy(&bytes).into_owned(), rest));
        }
        match wire.read(&mut buffer)? {
            0 => return Err(std::io::ErrorKind::UnexpectedEof.into()),
            // TLS where none is spoken.
            _ if buffer[0] == 0x16 && bytes.is_empty() => return Err(std::io::ErrorKind::InvalidData.into()),
            read => bytes.extend_from_slice(&buffer[..read]),
        }
    }
}

fn whole(wire: &mut dyn Wire, status: &str, headers: &str, body: &str) -> std::io::Result<()> {
    let length = body.len();
    wire.write_all(format!("HTTP/1.1 {status}\r\n{headers}content-length: {length}\r\n\r\n{body}").as_bytes())
}

fn chunk(wire: &mut dyn Wire, bytes: &[u8]) -> std::io::Result<()> {
    wire.write_all(format!("{:x}\r\n", bytes.len()).as_bytes())?;
    wire.write_all(bytes)?;
    wire.write_all(b"\r\n")
}

/// Sends each chunk back before it reads the next.
fn echo(wire: &mut dyn Wire, mut bytes: Vec<u8>) -> std::io::Result<()> {
    wire.write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")?;
    let mut buffer = [0; 4096];
    loop {
        while let Some((piece, used)) = first_chunk(&bytes) {
            bytes.drain(..used);
            if piece.is_empty() {
                return wire.write_all(b"0\r\n\r\n");
            }
            chunk(wire, &piece)?;
            wire.flush()?;
        }
        match wire.read(&mut buffer)? {
            0 => return Err(std::io::ErrorKind::UnexpectedEof.into()),
            read => bytes.extend_from_slice(&buffer[..read]),
        }
    }
}

/// The first whole chunk, and how many bytes it took.
fn first_chunk(bytes: &[u8]) -> Option<(Vec<u8>, usize)> {
    let line = bytes.windows(2).position(|window| window == b"\r\n")?;
    let length = usize::from_str_radix(std::str::from_utf8(&bytes[..line]).ok()?, 16).ok()?;
    let (start, end) = (line + 2, line + 2 + length);
    (bytes.len() >= end + 2).then(|| (bytes[start..end].to_vec(), end + 2))
}

/// Until the other side hangs up.
fn wait(wire: &mut dyn Wire) -> std::io::Result<()> {
    let mut buffer = [0; 64];
    while wire.read(&mut buffer)? > 0 {}
    Ok(())
}
