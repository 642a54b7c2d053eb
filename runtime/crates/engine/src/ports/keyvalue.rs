//! What `wasi:keyvalue` needs from outside.

use std::sync::Arc;

use modelet_spec::TenantName;
use modelet_spec::limits::KeyValueQuota;

use super::Pending;

/// One bucket, as a guest has opened it. The tenant is the function's own, whatever the guest says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bucket {
    /// Whose.
    pub tenant: TenantName,
    /// Its name within the tenant.
    pub name: String,
    /// What the tenant may keep.
    pub quota: KeyValueQuota,
}

/// A page of a bucket's keys.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KeyPage {
    /// The keys.
    pub keys: Vec<String>,
    /// Where the next page begins; `None`: this was the last one.
    pub next: Option<u64>,
}

/// Why nothing was kept, read or counted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyValueError {
    /// This host has no key-value store.
    #[error("this server keeps nothing for functions")]
    NoStore,
    /// What the guest asked for is refused: a quota, a value that is no number. It reads why.
    #[error("{0}")]
    Refused(String),
    /// The store failed. The operator's log says why, the guest does not learn it.
    #[error("the store failed")]
    Failed,
}

/// Keeps what functions keep. Each call is whole or without effect, and seen by every call after it.
pub trait KeyValue: Send + Sync {
    /// The values of `keys`, in their order; refused when they are over `bytes_max` bytes together.
    fn get(
        &self,
        bucket: Arc<Bucket>,
        keys: Vec<String>,
        bytes_max: u64,
    ) -> Pending<Result<Vec<Option<Vec<u8>>>, KeyValueError>>;

    /// Whether there is a value.
    fn has(&self, bucket: Arc<Bucket>, key: String) -> Pending<Result<bool, KeyValueError>>;

    /// Keeps pairs.
    fn set(&self, bucket: Arc<Bucket>, pairs: Vec<(String, Vec<u8>)>) -> Pending<Result<(), KeyValueError>>;

    /// Removes keys; those that are not there are no fault.
    fn delete(&self, bucket: Arc<Bucket>, keys: Vec<String>) -> Pending<Result<(), KeyValueError>>;

    /// Adds to a number in decimal digits and gives the sum.
    fn add(&self, bucket: Arc<Bucket>, key: String, delta: u64) -> Pending<Result<u64, KeyValueError>>;

    /// A page of keys, from where the one before ended.
    fn list(&self, bucket: Arc<Bucket>, after: Option<u64>) -> Pending<Result<KeyPage, KeyValueError>>;
}

/// The port of a host that keeps nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoKeyValue;

impl KeyValue for NoKeyValue {
    fn get(&self, _: Arc<Bucket>, _: Vec<String>, _: u64) -> Pending<Result<Vec<Option<Vec<u8>>>, KeyValueError>> {
        none()
    }

    fn has(&self, _: Arc<Bucket>, _: String) -> Pending<Result<bool, KeyValueError>> {
        none()
    }

    fn set(&self, _: Arc<Bucket>, _: Vec<(String, Vec<u8>)>) -> Pending<Result<(), KeyValueError>> {
        none()
    }

    fn delete(&self, _: Arc<Bucket>, _: Vec<String>) -> Pending<Result<(), KeyValueError>> {
        none()
    }

    fn add(&self, _: Arc<Bucket>, _: String, _: u64) -> Pending<Result<u64, KeyValueError>> {
        none()
    }

    fn list(&self, _: Arc<Bucket>, _: Option<u64>) -> Pending<Result<KeyPage, KeyValueError>> {
        none()
    }
}

fn none<T: Send + 'static>() -> Pending<Result<T, KeyValueError>> {
    Box::pin(std::future::ready(Err(KeyValueError::NoStore)))
}
