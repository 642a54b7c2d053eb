//! Things as they were when they were compared with the files: what is done is done to that, or not at all.

use std::cell::RefCell;
use std::collections::BTreeMap;

use crate::cli::change::Held;

/// The things of the server, by kind and name.
#[derive(Debug, Default)]
pub(super) struct Holding(RefCell<BTreeMap<(&'static str, String), Held>>);

impl Holding {
    /// A thing was read.
    pub(super) fn read(&mut self, kind: &'static str, name: String, etag: &Option<String>) {
        // A server that says none is older than they are: it would understand no condition either.
        if etag.is_some() {
            self.0.get_mut().insert((kind, name), Held::new(etag.clone()));
        }
    }

    /// The thing that a step changes; one that was not read is not there.
    pub(super) fn of(&self, kind: &'static str, name: &str) -> Held {
        let kind = if kind == "traffic" { "function" } else { kind };
        let mut held = self.0.borrow_mut();
        held.entry((kind, name.to_owned())).or_insert_with(|| Held::new(None)).clone()
    }
}
