//! Whether the data directory is whole. Only when asked: every byte of it is read.

use std::path::Path;

use modelet_store::{Store, Verified};

use super::{Finding, State};
use crate::cli::output;

/// What is said of one fault of many.
const FIX: &str = "restore a backup, or deploy and push again what is named";

/// The same of the audit, which cannot be made whole again.
const AUDIT_FIX: &str = "find out who could write modelet.db; a backup has the rows of then (docs/audit.md)";

/// A line for the whole, and one for each fault.
pub(super) fn findings(data_dir: &Path) -> Vec<Finding> {
    let found = |state, detail, fix| Finding { what: "data directory".to_owned(), state, detail, fix };
    if !data_dir.is_dir() {
        let detail = format!("{} is not there yet: the first `modelet serve` makes it", data_dir.display());
        return vec![found(State::Optional, detail, None)];
    }
    match Store::open(data_dir).and_then(|store| store.verify()) {
        Err(error) => vec![found(State::Missing, error.to_string(), Some("see the line above"))],
        Ok(Verified { contents, bytes, faults }) if faults.is_empty() => {
            let detail = format!("{}: {contents} contents, {}, all whole", data_dir.display(), output::size(bytes));
            vec![found(State::Ok, detail, None)]
        }
        Ok(Verified { faults, .. }) => {
            let fix = |fault: &str| if fault.contains(": audit: ") { AUDIT_FIX } else { FIX };
            faults.into_iter().map(|fault| found(State::Missing, fault.clone(), Some(fix(&fault)))).collect()
        }
    }
}
