//! `modelet compile`, which the server starts for itself: compiles the component that stdin names.

use std::time::Duration;

use modelet_control::{CompileAnswer, CompileJob, compile_child};
use rustix::time::{ClockId, clock_gettime};

use super::child;

/// More threads would take address space and little time.
const THREADS_MAX: usize = 8;

pub(crate) fn run() -> anyhow::Result<()> {
    child::run("compile", |job: &CompileJob| job.limits, compile)
}

fn compile(job: &CompileJob) -> CompileAnswer {
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get).min(THREADS_MAX);
    // The compiler's. That they cannot be started has no other reason.
    match rayon::ThreadPoolBuilder::new().num_threads(threads).build_global() {
        Ok(()) => compile_child(job, cpu),
        Err(_) => CompileAnswer::NoMemory,
    }
}

/// Time on processors that this process has taken.
fn cpu() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    let (seconds, nanos) = (u64::try_from(time.tv_sec), u32::try_from(time.tv_nsec));
    Duration::new(seconds.unwrap_or_default(), nanos.unwrap_or_default())
}
