//! One thread that brings functions back down the ladder: instances first, then components. It sleeps while nothing is in memory.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock, Weak};
use std::thread::Thread;
use std::time::{Duration, Instant};

use crate::engine::Shared;
use crate::prepare;

/// How often all that is in memory is looked at.
pub(crate) const ROUND: Duration = Duration::from_millis(250);

/// How often the thread looks whether the engine is still there.
const ASLEEP: Duration = Duration::from_secs(1);

/// Instances made in one round for one function that has fewer than are to be kept: the rest is made in the next rounds.
const REFILL_MAX: usize = 4;

/// Wakes the keeper when the first function comes into memory.
#[derive(Default)]
pub(crate) struct Keeper {
    asleep: AtomicBool,
    thread: OnceLock<Thread>,
}

impl Keeper {
    /// To be called when something comes into memory.
    pub(crate) fn wake(&self) {
        if self.asleep.swap(false, Ordering::SeqCst)
            && let Some(thread) = self.thread.get()
        {
            thread.unpark();
        }
    }
}

/// Starts the thread. It ends by itself when the engine is gone.
pub(crate) fn start(shared: &Arc<Shared>) -> std::io::Result<()> {
    let weak = Arc::downgrade(shared);
    let thread = std::thread::Builder::new().name("modelet-keeper".into()).spawn(move || run(&weak))?;
    shared.keeper.thread.get_or_init(|| thread.thread().clone());
    Ok(())
}

fn run(shared: &Weak<Shared>) {
    while let Some(engine) = shared.upgrade() {
        // Before the look: what comes after it wakes the thread again.
        engine.keeper.asleep.store(true, Ordering::SeqCst);
        let is_any = round(&engine);
        if is_any {
            engine.keeper.asleep.store(false, Ordering::SeqCst);
        }
        drop(engine);
        std::thread::park_timeout(if is_any { ROUND } else { ASLEEP });
    }
}

/// Goes once through all that is in memory. Returns whether there is anything.
pub(crate) fn round(engine: &Shared) -> bool {
    let (is_any, lacking) = engine.ladder.round(Instant::now(), engine.pressure());
    let Some(runtime) = engine.runtime.get() else { return is_any };
    for pool in lacking {
        let Some(function) = pool.function() else { continue };
        let missing = pool.missing(pool.warm.min()).saturating_sub(pool.busy());
        for _ in 0..missing.min(REFILL_MAX) {
            runtime.spawn(prepare::ahead(Arc::clone(&function), Arc::clone(&pool), pool.preparing()));
        }
    }
    is_any
}
