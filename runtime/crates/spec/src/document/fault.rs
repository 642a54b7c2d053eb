//! The faults of one file.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::fmt;

/// One fault of a file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Fault {
    /// The line, from 1; 0 where there is no text to point at.
    pub line: usize,
    /// What is wrong, and what to write.
    pub message: String,
}

/// Collects the faults of one file.
#[derive(Debug)]
pub struct Faults {
    file: String,
    /// The byte offsets at which lines 2, 3, … begin.
    line_starts: Vec<usize>,
    list: RefCell<Vec<Fault>>,
    /// Where each key that was read begins, by its path.
    places: RefCell<BTreeMap<String, usize>>,
    broken: Cell<bool>,
}

impl Faults {
    /// No faults yet, of the file called `file` with the content `text`.
    #[must_use]
    pub fn new(file: &str, text: &str) -> Self {
        let line_starts = text.match_indices('\n').map(|(at, _)| at + 1).collect();
        let (list, places) = (RefCell::default(), RefCell::default());
        Self { file: file.to_owned(), line_starts, list, places, broken: Cell::new(false) }
    }

    /// Adds a fault at the byte offset `at`. A line whose syntax is broken has one fault, the syntax: all else follows from it.
    pub fn add(&self, at: usize, message: impl Into<String>) {
        let line = self.line_of(at);
        let mut list = self.list.borrow_mut();
        let known = |fault: &Fault| fault.line == line && fault.message.starts_with(SYNTAX);
        if !(self.broken.get() && list.iter().any(known)) {
            list.push(Fault { line, message: message.into() });
        }
    }

    /// Adds a fault at the key with this path, such as `route[0].host`, or at the nearest one around it that the file has.
    pub fn add_path(&self, path: &str, message: impl fmt::Display) {
        let mut around = path;
        let at = loop {
            if let Some(at) = self.places.borrow().get(around) {
                break *at;
            }
            match around.rfind(['.', '[']).and_then(|end| around.get(..end)) {
                Some(shorter) => around = shorter,
                None => break 0,
            }
        };
        self.add(at, format!("{path}: {message}"));
    }

    pub(super) fn note_place(&self, path: &str, at: usize) {
        self.places.borrow_mut().insert(path.to_owned(), at);
    }

    /// Adds that `what` is missing. Not said of a file whose syntax is broken: it may stand in the broken part.
    pub fn add_missing(&self, at: usize, what: &str) {
        if !self.broken.get() {
            self.add(at, what);
        }
    }

    pub(super) fn add_syntax(&self, at: usize, message: &str) {
        self.broken.set(true);
        let line = self.line_of(at);
        self.list.borrow_mut().push(Fault { line, message: format!("{SYNTAX}: {message}") });
    }

    /// Whether nothing is wrong so far.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.list.borrow().is_empty()
    }

    /// The file's name and its faults, in the order of their lines, each once.
    #[must_use]
    pub fn into_parts(self) -> (String, Vec<Fault>) {
        let mut list = self.list.into_inner();
        list.sort();
        list.dedup();
        (self.file, list)
    }

    /// The line of a byte offset, from 1.
    #[must_use]
    pub fn line_of(&self, at: usize) -> usize {
        self.line_starts.partition_point(|start| *start <= at) + 1
    }
}

/// How a fault of the syntax begins.
const SYNTAX: &str = "not valid TOML";

/// Writes `file:line: message` lines; a fault without a line has none.
pub(crate) fn write_report(f: &mut fmt::Formatter<'_>, file: &str, faults: &[Fault]) -> fmt::Result {
    for (index, fault) in faults.iter().enumerate() {
        let newline = if index == 0 { "" } else { "\n" };
        match fault.line {
            0 => write!(f, "{newline}{file}: {}", fault.message)?,
            line => write!(f, "{newline}{file}:{line}: {}", fault.message)?,
        }
    }
    Ok(())
}
