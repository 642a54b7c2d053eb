//! One thread that advances the epoch while guests run. It sleeps when there are none.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock, Weak};
use std::thread::Thread;
use std::time::Duration;

use crate::engine::Shared;

/// How often a running guest is interrupted to let others have the thread, and so how late a deadline can be noticed.
pub(crate) const TICK: Duration = Duration::from_millis(10);

/// So many ticks without a guest, and the thread sleeps. Between the requests of a loaded server there is no guest for some
/// microseconds; to fall asleep in each of these pauses cost a wake-up per request, 2 of 16 µs.
const QUIET_TICKS: u32 = 20;

/// How often the thread looks whether the engine is still there.
const ASLEEP: Duration = Duration::from_secs(1);

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
    let mut quiet_ticks = 0;
    while let Some(engine) = shared.upgrade() {
        engine.offers.tick();
        let is_busy = engine.counters.read().instances_busy > 0;
        quiet_ticks = if is_busy { 0 } else { quiet_ticks + 1 };
        let pause = if quiet_ticks < QUIET_TICKS { None } else { fall_asleep(&engine) };
        drop(engine);
        match pause {
            None => std::thread::sleep(TICK),
            Some(pause) => {
                std::thread::park_timeout(pause);
                quiet_ticks = 0;
                if let Some(engine) = shared.upgrade() {
                    engine.ticker.asleep.store(false, Ordering::SeqCst);
                }
            }
        }
    }
}

/// How long nothing is to be done; none when a guest has just started.
fn fall_asleep(engine: &Shared) -> Option<Duration> {
    engine.ticker.asleep.store(true, Ordering::SeqCst);
    // A guest that started just before the store did not see it, and would run without ticks: look once more.
    if engine.counters.read().instances_busy == 0 {
        return Some(ASLEEP);
    }
    engine.ticker.asleep.store(false, Ordering::SeqCst);
    None
}
