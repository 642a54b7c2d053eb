//! The threads that load further sessions. Loads take seconds, so they have threads of their own: calls never wait behind one.
//!
//! One queue, first come first served. It needs no limit of its own: an entry is the one load of a pool.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;

use crate::onnx::ffi::Inside;
use crate::priority::stand_back;

type Job = Box<dyn FnOnce() + Send>;

/// The queue that the loaders take from.
#[derive(Default)]
pub(crate) struct Loaders {
    queue: Mutex<VecDeque<Job>>,
    ready: Condvar,
}

impl Loaders {
    /// Starts `count` threads; they live as long as the process, like ONNX Runtime's environment.
    pub(crate) fn start(count: usize) -> std::io::Result<Arc<Self>> {
        let loaders = Arc::new(Self::default());
        for index in 0..count {
            let queue = Arc::clone(&loaders);
            thread::Builder::new().name(format!("loader-{index}")).spawn(move || {
                stand_back();
                queue.work_forever();
            })?;
        }
        Ok(loaders)
    }

    /// Puts a job at the end of the queue.
    pub(crate) fn push(&self, job: Job) {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner).push_back(job);
        self.ready.notify_one();
    }

    fn work_forever(&self) {
        loop {
            let job = self.next();
            // To the end of the turn: the last handle of a model may go with it.
            let _inside = Inside::enter();
            // A panic is one load's failure, not the thread's.
            if std::panic::catch_unwind(std::panic::AssertUnwindSafe(job)).is_err() {
                tracing::error!("a load panicked");
            }
        }
    }

    fn next(&self) -> Job {
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            match queue.pop_front() {
                Some(job) => return job,
                None => queue = self.ready.wait(queue).unwrap_or_else(PoisonError::into_inner),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[test]
    fn a_panic_is_one_jobs_failure() {
        let loaders = Loaders::start(1).unwrap();
        let (done, result) = mpsc::channel();
        loaders.push(Box::new(|| assert!(std::hint::black_box(false), "meant")));
        loaders.push(Box::new(move || done.send(7).unwrap()));
        assert_eq!(result.recv(), Ok(7));
    }
}
