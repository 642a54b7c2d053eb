//! The threads that run models which are too slow for their caller's thread, and that load further sessions.
//!
//! One queue for all models, first come first served. It needs no limit of its own: each entry holds a session or is
//! the one load of a pool, and sessions are bounded; what is unbounded waits in the models' own bounded queues.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;

use crate::model::Model;
use crate::onnx::Session;
use crate::onnx::ffi::Inside;

/// Something for a worker to do.
pub(crate) enum Work {
    /// Run what waits for a model, on this session of it.
    Serve(Arc<Model>, Session),
    /// Load one more session of a model.
    Grow(Arc<Model>),
}

/// The queue that the workers take from.
#[derive(Default)]
pub(crate) struct Workers {
    queue: Mutex<VecDeque<Work>>,
    ready: Condvar,
}

impl Workers {
    /// Starts `count` threads; they live as long as the process, like ONNX Runtime's environment.
    pub(crate) fn start(count: usize) -> std::io::Result<Arc<Self>> {
        let workers = Arc::new(Self::default());
        for index in 0..count {
            let queue = Arc::clone(&workers);
            thread::Builder::new().name(format!("inference-{index}")).spawn(move || queue.work_forever())?;
        }
        Ok(workers)
    }

    /// Puts work at the end of the queue.
    pub(crate) fn push(&self, work: Work) {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner).push_back(work);
        self.ready.notify_one();
    }

    fn work_forever(&self) {
        loop {
            let work = self.next();
            // To the end of the turn: the last handle of a model may go with it.
            let _inside = Inside::enter();
            match work {
                Work::Serve(model, session) => model.serve(session),
                Work::Grow(model) => model.grow(),
            }
        }
    }

    fn next(&self) -> Work {
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            match queue.pop_front() {
                Some(work) => return work,
                None => queue = self.ready.wait(queue).unwrap_or_else(PoisonError::into_inner),
            }
        }
    }
}
