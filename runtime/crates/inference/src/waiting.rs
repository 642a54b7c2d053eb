//! A call in a model's queue: how it waits, for company and for its turn, and how it leaves.

use std::sync::Arc;
use std::time::{Duration, Instant};

use modelet_spec::Flow;
use tokio::sync::oneshot::{self, error::TryRecvError};
use tokio::time::timeout_at;

use crate::call::{Answer, BoxedCall, Home, Ticket};
use crate::error::RunError;
use crate::model::Model;
use crate::pool::Queued;

/// How long a caller lets the others of its thread go first and looks again before it leaves its call to a worker: longer than
/// a short model's run on another thread, and than the two thread switches that a worker costs.
const PATIENCE: Duration = Duration::from_micros(100);

impl Model {
    /// Puts a call into the queue and waits for its answer; for company, until `held_until`.
    pub(crate) async fn run_queued(
        self: &Arc<Self>,
        call: BoxedCall,
        held_until: Option<Instant>,
        mut answer: oneshot::Receiver<Answer>,
    ) -> Answer {
        let gathers = call.gathers;
        let place = Place {
            model: self,
            flow: call.flow,
            ticket: Arc::clone(&call.ticket),
            home: call.home,
            asked: call.asked,
        };
        match self.pool.push(call) {
            Queued::In => {}
            Queued::InsteadOf(other) => {
                let busy = self.turn_away(&other.flow);
                other.answer(Err(busy));
            }
            Queued::Full(call) => return Err(self.turn_away(&call.flow)),
        }
        if gathers {
            if let Some(answer) = self.gather(&place, &mut answer).await {
                return answer;
            }
            self.pool.release(&place.flow, &place.ticket);
        }
        self.dispatch();
        let answered = self.wait_for(&place, held_until, answer);
        match place.flow.deadline {
            None => answered.await,
            Some(deadline) => timeout_at(deadline.into(), answered).await.unwrap_or(Err(RunError::Timeout)),
        }
    }

    /// Lets the other tasks of this thread go first, and runs what has come together unless one of them has. `None`: the
    /// call has to wait, which alone costs a timer.
    async fn gather(self: &Arc<Self>, place: &Place<'_>, answer: &mut oneshot::Receiver<Answer>) -> Option<Answer> {
        loop {
            tokio::task::yield_now().await;
            if place.ticket.is_queued() {
                self.serve_here(&place.ticket, place.home);
            }
            match answer.try_recv() {
                Ok(answer) => return Some(answer),
                Err(TryRecvError::Empty) => {}
                Err(TryRecvError::Closed) => return Some(Err(RunError::Cancelled)),
            }
            if place.asked.elapsed() > PATIENCE {
                return None;
            }
        }
    }

    async fn wait_for(
        self: &Arc<Self>,
        place: &Place<'_>,
        held_until: Option<Instant>,
        mut answer: oneshot::Receiver<Answer>,
    ) -> Answer {
        if let Some(until) = held_until {
            if let Ok(answered) = timeout_at(until.into(), &mut answer).await {
                return answered.unwrap_or(Err(RunError::Cancelled));
            }
            self.pool.release(&place.flow, &place.ticket);
            self.dispatch();
        }
        answer.await.unwrap_or(Err(RunError::Cancelled))
    }

    /// Counts a call of `flow` that has no place. The guess is the time that the queue needs if each call takes as long as
    /// runs have taken so far, between 100 ms and 30 s.
    fn turn_away(&self, flow: &Flow) -> RunError {
        self.counters.rejected.record(flow.id);
        let each = self.mean_run().unwrap_or_default();
        let rounds = u32::try_from(self.queue_depth() / self.sessions().max(1)).unwrap_or(u32::MAX);
        let retry_after = each.saturating_mul(rounds).clamp(Duration::from_millis(100), Duration::from_secs(30));
        RunError::Busy { retry_after }
    }
}

/// Until when a call waits for company: never for more than half of the time that it has left.
pub(crate) fn held_until(wait: Duration, deadline: Option<Instant>, now: Instant) -> Option<Instant> {
    let half_left = deadline.map(|deadline| deadline.saturating_duration_since(now) / 2);
    let wait = half_left.map_or(wait, |half| half.min(wait));
    (!wait.is_zero()).then(|| now.checked_add(wait))?
}

/// A caller's place in the queue or in a run; dropping it gives the call up.
struct Place<'a> {
    model: &'a Arc<Model>,
    flow: Flow,
    ticket: Arc<Ticket>,
    home: Home,
    asked: Instant,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        if self.ticket.give_up() {
            self.model.pool.remove(&self.flow, &self.ticket);
            // Others may have been left to this caller.
            self.model.dispatch();
        }
    }
}
