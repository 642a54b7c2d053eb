//! Callers of a model inside one process: so many at once, each calling again as soon as it has its answer.

use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use tokio::runtime::{Builder, Runtime};
use tokio::task::{JoinSet, yield_now};

/// What callers saw together.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub(crate) struct Heard {
    /// Answers per second.
    pub(crate) rate: f64,
    /// All but a hundredth of the answers came within this, in microseconds.
    pub(crate) p99_us: f64,
}

/// The executor that a server would have: a thread for each core that this process may use.
///
/// # Errors
/// When it does not start.
pub(crate) fn executor() -> Result<Runtime> {
    Ok(Builder::new_multi_thread().enable_all().build()?)
}

/// Lets `callers` call for `span`. Between two calls each lets the others of its thread go first, as a caller that waits for
/// its next request would.
///
/// # Errors
/// The first that a call fails with.
pub(crate) async fn run<F>(
    callers: usize,
    span: Duration,
    call: impl Fn(usize) -> F + Send + Sync + 'static,
) -> Result<Heard>
where
    F: Future<Output = Result<()>> + Send,
{
    let (call, begun) = (Arc::new(call), Instant::now());
    let mut tasks = JoinSet::new();
    for caller in 0..callers {
        let call = Arc::clone(&call);
        tasks.spawn(async move {
            let mut took = Vec::new();
            let mut asked = Instant::now();
            while asked - begun < span {
                call(caller).await?;
                took.push(asked.elapsed());
                yield_now().await;
                asked = Instant::now();
            }
            anyhow::Ok(took)
        });
    }
    let mut all = Vec::new();
    while let Some(took) = tasks.join_next().await {
        all.append(&mut took??);
    }
    hear(all, begun.elapsed())
}

/// Rate and p99 of calls that took so long, within `time`.
///
/// # Errors
/// When there were none.
pub(crate) fn hear(mut took: Vec<Duration>, time: Duration) -> Result<Heard> {
    took.sort_unstable();
    let at = (took.len() as f64 * 0.99) as usize;
    let p99 = took.get(at).context("no call was answered")?;
    Ok(Heard { rate: took.len() as f64 / time.as_secs_f64(), p99_us: p99.as_secs_f64() * 1e6 })
}
