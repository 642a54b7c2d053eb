//! Lets go of what nobody uses any more.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::thread;
use std::time::Duration;

use super::jobs::Next;
use super::residency::Inner;
use super::slot::Stage;
use crate::model::Model;
use crate::onnx::ffi::Inside;

/// How often idle models are looked for: a quarter of their time, within these.
const PAUSE_MIN: Duration = Duration::from_millis(20);
const PAUSE_MAX: Duration = Duration::from_secs(15);

/// What the arena may keep for runs to come, in bytes: more is a large run's, and goes back.
const SLACK_MAX: u64 = 64 << 20;

/// Starts the thread; it ends with the residency.
pub(super) fn start(inner: &Arc<Inner>) -> std::io::Result<()> {
    let pause = (inner.config.idle / 4).clamp(PAUSE_MIN, PAUSE_MAX);
    let (weak, going) = (Arc::downgrade(inner), Arc::clone(&inner.going));
    let work = move || {
        loop {
            let next = going.next(pause);
            let _inside = Inside::enter();
            let Some(inner) = weak.upgrade() else { return };
            match next {
                Next::Job(model) => {
                    drop(model);
                    inner.runtime.shrink_arena();
                }
                Next::Nothing => inner.sweep(),
                Next::Over => return,
            }
        }
    };
    thread::Builder::new().name("models".to_owned()).spawn(work)?;
    Ok(())
}

impl Inner {
    /// Lets go of the models whose idle time is over, and of those that nobody has a handle of; and of what a large run has
    /// left in the arena.
    pub(super) fn sweep(&self) {
        let expired = self.take_expired();
        if expired.is_empty() && !self.runtime.has_slack(SLACK_MAX) {
            return;
        }
        for model in expired {
            self.counts.expired.fetch_add(1, Relaxed);
            tracing::info!(model = model.name(), bytes = model.charged_bytes(), "a model goes: nobody used it");
        }
        self.runtime.shrink_arena();
    }

    fn take_expired(&self) -> Vec<Arc<Model>> {
        let idle_ms = u64::try_from(self.config.idle.as_millis()).unwrap_or(u64::MAX);
        let mut entries = self.entries();
        let mut expired = Vec::new();
        for entry in entries.values_mut().filter(|entry| matches!(entry.stage, Stage::Here)) {
            let now_ms = entry.slot.now_ms();
            if !entry.slot.is_unused() {
                // A long run is a use until it ends.
                entry.slot.used_ms.fetch_max(now_ms, Relaxed);
                continue;
            }
            let is_owned = entry.seen.iter().any(|seen| seen.strong_count() > 0);
            let is_idle = now_ms.saturating_sub(entry.slot.used_ms.load(Relaxed)) >= idle_ms;
            if !is_owned || (is_idle && !entry.slot.is_pinned()) {
                expired.extend(entry.let_go_unused());
            }
        }
        entries.retain(|_, entry| !entry.is_over());
        expired
    }
}
