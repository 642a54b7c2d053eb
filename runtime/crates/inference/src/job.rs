//! A run that waits for, or is on, a worker; and the ticket by which its caller can give it up.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use tokio::sync::oneshot;

use crate::error::RunError;
use crate::onnx::{Control, RunId, Stop};
use crate::tensor::Tensor;

/// What a run gives back: the outputs by name, in the model's order.
pub(crate) type Answer = Result<Vec<(Arc<str>, Tensor)>, RunError>;

/// One run, on its way to a session.
pub(crate) struct Job {
    pub(crate) feeds: Vec<Tensor>,
    pub(crate) deadline: Option<Instant>,
    /// It was tried inline and took too long.
    pub(crate) is_suspect: bool,
    pub(crate) reply: oneshot::Sender<Answer>,
    pub(crate) ticket: Arc<Ticket>,
}

impl Job {
    pub(crate) fn has_expired(&self, now: Instant) -> bool {
        self.deadline.is_some_and(|deadline| deadline <= now)
    }
}

/// Where a job is. The caller holds one end, the worker the other.
#[derive(Default)]
pub(crate) struct Ticket(Mutex<Place>);

#[derive(Default)]
enum Place {
    #[default]
    Queued,
    Running(Arc<Control>, RunId),
    Over,
}

impl Ticket {
    /// A worker begins the run. `false`: the caller has given up, do not run.
    pub(crate) fn start(&self, control: &Arc<Control>, id: RunId) -> bool {
        let mut place = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let queued = matches!(*place, Place::Queued);
        if queued {
            *place = Place::Running(Arc::clone(control), id);
        }
        queued
    }

    /// The run has ended by itself.
    pub(crate) fn finish(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Place::Over;
    }

    /// The caller gives up: a running job is stopped. `true`: it was still queued and has to be taken out.
    pub(crate) fn give_up(&self) -> bool {
        let place = std::mem::replace(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner), Place::Over);
        match place {
            Place::Queued => true,
            Place::Running(control, id) => {
                control.stop(id, Stop::Abandoned);
                false
            }
            Place::Over => false,
        }
    }
}
