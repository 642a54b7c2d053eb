//! Where an invocation's time went, for whoever wants to tell its caller.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::ports::Stage;

/// Times of one invocation by stage; they add up while it runs. Those of `infer` and `load` are complete when the guest has
/// ended, so an answer that is streamed may show less.
#[derive(Debug, Default)]
pub struct Spans {
    compile_ns: AtomicU64,
    instantiate_ns: AtomicU64,
    load_ns: AtomicU64,
    infer_ns: AtomicU64,
}

impl Spans {
    /// The time of a stage; zero when it was not needed.
    #[must_use]
    pub fn of(&self, stage: Stage) -> Duration {
        Duration::from_nanos(self.cell(stage).load(Ordering::Relaxed))
    }

    pub(crate) fn add(&self, stage: Stage, took: Duration) {
        let ns = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        self.cell(stage).fetch_add(ns, Ordering::Relaxed);
    }

    fn cell(&self, stage: Stage) -> &AtomicU64 {
        match stage {
            Stage::Compile => &self.compile_ns,
            Stage::Instantiate => &self.instantiate_ns,
            Stage::Load => &self.load_ns,
            Stage::Infer => &self.infer_ns,
        }
    }
}
