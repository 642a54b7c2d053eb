//! The engine's port for what functions keep, on the store's database of pairs.

mod metrics;

use std::sync::Arc;

use modelet_engine::ports::{Bucket, KeyPage, KeyValue, KeyValueError, Pending};
use modelet_store::{KeyValueError as StoredError, KeyValueLimits, Store};
use prometheus_client::registry::Registry;
use tokio::sync::Semaphore;

use metrics::Metrics;

/// Calls that hold a thread at a time. The database has one connection, so more would only wait for each other there; those
/// that wait here do so in the order in which they came.
const THREADS: usize = 2;

/// Keeps what functions keep in the data directory. Every call leaves the executor's thread.
pub(crate) struct StorePairs {
    store: Arc<Store>,
    turns: Arc<Semaphore>,
    metrics: Metrics,
}

impl StorePairs {
    pub(crate) fn new(store: Arc<Store>, registry: &mut Registry) -> Self {
        let metrics = Metrics::register(registry, Arc::clone(&store));
        Self { store, turns: Arc::new(Semaphore::new(THREADS)), metrics }
    }

    fn turn<T: Send + 'static>(
        &self,
        operation: &'static str,
        bucket: &Bucket,
        work: impl FnOnce(&Store, modelet_store::Bucket, KeyValueLimits) -> Result<T, StoredError> + Send + 'static,
    ) -> Pending<Result<T, KeyValueError>> {
        let (store, turns) = (Arc::clone(&self.store), Arc::clone(&self.turns));
        let limits = KeyValueLimits { keys: bucket.quota.keys, bytes: bucket.quota.bytes };
        let bucket = modelet_store::Bucket { tenant: bucket.tenant.clone(), name: bucket.name.clone() };
        let (metrics, tenant) = (self.metrics.clone(), bucket.tenant.clone());
        Box::pin(async move {
            // Never closed; kept by the work itself, which goes on when a guest is stopped that waits for it.
            let turn = turns.acquire_owned().await.map_err(|_| KeyValueError::Failed)?;
            let done = tokio::task::spawn_blocking(move || {
                let done = work(&store, bucket, limits);
                drop(turn);
                metrics.count(&tenant, operation, &done);
                done
            });
            done.await.map_err(|_| KeyValueError::Failed)?.map_err(told)
        })
    }
}

/// What the guest may know of it. What failed in the store is the operator's.
fn told(error: StoredError) -> KeyValueError {
    match error {
        StoredError::Store(error) => {
            tracing::error!(error = &error as &dyn std::error::Error, "what functions keep cannot be read or written");
            KeyValueError::Failed
        }
        refused => KeyValueError::Refused(refused.to_string()),
    }
}

impl KeyValue for StorePairs {
    fn get(
        &self,
        bucket: Arc<Bucket>,
        keys: Vec<String>,
        bytes_max: u64,
    ) -> Pending<Result<Vec<Option<Vec<u8>>>, KeyValueError>> {
        self.turn("get", &bucket, move |store, bucket, _| store.pairs_get(&bucket, &keys, bytes_max))
    }

    fn has(&self, bucket: Arc<Bucket>, key: String) -> Pending<Result<bool, KeyValueError>> {
        self.turn("exists", &bucket, move |store, bucket, _| store.pairs_has(&bucket, &key))
    }

    fn set(&self, bucket: Arc<Bucket>, pairs: Vec<(String, Vec<u8>)>) -> Pending<Result<(), KeyValueError>> {
        self.turn("set", &bucket, move |store, bucket, limits| store.pairs_set(&bucket, &pairs, limits))
    }

    fn delete(&self, bucket: Arc<Bucket>, keys: Vec<String>) -> Pending<Result<(), KeyValueError>> {
        self.turn("delete", &bucket, move |store, bucket, _| store.pairs_delete(&bucket, &keys))
    }

    fn add(&self, bucket: Arc<Bucket>, key: String, delta: u64) -> Pending<Result<u64, KeyValueError>> {
        self.turn("increment", &bucket, move |store, bucket, limits| store.pairs_add(&bucket, &key, delta, limits))
    }

    fn list(&self, bucket: Arc<Bucket>, after: Option<u64>) -> Pending<Result<KeyPage, KeyValueError>> {
        self.turn("list-keys", &bucket, move |store, bucket, _| {
            let page = store.pairs_list(&bucket, after)?;
            Ok(KeyPage { keys: page.keys, next: page.next })
        })
    }
}
