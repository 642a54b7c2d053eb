//! What all requests share.

use std::sync::Arc;

use arc_swap::ArcSwap;
use modelet_catalog::{Catalog, Entry, Usage};
use modelet_engine::Function;
use modelet_engine::ports::Times;
use prometheus_client::registry::Registry;
use tokio::sync::Semaphore;

use crate::admit::Admission;
use crate::config::GatewayConfig;
use crate::metrics::Metrics;
use crate::shadow::Shadows;
use crate::shares::Shares;

/// The snapshot of what serves, as whoever deploys swaps it.
pub type Snapshot = Arc<ArcSwap<Catalog<Arc<Function>>>>;

/// A function that serves, as the script holds it while a request runs.
pub(crate) type Served = Arc<Entry<Arc<Function>>>;

/// The data plane of one server.
#[derive(Debug)]
pub struct Gateway {
    pub(crate) config: GatewayConfig,
    pub(crate) catalog: Snapshot,
    pub(crate) admission: Admission,
    pub(crate) connections: Arc<Semaphore>,
    connections_max: usize,
    pub(crate) metrics: Metrics,
    pub(crate) shadows: Shadows,
}

impl Gateway {
    /// What the engine is to tell of invocations.
    #[must_use]
    pub fn times(&self) -> Arc<dyn Times> {
        Arc::new(self.metrics.inside())
    }

    /// How much of what all requests share is taken.
    #[must_use]
    pub fn shares(&self) -> Shares {
        Shares {
            connections: Arc::clone(&self.connections),
            connections_max: self.connections_max,
            running: self.admission.running(),
            running_max: self.admission.places(),
        }
    }

    /// A gateway over `catalog`; its metrics go into `registry`, and what functions use into `usage`.
    #[must_use]
    pub fn new(config: GatewayConfig, catalog: Snapshot, usage: Arc<Usage>, registry: &mut Registry) -> Self {
        let connections = usize::try_from(config.limits.connections).unwrap_or(usize::MAX);
        let connections_max = connections.clamp(1, Semaphore::MAX_PERMITS);
        Self {
            admission: Admission::new(config.limits.concurrency_total, config.queue_wait),
            connections: Arc::new(Semaphore::new(connections_max)),
            connections_max,
            metrics: Metrics::new(registry, usage),
            shadows: Shadows::new(),
            config,
            catalog,
        }
    }
}
