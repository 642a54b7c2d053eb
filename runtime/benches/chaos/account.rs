//! The audit: every acknowledged change has its row, and there is no row of a change that was not made.

use std::collections::BTreeMap;

use anyhow::Result;
use modelet_store::{Actor, Store};

/// How many rows are read at once.
const PAGE: u32 = 1000;

/// What a row says: its kind, whose thing it was, and which.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Row {
    pub(crate) kind: String,
    pub(crate) tenant: String,
    pub(crate) subject: String,
}

/// Where a reader of the audit has come to.
#[derive(Debug, Default)]
pub(crate) struct Account {
    /// The last row that was read.
    last: u64,
}

impl Account {
    /// What keys have changed since the last call, in order. What the server does by itself is nobody's deed.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub(crate) fn read(&mut self, store: &Store) -> Result<Vec<Row>> {
        let mut rows = Vec::new();
        loop {
            let page = store.events(self.last, PAGE)?;
            let Some(last) = page.last() else { return Ok(rows) };
            self.last = last.id;
            let of_keys = page.into_iter().filter(|event| matches!(event.by, Some(Actor::Key { .. })));
            rows.extend(of_keys.map(|event| Row {
                kind: event.kind,
                tenant: event.tenant.to_string(),
                subject: event.subject,
            }));
        }
    }
}

/// How what was noted differs from what was done, in words; nothing: each is there once.
pub(crate) fn difference(done: &[Row], noted: &[Row]) -> Option<String> {
    let mut counts: BTreeMap<&Row, i32> = BTreeMap::new();
    done.iter().for_each(|row| *counts.entry(row).or_default() -= 1);
    noted.iter().for_each(|row| *counts.entry(row).or_default() += 1);
    let told: Vec<_> = counts
        .into_iter()
        .filter(|(_, count)| *count != 0)
        .map(|(Row { kind, tenant, subject }, count)| format!("{count:+} {kind} {tenant}/{subject}"))
        .collect();
    (!told.is_empty()).then(|| format!("audit: {}", told.join(", ")))
}
