//! What is loaded once.

use std::sync::Arc;

use modelet_spec::{Device, DeviceWish, Digest};

/// One content, and where it is wanted. Equal keys are one copy in memory.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ModelKey {
    /// The model's identity: the digest of its file, or of the list of its files.
    pub content: Digest,
    /// What keeps two of the same content apart: other options for its sessions, or an owner who shares with nobody. It is
    /// compared and not read.
    pub scope: Option<Arc<str>>,
    /// Where it is to run. `None`: each load goes to the first device with room.
    pub device: Option<DeviceWish>,
}

impl ModelKey {
    /// A content wherever there is room, shared by all who have it.
    #[must_use]
    pub fn new(content: Digest) -> Self {
        Self { content, scope: None, device: None }
    }

    /// The same, apart from other scopes.
    #[must_use]
    pub fn scoped(self, scope: impl Into<Arc<str>>) -> Self {
        Self { scope: Some(scope.into()), ..self }
    }

    /// The same on this device and no other.
    #[must_use]
    pub fn on(self, device: Device) -> Self {
        self.wishing(Some(DeviceWish { device, is_demanded: true }))
    }

    /// The same where its owner wishes it to be.
    #[must_use]
    pub fn wishing(self, device: Option<DeviceWish>) -> Self {
        Self { device, ..self }
    }
}
