//! A loaded model: the way of one call, inline, in company or through a worker.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use modelet_spec::Flow;
use modelet_spec::manifest::BatchRule;
use tokio::sync::oneshot;
use tokio::time::timeout_at;

use crate::admission::RowMixing;
use crate::batch::batchable;
use crate::batch::crowd::Crowd;
use crate::batch::former::Terms;
use crate::batch::padding::{Lengths, Padding};
use crate::batch::rows;
use crate::batch::sharing::Joining;
use crate::batch::size::BatchSizes;
use crate::call::{Answer, Call, Ticket};
use crate::description::Description;
use crate::error::RunError;
use crate::inline::InlineGate;
use crate::model_file::ModelFile;
use crate::onnx::{Loaded, Session, SessionSettings};
use crate::options::ModelOptions;
use crate::pool::{Next, Pool, Queued};
use crate::rejected::Rejected;
use crate::running::Inline;
use crate::runtime::Shared;
use crate::tensor::Tensor;
use crate::worker::Work;

/// A model, ready to run. Dropping the last handle unloads it.
pub struct Model {
    name: String,
    description: Description,
    pub(crate) pool: Pool,
    pub(crate) gate: InlineGate,
    pub(crate) crowd: Crowd,
    /// Why its calls are not joined; unset while nothing is known against it.
    against_batching: OnceLock<String>,
    /// How inputs are filled up, or why not.
    padding: Result<Arc<Padding>, String>,
    pub(crate) run_max: Duration,
    /// Kept for further sessions.
    // TODO-perf: read it from the store again when a session is added, so that it is not held twice.
    file: ModelFile,
    settings: SessionSettings,
    pub(crate) shared: Arc<Shared>,
    pub(crate) counters: Counters,
}

/// What a model has done since it was loaded.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) runs_inline: AtomicU64,
    pub(crate) runs_on_workers: AtomicU64,
    pub(crate) busy_ns: AtomicU64,
    pub(crate) inputs_copied: AtomicU64,
    pub(crate) outputs_copied: AtomicU64,
    pub(crate) sizes: BatchSizes,
    pub(crate) rejected: Rejected,
}

/// Tensors that were copied on the way to a run or back, beside the one copy at the caller's door each way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Copies {
    /// Into a joined run's buffer: one for each input of each call in it.
    pub inputs: u64,
    /// Out of a model that hands an input through; else none.
    pub outputs: u64,
}

/// How a call waits.
struct Waiting {
    /// For company, until then.
    held_until: Option<Instant>,
    /// It lets the other tasks of its thread go first, and then runs what has come together.
    gathers: bool,
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
        self.file.bytes().len() as u64
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

    /// Calls that wait for a session.
    #[must_use]
    pub fn queue_depth(&self) -> usize {
        self.pool.waiting()
    }

    /// Whether the next small run may use its caller's thread.
    #[must_use]
    pub fn runs_inline(&self) -> bool {
        self.gate.is_open(Instant::now())
    }

    /// Why its calls are not joined; `None`: they are, where their rules allow it.
    #[must_use]
    pub fn reason_against_batching(&self) -> Option<&str> {
        self.against_batching.get().map(String::as_str)
    }

    /// Why calls whose inputs differ in length are not joined; `None`: they are filled up to the same length, where their
    /// rules allow joining.
    #[must_use]
    pub fn reason_against_padding(&self) -> Option<&str> {
        match &self.padding {
            Ok(padding) => padding.reason_against(),
            Err(why) => Some(why),
        }
    }

    /// What has been copied since it was loaded.
    #[must_use]
    pub fn copies(&self) -> Copies {
        let Counters { inputs_copied, outputs_copied, .. } = &self.counters;
        Copies { inputs: inputs_copied.load(Relaxed), outputs: outputs_copied.load(Relaxed) }
    }

    /// Runs since it was loaded; a joined run is one.
    #[must_use]
    pub fn runs(&self) -> u64 {
        self.counters.runs_inline.load(Relaxed) + self.counters.runs_on_workers.load(Relaxed)
    }

    /// Runs the model on `inputs`, in any order, and gives its outputs in the model's order. It is not joined with other
    /// calls; see [`Model::run_with`].
    ///
    /// # Errors
    /// See [`RunError`]; inputs are checked before anything is queued.
    pub async fn run(
        self: &Arc<Self>,
        flow: Flow,
        inputs: Vec<(String, Tensor)>,
    ) -> Result<Vec<(Arc<str>, Tensor)>, RunError> {
        self.run_with(flow, &BatchRule::default(), inputs).await
    }

    /// Runs the model on `inputs`, if `rule` allows it in one run with other callers' inputs: `rule.max` rows together
    /// at most, waiting `rule.wait` for company at most. The answer is the same as that of a run of its own.
    ///
    /// The future may be dropped at any time: a queued call is taken out; a run in progress is stopped between two of
    /// its operators if nobody else waits for it. With a deadline in `flow`, or a wait, it needs a Tokio runtime with
    /// time enabled.
    ///
    /// # Errors
    /// See [`RunError`]; inputs are checked before anything is queued.
    pub async fn run_with(
        self: &Arc<Self>,
        flow: Flow,
        rule: &BatchRule,
        inputs: Vec<(String, Tensor)>,
    ) -> Result<Vec<(Arc<str>, Tensor)>, RunError> {
        let now = Instant::now();
        if flow.deadline.is_some_and(|deadline| deadline <= now) {
            return Err(RunError::Timeout);
        }
        let feeds = self.description.feeds(inputs)?;
        let rows = rows::rows_of(&feeds);
        let joining = rows.filter(|_| self.reason_against_batching().is_none()).and_then(|_| Joining::of(rule));
        let lengths = joining.and_then(|_| self.lengths(&feeds));
        let joining = joining.filter(|_| lengths.is_some());
        let (rows, lengths) = (rows.unwrap_or(1), lengths.unwrap_or_default());
        let held_until = joining.and_then(|_| held_until(rule.wait, flow.deadline, now));
        let looks = joining.is_some() && held_until.is_none() && self.crowd.is_likely();
        let mut is_suspect = false;
        if held_until.is_none() && !looks {
            match self.run_inline(&feeds, rows, now) {
                Inline::Answered(answer) => return answer,
                Inline::NotHere => {}
                Inline::Overran => is_suspect = true,
            }
        }
        // Whoever is not alone gathers too: else a worker would take the calls one by one as they come.
        let gathers = joining.is_some() && held_until.is_none() && !is_suspect && self.may_run_here(&feeds, now);
        let waiting = Waiting { held_until, gathers };
        let (reply, answer) = oneshot::channel();
        let is_held = gathers || held_until.is_some();
        let call = Call { flow, feeds, rows, lengths, joining, is_held, is_suspect, reply, ticket: Arc::default() };
        self.run_queued(call, waiting, answer).await
    }

    pub(crate) fn new(mut options: ModelOptions, loaded: Loaded, shared: Arc<Shared>) -> Self {
        let Loaded { session, settings, file, description } = loaded;
        let sessions_max = options.sessions_max.unwrap_or(shared.sessions_max).max(1);
        let found = matches!(description.admission.row_mixing, RowMixing::Yes { .. });
        let mixes_rows = *options.mixes_rows.get_or_insert(found);
        let against_batching = batchable::reason_against(&description, &options);
        let mut preferred_rows = options.preferred_rows;
        preferred_rows.sort_unstable();
        let padding = Padding::of(&options.padding, &description).map(Arc::new);
        if let (Err(why), false) = (&padding, options.padding.is_empty()) {
            tracing::warn!(model = %options.name, %why, "calls of different lengths are not joined");
        }
        let terms = Terms { preferred_rows, mixes_rows, padding: padding.as_ref().ok().cloned() };
        shared.adopt(&session);
        Self {
            name: options.name,
            description,
            pool: Pool::new(session, sessions_max, shared.config.queue_max, terms),
            gate: InlineGate::new(shared.config.inline_under),
            crowd: Crowd::default(),
            against_batching: against_batching.map(OnceLock::from).unwrap_or_default(),
            padding,
            run_max: options.run_max,
            file,
            settings,
            shared,
            counters: Counters::default(),
        }
    }

    /// Its calls are not joined from now on; gives the reason, which is the first one that was found.
    pub(crate) fn refuse_batching(&self, why: String) -> &str {
        self.against_batching.get_or_init(|| why)
    }

    /// How inputs are filled up, while nothing is known against it.
    pub(crate) fn padding(&self) -> Option<&Padding> {
        self.padding.as_deref().ok().filter(|padding| padding.reason_against().is_none())
    }

    /// In what a call may differ from others; `None`: its inputs contradict each other.
    fn lengths(&self, feeds: &[Tensor]) -> Option<Lengths> {
        self.padding().map_or(Some(Lengths::new()), |padding| padding.lengths(feeds))
    }

    /// On a worker: loads one more session.
    pub(crate) fn grow(self: &Arc<Self>) {
        match Session::load(&self.shared.environment, &self.file, &self.settings) {
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

    /// Sends a session to a worker, or loads one, if a call waits for that.
    pub(crate) fn dispatch(self: &Arc<Self>) {
        match self.pool.next() {
            Next::Serve(session) => self.shared.workers.push(Work::Serve(Arc::clone(self), session)),
            Next::Grow => self.shared.workers.push(Work::Grow(Arc::clone(self))),
            Next::Wait => {}
        }
    }

    /// Back into the pool, or to a worker if a call waits.
    pub(crate) fn give_back(self: &Arc<Self>, session: Session) {
        if let Some(session) = self.pool.give_back(session) {
            self.shared.workers.push(Work::Serve(Arc::clone(self), session));
        }
    }

    async fn run_queued(self: &Arc<Self>, call: Call, waiting: Waiting, answer: oneshot::Receiver<Answer>) -> Answer {
        let place = Place { model: self, flow: call.flow, ticket: Arc::clone(&call.ticket) };
        match self.pool.push(call) {
            Queued::In => {}
            Queued::InsteadOf(other) => {
                let busy = self.turn_away(&other.flow);
                other.answer(Err(busy));
            }
            Queued::Full(call) => return Err(self.turn_away(&call.flow)),
        }
        let answered = self.wait_for(&place, waiting, answer);
        match place.flow.deadline {
            None => answered.await,
            Some(deadline) => timeout_at(deadline.into(), answered).await.unwrap_or(Err(RunError::Timeout)),
        }
    }

    async fn wait_for(
        self: &Arc<Self>,
        place: &Place<'_>,
        waiting: Waiting,
        mut answer: oneshot::Receiver<Answer>,
    ) -> Answer {
        if waiting.gathers {
            tokio::task::yield_now().await;
            if place.ticket.is_queued() {
                self.pool.release(&place.flow, &place.ticket);
                self.serve_here();
            }
        }
        self.dispatch();
        if let Some(until) = waiting.held_until {
            if let Ok(answered) = timeout_at(until.into(), &mut answer).await {
                return answered.unwrap_or(Err(RunError::Cancelled));
            }
            self.pool.release(&place.flow, &place.ticket);
            self.dispatch();
        }
        answer.await.unwrap_or(Err(RunError::Cancelled))
    }

    /// Counts a call of `flow` that has no place. The guess is the time that the queue needs by the measured run,
    /// between 100 ms and 30 s.
    fn turn_away(&self, flow: &Flow) -> RunError {
        self.counters.rejected.record(flow.id);
        let each = self.gate.estimate().unwrap_or(Duration::from_millis(1));
        let rounds = u32::try_from(self.queue_depth() / self.sessions().max(1)).unwrap_or(u32::MAX);
        let retry_after = each.saturating_mul(rounds).clamp(Duration::from_millis(100), Duration::from_secs(30));
        RunError::Busy { retry_after }
    }
}

impl Drop for Model {
    fn drop(&mut self) {
        self.shared.sessions.fetch_sub(self.pool.sessions(), Relaxed);
    }
}

/// Until when a call waits for company: never for more than half of the time that it has left.
fn held_until(wait: Duration, deadline: Option<Instant>, now: Instant) -> Option<Instant> {
    let half_left = deadline.map(|deadline| deadline.saturating_duration_since(now) / 2);
    let wait = half_left.map_or(wait, |half| half.min(wait));
    (!wait.is_zero()).then(|| now.checked_add(wait))?
}

/// A caller's place in the queue or in a run; dropping it gives the call up.
struct Place<'a> {
    model: &'a Arc<Model>,
    flow: Flow,
    ticket: Arc<Ticket>,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        if self.ticket.give_up() {
            self.model.pool.remove(&self.flow, &self.ticket);
        }
    }
}
