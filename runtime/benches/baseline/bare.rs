//! Instances of a guest with nothing of ours: a wasmtime store with the engine's very settings, and what is linked into it.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use tokio::runtime::Builder;
use wasmtime_wasi_http::p2::bindings::ProxyPre;

use super::guest::{self, State};
use crate::support::asked::{self, Asked};
use crate::support::child::{self, Cores};

/// What the child is asked.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) enum Question {
    /// So many instances, one after the other; each answers a request and goes.
    Make { count: u32 },
    /// So many instances at a time, each called once; they are kept until the child ends.
    Keep { count: u32 },
}

/// What it says; what was not asked for is 0.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub(crate) struct Told {
    /// Half of the instances were made within this, in microseconds.
    pub(crate) p50_us: f64,
    /// All but a hundredth were.
    pub(crate) p99_us: f64,
    /// Memory that the process has gained.
    pub(crate) bytes: u64,
}

/// Asks a child of [`serve`].
pub(crate) type Bare = Asked<Question, Told>;

/// Starts the child on the servers' core.
///
/// # Errors
/// When it does not start.
pub(crate) fn start(guest: &str) -> Result<Bare> {
    Asked::start(&["serve", "bare", guest], Cores::One)
}

/// Runs until stdin ends.
///
/// # Errors
/// When the guest cannot be loaded, made or called.
pub(crate) fn serve(guest: &Path) -> Result<()> {
    let pre = guest::load(guest, false)?;
    let executor = Builder::new_current_thread().enable_all().build()?;
    let mut kept = Vec::new();
    asked::answer(|question| match question {
        Question::Make { count } => executor.block_on(make(&pre, count)),
        Question::Keep { count } => {
            let before = child::memory_and_maps("self")?;
            for _ in 0..count {
                let mut store = guest::store(&pre);
                let proxy = executor.block_on(pre.instantiate_async(&mut store))?;
                executor.block_on(guest::ask(&mut store, &proxy, "/?pause_ms=0", Bytes::new()))?;
                kept.push((store, proxy));
            }
            let bytes = child::memory_and_maps("self")?.saturating_sub(before);
            Ok(Told { bytes, ..Told::default() })
        }
    })
}

async fn make(pre: &ProxyPre<State>, count: u32) -> Result<Told> {
    let mut took = Vec::new();
    for _ in 0..count {
        let begun = Instant::now();
        let mut store = guest::store(pre);
        let proxy = pre.instantiate_async(&mut store).await?;
        took.push(begun.elapsed());
        guest::ask(&mut store, &proxy, "/", Bytes::new()).await?;
    }
    took.sort_unstable();
    let at = |share: f64| took.get((took.len() as f64 * share) as usize).map(Duration::as_secs_f64);
    let (p50, p99) = at(0.5).zip(at(0.99)).context("no instance was asked for")?;
    Ok(Told { p50_us: p50 * 1e6, p99_us: p99 * 1e6, bytes: 0 })
}
