//! One run, for the calls that share it: on a worker, or on the thread of one of the callers.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use crate::batch::former::Runner;
use crate::batch::padding;
use crate::batch::rows::{self, Outputs};
use crate::call::{Answer, BoxedCall, Call, Home, Running, Ticket};
use crate::error::RunError;
use crate::inline;
use crate::meter::{self, Meter};
use crate::model::Model;
use crate::onnx::{Ran, Session, Stop};
use crate::tensor::Tensor;

/// Inputs that are joined on a worker, at most; the copy of more costs more than a run of its own.
const JOINED_BYTES_MAX: usize = 64 << 20;

/// What became of a run on its caller's thread.
pub(crate) enum Inline {
    Answered(Answer),
    /// Not allowed, or no session at hand: a worker has to do it.
    NotHere,
    /// Stopped because it took too long: a worker has to do it again.
    Overran,
}

impl Model {
    /// On a worker: runs what waits on `session`.
    pub(crate) fn serve(self: &Arc<Self>, session: Session) {
        let lease = Lease::new(self, session);
        let calls = self.pool.take_sent(JOINED_BYTES_MAX);
        self.run_calls(lease, calls, false);
    }

    /// On a caller's thread: runs what has come together there, if a session is idle. The caller's own call, of this `ticket`,
    /// may be left for later, if it is not its turn.
    pub(crate) fn serve_here(self: &Arc<Self>, ticket: &Arc<Ticket>, home: Home) {
        let runner = Runner::Caller { home, now: Instant::now(), ticket };
        if let Some((session, calls)) = self.pool.take_here(runner, inline::INPUT_BYTES_MAX) {
            self.run_calls(Lease::new(self, session), calls, true);
        }
    }

    /// On a caller's thread: runs one call that nobody is in front of, without queue and ticket.
    pub(crate) fn run_inline(
        self: &Arc<Self>,
        feeds: &[Tensor],
        rows: u32,
        now: Instant,
        meter: Option<&Arc<Meter>>,
    ) -> Inline {
        if !self.may_run_here(feeds, now) {
            return Inline::NotHere;
        }
        let Some(session) = self.pool.take_idle() else { return Inline::NotHere };
        let mut lease = Lease::new(self, session);
        let Some(session) = lease.session.as_mut() else { return Inline::NotHere };
        session.control().begin(now, true, self.run_max);
        self.shared.watchdog.run_began();
        let ran = session.run(feeds, now);
        drop(lease);
        if let Some(meter) = meter {
            meter.add(ran.took, (rows, rows));
        }
        self.note(&ran, 1, now, true, false);
        match (ran.stopped, ran.result) {
            (Some(Stop::Overran | Stop::Abandoned), Err(_)) => Inline::Overran,
            (Some(Stop::RunLimit), Err(_)) => Inline::Answered(Err(RunError::Timeout)),
            (_, result) => Inline::Answered(result),
        }
    }

    /// Whether a run of `feeds` may use its caller's thread.
    pub(crate) fn may_run_here(&self, feeds: &[Tensor], now: Instant) -> bool {
        let small = || feeds.iter().map(Tensor::own_bytes).sum::<usize>() <= inline::INPUT_BYTES_MAX;
        self.gate.is_open(now) && small() && self.threads() == 1
    }

    /// Runs `calls`, less those whose deadline has passed or whose callers have gone.
    fn run_calls(self: &Arc<Self>, mut lease: Lease<'_>, calls: Vec<BoxedCall>, is_inline: bool) {
        let now = Instant::now();
        let Some(session) = lease.session.as_mut() else { return };
        let control = Arc::clone(session.control());
        let id = control.begin(now, is_inline, self.run_max);
        let run = Running::new(&control, id);
        let calls = start(calls, &run, now);
        if !run.is_wanted() {
            control.end();
            return;
        }
        self.shared.watchdog.run_began();
        let ran = self.run_joined(session, &calls, now);
        if let ([call], Ok(_)) = (calls.as_slice(), &ran.result) {
            self.consider_tuning(&call.feeds, ran.took);
        }
        // First the session, then the answers: whoever gets one finds the session free.
        drop(lease);
        if calls.iter().any(|call| call.joining.is_some()) {
            self.crowd.met(calls.len());
        }
        let rows = calls.iter().fold(0u32, |sum, call| sum.saturating_add(call.rows));
        let parts = calls.iter().filter_map(|call| Some((call.meter.as_ref()?, call.rows)));
        meter::share_out(ran.took, parts, rows);
        let is_suspect = calls.iter().any(|call| call.is_suspect);
        self.note(&ran, calls.len(), now, is_inline, is_suspect);
        self.answer(calls, ran);
    }

    fn run_joined(&self, session: &mut Session, calls: &[BoxedCall], now: Instant) -> Ran {
        if let [alone] = calls {
            return session.run(&alone.feeds, now);
        }
        let feeds: Vec<&[Tensor]> = calls.iter().map(|call| call.feeds.as_slice()).collect();
        match rows::join(&feeds, self.padding()) {
            Ok(joined) => {
                let copied = feeds.iter().map(|feeds| feeds.len() as u64).sum();
                self.counters.inputs_copied.fetch_add(copied, Relaxed);
                session.run(&joined, now)
            }
            Err(error) => {
                let stopped = session.control().end();
                Ran { result: Err(RunError::TooLarge(error.to_string())), stopped, took: now.elapsed(), copied: 0 }
            }
        }
    }

    /// Gives each caller its part. What fails together is repeated one by one: one caller's input must not be another's
    /// failure, nor one caller's endless loop another's timeout.
    fn answer(self: &Arc<Self>, calls: Vec<BoxedCall>, ran: Ran) {
        let are_joined = calls.len() > 1;
        match (ran.stopped, ran.result) {
            (Some(Stop::Abandoned), Err(_)) => calls.into_iter().for_each(|call| call.answer(Err(RunError::Cancelled))),
            (Some(Stop::Overran), Err(_)) => self.repeat(calls, |call| call.is_suspect = true),
            (_, Err(_)) if are_joined => self.repeat(calls, |call| call.joining = None),
            (Some(Stop::RunLimit), Err(_)) => calls.into_iter().for_each(|call| call.answer(Err(RunError::Timeout))),
            (_, Ok(outputs)) if are_joined => match self.parts(&calls, &outputs) {
                Some(parts) => calls.into_iter().zip(parts).for_each(|(call, part)| call.answer(Ok(part))),
                None => self.repeat(calls, |call| call.joining = None),
            },
            (_, result) => calls.into_iter().for_each(|call| call.answer(result.clone())),
        }
    }

    /// Each caller's part of a joined run's outputs; `None`: they are not what the model's description says, and from now
    /// on its calls are not joined, or not filled up.
    fn parts(&self, calls: &[BoxedCall], outputs: &Outputs) -> Option<Vec<Outputs>> {
        let rows: Vec<u32> = calls.iter().map(|call| call.rows).collect();
        let mut parts = match rows::split(outputs, &rows) {
            Ok(parts) => parts,
            Err(why) => {
                tracing::warn!(model = %self.name(), %why, "its calls are not joined from now on");
                self.refuse_batching(why);
                return None;
            }
        };
        let filled = padding::longest(calls.iter().map(|call| &call.lengths));
        let Some(padding) = self.padding().filter(|_| calls.iter().any(|call| call.lengths != filled)) else {
            return Some(parts);
        };
        for (call, part) in calls.iter().zip(&mut parts) {
            match padding.cut_outputs(part, &filled, &call.lengths) {
                Ok(copied) => _ = self.counters.outputs_copied.fetch_add(copied, Relaxed),
                Err(why) => {
                    tracing::warn!(model = %self.name(), %why, "its calls are not filled up from now on");
                    padding.refuse(why);
                    return None;
                }
            }
        }
        Some(parts)
    }

    /// Puts calls back into the queue, before all others of their flows.
    fn repeat(self: &Arc<Self>, mut calls: Vec<BoxedCall>, change: impl Fn(&mut Call)) {
        let count = calls.len();
        for call in &mut calls {
            change(call);
            (call.is_held, call.gathers) = (false, false);
        }
        self.pool.put_back(calls);
        (0..count).for_each(|_| self.dispatch());
    }

    /// Keeps what a run for `calls` calls has taught.
    fn note(&self, ran: &Ran, calls: usize, began: Instant, is_inline: bool, is_suspect: bool) {
        let counters = &self.counters;
        let runs = if is_inline { &counters.runs_inline } else { &counters.runs_on_workers };
        runs.fetch_add(1, Relaxed);
        add_time(&counters.busy_ns, ran.took);
        counters.outputs_copied.fetch_add(ran.copied, Relaxed);
        self.shared.runs.fetch_add(1, Relaxed);
        // A joined run holds its thread as long as its callers' runs would have together, or less: each one's part is
        // what decides whether the next may.
        if is_inline || ran.result.is_ok() {
            self.gate.record(ran.took / u32::try_from(calls.max(1)).unwrap_or(u32::MAX));
        }
        let was_stopped = ran.stopped.is_some() && ran.result.is_err();
        let is_stuck = is_inline && ran.took > inline::STUCK;
        let is_guilty = !is_inline && is_suspect && (was_stopped || ran.took > inline::OVERRUN);
        if is_stuck || is_guilty {
            self.gate.overran(began);
        }
    }
}

/// Those of `calls` that somebody still wants; the others are answered or dropped.
fn start(calls: Vec<BoxedCall>, run: &Arc<Running>, now: Instant) -> Vec<BoxedCall> {
    let wanted = calls.into_iter().filter_map(|call| {
        if call.has_expired(now) {
            call.answer(Err(RunError::Timeout));
            return None;
        }
        call.ticket.start(run).then_some(call)
    });
    wanted.collect()
}

fn add_time(sum_ns: &AtomicU64, took: Duration) {
    sum_ns.fetch_add(u64::try_from(took.as_nanos()).unwrap_or(u64::MAX), Relaxed);
}

/// A session in use; dropping it gives the session back, or to the next call in the queue.
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
