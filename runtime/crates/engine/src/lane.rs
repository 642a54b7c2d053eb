//! Where guests go on that compute for long: a few threads of their own, so that they keep no worker of the server's from others.
//!
//! The threads take turns with all guests of the lane, a tick each. They are as many as the machine has cores, and the machine
//! prefers the server's workers to them. They start with the first guest that needs them (decision 0020).

use std::future::Future;
use std::pin::Pin;
use std::sync::OnceLock;
use std::task::{Context, Poll};

use tokio::runtime::{Builder, Handle, Runtime};
use tokio::task::JoinHandle;

use crate::cpu::Clock;
use crate::guest::{Guest, Left};

/// How much the machine prefers the server's workers, as `nice` counts: each step is a quarter of the share of a busy core.
#[cfg(target_os = "linux")]
const NICE: i32 = 5;

/// The threads, once there was somebody for them.
#[derive(Default)]
pub(crate) struct Lane {
    runtime: OnceLock<Option<Runtime>>,
}

/// A guest in the lane. At its end it comes back as it is: who has its body is told of that before the instance goes.
pub(crate) type LongRun = JoinHandle<(Left, Guest)>;

/// A guest on a thread of the lane. It lives in the server's runtime all the same: its timers and sockets are there, and what it
/// spawns.
struct Runner {
    guest: Option<Guest>,
    home: Handle,
}

impl Lane {
    /// Takes a guest over.
    ///
    /// # Errors
    /// Gives it back when there are no threads to be had, or its own runtime is not known.
    pub(crate) fn take(&self, guest: Guest) -> Result<LongRun, Guest> {
        let (Some(runtime), Ok(home)) = (self.runtime.get_or_init(start), Handle::try_current()) else {
            return Err(guest);
        };
        Ok(runtime.spawn(Runner { guest: Some(guest), home }))
    }

    /// Has a task go on here that knows its own runtime.
    ///
    /// # Errors
    /// Gives it back when there are no threads to be had.
    pub(crate) fn go_on<T: Future<Output = ()> + Send + 'static>(&self, task: T) -> Result<(), T> {
        match self.runtime.get_or_init(start) {
            Some(runtime) => {
                runtime.spawn(task);
                Ok(())
            }
            None => Err(task),
        }
    }
}

/// No drivers: nothing but guests is polled there, whose timers and sockets are elsewhere.
fn start() -> Option<Runtime> {
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let mut builder = Builder::new_multi_thread();
    builder.worker_threads(threads).thread_name("modelet-long").on_thread_start(step_back);
    builder.build().ok()
}

/// Best effort: where it is refused, the threads are like the others.
fn step_back() {
    // Of one thread on Linux alone; elsewhere it would be the whole process.
    #[cfg(target_os = "linux")]
    let _ = rustix::process::setpriority_process(None, NICE);
}

impl Future for Runner {
    type Output = (Left, Guest);

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let home = self.home.clone();
        let _home = home.enter();
        let Some(mut guest) = self.guest.take() else { return Poll::Pending };
        match guest.poll(Clock::Thread, context) {
            Poll::Ready(left) => Poll::Ready((left, guest)),
            Poll::Pending => {
                self.guest = Some(guest);
                Poll::Pending
            }
        }
    }
}

impl Drop for Lane {
    fn drop(&mut self) {
        // Not by waiting for its threads: the last guest may be what drops this, on one of them.
        if let Some(runtime) = self.runtime.take().flatten() {
            runtime.shutdown_background();
        }
    }
}
