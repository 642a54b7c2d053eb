//! Who is in a shared instance: how long each may stay, what it has computed, and how it is told its end, exactly once.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use modelet_spec::InvocationId;
use tokio::sync::{mpsc, oneshot};

use super::Visit;
use super::doors::{Door, Doors};
use crate::cpu;
use crate::limiter::OverLimit;
use crate::outcome::{Ended, Fault, FaultKind, ended_by};
use crate::service::Cut;

/// The requests of one instance. Locked for a few lines at a time, by whoever runs the instance.
pub(crate) struct Company {
    pub(super) doors: Arc<Doors<Visit>>,
    pub(super) door: Arc<Door>,
    visits: Mutex<mpsc::Receiver<Visit>>,
    members: Mutex<Members>,
    /// Nobody comes in any more, and the instance goes with the last who is in it.
    closing: AtomicBool,
    next: AtomicU64,
    cpu_max: Duration,
}

#[derive(Default)]
struct Members {
    /// Those who have not been told their end, by number.
    live: BTreeMap<u64, Member>,
    /// Processor time of this turn that is charged already.
    charged: Duration,
    blame: Blame,
}

/// One request that has not been told its end.
struct Member {
    invocation: InvocationId,
    deadline: Instant,
    cpu: Duration,
    cut: Arc<Cut>,
    report: oneshot::Sender<Ended>,
    /// The guest has answered it, and what it may have left to do cannot be told from what it does for others.
    is_over: bool,
}

/// What is told to whom once the last turn is accounted for.
pub(super) type Farewell = Vec<(oneshot::Sender<Ended>, Ended)>;

/// Whose work ended the instance.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Blame {
    /// It is not known.
    #[default]
    Nobody,
    /// This request's.
    Member(u64),
    /// That of one who has been told its end.
    Rest,
}

/// What became of the company between two turns.
pub(super) struct Look {
    /// When somebody's time is over next.
    pub(super) next: Option<Instant>,
    /// Somebody went over a limit just now: nobody is to come in any more.
    pub(super) is_closed: bool,
    /// Nobody is in, and nobody will come.
    pub(super) is_empty: bool,
}

impl Company {
    pub(super) fn new(
        doors: &Arc<Doors<Visit>>,
        door: Arc<Door>,
        visits: mpsc::Receiver<Visit>,
        cpu_max: Duration,
    ) -> Arc<Self> {
        Arc::new(Self {
            doors: Arc::clone(doors),
            door,
            visits: Mutex::new(visits),
            members: Mutex::default(),
            closing: AtomicBool::new(false),
            next: AtomicU64::new(0),
            cpu_max,
        })
    }

    /// The next request that comes in. Never any, once nobody is to.
    pub(super) fn poll_visit(&self, cx: &mut Context<'_>) -> Poll<Visit> {
        if self.is_closing() {
            return Poll::Pending;
        }
        match self.visits().poll_recv(cx) {
            Poll::Ready(Some(visit)) => Poll::Ready(visit),
            Poll::Ready(None) | Poll::Pending => Poll::Pending,
        }
    }

    /// Closes the door, and hands out who has come and not begun.
    pub(super) fn close(&self) -> Vec<Visit> {
        self.closing.store(true, Ordering::Release);
        self.doors.close(&self.door);
        let mut visits = self.visits();
        std::iter::from_fn(|| visits.try_recv().ok()).collect()
    }

    pub(super) fn is_closing(&self) -> bool {
        self.closing.load(Ordering::Acquire)
    }

    /// A number that no other request in this instance has.
    pub(super) fn number(&self) -> u64 {
        self.next.fetch_add(1, Ordering::Relaxed)
    }

    /// The guest begins with a request.
    pub(super) fn begin(
        &self,
        number: u64,
        invocation: InvocationId,
        deadline: Instant,
        (cut, report): (Arc<Cut>, oneshot::Sender<Ended>),
    ) {
        let member = Member { invocation, deadline, cpu: Duration::ZERO, cut, report, is_over: false };
        self.members().live.insert(number, member);
    }

    /// The guest has answered a request.
    pub(super) fn over(&self, number: u64) {
        match self.members().live.get_mut(&number) {
            Some(member) => member.is_over = true,
            // It has been told, and its place was kept until now.
            None => self.doors.gone(&self.door),
        }
    }

    /// Takes out those whom the guest has answered; their places are free.
    pub(super) fn take_over(&self) -> Vec<oneshot::Sender<Ended>> {
        let over: Vec<_> = self.members().live.extract_if(.., |_, member| member.is_over).collect();
        over.iter().for_each(|_| self.doors.gone(&self.door));
        over.into_iter().map(|(_, member)| member.report).collect()
    }

    /// A turn of the guest's begins.
    pub(super) fn begin_turn(&self) {
        self.members().charged = Duration::ZERO;
        self.door.computes(true);
    }

    /// A turn has ended that took so long. What no tick saw is divided equally among those who are in.
    pub(super) fn end_turn(&self, took: Duration) {
        self.door.computes(false);
        let mut members = self.members();
        let rest = took.saturating_sub(members.charged);
        let count = u32::try_from(members.live.len()).unwrap_or(u32::MAX).max(1);
        members.live.values_mut().for_each(|member| member.cpu += rest / count);
    }

    /// At a tick, the task of this request computes: it has since the last one.
    ///
    /// # Errors
    /// When it has computed for as long as it may. The instance ends with it.
    pub(super) fn charge(&self, number: u64) -> Result<(), OverLimit> {
        let mut members = self.members();
        let so_far = cpu::so_far();
        let since = so_far.saturating_sub(members.charged);
        members.charged = so_far;
        let Some(member) = members.live.get_mut(&number) else { return Ok(()) };
        member.cpu += since;
        if member.cpu < self.cpu_max {
            return Ok(());
        }
        members.blame = Blame::Member(number);
        Err(cpu::over(self.cpu_max))
    }

    /// The task of this request computes past its deadline.
    pub(super) fn blame(&self, number: Option<u64>) {
        let mut members = self.members();
        let live = number.filter(|number| members.live.contains_key(number));
        members.blame = live.map_or(Blame::Rest, Blame::Member);
    }

    /// Looks who has been in for too long, or has computed for too long, and tells them. Their tasks go on, since no task can be
    /// taken out of an instance; the instance ends with the others.
    pub(super) fn look(&self, now: Instant) -> Look {
        let mut members = self.members();
        let cpu_max = self.cpu_max;
        let is_too_much = |_: &u64, member: &mut Member| member.deadline <= now || member.cpu >= cpu_max;
        let told: Vec<Member> = members.live.extract_if(.., is_too_much).map(|(_, member)| member).collect();
        let next = members.live.values().map(|member| member.deadline).min();
        let is_empty = members.live.is_empty();
        drop(members);
        let is_closed = !told.is_empty();
        for member in told {
            let waited = "it was waiting in a host call, or for its turn beside the other requests of its instance";
            let ended = if member.deadline <= now {
                Ended::timed_out(waited)
            } else {
                Ended::over(&cpu::over(cpu_max), waited)
            };
            member.end(ended);
        }
        Look { next, is_closed, is_empty: is_empty && (is_closed || self.is_closing()) }
    }

    /// The instance is about to go: what is unfinished of its answers is not to look whole.
    pub(super) fn cut_all(&self) {
        self.members().live.values().for_each(|member| member.cut.cut());
    }

    /// The instance has gone. What each is to be told: who is to blame, what happened; the others, that it was a neighbour.
    pub(super) fn end_all(&self, error: &wasmtime::Error, refused: Option<&OverLimit>) -> Farewell {
        let members = std::mem::take(&mut *self.members());
        let Members { live, blame, .. } = members;
        let count = live.len();
        let culprit = match blame {
            Blame::Member(number) => live.get(&number).map(|member| member.invocation),
            Blame::Nobody | Blame::Rest => None,
        };
        let own = || ended_by(error, refused.cloned());
        let ended = |number| match blame {
            Blame::Member(other) if other != number => neighbour(culprit, error),
            Blame::Rest => neighbour(None, error),
            Blame::Member(_) => own(),
            Blame::Nobody if count == 1 => own(),
            Blame::Nobody => among(own(), count),
        };
        live.into_iter().map(|(number, member)| (member.report, ended(number))).collect()
    }

    /// All who are in are told the same.
    pub(super) fn fail_all(&self, ended: impl Fn() -> Ended) {
        let live = std::mem::take(&mut self.members().live);
        live.into_values().for_each(|member| member.end(ended()));
    }

    fn members(&self) -> MutexGuard<'_, Members> {
        self.members.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn visits(&self) -> MutexGuard<'_, mpsc::Receiver<Visit>> {
        self.visits.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Member {
    /// Nobody may listen any more; that is no business of the guest's.
    fn end(self, ended: Ended) {
        if !matches!(ended, Ended::Finished) {
            self.cut.cut();
        }
        let _ = self.report.send(ended);
    }
}

/// The end of a request whose instance another ended.
fn neighbour(culprit: Option<InvocationId>, error: &wasmtime::Error) -> Ended {
    let whose = culprit.map_or_else(|| "one that was answered before".to_owned(), |id| id.to_string());
    let detail = format!("the instance was ended by the request {whose}: {error}");
    Ended::Trapped(Fault::new(FaultKind::Neighbour, "another request of the same instance ended it", detail))
}

/// The end of a request that was one of several, any of which may have brought it about.
fn among(ended: Ended, count: usize) -> Ended {
    let said = |fault: Fault| Fault {
        public: format!("{}; its instance was answering {count} requests, and all of them ended with it", fault.public),
        ..fault
    };
    match ended {
        Ended::Trapped(fault) => Ended::Trapped(said(fault)),
        Ended::OverLimit(fault) => Ended::OverLimit(said(fault)),
        Ended::TimedOut(fault) => Ended::TimedOut(said(fault)),
        Ended::NoAnswer(fault) => Ended::NoAnswer(said(fault)),
        Ended::HostFault(fault) => Ended::HostFault(said(fault)),
        Ended::Finished | Ended::Exhausted | Ended::Asleep | Ended::Cancelled => ended,
    }
}

#[cfg(test)]
mod tests;
