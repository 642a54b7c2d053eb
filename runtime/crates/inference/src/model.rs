//! A loaded model: the way of one call, inline, in company or through a worker.

use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use modelet_spec::manifest::BatchRule;
use modelet_spec::{Device, Flow};
use tokio::sync::oneshot;

use crate::admission::RowMixing;
use crate::batch::batchable;
use crate::batch::crowd::Crowd;
use crate::batch::former::Terms;
use crate::batch::padding::{Lengths, Padding};
use crate::batch::rows;
use crate::batch::sharing::Joining;
use crate::call::{Call, Home, Ticket};
use crate::counters::Counters;
use crate::description::Description;
use crate::device::Reservation;
use crate::error::RunError;
use crate::facts::Facts;
use crate::footprint::{Account, Footprint};
use crate::gauge::Part;
use crate::inline::InlineGate;
use crate::meter::Meter;
use crate::model_file::ModelFile;
use crate::onnx::{Loaded, SessionSettings};
use crate::options::ModelOptions;
use crate::pool::Pool;
use crate::residency::Charge;
use crate::running::Inline;
use crate::runtime::Shared;
use crate::tensor::Tensor;
use crate::threads::ThreadRule;
use crate::tuning::Tuning;
use crate::waiting::held_until;
use crate::warm_up::WarmUp;

/// A model, ready to run. Dropping the last handle unloads it.
pub struct Model {
    name: String,
    description: Description,
    pub(crate) pool: Pool,
    pub(crate) gate: InlineGate,
    pub(crate) tuning: Tuning,
    pub(crate) crowd: Crowd,
    /// Why its calls are not joined; unset while nothing is known against it.
    against_batching: OnceLock<String>,
    /// How inputs are filled up, or why not.
    padding: Result<Arc<Padding>, String>,
    pub(crate) run_max: Duration,
    /// Kept for further sessions; a mapped file is one map for all of them.
    pub(crate) file: ModelFile,
    file_bytes: u64,
    pub(crate) settings: SessionSettings,
    /// Bytes of its device that are set aside for it.
    _reservation: Reservation,
    pub(crate) warm_up: WarmUp,
    pub(crate) shared: Arc<Shared>,
    pub(crate) counters: Arc<Counters>,
    pub(crate) account: Arc<Account>,
}

/// Tensors that were copied on the way to a run or back, beside the one copy at the caller's door each way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Copies {
    /// Into a joined run's buffer: one for each input of each call in it.
    pub inputs: u64,
    /// Out of a model that hands a part of an input through; else none.
    pub outputs: u64,
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
        self.file_bytes
    }

    /// The bytes that it takes in memory, as far as they were measured.
    #[must_use]
    pub fn footprint(&self) -> Footprint {
        self.account.read()
    }

    /// The device that it runs on.
    #[must_use]
    pub fn device(&self) -> Device {
        self.settings.place.target.device
    }

    /// What a trial found out about it; `None`: it was loaded from its ONNX file without any.
    #[must_use]
    pub fn facts(&self) -> Option<&Facts> {
        match &self.file {
            ModelFile::Onnx { .. } => None,
            ModelFile::Optimised(file) => Some(file.facts()),
        }
    }

    /// Sessions now loaded.
    #[must_use]
    pub fn sessions(&self) -> usize {
        self.pool.sessions()
    }

    /// How often it was compared on how many threads its runs go best.
    #[must_use]
    pub fn thread_comparisons(&self) -> u32 {
        self.tuning.begun()
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
        let Counters { inputs_copied, outputs_copied, .. } = &*self.counters;
        Copies { inputs: inputs_copied.load(Relaxed), outputs: outputs_copied.load(Relaxed) }
    }

    /// Runs since it was loaded; a joined run is one.
    #[must_use]
    pub fn runs(&self) -> u64 {
        self.counters.runs_inline.load(Relaxed) + self.counters.runs_on_workers.load(Relaxed)
    }

    /// How long a run has taken so far; `None`: there was none.
    pub(crate) fn mean_run(&self) -> Option<Duration> {
        let busy = self.counters.busy_ns.load(Relaxed);
        busy.checked_div(self.runs()).map(Duration::from_nanos)
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
        self.run_metered(flow, rule, inputs, None).await
    }

    /// The same, with its wait and its part of the run counted in `meter`.
    pub(crate) async fn run_metered(
        self: &Arc<Self>,
        flow: Flow,
        rule: &BatchRule,
        inputs: Vec<(String, Tensor)>,
        meter: Option<&Arc<Meter>>,
    ) -> Result<Vec<(Arc<str>, Tensor)>, RunError> {
        let now = Instant::now();
        if flow.deadline.is_some_and(|deadline| deadline <= now) {
            return Err(RunError::Timeout);
        }
        let feeds = self.description.feeds(inputs)?;
        let rows = rows::rows_of(&feeds);
        // To join what lies on a device would take it from there.
        let is_joinable = self.reason_against_batching().is_none() && feeds.iter().all(Tensor::is_on_host);
        let joining = rows.filter(|_| is_joinable).and_then(|_| Joining::of(rule));
        let lengths = joining.and_then(|_| self.lengths(&feeds));
        let joining = joining.filter(|_| lengths.is_some());
        let (rows, lengths) = (rows.unwrap_or(1), lengths.unwrap_or_default());
        let held_until = joining.and_then(|_| held_until(rule.wait, flow.deadline, now));
        let looks = joining.is_some() && held_until.is_none() && self.crowd.is_likely();
        let mut is_suspect = false;
        if held_until.is_none() && !looks {
            match self.run_inline(&feeds, rows, now, meter) {
                Inline::Answered(answer) => {
                    // Else a caller who calls again and again would never let the others of its thread go.
                    tokio::task::coop::consume_budget().await;
                    return answer;
                }
                Inline::NotHere => {}
                Inline::Overran => is_suspect = true,
            }
        }
        // Whoever is not alone gathers too, if only its own turn: else a worker would take the calls one by one as they
        // come, and once it does all others would find a queue and wait for it too.
        let gathers = held_until.is_none() && !is_suspect && self.may_run_here(&feeds, now);
        let (reply, answer) = oneshot::channel();
        let is_held = gathers || held_until.is_some();
        let meter = meter.cloned();
        let ticket = Ticket::queued(meter.clone());
        let (home, asked) = (Home::here(), now);
        let call = Box::new(Call {
            flow,
            feeds,
            rows,
            lengths,
            joining,
            is_held,
            gathers,
            is_suspect,
            home,
            asked,
            reply,
            ticket,
            meter,
        });
        self.run_queued(call, held_until, answer).await
    }

    pub(crate) fn new(
        mut options: ModelOptions,
        loaded: Loaded,
        (rule, part): (ThreadRule, Part),
        reservation: Reservation,
        shared: Arc<Shared>,
    ) -> Self {
        let Loaded { session, settings, file, description } = loaded;
        let warm_up = WarmUp::of(&description, &options);
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
        let tuning = Tuning::new(rule);
        let sessions_max = tuning.rule.sessions_max(session.threads());
        let file_bytes = file.bytes().len() as u64;
        let device = settings.place.target.device;
        let (is_cpu, counters) = (device.is_cpu(), shared.counters.open(device));
        // What a device's sessions hold is in the device's memory. The file is kept where another session may need it.
        let is_kept = is_cpu || sessions_max > 1 || matches!(file, ModelFile::Optimised(_));
        let file = if is_kept { file } else { ModelFile::from(Vec::new()) };
        let (account, share) = Account::open(if is_cpu { file_bytes } else { 0 }, part);
        let mut session = session.on(share);
        shared.adopt(&session);
        warm_up.run(&mut session, &options.name, &shared);
        Self {
            name: options.name,
            description,
            pool: Pool::new(session, sessions_max, shared.config.queue_max, terms),
            gate: InlineGate::new(shared.config.inline_under),
            tuning,
            crowd: Crowd::default(),
            against_batching: against_batching.map(OnceLock::from).unwrap_or_default(),
            padding,
            run_max: options.run_max,
            file,
            file_bytes,
            settings,
            _reservation: reservation,
            warm_up,
            shared,
            counters,
            account,
        }
    }

    /// Its bytes are on an account from now on; further sessions are only loaded if there is room for them.
    pub(crate) fn charge_to(&self, charge: Charge) {
        self.account.charge_to(charge);
    }

    /// The device whose account its bytes are on; `None`: on none.
    pub(crate) fn charged_to(&self) -> Option<Device> {
        self.account.charged_to()
    }

    /// Bytes on the account.
    pub(crate) fn charged_bytes(&self) -> u64 {
        self.account.charged()
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
}

impl Drop for Model {
    fn drop(&mut self) {
        self.shared.sessions.fetch_sub(self.pool.sessions(), Relaxed);
    }
}
