//! Instances that are kept warm whether or not anybody calls.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::runtime::Handle;

use crate::error::ScaleError;
use crate::function::Function;
use crate::pool::Pool;
use crate::prepare;

/// How long the component may take to come into memory.
const LOAD_MAX: Duration = Duration::from_secs(60);

impl Function {
    /// Keeps `min` instances warm from now on, and the component with them, until this is said otherwise or the function is
    /// dropped; 0 lets them go as all others do. They are there when this returns.
    ///
    /// # Errors
    /// When that is more than the function or the engine may have, or the instances cannot be made; then all is as it was.
    pub async fn scale(self: &Arc<Self>, min: u32) -> Result<(), ScaleError> {
        let shared = self.shared();
        // An error is one that stands there already: all calls come from the same runtime.
        let _ = shared.runtime.set(Handle::current());
        if min == 0 {
            if let Some(pool) = self.seat().pool() {
                shared.ladder.keep(&pool, 0);
            }
            return Ok(());
        }
        let concurrency = self.spec().limits.concurrency;
        if min > concurrency {
            return Err(ScaleError::OverConcurrency { min, concurrency });
        }
        let deadline = Instant::now() + LOAD_MAX;
        loop {
            let pool = self.awake(deadline).await?;
            let (sum, limit) =
                (shared.ladder.kept_beside(&pool) + u64::from(min), u64::from(shared.instances_total / 2));
            if sum > limit {
                return Err(ScaleError::OverTotal { min, sum, limit });
            }
            let before = u32::try_from(pool.warm.min()).unwrap_or(u32::MAX);
            // A pool that has gone between the two lines is no pool of the function any more: once more.
            if !shared.ladder.keep(&pool, min) {
                continue;
            }
            shared.keeper.wake();
            if let Err(error) = fill(self, &pool).await {
                shared.ladder.keep(&pool, before);
                return Err(ScaleError::Instance(format!("{error:#}")));
            }
            return Ok(());
        }
    }
}

/// Makes what is missing.
async fn fill(function: &Arc<Function>, pool: &Arc<Pool>) -> wasmtime::Result<()> {
    let missing = pool.missing(pool.warm.min()).saturating_sub(pool.busy());
    for _ in 0..missing {
        let preparing = pool.preparing();
        prepare::one(function, pool).await?;
        drop(preparing);
    }
    Ok(())
}
