//! What guests write goes into the server's log, one event per line, and into the function's ring.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use modelet_engine::ports::{Log, Stream};
use modelet_spec::{FunctionName, InvocationId, TenantName, Version};

use crate::logs::{LogShelf, Ring};
use crate::wire::LogLine;

/// The log of one version of a function.
pub(crate) struct GuestLog {
    tenant: TenantName,
    function: FunctionName,
    version: Version,
    shelf: Arc<LogShelf>,
    ring: Arc<Ring>,
}

impl GuestLog {
    /// Its versions share a ring.
    pub(crate) fn new(shelf: &Arc<LogShelf>, tenant: &TenantName, function: &FunctionName, version: Version) -> Self {
        let ring = shelf.ring(tenant, function);
        Self { tenant: tenant.clone(), function: function.clone(), version, shelf: Arc::clone(shelf), ring }
    }
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
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let line = LogLine {
            seq: 0,
            time_ms: u64::try_from(now.as_millis()).unwrap_or(u64::MAX),
            version: self.version,
            invocation,
            stream: stream.name().to_owned(),
            text: text.to_owned(),
        };
        self.shelf.keep(&self.ring, line);
    }

    fn dropped(&self, invocation: InvocationId, bytes: u64) {
        tracing::debug!(tenant = %self.tenant, function = %self.function, %invocation, bytes, "lines were dropped");
        self.ring.dropped(bytes);
    }
}
