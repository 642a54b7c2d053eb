//! Instances made before anybody asks: the next sandbox of a function that has a fresh one for each request, and those that are to
//! be kept warm.

use std::future::Future;
use std::sync::Arc;
use std::time::Instant;

use modelet_spec::InvocationId;

use crate::cpu::{Clock, Cpu};
use crate::function::Function;
use crate::instance::Instance;
use crate::pool::{Pool, Preparing};

/// Has the next sandbox made while this request runs, unless as many are ready or being made as requests run.
pub(crate) fn next(function: &Arc<Function>, pool: &Arc<Pool>) {
    if pool.missing(pool.busy()) > 0 {
        tokio::spawn(ahead(Arc::clone(function), Arc::clone(pool), pool.preparing()));
    }
}

/// Makes one instance and keeps it. What goes wrong is told to the request that meets it.
pub(crate) async fn ahead(function: Arc<Function>, pool: Arc<Pool>, preparing: Preparing) {
    let _ = one(&function, &pool).await;
    drop(preparing);
}

/// Makes one instance and keeps it.
///
/// # Errors
/// When there is no room, or its start function fails.
pub(crate) async fn one(function: &Arc<Function>, pool: &Arc<Pool>) -> wasmtime::Result<()> {
    let now = Instant::now();
    let deadline = now.checked_add(function.spec().limits.time).unwrap_or(now);
    let _ticking = function.shared().ticking();
    // No invocation is behind it: what a start function writes is logged under the id that has no bit set.
    // Boxed: the task would be moved with all that making an instance takes.
    let mut making = Box::pin(Instance::new(function, pool, InvocationId::new(0), deadline));
    let mut cpu = Cpu::new(function.spec().limits.cpu);
    let made = std::future::poll_fn(|cx| cpu.poll(Clock::Wall, || making.as_mut().poll(cx))).await;
    function.computed(cpu.used());
    let instance = made?;
    // A pool that was retired meanwhile keeps nothing.
    drop(pool.warm.put(instance, Instant::now()));
    Ok(())
}
