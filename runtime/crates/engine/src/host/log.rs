//! A guest's stdout and stderr: lines into the invocation's log, within its budget of bytes.

use std::collections::BTreeMap;
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

/// What a line takes of the budget beside its letters: so many empty lines are no less work, and no less of a log.
const LINE_COST: u64 = 32;

/// What both streams of an instance write to. It outlives an invocation: the instance does.
pub(crate) struct GuestLog {
    log: Arc<dyn Log>,
    books: Mutex<Books>,
}

/// What the streams write to now, and what the other requests of a shared instance have written.
struct Books {
    current: Current,
    others: BTreeMap<InvocationId, Current>,
}

struct Current {
    invocation: InvocationId,
    /// Bytes that the invocation may still write.
    budget: u64,
    /// Bytes that it wrote beyond.
    dropped: u64,
    out: Vec<u8>,
    err: Vec<u8>,
}

impl GuestLog {
    pub(crate) fn new(log: Arc<dyn Log>, invocation: InvocationId) -> Self {
        let books = Books { current: Current::new(invocation, 0), others: BTreeMap::new() };
        Self { log, books: Mutex::new(books) }
    }

    /// The next lines belong to this invocation.
    pub(crate) fn begin(&self, invocation: InvocationId, budget: u64) {
        let current = &mut self.lock().current;
        current.invocation = invocation;
        current.budget = budget;
    }

    /// This invocation is there, beside others.
    pub(crate) fn enter(&self, invocation: InvocationId, budget: u64) {
        let books = &mut *self.lock();
        if books.current.invocation == invocation {
            books.current.budget = budget;
        } else {
            books.others.insert(invocation, Current::new(invocation, budget));
        }
    }

    /// This invocation writes no more.
    pub(crate) fn leave(&self, invocation: InvocationId) {
        let books = &mut *self.lock();
        let its = if books.current.invocation == invocation {
            Some(std::mem::replace(&mut books.current, Current::new(InvocationId::new(0), 0)))
        } else {
            books.others.remove(&invocation)
        };
        if let Some(mut its) = its {
            its.finish(&*self.log);
        }
    }

    /// The next lines belong to this invocation, which has entered, until it is the turn of another.
    pub(crate) fn turn_to(&self, invocation: InvocationId) {
        let books = &mut *self.lock();
        if books.current.invocation == invocation {
            return;
        }
        let next = books.others.remove(&invocation).unwrap_or_else(|| Current::new(invocation, 0));
        let before = std::mem::replace(&mut books.current, next);
        books.others.insert(before.invocation, before);
    }

    /// The invocation whose lines are written now.
    pub(crate) fn invocation(&self) -> InvocationId {
        self.lock().current.invocation
    }

    /// Writes out what has no line end yet, and tells what was dropped.
    /// Of all invocations that have entered, which leave with it.
    pub(crate) fn finish(&self) {
        let books = &mut *self.lock();
        books.current.finish(&*self.log);
        std::mem::take(&mut books.others).values_mut().for_each(|other| other.finish(&*self.log));
    }

    /// The same for one of several. What it writes from now on is still its own.
    pub(crate) fn finish_of(&self, invocation: InvocationId) {
        if let Some(its) = self.lock().of(invocation) {
            its.finish(&*self.log);
        }
    }

    /// Bytes that have no line end yet.
    pub(crate) fn waiting(&self) -> u64 {
        let books = self.lock();
        let all = std::iter::once(&books.current).chain(books.others.values());
        all.map(|its| its.out.len() + its.err.len()).sum::<usize>() as u64
    }

    /// Adds to a stream; whole lines go out at once.
    pub(super) fn write(&self, stream: Stream, bytes: &[u8]) {
        self.lock().current.write(&*self.log, stream, bytes);
    }

    /// The same for an invocation that is there, whoever's turn it is.
    pub(super) fn write_of(&self, invocation: InvocationId, stream: Stream, bytes: &[u8]) {
        if let Some(its) = self.lock().of(invocation) {
            its.write(&*self.log, stream, bytes);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Books> {
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Books {
    fn of(&mut self, invocation: InvocationId) -> Option<&mut Current> {
        if self.current.invocation == invocation {
            return Some(&mut self.current);
        }
        self.others.get_mut(&invocation)
    }
}

impl Drop for GuestLog {
    /// A guest that was stopped has finished nothing.
    fn drop(&mut self) {
        self.finish();
    }
}

impl Current {
    fn new(invocation: InvocationId, budget: u64) -> Self {
        Self { invocation, budget, dropped: 0, out: Vec::new(), err: Vec::new() }
    }

    fn finish(&mut self, log: &dyn Log) {
        for stream in [Stream::Out, Stream::Err] {
            let rest = std::mem::take(self.buffer(stream));
            if !rest.is_empty() {
                log.line(self.invocation, stream, &String::from_utf8_lossy(&rest));
            }
        }
        let dropped = std::mem::take(&mut self.dropped);
        if dropped > 0 {
            log.dropped(self.invocation, dropped);
        }
    }

    fn write(&mut self, log: &dyn Log, stream: Stream, bytes: &[u8]) {
        let pieces = bytes.split_inclusive(|byte| *byte == b'\n').flat_map(|line| line.chunks(LINE_MAX));
        for piece in pieces {
            let kept = self.take(piece);
            let invocation = self.invocation;
            let buffer = self.buffer(stream);
            buffer.extend_from_slice(kept);
            if kept.ends_with(b"\n") || buffer.len() >= LINE_MAX {
                let line = std::mem::take(buffer);
                log.line(invocation, stream, String::from_utf8_lossy(&line).trim_end_matches(['\r', '\n']));
            }
            let cut = (piece.len() - kept.len()) as u64;
            if cut > 0 && self.dropped == 0 {
                let said = "[log limit reached: the rest of this invocation is dropped]";
                log.line(invocation, Stream::Err, said);
            }
            self.dropped = self.dropped.saturating_add(cut);
        }
    }

    /// What of a piece the budget still has room for. A piece is a line, or the whole of what is kept of it together.
    fn take<'p>(&mut self, piece: &'p [u8]) -> &'p [u8] {
        let allowed = usize::try_from(self.budget).unwrap_or(usize::MAX).min(piece.len());
        let kept = piece.split_at(allowed).0;
        let cost = if kept.len() < piece.len() || piece.ends_with(b"\n") { LINE_COST } else { 0 };
        self.budget = self.budget.saturating_sub(kept.len() as u64).saturating_sub(cost);
        kept
    }

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

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU64, Ordering};

    /// Keeps what it is told.
    #[derive(Default)]
    struct Kept {
        lines: Mutex<Vec<String>>,
        dropped: AtomicU64,
    }

    impl Log for Kept {
        fn line(&self, _: InvocationId, _: Stream, text: &str) {
            self.lines.lock().unwrap().push(text.to_owned());
        }

        fn dropped(&self, _: InvocationId, bytes: u64) {
            self.dropped.fetch_add(bytes, Ordering::Relaxed);
        }
    }

    fn written(budget: u64, pieces: &[&[u8]]) -> (Vec<String>, u64) {
        let kept = Arc::new(Kept::default());
        let log = GuestLog::new(kept.clone(), InvocationId::new(1));
        log.begin(InvocationId::new(1), budget);
        pieces.iter().for_each(|piece| log.write(Stream::Out, piece));
        drop(log);
        let lines = std::mem::take(&mut *kept.lines.lock().unwrap());
        (lines, kept.dropped.load(Ordering::Relaxed))
    }

    #[test]
    fn lines_are_put_together_and_what_has_no_end_comes_at_the_end() {
        let (lines, dropped) = written(1000, &[b"one\r\ntw", b"o\n\nrest"]);
        assert_eq!((lines, dropped), (["one", "two", "", "rest"].map(str::to_owned).to_vec(), 0));
    }

    #[test]
    fn what_is_over_the_budget_is_dropped_said_once_and_counted() {
        let (lines, dropped) = written(4, &[b"0123456789\n", b"more\n"]);
        assert_eq!(
            lines.first().map(String::as_str),
            Some("[log limit reached: the rest of this invocation is dropped]")
        );
        assert_eq!((lines.len(), lines.last().map(String::as_str), dropped), (2, Some("0123"), 12));
        // Used up to the last byte: the next one is the first that is dropped.
        let (lines, dropped) = written(LINE_COST + 2, &[b"1\n", b"2\n"]);
        assert_eq!((lines.len(), dropped), (2, 2), "{lines:?}");
    }

    #[test]
    fn lines_of_several_invocations_are_each_its_own_and_have_a_budget_each() {
        #[derive(Default)]
        struct Whose(Mutex<Vec<(InvocationId, String)>>);
        impl Log for Whose {
            fn line(&self, invocation: InvocationId, _: Stream, text: &str) {
                self.0.lock().unwrap().push((invocation, text.to_owned()));
            }
        }
        let (one, other) = (InvocationId::new(1), InvocationId::new(2));
        let kept = Arc::new(Whose::default());
        let log = GuestLog::new(kept.clone(), InvocationId::new(7));
        log.enter(one, 100);
        log.enter(other, LINE_COST + 4);
        log.turn_to(one);
        log.write(Stream::Out, b"begun ");
        log.turn_to(other);
        log.write(Stream::Out, b"four\nmore\n");
        log.write_of(one, Stream::Out, b"elsewhere ");
        log.turn_to(one);
        log.write(Stream::Out, b"ended\n");
        log.leave(other);
        log.write_of(other, Stream::Out, b"of one that has gone\n");
        drop(log);
        let lines = std::mem::take(&mut *kept.0.lock().unwrap());
        let of = |whose| lines.iter().filter(|(id, _)| *id == whose).map(|(_, text)| &**text).collect::<Vec<_>>();
        assert_eq!(of(one), ["begun elsewhere ended"]);
        assert_eq!(of(other), ["four", "[log limit reached: the rest of this invocation is dropped]"]);
    }

    #[test]
    fn empty_lines_are_not_for_nothing_and_a_line_without_an_end_is_broken() {
        let (lines, dropped) = written(LINE_COST * 10, &[&[b'\n'; 1000]]);
        assert!(lines.len() <= 11 && dropped > 900, "{} lines, {dropped} dropped", lines.len());
        let (lines, _) = written(1 << 20, &[&[b'x'; 3 * LINE_MAX]]);
        assert_eq!(lines.iter().map(String::len).collect::<Vec<_>>(), [LINE_MAX; 3]);
    }
}
