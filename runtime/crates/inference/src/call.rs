//! A call on its way to a session, the ticket by which its caller can give it up, and the run that serves it.

use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering::Relaxed, Ordering::SeqCst};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use modelet_spec::Flow;
use tokio::sync::oneshot;

use crate::batch::padding::Lengths;
use crate::batch::sharing::Joining;
use crate::error::RunError;
use crate::meter::Meter;
use crate::onnx::{Control, RunId, Stop};
use crate::tensor::Tensor;

/// What a run gives back: the outputs by name, in the model's order.
pub(crate) type Answer = Result<Vec<(Arc<str>, Tensor)>, RunError>;

/// One caller's inputs and where its answer goes.
pub(crate) struct Call {
    pub(crate) flow: Flow,
    pub(crate) feeds: Vec<Tensor>,
    /// The size of the first dimension of every input; 1 where they have none in common.
    pub(crate) rows: u32,
    /// The sizes in which the model's padding lets it differ from others; empty where there is none.
    pub(crate) lengths: Lengths,
    /// `None`: it runs alone.
    pub(crate) joining: Option<Joining>,
    /// It waits for company, or for its caller's thread to look again: it rides along with others, but no batch is
    /// formed for it.
    pub(crate) is_held: bool,
    /// What it waits for is its caller, who looks again when the other tasks of its thread have gone.
    pub(crate) gathers: bool,
    /// It was tried inline and took too long.
    pub(crate) is_suspect: bool,
    /// Where its caller was when it asked.
    pub(crate) home: Home,
    pub(crate) asked: Instant,
    pub(crate) reply: oneshot::Sender<Answer>,
    pub(crate) ticket: Arc<Ticket>,
    /// Where its owner's part of the run is added up.
    pub(crate) meter: Option<Arc<Meter>>,
}

/// What is moved into the queue and out of it under the queue's lock: a pointer's worth.
pub(crate) type BoxedCall = Box<Call>;

/// A thread that callers come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Home(u32);

impl Home {
    /// This thread.
    pub(crate) fn here() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        thread_local!(static HERE: u32 = NEXT.fetch_add(1, Relaxed));
        HERE.with(|here| Self(*here))
    }
}

impl Call {
    pub(crate) fn has_expired(&self, now: Instant) -> bool {
        self.flow.deadline.is_some_and(|deadline| deadline <= now)
    }

    /// The call is over.
    pub(crate) fn answer(self, answer: Answer) {
        self.ticket.finish();
        // The caller may be gone; then nobody wants the answer.
        let _ = self.reply.send(answer);
    }
}

#[cfg(test)]
impl Call {
    /// A call from here and now, without anybody who waits for the answer.
    pub(crate) fn of(flow: Flow, feeds: Vec<Tensor>, rows: u32, joining: Option<Joining>) -> Self {
        Self {
            flow,
            feeds,
            rows,
            lengths: Lengths::new(),
            joining,
            is_held: false,
            gathers: false,
            is_suspect: false,
            home: Home::here(),
            asked: Instant::now(),
            reply: oneshot::channel().0,
            ticket: Arc::default(),
            meter: None,
        }
    }
}

/// Where a call is. The caller holds one end, whoever runs it the other.
#[derive(Default)]
pub(crate) struct Ticket {
    place: Mutex<Place>,
    /// Where it counts while it waits.
    meter: Option<Arc<Meter>>,
}

#[derive(Default)]
enum Place {
    #[default]
    Queued,
    Running(Arc<Running>),
    Over,
}

/// A run in progress, for one call or several.
pub(crate) struct Running {
    control: Arc<Control>,
    id: RunId,
    /// Callers who wait for it, and one while it is being set up.
    waiting: AtomicUsize,
}

impl Running {
    /// The run `id` of a session, with nobody in it yet.
    pub(crate) fn new(control: &Arc<Control>, id: RunId) -> Arc<Self> {
        Arc::new(Self { control: Arc::clone(control), id, waiting: AtomicUsize::new(1) })
    }

    /// Everybody is in. `false`: everybody is gone already, do not run.
    pub(crate) fn is_wanted(&self) -> bool {
        self.waiting.fetch_sub(1, SeqCst) > 1
    }

    /// One caller gives up; with the last one the run is stopped.
    fn leave(&self) {
        if self.waiting.fetch_sub(1, SeqCst) == 1 {
            self.control.stop(self.id, Stop::Abandoned);
        }
    }
}

impl Ticket {
    /// A call of this owner, which waits from now on.
    pub(crate) fn queued(meter: Option<Arc<Meter>>) -> Arc<Self> {
        if let Some(meter) = &meter {
            meter.begin_wait();
        }
        Arc::new(Self { place: Mutex::default(), meter })
    }

    /// The call gets into a run. `false`: the caller has given up, leave it out.
    pub(crate) fn start(&self, run: &Arc<Running>) -> bool {
        let mut place = self.lock();
        let queued = matches!(*place, Place::Queued);
        if queued {
            run.waiting.fetch_add(1, SeqCst);
            *place = Place::Running(Arc::clone(run));
            self.end_wait();
        }
        queued
    }

    /// The run has to be repeated. `false`: the caller has given up meanwhile.
    pub(crate) fn requeue(&self) -> bool {
        let mut place = self.lock();
        let running = matches!(*place, Place::Running(_));
        if running {
            *place = Place::Queued;
            if let Some(meter) = &self.meter {
                meter.begin_wait();
            }
        }
        running
    }

    /// Whether no run has taken it up yet.
    pub(crate) fn is_queued(&self) -> bool {
        matches!(*self.lock(), Place::Queued)
    }

    /// The call is answered.
    pub(crate) fn finish(&self) {
        let place = std::mem::replace(&mut *self.lock(), Place::Over);
        if matches!(place, Place::Queued) {
            self.end_wait();
        }
    }

    /// The caller gives up: a run that nobody else waits for is stopped. `true`: it was still queued and has to be
    /// taken out.
    pub(crate) fn give_up(&self) -> bool {
        let place = std::mem::replace(&mut *self.lock(), Place::Over);
        match place {
            Place::Queued => {
                self.end_wait();
                true
            }
            Place::Running(run) => {
                run.leave();
                false
            }
            Place::Over => false,
        }
    }

    fn end_wait(&self) {
        if let Some(meter) = &self.meter {
            meter.end_wait();
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Place> {
        self.place.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
