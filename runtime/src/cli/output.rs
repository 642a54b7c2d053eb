//! What commands print: tables for people, JSON for programs, progress on a terminal only.

use std::fmt::Display;
use std::io::{IsTerminal, Read, Write};
use std::time::{Duration, Instant};

use serde::Serialize;

/// Progress is written this often at most.
const PROGRESS_EVERY: Duration = Duration::from_millis(100);

/// Prints a line on stdout. A reader that has gone (`| head`) is no failure.
pub(crate) fn line(text: &str) {
    let _ = writeln!(std::io::stdout(), "{text}");
}

/// Prints a value as JSON, and nothing else.
pub(crate) fn json(value: &impl Serialize) -> anyhow::Result<()> {
    line(&serde_json::to_string_pretty(value)?);
    Ok(())
}

/// Says on a terminal what is being done; quiet in a pipe.
pub(crate) fn step(text: &str) {
    if std::io::stderr().is_terminal() {
        let _ = writeln!(std::io::stderr(), "{text}");
    }
}

/// Says something on stderr that is worth to know, also in a pipe.
pub(crate) fn note(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

/// Prints rows in columns as wide as their widest cell.
pub(crate) fn table(head: &[&str], rows: &[Vec<String>]) {
    let head: Vec<String> = head.iter().map(|h| (*h).to_owned()).collect();
    let mut widths: Vec<usize> = vec![0; head.len()];
    for row in std::iter::once(&head).chain(rows) {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    for row in std::iter::once(&head).chain(rows) {
        let cells: Vec<String> = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        line(cells.join("  ").trim_end());
    }
}

/// Bytes for a person: the largest unit with three digits.
pub(crate) fn size(bytes: u64) -> String {
    const UNITS: [(&str, u64); 3] = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)];
    for (unit, factor) in UNITS {
        if bytes >= factor {
            // One decimal by integers: 10 × is far from overflow for any file.
            let tenths = bytes.saturating_mul(10) / factor;
            return format!("{}.{} {unit}", tenths / 10, tenths % 10);
        }
    }
    format!("{bytes} B")
}

/// A number of things, in words for a person; the word is that of one.
pub(crate) fn count<N: Display + From<u8> + PartialEq>(number: N, one: &str) -> String {
    let ending = if number == N::from(1) { "" } else { "s" };
    format!("{number} {one}{ending}")
}

/// A reader that shows on a terminal how far it is.
pub(crate) struct Progress<R> {
    inner: R,
    what: String,
    total: u64,
    done: u64,
    shown: Option<Instant>,
    visible: bool,
}

impl<R: Read> Progress<R> {
    /// Shows `what` while `total` bytes are read from `inner`.
    pub(crate) fn new(inner: R, what: &str, total: u64) -> Self {
        let visible = std::io::stderr().is_terminal();
        Self { inner, what: what.to_owned(), total, done: 0, shown: None, visible }
    }

    fn show(&mut self) {
        let due = self.shown.is_none_or(|at| at.elapsed() >= PROGRESS_EVERY) || self.done == self.total;
        if self.visible && due {
            self.shown = Some(Instant::now());
            // Nobody knows how much an answer without a length will be.
            let of = if self.total == 0 { String::new() } else { format!(" of {}", size(self.total)) };
            // What is sent is not done yet: the server checks, tries, compiles.
            let then = if self.total > 0 && self.done == self.total { "; the server is at work" } else { "" };
            let _ = write!(std::io::stderr(), "\r{}: {}{of}{then}", self.what, size(self.done));
        }
    }
}

impl<R: Read> Read for Progress<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.done += read as u64;
        self.show();
        Ok(read)
    }
}

impl<R> Drop for Progress<R> {
    fn drop(&mut self) {
        if self.visible && self.shown.is_some() {
            let _ = writeln!(std::io::stderr());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_short() {
        assert_eq!(size(0), "0 B");
        assert_eq!(size(1023), "1023 B");
        assert_eq!(size(1536), "1.5 KiB");
        assert_eq!(size(64 << 20), "64.0 MiB");
        assert_eq!(size(5 << 30), "5.0 GiB");
    }

    #[test]
    fn one_thing_is_not_several() {
        assert_eq!([0usize, 1, 2].map(|number| count(number, "version")), ["0 versions", "1 version", "2 versions"]);
    }

    #[test]
    fn progress_passes_everything_on() {
        let mut read = Vec::new();
        Progress::new(&b"hello"[..], "reading", 5).read_to_end(&mut read).unwrap();
        assert_eq!(read, b"hello");
    }
}
