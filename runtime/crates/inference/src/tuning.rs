//! Finds out, beside the traffic, on how many threads a model's long runs go best.
//!
//! After a long run the same inputs are run again a few times, on one thread and on more, on a thread of its own, one
//! model at a time, and only while cores are idle: where none are, one thread each is right anyway. Nobody waits for
//! it. It costs memory for two more sessions while it lasts, and is left out where that is short.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

use crate::model::Model;
use crate::onnx::Session;
use crate::onnx::ffi::Inside;
use crate::tensor::Tensor;
use crate::threads::{Compared, ThreadRule};

/// Pairs of runs per comparison; the median counts.
const ROUNDS: usize = 3;

/// How long it waits for idle cores before it gives up.
const PATIENCE: Duration = Duration::from_secs(5);

/// It is repeated when runs have become so many times as long or as short as they were, and no more than this often.
const CHANGED: u64 = 4;
const REPEATED_MAX: u32 = 4;

/// Not where weights and tensors fill more than three quarters of the memory, the further sessions included.
const MEMORY_FULL: (u64, u64) = (3, 4);

/// What a model knows of its tuning.
#[derive(Debug)]
pub(crate) struct Tuning {
    pub(crate) rule: ThreadRule,
    /// How long a run on one thread took when it was compared; 0: never.
    compared_ns: AtomicU64,
    /// Comparisons begun.
    begun: AtomicU32,
}

/// The right to compare: one model at a time in the whole process.
struct Turn(Arc<Model>);

impl Tuning {
    pub(crate) fn new(rule: ThreadRule) -> Self {
        Self { rule, compared_ns: AtomicU64::new(0), begun: AtomicU32::new(0) }
    }

    /// Comparisons begun so far.
    pub(crate) fn begun(&self) -> u32 {
        self.begun.load(Relaxed)
    }

    fn is_due(&self, took: Duration) -> bool {
        let (took, known) = (nanos(took), self.compared_ns.load(Relaxed));
        let has_changed = known == 0 || took / CHANGED > known || took < known / CHANGED;
        has_changed && self.begun() < REPEATED_MAX
    }
}

impl Model {
    /// A run of one call with `feeds` took `took`: if that is a reason to, compares in the background.
    pub(crate) fn consider_tuning(self: &Arc<Self>, feeds: &[Tensor], took: Duration) {
        let tuning = &self.tuning;
        if !tuning.rule.is_open(took) || !tuning.is_due(took) || !self.has_memory_to_tune() {
            return;
        }
        let Some(turn) = Turn::take(self) else { return };
        tuning.begun.fetch_add(1, Relaxed);
        let feeds = feeds.to_vec();
        let started = thread::Builder::new().name("inference-tuning".to_owned()).spawn(move || {
            // To the end: the last handle of the model may go with it.
            let _inside = Inside::enter();
            turn.tune(&feeds);
        });
        if let Err(error) = started {
            tracing::warn!(model = %self.name(), %error, "no thread to find out its threads on");
        }
    }

    fn has_memory_to_tune(&self) -> bool {
        let (part, of) = MEMORY_FULL;
        let used = self.shared.environment.arena_in_use().unwrap_or_default();
        let needed = used.saturating_add(self.file_bytes().saturating_mul(2));
        needed / part <= self.shared.config.arena_max_bytes / of
    }
}

impl Turn {
    fn take(model: &Arc<Model>) -> Option<Self> {
        let is_free = !model.shared.is_tuning.swap(true, Relaxed);
        is_free.then(|| Self(Arc::clone(model)))
    }

    fn tune(self, feeds: &[Tensor]) {
        let model = &self.0;
        let now = model.threads();
        let (mut one, mut more) = (None, None);
        let chosen = model.tuning.rule.choose(now, |threads| {
            let pair = (session(model, &mut one, 1)?, session(model, &mut more, threads)?);
            compare(model, pair, feeds, threads)
        });
        let Some(threads) = chosen else { return };
        tracing::info!(model = %model.name(), threads, before = now, "compared how many threads its runs go best on");
        if threads != now {
            let mut slot = if threads == 1 { one } else { more };
            if session(model, &mut slot, threads).is_some() {
                slot.into_iter().for_each(|session| model.use_threads(session));
            }
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.0.shared.is_tuning.store(false, Relaxed);
    }
}

/// The session in `slot`, made anew if it has not `threads` threads. `None`: it cannot be made, or nobody else has the
/// model any more.
fn session<'a>(model: &Arc<Model>, slot: &'a mut Option<Session>, threads: usize) -> Option<&'a mut Session> {
    if Arc::strong_count(model) < 2 {
        return None;
    }
    if slot.as_ref().is_none_or(|session| session.threads() != threads) {
        *slot = None;
        let loaded = model.load_session(threads);
        *slot = loaded.inspect_err(|error| tracing::debug!(%error, "no session to compare with")).ok();
    }
    slot.as_mut()
}

/// The medians of a few runs of each, in turn, on idle cores; `None`: there are none, or a run failed.
fn compare(
    model: &Model,
    (one, more): (&mut Session, &mut Session),
    feeds: &[Tensor],
    threads: usize,
) -> Option<Compared> {
    let (mut with_one, mut with_more) = (Vec::new(), Vec::new());
    for _ in 0..=ROUNDS {
        let _cores = model.shared.workers.borrow_idle(threads, PATIENCE)?;
        with_one.push(timed(model, one, feeds)?);
        with_more.push(timed(model, more, feeds)?);
    }
    let compared = Compared { one: median(with_one)?, more: median(with_more)? };
    model.tuning.compared_ns.store(nanos(compared.one), Relaxed);
    Some(compared)
}

fn timed(model: &Model, session: &mut Session, feeds: &[Tensor]) -> Option<Duration> {
    let began = Instant::now();
    session.control().begin(began, false, model.run_max);
    model.shared.watchdog.run_began();
    let ran = session.run(feeds, began);
    ran.result.is_ok().then_some(ran.took)
}

/// Of all but the first, which has warmed the session up.
fn median(mut times: Vec<Duration>) -> Option<Duration> {
    let times = times.get_mut(1..)?;
    times.sort_unstable();
    times.get(times.len() / 2).copied()
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
