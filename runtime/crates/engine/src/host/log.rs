//! A guest's stdout and stderr: lines into the invocation's log, within its budget of bytes.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use modelet_spec::InvocationId;
use tokio::io::AsyncWrite;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamResult};

use crate::ports::{Log, Stream};

/// Longest line kept together, in bytes; a longer one is broken here.
const LINE_MAX: usize = 8 << 10;

/// What both streams of an instance write to. It outlives an invocation: the instance does.
pub(crate) struct GuestLog {
    log: Arc<dyn Log>,
    current: Mutex<Current>,
}

struct Current {
    invocation: InvocationId,
    /// Bytes that the invocation may still write.
    budget: u64,
    out: Vec<u8>,
    err: Vec<u8>,
}

impl GuestLog {
    pub(crate) fn new(log: Arc<dyn Log>, invocation: InvocationId) -> Self {
        Self { log, current: Mutex::new(Current { invocation, budget: 0, out: Vec::new(), err: Vec::new() }) }
    }

    /// The next lines belong to this invocation.
    pub(crate) fn begin(&self, invocation: InvocationId, budget: u64) {
        let mut current = self.lock();
        current.invocation = invocation;
        current.budget = budget;
    }

    /// Writes out what has no line end yet.
    pub(crate) fn finish(&self) {
        let mut current = self.lock();
        for stream in [Stream::Out, Stream::Err] {
            let rest = std::mem::take(current.buffer(stream));
            if !rest.is_empty() {
                self.log.line(current.invocation, stream, &String::from_utf8_lossy(&rest));
            }
        }
    }

    /// Adds to a stream; whole lines go out at once.
    pub(super) fn write(&self, stream: Stream, bytes: &[u8]) {
        let mut current = self.lock();
        let allowed = usize::try_from(current.budget).unwrap_or(usize::MAX).min(bytes.len());
        let (kept, cut) = bytes.split_at(allowed);
        current.budget = current.budget.saturating_sub(allowed as u64);
        for piece in kept.split_inclusive(|byte| *byte == b'\n') {
            let invocation = current.invocation;
            let buffer = current.buffer(stream);
            buffer.extend_from_slice(piece);
            if piece.ends_with(b"\n") || buffer.len() >= LINE_MAX {
                let line = std::mem::take(buffer);
                self.log.line(invocation, stream, String::from_utf8_lossy(&line).trim_end_matches(['\r', '\n']));
            }
        }
        if !cut.is_empty() && allowed > 0 {
            self.log.line(
                current.invocation,
                Stream::Err,
                "[log limit reached: the rest of this invocation is dropped]",
            );
        }
    }

    fn lock(&self) -> MutexGuard<'_, Current> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Current {
    fn buffer(&mut self, stream: Stream) -> &mut Vec<u8> {
        match stream {
            Stream::Out => &mut self.out,
            Stream::Err => &mut self.err,
        }
    }
}

/// One of the two streams, as wasmtime takes it.
#[derive(Clone)]
pub(crate) struct GuestStream {
    pub(crate) log: Arc<GuestLog>,
    pub(crate) stream: Stream,
}

impl IsTerminal for GuestStream {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for GuestStream {
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(self.clone())
    }

    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }
}

#[wasmtime_wasi::async_trait]
impl Pollable for GuestStream {
    async fn ready(&mut self) {}
}

#[wasmtime_wasi::async_trait]
impl OutputStream for GuestStream {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.log.write(self.stream, &bytes);
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(64 << 10)
    }
}

impl AsyncWrite for GuestStream {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<std::io::Result<usize>> {
        self.log.write(self.stream, bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
