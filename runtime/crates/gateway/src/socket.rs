//! A connection's socket: tells [`Activity`](crate::activity::Activity) what comes in, and sends a short answer in one piece.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::connection::Connection;

/// An answer of so many bytes, head and body, is put together before it is sent: a system call for one piece costs less than
/// one for several, by more than the copy.
const SHORT: usize = 1 << 10;

/// What a client talks over, with or without TLS.
#[derive(Debug)]
pub(crate) struct Socket<S> {
    stream: S,
    connection: Arc<Connection>,
}

impl<S> Socket<S> {
    pub(crate) fn new(stream: S, connection: Arc<Connection>) -> Self {
        Self { stream, connection }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Socket<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(cx, buffer);
        if let Some(bytes) = buffer.filled().get(before..).filter(|bytes| !bytes.is_empty()) {
            self.connection.activity.received(bytes);
        }
        polled
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Socket<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let mut room = [0; SHORT];
        match together(pieces, &mut room) {
            Some(bytes) => Pin::new(&mut self.stream).poll_write(cx, bytes),
            None => Pin::new(&mut self.stream).poll_write_vectored(cx, pieces),
        }
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// All pieces one behind the other; `None`: there is not so much room.
fn together<'r>(pieces: &[IoSlice<'_>], room: &'r mut [u8]) -> Option<&'r [u8]> {
    let mut length = 0_usize;
    for piece in pieces {
        let end = length.checked_add(piece.len())?;
        room.get_mut(length..end)?.copy_from_slice(piece);
        length = end;
    }
    room.get(..length)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_put_together_where_there_is_room() {
        let pieces = [IoSlice::new(b"head"), IoSlice::new(b""), IoSlice::new(b"body")];
        assert_eq!(together(&pieces, &mut [0; 8]), Some(&b"headbody"[..]));
        assert_eq!(together(&pieces, &mut [0; 7]), None);
        assert_eq!(together(&[], &mut [0; 7]), Some(&b""[..]));
    }
}
