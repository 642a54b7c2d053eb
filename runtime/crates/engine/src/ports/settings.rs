//! What `wasi:config` gives.

use std::collections::BTreeMap;
use std::sync::Arc;

use modelet_spec::SecretValue;

/// What a function reads by `wasi:config`, by key. Made with the function: another value of a secret is another function's.
pub type Settings = BTreeMap<String, Setting>;

/// One value.
#[derive(Debug, Clone)]
pub enum Setting {
    /// As its manifest has it.
    Text(String),
    /// A secret of its tenant: for its guests alone.
    Secret(Arc<SecretValue>),
}

impl Setting {
    /// What the guest reads.
    pub(crate) fn reveal(&self) -> &str {
        match self {
            Self::Text(text) => text,
            Self::Secret(value) => value.reveal(),
        }
    }
}
