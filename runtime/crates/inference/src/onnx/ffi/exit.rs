//! The end of the process: ONNX Runtime's own globals are destroyed when `exit` runs, while this crate's threads go on.
//!
//! A worker that gives a model's last session back at that moment frees memory through globals that are gone, and the
//! process dies of a signal after all its work was done. So whatever a thread of ours does inside the library is announced,
//! and `exit` first waits for it; who comes later waits for the end of the process.
//!
//! What the library makes at its first use is destroyed before a handler that was there by then, since handlers run in the reverse order.
//! So ours is registered anew when a thread leaves the library, often at first and then ever more rarely; and the binary says [`finish`]
//! before `exit` begins, which no order can spoil.

use std::cell::Cell;
use std::ffi::c_int;
use std::marker::PhantomData;
use std::sync::atomic::{
    AtomicBool, AtomicUsize,
    Ordering::{Relaxed, SeqCst},
};
use std::time::{Duration, Instant};

/// A run that is longer than this is not waited for: a process that was told to end has to end.
const WAIT_MAX: Duration = Duration::from_secs(5);

/// How often the end is looked for.
const LOOK: Duration = Duration::from_micros(200);

/// So many times the handler is registered anew whenever somebody leaves, and after that at each power of two: most of what is made at a
/// first use is made early, and each registration costs some bytes for good.
const RENEWED_AT_FIRST: usize = 64;

static INSIDE: AtomicUsize = AtomicUsize::new(0);
/// How often a thread has left.
static LEFT: AtomicUsize = AtomicUsize::new(0);
static IS_EXITING: AtomicBool = AtomicBool::new(false);

thread_local! {
    /// How often this thread has entered and not left: who is inside already must be let finish.
    static DEPTH: Cell<u32> = const { Cell::new(0) };
}

// SAFETY: the signature is that of C11 7.22.4.2, which every libc here has.
unsafe extern "C" {
    /// C's own: calls `handler` when the process ends by `exit` or by a return from `main`.
    fn atexit(handler: extern "C" fn()) -> c_int;
}

/// A thread is at work inside the library until this is dropped.
///
/// Not to be sent to another thread, which the count per thread would not survive.
pub(crate) struct Inside(PhantomData<*const ()>);

impl Inside {
    /// Announces it. Never returns once the process is ending.
    pub(crate) fn enter() -> Self {
        if DEPTH.replace(DEPTH.get() + 1) > 0 {
            return Self(PhantomData);
        }
        INSIDE.fetch_add(1, SeqCst);
        if IS_EXITING.load(SeqCst) {
            INSIDE.fetch_sub(1, SeqCst);
            loop {
                std::thread::park();
            }
        }
        Self(PhantomData)
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        if DEPTH.replace(DEPTH.get() - 1) == 1 {
            renew();
            INSIDE.fetch_sub(1, SeqCst);
        }
    }
}

/// Somebody is about to leave: what they made the library make goes after our next handler.
fn renew() {
    let left = LEFT.fetch_add(1, Relaxed).saturating_add(1);
    if (left <= RENEWED_AT_FIRST || left.is_power_of_two()) && !IS_EXITING.load(SeqCst) {
        wait_at_exit();
    }
}

/// To be called once the library is loaded: handlers run in the reverse order, so this one runs before the library's.
pub(super) fn wait_at_exit() {
    // SAFETY: `wait` is a plain function that lives as long as the program and does not unwind. Should the C library have
    // no room for it (it promises 32), the process ends as it would without.
    let _ = unsafe { atexit(wait) };
}

/// Waits, five seconds at most, until no thread is at work inside the library, and lets none in any more but the calling one. To be called
/// right before the end of a process that has used models: what goes on in the background, such as the load of a further session, would
/// be caught by the library's end, and the process would die of a signal.
pub fn finish() {
    // The caller still gives back what it has.
    DEPTH.set(DEPTH.get() + 1);
    wait();
}

extern "C" fn wait() {
    if IS_EXITING.swap(true, SeqCst) {
        // It was waited for.
        return;
    }
    let until = Instant::now() + WAIT_MAX;
    while INSIDE.load(SeqCst) > 0 && Instant::now() < until {
        std::thread::sleep(LOOK);
    }
}
