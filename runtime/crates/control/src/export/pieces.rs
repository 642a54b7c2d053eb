//! From a writer that blocks to a body: a few pieces on their way, and no more.

use std::io::{self, Write};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::Frame;
use tokio::runtime::Handle;
use tokio::sync::mpsc;

/// Pieces between the disk and the socket, each of [`PIECE`] bytes.
const PIECES_MAX: usize = 4;
/// Bytes of a piece.
pub(super) const PIECE: usize = 256 << 10;
/// A receiver that takes nothing for so long has gone.
const IDLE_MAX: Duration = Duration::from_secs(60);

/// A writer, and the body that has what is written.
pub(super) fn pieces() -> (Pieces, Streamed) {
    let (pieces, received) = mpsc::channel(PIECES_MAX);
    (Pieces { pieces, runtime: Handle::current() }, Streamed(received))
}

/// The archive's writer: each piece waits for its place on the way to the socket.
#[derive(Clone)]
pub(super) struct Pieces {
    pieces: mpsc::Sender<io::Result<Bytes>>,
    runtime: Handle,
}

impl Pieces {
    /// Ends the body with an error, not as if it were whole.
    pub(super) fn break_off(&self, error: io::Error) {
        // Nobody reads it any more: nobody is to be told.
        let _ = self.runtime.block_on(self.pieces.send(Err(error)));
    }
}

impl Write for Pieces {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let sent = tokio::time::timeout(IDLE_MAX, self.pieces.send(Ok(Bytes::copy_from_slice(bytes))));
        match self.runtime.block_on(sent) {
            Ok(Ok(())) => Ok(bytes.len()),
            Ok(Err(_)) => Err(io::Error::new(io::ErrorKind::BrokenPipe, "its receiver has gone")),
            Err(_) => Err(io::Error::new(io::ErrorKind::TimedOut, "its receiver takes nothing any more")),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The other end, as a body.
pub(super) struct Streamed(mpsc::Receiver<io::Result<Bytes>>);

impl http_body::Body for Streamed {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        self.0.poll_recv(context).map(|piece| piece.map(|piece| piece.map(Frame::data)))
    }
}
