//! The threads that run models which are too slow for their caller's thread.
//!
//! One queue for all models, first come first served. It needs no limit of its own: each entry holds a session, and
//! sessions are bounded; what is unbounded waits in the models' own bounded queues.
//!
//! A run takes as many *cores* as its session has threads, and begins only when so many are free, so that all models
//! together never keep more threads busy than the machine has cores. What needs many is not overtaken by what needs few.
//! Runs on their callers' threads take none: those threads are the executor's, one per core, and would run guests else.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crate::model::Model;
use crate::onnx::Session;
use crate::onnx::ffi::Inside;

/// Something for a worker to do.
pub(crate) enum Work {
    /// Run what waits for a model, on this session of it.
    Serve(Arc<Model>, Session),
}

/// What the workers' queue has to know.
pub(crate) trait Job: Send + 'static {
    /// Cores that it keeps busy.
    fn cores(&self) -> usize;
    /// Does it.
    fn work(self);
}

impl Job for Work {
    fn cores(&self) -> usize {
        match self {
            Self::Serve(_, session) => session.threads(),
        }
    }

    fn work(self) {
        // To the end of the turn: the last handle of a model may go with it.
        let _inside = Inside::enter();
        match self {
            Self::Serve(model, session) => model.serve(session),
        }
    }
}

/// The queue that the workers take from, and the cores that they share.
pub(crate) struct Workers<J = Work> {
    cores: usize,
    state: Mutex<State<J>>,
    ready: Condvar,
    idle: Condvar,
}

struct State<J> {
    queue: VecDeque<J>,
    free: usize,
    /// The most that were in use at once.
    busy_max: usize,
}

/// Cores in use by whoever is no worker; dropping it gives them back.
pub(crate) struct Borrowed<'a, J: Job = Work> {
    workers: &'a Workers<J>,
    cores: usize,
}

impl<J: Job> Workers<J> {
    /// Starts a thread for each of `cores`; they live as long as the process, like ONNX Runtime's environment.
    pub(crate) fn start(cores: usize) -> std::io::Result<Arc<Self>> {
        let state = State { queue: VecDeque::new(), free: cores, busy_max: 0 };
        let workers = Arc::new(Self { cores, state: Mutex::new(state), ready: Condvar::new(), idle: Condvar::new() });
        for index in 0..cores {
            let queue = Arc::clone(&workers);
            thread::Builder::new().name(format!("inference-{index}")).spawn(move || queue.work_forever())?;
        }
        Ok(workers)
    }

    /// Puts work at the end of the queue.
    pub(crate) fn push(&self, work: J) {
        self.lock().queue.push_back(work);
        self.ready.notify_one();
    }

    /// Cores for something that can wait until nothing else does, if that comes within `within`.
    pub(crate) fn borrow_idle(&self, cores: usize, within: Duration) -> Option<Borrowed<'_, J>> {
        let cores = cores.clamp(1, self.cores);
        let end = Instant::now() + within;
        let mut state = self.lock();
        while !state.queue.is_empty() || state.free < cores {
            let left = end.checked_duration_since(Instant::now())?;
            state = self.idle.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        state.take(cores, self.cores);
        Some(Borrowed { workers: self, cores })
    }

    /// Cores in use now, and the most that ever were.
    pub(crate) fn busy(&self) -> (usize, usize) {
        let state = self.lock();
        (self.cores - state.free, state.busy_max)
    }

    fn work_forever(&self) {
        let mut done = 0;
        loop {
            let (job, cores) = self.next(done);
            job.work();
            done = cores;
        }
    }

    /// Gives `done` cores back; takes the next job and its cores, in one go.
    fn next(&self, done: usize) -> (J, usize) {
        let mut state = self.lock();
        state.free += done;
        loop {
            if let Some((job, cores)) = state.pop(self.cores) {
                if state.is_next_ready(self.cores) {
                    self.ready.notify_one();
                }
                return (job, cores);
            }
            if state.queue.is_empty() {
                self.idle.notify_all();
            }
            state = self.ready.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State<J>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<J: Job> State<J> {
    fn pop(&mut self, all: usize) -> Option<(J, usize)> {
        if !self.is_next_ready(all) {
            return None;
        }
        let job = self.queue.pop_front()?;
        let cores = job.cores().clamp(1, all);
        self.take(cores, all);
        Some((job, cores))
    }

    /// Whether the first in the queue finds its cores free; one that wants more than there are takes all.
    fn is_next_ready(&self, all: usize) -> bool {
        self.queue.front().is_some_and(|job| job.cores().clamp(1, all) <= self.free)
    }
}

impl<J> State<J> {
    fn take(&mut self, cores: usize, all: usize) {
        self.free = self.free.saturating_sub(cores);
        self.busy_max = self.busy_max.max(all - self.free);
    }
}

impl<J: Job> Drop for Borrowed<'_, J> {
    fn drop(&mut self) {
        self.workers.lock().free += self.cores;
        self.workers.ready.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;
    use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
    use std::sync::mpsc::{Receiver, Sender, channel};

    use super::*;

    /// Keeps `cores` cores busy until it is told to end.
    struct Busy {
        cores: usize,
        began: Sender<usize>,
        end: Receiver<()>,
    }

    impl Job for Busy {
        fn cores(&self) -> usize {
            self.cores
        }

        fn work(self) {
            self.began.send(self.cores).unwrap();
            let _ = self.end.recv();
        }
    }

    /// Puts a job into the queue; dropping what comes back ends it.
    fn push(workers: &Workers<Busy>, began: &Sender<usize>, cores: usize) -> Sender<()> {
        let (stop, end) = channel();
        workers.push(Busy { cores, began: began.clone(), end });
        stop
    }

    #[test]
    fn jobs_run_only_on_free_cores_and_none_is_overtaken() {
        for (all, large) in [(2, 2), (64, 8)] {
            let workers = Workers::start(all).unwrap();
            let (began, begun) = channel();
            let mut running: Vec<_> = (0..all - 1).map(|_| push(&workers, &began, 1)).collect();
            running.iter().for_each(|_| assert_eq!(begun.recv().unwrap(), 1));
            let large_one = push(&workers, &began, large);
            let behind = push(&workers, &began, 1);
            assert_eq!(
                workers.busy().0,
                all - 1,
                "a core is free, and nobody takes it before the one that waits for more"
            );
            assert!(workers.borrow_idle(1, Duration::ZERO).is_none(), "least of all who can wait");
            running.truncate(all - large);
            assert_eq!(begun.recv().unwrap(), large);
            drop(large_one);
            assert_eq!(begun.recv().unwrap(), 1);
            drop((running, behind));
            let borrowed = workers.borrow_idle(all, Duration::from_secs(30)).unwrap();
            assert_eq!(workers.busy(), (all, all));
            drop(borrowed);
            assert_eq!(workers.busy(), (0, all));
        }
    }

    #[test]
    fn a_job_that_wants_more_cores_than_there_are_gets_all() {
        let workers = Workers::start(2).unwrap();
        let (began, begun) = channel();
        let job = push(&workers, &began, 8);
        assert_eq!(begun.recv().unwrap(), 8);
        assert_eq!(workers.busy(), (2, 2));
        drop(job);
    }

    /// Counts the cores in use by itself.
    struct Counted(usize, Arc<[AtomicUsize; 2]>, Arc<Barrier>);

    impl Job for Counted {
        fn cores(&self) -> usize {
            self.0
        }

        fn work(self) {
            let Self(cores, counts, end) = self;
            let now = counts[0].fetch_add(cores, SeqCst) + cores;
            counts[1].fetch_max(now, SeqCst);
            thread::yield_now();
            counts[0].fetch_sub(cores, SeqCst);
            if cores == 64 {
                end.wait();
            }
        }
    }

    #[test]
    fn no_mix_of_jobs_exceeds_the_cores() {
        let workers = Workers::start(64).unwrap();
        let (counts, end) = (Arc::new([AtomicUsize::new(0), AtomicUsize::new(0)]), Arc::new(Barrier::new(2)));
        for cores in (0..2000).map(|n| [1, 8, 2, 1, 4, 1][n % 6]).chain([64]) {
            workers.push(Counted(cores, Arc::clone(&counts), Arc::clone(&end)));
        }
        end.wait();
        assert!((1..=64).contains(&counts[1].load(SeqCst)));
        assert!(workers.busy().1 <= 64);
    }
}
