//! A caller's connection: kept as long as the server keeps it, and looked at between requests, so that nothing comes that nobody
//! asked for.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

use crate::support::Request;
use crate::support::answer::{self, Answer};

/// An answer that takes longer has not come.
const PATIENCE: Duration = Duration::from_secs(30);

/// A connection that is made when it is wanted.
pub(crate) struct Wire {
    server: SocketAddr,
    stream: Option<TcpStream>,
}

impl Wire {
    /// To this server.
    pub(crate) fn new(server: SocketAddr) -> Self {
        Self { server, stream: None }
    }

    /// Lets go of the connection.
    pub(crate) fn close(&mut self) {
        self.stream = None;
    }

    /// The one answer to a request.
    ///
    /// # Errors
    /// When something else was there already, no whole answer comes, or more than one.
    pub(crate) fn ask(&mut self, request: &Request) -> Result<Answer> {
        let mut stream = self.stream()?;
        stream.write_all(request.bytes()).context("sending a request")?;
        let mut received = Vec::new();
        loop {
            read(&mut stream, &mut received)?;
            let Some(measured) = answer::measure(&received)? else { continue };
            let surplus = received.len() - measured.bytes;
            ensure!(surplus == 0, "{surplus} bytes follow the answer");
            let answer = answer::parse(&received)?.context("an answer that can be measured can be read")?;
            // Only now: what has failed is not used again.
            self.stream = Some(stream);
            return Ok(answer);
        }
    }

    /// Asks, and leaves when the answer has begun.
    ///
    /// # Errors
    /// When it does not begin.
    pub(crate) fn ask_and_leave(&mut self, request: &Request) -> Result<()> {
        let mut stream = self.stream()?;
        stream.write_all(request.bytes()).context("sending a request")?;
        read(&mut stream, &mut Vec::new())
    }

    /// A connection on which nothing waits.
    fn stream(&mut self) -> Result<TcpStream> {
        match self.stream.take() {
            Some(stream) if is_open(&stream)? => Ok(stream),
            _ => {
                let stream = TcpStream::connect(self.server).context("connecting")?;
                stream.set_nodelay(true)?;
                stream.set_read_timeout(Some(PATIENCE))?;
                stream.set_write_timeout(Some(PATIENCE))?;
                Ok(stream)
            }
        }
    }
}

/// Whether the server has kept it. It may close what it likes between two requests, but not say anything.
fn is_open(stream: &TcpStream) -> Result<bool> {
    stream.set_nonblocking(true)?;
    let peeked = stream.peek(&mut [0; 1]);
    stream.set_nonblocking(false)?;
    match peeked {
        Ok(0) => Ok(false),
        Ok(_) => bail!("something came that nobody had asked for"),
        Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(true),
        Err(_) => Ok(false),
    }
}

fn read(stream: &mut TcpStream, received: &mut Vec<u8>) -> Result<()> {
    let mut piece = [0; 16 << 10];
    let length = match stream.read(&mut piece) {
        Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
            bail!("no answer for {} s", PATIENCE.as_secs())
        }
        read => read.context("receiving an answer")?,
    };
    ensure!(length > 0, "the server closed the connection within an answer");
    received.extend_from_slice(piece.get(..length).unwrap_or_default());
    Ok(())
}
