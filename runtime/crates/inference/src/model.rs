//! A loaded model: the way of one run, inline or through a worker.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use modelet_spec::Flow;
use tokio::sync::oneshot;

use crate::description::Description;
use crate::error::RunError;
use crate::inline::{self, InlineGate};
use crate::job::{Answer, Job, Ticket};
use crate::onnx::{Session, SessionSettings, Stop};
use crate::pool::{Pool, Submitted};
use crate::runtime::Shared;
use crate::tensor::Tensor;
use crate::worker::Work;

/// What a caller may choose when loading a model.
#[derive(Clone, Debug)]
pub struct ModelOptions {
    /// For logs and metrics; nothing else depends on it.
    pub name: String,
    /// How many runs may be in progress at once, each in a copy of the model. `None`: the cores, at most 4.
    pub sessions_max: Option<usize>,
    /// Let ONNX Runtime rewrite the graph for speed while loading.
    pub optimise: bool,
}

/// A model, ready to run. Dropping the last handle unloads it.
pub struct Model {
    name: String,
    description: Description,
    pool: Pool,
    gate: InlineGate,
    /// Kept for further sessions.
    // TODO-perf: read them from the store again when a session is added, so that they are not held twice.
    bytes: Arc<[u8]>,
    settings: SessionSettings,
    shared: Arc<Shared>,
    pub(crate) counters: Counters,
}

/// What a model has done since it was loaded.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) runs_inline: AtomicU64,
    pub(crate) runs_on_workers: AtomicU64,
    pub(crate) busy_ns: AtomicU64,
}

impl ModelOptions {
    /// The defaults, under a name for logs and metrics.
    #[must_use]
    pub fn named(name: impl Into<String>) -> Self {
        Self { name: name.into(), sessions_max: None, optimise: true }
    }
}

impl Model {
    /// What it takes and gives.
    #[must_use]
    pub fn description(&self) -> &Description {
        &self.description
    }

    /// The name it was loaded under.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Size of the file it was loaded from, in bytes.
    #[must_use]
    pub fn file_bytes(&self) -> u64 {
        self.bytes.len() as u64
    }

    /// Sessions now loaded.
    #[must_use]
    pub fn sessions(&self) -> usize {
        self.pool.sessions()
    }

    /// Sessions now in use.
    #[must_use]
    pub fn sessions_busy(&self) -> usize {
        self.pool.busy()
    }

    /// Runs that wait for a session.
    #[must_use]
    pub fn queue_depth(&self) -> usize {
        self.pool.waiting()
    }

    /// Whether the next small run may use its caller's thread.
    #[must_use]
    pub fn runs_inline(&self) -> bool {
        self.gate.is_open(Instant::now())
    }

    /// Runs the model on `inputs`, in any order, and gives its outputs in the model's order.
    ///
    /// The future may be dropped at any time: a queued run is taken out, one in progress is stopped between two of
    /// its operators. With a deadline in `flow` it needs a Tokio runtime with time enabled.
    ///
    /// # Errors
    /// See [`RunError`]; inputs are checked before anything is queued.
    pub async fn run(
        self: &Arc<Self>,
        flow: Flow,
        inputs: Vec<(String, Tensor)>,
    ) -> Result<Vec<(Arc<str>, Tensor)>, RunError> {
        let now = Instant::now();
        if flow.deadline.is_some_and(|deadline| deadline <= now) {
            return Err(RunError::Timeout);
        }
        let feeds = self.description.feeds(inputs)?;
        match self.run_inline(&feeds, now) {
            Inline::Answered(answer) => answer,
            Inline::NotHere => self.run_queued(flow.deadline, feeds, false).await,
            Inline::Overran => self.run_queued(flow.deadline, feeds, true).await,
        }
    }

    pub(crate) fn new(
        options: ModelOptions,
        (session, settings, description): (Session, SessionSettings, Description),
        bytes: Arc<[u8]>,
        shared: Arc<Shared>,
    ) -> Self {
        let sessions_max = options.sessions_max.unwrap_or(shared.sessions_max).max(1);
        shared.adopt(&session);
        Self {
            name: options.name,
            description,
            pool: Pool::new(session, sessions_max, shared.config.queue_max),
            gate: InlineGate::new(shared.config.inline_under),
            bytes,
            settings,
            shared,
            counters: Counters::default(),
        }
    }

    /// On a worker: runs a job, unless its caller has given up meanwhile.
    pub(crate) fn run_job(self: &Arc<Self>, session: Session, job: Job) {
        let now = Instant::now();
        let mut lease = Lease::new(self, session);
        let Some(session) = lease.session.as_mut() else { return };
        let answer = if job.has_expired(now) {
            Err(RunError::Timeout)
        } else {
            let control = Arc::clone(session.control());
            let id = control.begin(now, false);
            if !job.ticket.start(&control, id) {
                control.end();
                return;
            }
            let ran = session.run(&job.feeds, now);
            job.ticket.finish();
            self.count(&self.counters.runs_on_workers, ran.took);
            let was_stopped = ran.stopped.is_some() && ran.result.is_err();
            if job.is_suspect && (was_stopped || ran.took > inline::OVERRUN) {
                self.gate.overran(now);
            }
            if ran.result.is_ok() {
                self.gate.record(ran.took);
            }
            if was_stopped { Err(RunError::Cancelled) } else { ran.result }
        };
        // First the session, then the answer: whoever gets it finds the session free.
        drop(lease);
        // The caller may be gone; then nobody wants the answer.
        let _ = job.reply.send(answer);
    }

    /// On a worker: loads one more session.
    pub(crate) fn grow(self: &Arc<Self>) {
        match Session::load(&self.shared.environment, &self.bytes, &self.settings) {
            Ok(session) => {
                self.shared.adopt(&session);
                self.pool.grown(true);
                self.give_back(session);
            }
            Err(error) => {
                tracing::warn!(model = %self.name, %error, sessions = self.sessions(), "no further session");
                self.pool.grown(false);
            }
        }
    }

    fn run_inline(self: &Arc<Self>, feeds: &[Tensor], now: Instant) -> Inline {
        let small = || feeds.iter().map(|feed| feed.bytes().len()).sum::<usize>() <= inline::INPUT_BYTES_MAX;
        if !self.gate.is_open(now) || !small() {
            return Inline::NotHere;
        }
        let Some(session) = self.pool.take_idle() else { return Inline::NotHere };
        let mut lease = Lease::new(self, session);
        let Some(session) = lease.session.as_mut() else { return Inline::NotHere };
        session.control().begin(now, true);
        self.shared.watchdog.inline_began();
        let ran = session.run(feeds, now);
        drop(lease);
        self.count(&self.counters.runs_inline, ran.took);
        self.gate.record(ran.took);
        if ran.took > inline::STUCK {
            self.gate.overran(now);
        }
        match (ran.stopped, ran.result) {
            (Some(Stop::Overran | Stop::Abandoned), Err(_)) => Inline::Overran,
            (_, result) => Inline::Answered(result),
        }
    }

    async fn run_queued(self: &Arc<Self>, deadline: Option<Instant>, feeds: Vec<Tensor>, is_suspect: bool) -> Answer {
        let (reply, answer) = oneshot::channel();
        let ticket = Arc::new(Ticket::default());
        let _held = Held { model: self, ticket: Arc::clone(&ticket) };
        match self.pool.submit(Job { feeds, deadline, is_suspect, reply, ticket }) {
            Submitted::Run(session, job) => self.shared.workers.push(Work::Run(Arc::clone(self), session, job)),
            Submitted::Grow => self.shared.workers.push(Work::Grow(Arc::clone(self))),
            Submitted::Queued => {}
            Submitted::Full(waiting) => return Err(RunError::Busy { retry_after: self.retry_after(waiting) }),
        }
        let answered = match deadline {
            None => answer.await,
            Some(deadline) => match tokio::time::timeout_at(deadline.into(), answer).await {
                Ok(answered) => answered,
                Err(_elapsed) => return Err(RunError::Timeout),
            },
        };
        answered.unwrap_or_else(|_lost| Err(RunError::Cancelled))
    }

    fn give_back(self: &Arc<Self>, session: Session) {
        if let Some((session, job)) = self.pool.give_back(session) {
            self.shared.workers.push(Work::Run(Arc::clone(self), session, job));
        }
    }

    fn count(&self, runs: &AtomicU64, took: Duration) {
        runs.fetch_add(1, Relaxed);
        self.counters.busy_ns.fetch_add(u64::try_from(took.as_nanos()).unwrap_or(u64::MAX), Relaxed);
        self.shared.runs.fetch_add(1, Relaxed);
    }

    /// The time the queue needs by the measured run, between 100 ms and 30 s.
    fn retry_after(&self, waiting: usize) -> Duration {
        let each = self.gate.estimate().unwrap_or(Duration::from_millis(1));
        let rounds = u32::try_from(waiting / self.sessions().max(1)).unwrap_or(u32::MAX);
        each.saturating_mul(rounds).clamp(Duration::from_millis(100), Duration::from_secs(30))
    }
}

impl Drop for Model {
    fn drop(&mut self) {
        self.shared.sessions.fetch_sub(self.pool.sessions(), Relaxed);
    }
}

/// What became of a run on its caller's thread.
enum Inline {
    Answered(Answer),
    /// Not allowed, or no session at hand: a worker has to do it.
    NotHere,
    /// Stopped because it took too long: a worker has to do it again.
    Overran,
}

/// A session in use; dropping it gives the session back, or to the next job in the queue.
struct Lease<'a> {
    model: &'a Arc<Model>,
    session: Option<Session>,
}

impl<'a> Lease<'a> {
    fn new(model: &'a Arc<Model>, session: Session) -> Self {
        Self { model, session: Some(session) }
    }
}

impl Drop for Lease<'_> {
    fn drop(&mut self) {
        if let Some(session) = self.session.take() {
            self.model.give_back(session);
        }
    }
}

/// A caller's place in the queue; dropping it gives the run up.
struct Held<'a> {
    model: &'a Arc<Model>,
    ticket: Arc<Ticket>,
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        if self.ticket.give_up() {
            self.model.pool.remove(&self.ticket);
        }
    }
}
