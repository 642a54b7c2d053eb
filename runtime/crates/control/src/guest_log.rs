//! What guests write goes into the server's log, one event per line.

use modelet_engine::ports::{Log, Stream};
use modelet_spec::{FunctionName, InvocationId, TenantName, Version};

/// The log of one version of a function.
pub(crate) struct GuestLog {
    /// Its owner.
    pub(crate) tenant: TenantName,
    /// Its name.
    pub(crate) function: FunctionName,
    /// Its version.
    pub(crate) version: Version,
}

impl Log for GuestLog {
    fn line(&self, invocation: InvocationId, stream: Stream, text: &str) {
        // As a field's debug form, so that a guest can forge neither a line of the log nor a terminal's colours.
        tracing::info!(
            target: "guest",
            tenant = %self.tenant,
            function = %self.function,
            version = %self.version,
            invocation = %invocation,
            stream = stream.name(),
            line = ?text,
        );
    }
}
