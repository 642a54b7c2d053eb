//! What is loaded once.

use std::sync::Arc;

use modelet_spec::Digest;

use super::config::CPU;

/// One content on one device. Equal keys are one copy in memory.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ModelKey {
    /// The model's identity: the digest of its file, or of the list of its files.
    pub content: Digest,
    /// What keeps two of the same content apart: other options for its sessions, or an owner who shares with nobody. It is
    /// compared and not read.
    pub scope: Option<Arc<str>>,
    /// Where it runs, such as `cpu` or `cuda:0`.
    pub device: Arc<str>,
}

impl ModelKey {
    /// A content in main memory, shared by all who have it.
    #[must_use]
    pub fn new(content: Digest) -> Self {
        Self { content, scope: None, device: CPU.into() }
    }

    /// The same, apart from other scopes.
    #[must_use]
    pub fn scoped(self, scope: impl Into<Arc<str>>) -> Self {
        Self { scope: Some(scope.into()), ..self }
    }

    /// The same on another device.
    #[must_use]
    pub fn on(self, device: impl Into<Arc<str>>) -> Self {
        Self { device: device.into(), ..self }
    }
}
