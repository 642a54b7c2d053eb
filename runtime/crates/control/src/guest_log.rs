//! What guests write goes into the server's log, one event per line, and into the function's ring.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use modelet_engine::ports::{Log, Stream};
use modelet_spec::{FunctionName, InvocationId, TenantName, Version};

use crate::clock::now_ms;
use crate::logs::{LogShelf, Ring};
use crate::wire::LogLine;

/// The log of one version of a function.
pub(crate) struct GuestLog {
    tenant: TenantName,
    function: FunctionName,
    version: Version,
    shelf: Arc<LogShelf>,
    /// There from the first line on: of ten thousand functions most write nothing, and a deploy that is refused leaves none.
    ring: OnceLock<Arc<Ring>>,
}

impl GuestLog {
    /// Its versions share a ring.
    pub(crate) fn new(shelf: &Arc<LogShelf>, tenant: &TenantName, function: &FunctionName, version: Version) -> Self {
        let shelf = Arc::clone(shelf);
        Self { tenant: tenant.clone(), function: function.clone(), version, shelf, ring: OnceLock::new() }
    }

    fn ring(&self) -> &Ring {
        self.ring.get_or_init(|| self.shelf.ring(&self.tenant, &self.function))
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
        let line = LogLine {
            seq: 0,
            time_ms: now_ms(),
            version: self.version,
            invocation,
            stream: stream.name().to_owned(),
            text: text.to_owned(),
        };
        self.shelf.keep(self.ring(), line);
    }

    fn dropped(&self, invocation: InvocationId, bytes: u64) {
        tracing::debug!(tenant = %self.tenant, function = %self.function, %invocation, bytes, "lines were dropped");
        self.ring().dropped(bytes);
    }
}

/// The log of a function that nobody can call yet. What its guest writes belongs to the version that it becomes, if it does.
#[derive(Default)]
pub(crate) struct HeldLog(Mutex<Vec<(InvocationId, Stream, String)>>);

impl HeldLog {
    /// Hands all lines on.
    pub(crate) fn pass_to(&self, log: &dyn Log) {
        let lines = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        lines.iter().for_each(|(invocation, stream, text)| log.line(*invocation, *stream, text));
    }
}

impl Log for HeldLog {
    // The invocation's log budget bounds them.
    fn line(&self, invocation: InvocationId, stream: Stream, text: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push((invocation, stream, text.to_owned()));
    }
}
