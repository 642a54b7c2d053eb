//! One thread that advances the epoch while guests run, and puts idle instances away. It sleeps when there is neither.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock, Weak};
use std::thread::Thread;
use std::time::{Duration, Instant};

use crate::engine::Shared;

/// How often a running guest is interrupted to let others have the thread, and so how late a deadline can be noticed.
pub(crate) const TICK: Duration = Duration::from_millis(10);

/// How often idle instances are looked at.
const SWEEP: Duration = Duration::from_millis(250);

/// Wakes the ticker when the first guest starts after a quiet time.
#[derive(Default)]
pub(crate) struct Ticker {
    asleep: AtomicBool,
    thread: OnceLock<Thread>,
}

impl Ticker {
    /// To be called when a guest starts: costs one load while others run.
    pub(crate) fn wake(&self) {
        if self.asleep.load(Ordering::SeqCst)
            && let Some(thread) = self.thread.get()
        {
            thread.unpark();
        }
    }
}

/// Starts the thread. It ends by itself when the engine is gone.
pub(crate) fn start(shared: &Arc<Shared>) -> std::io::Result<()> {
    let weak = Arc::downgrade(shared);
    let thread = std::thread::Builder::new().name("modelet-ticker".into()).spawn(move || run(&weak))?;
    shared.ticker.thread.get_or_init(|| thread.thread().clone());
    Ok(())
}

fn run(shared: &Weak<Shared>) {
    let mut swept = Instant::now();
    while let Some(engine) = shared.upgrade() {
        engine.wasmtime.increment_epoch();
        if swept.elapsed() >= SWEEP {
            swept = Instant::now();
            engine.sweep(swept);
        }
        let pause = pause(&engine);
        drop(engine);
        match pause {
            None => std::thread::sleep(TICK),
            Some(pause) => std::thread::park_timeout(pause),
        }
    }
}

/// How long nothing is to be done; none when guests run.
fn pause(engine: &Shared) -> Option<Duration> {
    engine.ticker.asleep.store(false, Ordering::SeqCst);
    if engine.counters.read().instances_busy > 0 {
        return None;
    }
    engine.ticker.asleep.store(true, Ordering::SeqCst);
    // A guest that started just before the store did not see it, and would run without ticks: look once more.
    let stats = engine.counters.read();
    match (stats.instances_busy, stats.instances_idle) {
        (0, 0) => Some(Duration::from_secs(1)),
        (0, _) => Some(SWEEP),
        _ => None,
    }
}
