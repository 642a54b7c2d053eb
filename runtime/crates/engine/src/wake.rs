//! The step from the disk into memory: one load, however many wait for it, each no longer than its deadline.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::Mutex;
use tokio::time::timeout_at;

use crate::error::LoadError;
use crate::function::Function;
use crate::pool::Pool;
use crate::ports::{ColdStart, Stage};
use crate::spans::Spans;

/// How long a failed load is answered with its failure before the next one is tried: a load reads the disk, and may compile.
const BACK_OFF: Duration = Duration::from_secs(1);

/// Held by the load in progress; whoever waits for the load waits for this.
pub(crate) type Flight = Arc<Mutex<Landed>>;

/// How the last load ended.
#[derive(Debug, Default)]
pub(crate) struct Landed {
    failed: Option<(Instant, LoadError)>,
}

impl Function {
    /// Brings the function's component into memory, if it is not there, waiting no longer than `deadline`. Invoking does this by
    /// itself.
    ///
    /// # Errors
    /// When there is no code, it does not fit or does not link, or the deadline passes.
    pub async fn wake(self: &Arc<Self>, deadline: Instant) -> Result<(), LoadError> {
        self.awake(deadline).await.map(drop)
    }

    /// The function's pool for a request that found none.
    pub(crate) async fn awake_for(
        self: &Arc<Self>,
        deadline: Instant,
        spans: Option<&Spans>,
    ) -> Result<Arc<Pool>, LoadError> {
        let asked = Instant::now();
        let woken = self.awake(deadline).await;
        let took = asked.elapsed();
        self.tell_stage(Stage::Compile, took, spans);
        self.tell_cold_start(ColdStart::Component, took);
        woken
    }

    /// The function's pool, made if it is not there.
    pub(crate) async fn awake(self: &Arc<Self>, deadline: Instant) -> Result<Arc<Pool>, LoadError> {
        match self.seat().pool() {
            Some(pool) => Ok(pool),
            None => self.join(Instant::now(), deadline).await,
        }
    }

    /// Waits for the load in progress, or makes one.
    async fn join(self: &Arc<Self>, asked: Instant, deadline: Instant) -> Result<Arc<Pool>, LoadError> {
        let until = deadline.into();
        let flight = timeout_at(until, Arc::clone(self.flight()).lock_owned()).await;
        let mut flight = flight.map_err(|_| LoadError::NotYet)?;
        if let Some(pool) = self.seat().pool() {
            return Ok(pool);
        }
        if let Some((at, why)) = &flight.failed
            && (*at >= asked || at.elapsed() < BACK_OFF)
        {
            return Err(why.clone());
        }
        // A few at a time over all functions: each takes a thread, and the disk.
        let turn = timeout_at(until, Arc::clone(&self.shared().loads).acquire_owned()).await;
        let turn = turn.map_err(|_| LoadError::NotYet)?.map_err(|_| LoadError::Cancelled)?;
        let function = Arc::clone(self);
        // The load goes on when its caller leaves, and both guards with it: whoever asks next waits for this one.
        let load = tokio::task::spawn_blocking(move || {
            let loaded = function.load();
            flight.failed = loaded.as_ref().err().map(|why| (Instant::now(), why.clone()));
            drop((flight, turn));
            loaded
        });
        match timeout_at(until, load).await {
            Ok(Ok(loaded)) => loaded,
            Ok(Err(_)) => Err(LoadError::Cancelled),
            Err(_) => Err(LoadError::NotYet),
        }
    }

    /// Loads and links. Blocks.
    pub(crate) fn load(self: &Arc<Self>) -> Result<Arc<Pool>, LoadError> {
        let shared = self.shared();
        let linked = shared.shelf.get(self.code())?;
        linked.fits(&self.spec().limits)?;
        self.is_of(linked.pre.world());
        let pool = Arc::new(Pool::new(shared.pool_id(), self, linked, Arc::clone(self.counters())));
        self.seat().sit(&pool);
        shared.ladder.hold(&pool);
        shared.keeper.wake();
        Ok(pool)
    }
}
