//! A thread that ends inline runs which hold an executor thread for too long, all runs that pass their model's limit, and
//! all loads that pass theirs.
//!
//! It looks every 5 ms while runs are being started or are in progress and sleeps when there have been none for a while,
//! so an idle server has no timer. A starting run pays two atomic operations, and one wake-up if the thread was asleep.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use crate::inline::OVERRUN;
use crate::onnx::Control;
use crate::stop::{LoadStop, WatchedLoad};

/// How often it looks; an overrun is thus ended 10 to 15 ms after it began.
const TICK: Duration = Duration::from_millis(5);

/// It sleeps after this many looks at nothing.
const IDLE_TICKS: u32 = 40;

/// The handle: sessions are put under watch, runs are announced.
pub(crate) struct Watchdog {
    watch: Arc<Watch>,
    thread: Thread,
}

#[derive(Default)]
struct Watch {
    controls: Mutex<Vec<Weak<Control>>>,
    loads: Mutex<Vec<WatchedLoad>>,
    /// Runs started so far.
    starts: AtomicU64,
    asleep: AtomicBool,
}

impl Watchdog {
    /// Starts the thread; it lives as long as the process, like ONNX Runtime's environment.
    pub(crate) fn start() -> std::io::Result<Self> {
        let watch = Arc::new(Watch::default());
        let watched = Arc::clone(&watch);
        let handle = thread::Builder::new().name("inline-watchdog".to_owned()).spawn(move || watched.look_forever())?;
        Ok(Self { watch, thread: handle.thread().clone() })
    }

    /// Watches the runs of one more session, until that session is gone.
    pub(crate) fn watch(&self, control: &Arc<Control>) {
        self.watch.lock().push(Arc::downgrade(control));
    }

    /// Ends a load when its time is over; it has been given one.
    pub(crate) fn watch_load(&self, stop: &LoadStop) {
        self.watch.loads.lock().unwrap_or_else(PoisonError::into_inner).push(stop.watched());
        self.run_began();
    }

    /// A run has begun (its `Control` says so already).
    pub(crate) fn run_began(&self) {
        self.watch.starts.fetch_add(1, SeqCst);
        // Either this sees that the thread sleeps, or the thread sees the new start before it sleeps: both store
        // first and load then, in one order for all.
        if self.watch.asleep.load(SeqCst) && self.watch.asleep.swap(false, SeqCst) {
            self.thread.unpark();
        }
    }
}

impl Watch {
    fn look_forever(&self) {
        let (mut seen, mut idle) = (0, 0);
        loop {
            thread::park_timeout(TICK);
            let running = self.look(Instant::now());
            let starts = self.starts.load(SeqCst);
            idle = if running || starts != seen { 0 } else { idle + 1 };
            seen = starts;
            if idle >= IDLE_TICKS {
                self.sleep(seen);
                idle = 0;
            }
        }
    }

    /// Ends what has overrun; says whether any run or load is in progress.
    fn look(&self, now: Instant) -> bool {
        let mut running = false;
        self.lock().retain(|control| match control.upgrade() {
            Some(control) => {
                running |= control.stop_if_overrun(now, OVERRUN);
                true
            }
            None => false,
        });
        let mut loads = self.loads.lock().unwrap_or_else(PoisonError::into_inner);
        loads.retain(|load| load.end_if_late(now));
        running || !loads.is_empty()
    }

    fn sleep(&self, seen: u64) {
        self.asleep.store(true, SeqCst);
        if self.starts.load(SeqCst) == seen {
            while self.asleep.load(SeqCst) {
                thread::park();
            }
        }
        self.asleep.store(false, SeqCst);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Weak<Control>>> {
        self.controls.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
