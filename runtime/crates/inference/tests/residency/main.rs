//! Models in memory: loads that are shared and left, budgets, pins, idle times, and what each owner sees. With real models, and
//! loaders that wait and fail on demand.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test says so by panicking, in its helpers too"
)]

#[path = "../admission/build.rs"]
mod build;
mod devices;
mod interleavings;
mod loads;
mod memory;
mod owners;
mod recorded;
mod room;
mod staged;
#[path = "../support/mod.rs"]
mod support;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use modelet_inference::{Loader, ModelHandle, ModelKey, Residency, ResidencyConfig, Runtime, RuntimeConfig};
use modelet_spec::{Device, Digest};
use tokio::sync::{Mutex, MutexGuard};

/// Tokio's, because its guard may go to other threads.
static ONE_AT_A_TIME: Mutex<()> = Mutex::const_new(());

/// One test at a time: what a load takes is measured in the whole process.
struct Host {
    runtime: Runtime,
    residency: Residency,
    _alone: MutexGuard<'static, ()>,
}

impl Host {
    /// A residency of 256 MiB that forgets nothing by itself, changed as the test wants.
    fn new(change: impl FnOnce(&mut ResidencyConfig)) -> Self {
        let alone = ONE_AT_A_TIME.blocking_lock();
        let config =
            RuntimeConfig { library: support::library(), arena_max_bytes: 512 << 20, ..RuntimeConfig::default() };
        let runtime = support::open(&config);
        let mut config = ResidencyConfig { idle: Duration::from_secs(3600), ..ResidencyConfig::with_budget(256 << 20) };
        change(&mut config);
        let residency = Residency::start(&runtime, config).unwrap();
        Self { runtime, residency, _alone: alone }
    }

    /// The same with a budget of `bytes`.
    fn of(bytes: u64, change: impl FnOnce(&mut ResidencyConfig)) -> Self {
        Self::new(|config| {
            config.budgets = vec![(Device::Cpu, bytes)];
            change(config);
        })
    }

    fn handle(&self, name: &str, loader: &Arc<staged::Staged>) -> ModelHandle {
        self.residency.handle(key(name), Arc::clone(loader) as Arc<dyn Loader>)
    }

    fn models(&self) -> usize {
        self.residency.stats().devices[&Device::Cpu].models
    }

    fn bytes(&self) -> u64 {
        self.residency.stats().devices[&Device::Cpu].bytes
    }
}

fn key(name: &str) -> ModelKey {
    ModelKey::new(Digest::of(name.as_bytes()))
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap().block_on(future)
}
