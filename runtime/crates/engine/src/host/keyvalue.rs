//! `wasi:keyvalue@0.2.0-draft` (`store`, `atomics`, `batch`), on the port [`KeyValue`](crate::ports::KeyValue).
//!
//! A bucket is its tenant's: all functions of a tenant see it, no other's do. Any bucket may be opened; it exists as soon as
//! something is in it. What a batch changes is changed whole or not at all, which is more than the interface promises.

use std::sync::Arc;

use modelet_spec::limits::KeyValueQuota;
use wasmtime::component::{HasSelf, Linker, Resource};

use crate::ports::{Bucket, KeyValueError};
use crate::state::GuestState;

use bindings::wasi::keyvalue as wit;
use wit::store::{Error, KeyResponse};

/// Longest key, in bytes, and longest name of a bucket.
const KEY_BYTES_MAX: usize = 1024;
const NAME_BYTES_MAX: usize = 63;
/// The most keys of one batch, and the most bytes that one answer brings into a guest: both are held by the host meanwhile.
const BATCH_KEYS_MAX: usize = 1000;
const ANSWER_BYTES_MAX: u64 = 16 << 20;
/// What a bucket is called that a guest opens without a name.
const UNNAMED: &str = "default";

#[allow(missing_docs, unreachable_pub, clippy::all, reason = "generated from the WIT")]
mod bindings {
    wasmtime::component::bindgen!({
        path: "../../../wit/deps/wasi-keyvalue@0.2.0-draft",
        world: "wasi:keyvalue/imports",
        imports: {
            "wasi:keyvalue/store.open": trappable,
            default: async | trappable,
        },
        with: { "wasi:keyvalue/store.bucket": super::GuestBucket },
        require_store_data_send: true,
    });
}

/// The resource behind `bucket`.
#[expect(unreachable_pub, reason = "the generated code re-exports the resource behind its handle")]
pub struct GuestBucket(Arc<Bucket>);

type Answer<T> = wasmtime::Result<Result<T, Error>>;

pub(super) fn link(linker: &mut Linker<GuestState>) -> wasmtime::Result<()> {
    wit::store::add_to_linker::<GuestState, HasSelf<GuestState>>(linker, |state| state)?;
    wit::atomics::add_to_linker::<GuestState, HasSelf<GuestState>>(linker, |state| state)?;
    wit::batch::add_to_linker::<GuestState, HasSelf<GuestState>>(linker, |state| state)
}

impl From<KeyValueError> for Error {
    fn from(error: KeyValueError) -> Self {
        match error {
            KeyValueError::NoStore => Self::NoSuchStore,
            refused => Self::Other(refused.to_string()),
        }
    }
}

impl wit::store::Host for GuestState {
    fn open(&mut self, identifier: String) -> Answer<Resource<GuestBucket>> {
        let name = if identifier.is_empty() { UNNAMED.to_owned() } else { identifier };
        if name.len() > NAME_BYTES_MAX {
            return Ok(Err(Error::NoSuchStore));
        }
        let (tenant, quota) = (self.place.tenant.clone(), self.place.keyvalue);
        Ok(Ok(self.table.push(GuestBucket(Arc::new(Bucket { tenant, name, quota })))?))
    }
}

impl wit::store::HostBucket for GuestState {
    async fn get(&mut self, bucket: Resource<GuestBucket>, key: String) -> Answer<Option<Vec<u8>>> {
        let bucket = bucket_of(self, &bucket)?;
        if let Err(error) = check_keys([&key]) {
            return Ok(Err(error));
        }
        let values = self.keyvalue.get(bucket, vec![key], self.answer_bytes_max()).await;
        Ok(values.map(|mut values| values.pop().flatten()).map_err(Into::into))
    }

    async fn set(&mut self, bucket: Resource<GuestBucket>, key: String, value: Vec<u8>) -> Answer<()> {
        let bucket = bucket_of(self, &bucket)?;
        let pairs = vec![(key, value)];
        if let Err(error) = check_pairs(&pairs, bucket.quota) {
            return Ok(Err(error));
        }
        Ok(self.keyvalue.set(bucket, pairs).await.map_err(Into::into))
    }

    async fn delete(&mut self, bucket: Resource<GuestBucket>, key: String) -> Answer<()> {
        let bucket = bucket_of(self, &bucket)?;
        if let Err(error) = check_keys([&key]) {
            return Ok(Err(error));
        }
        Ok(self.keyvalue.delete(bucket, vec![key]).await.map_err(Into::into))
    }

    async fn exists(&mut self, bucket: Resource<GuestBucket>, key: String) -> Answer<bool> {
        let bucket = bucket_of(self, &bucket)?;
        if let Err(error) = check_keys([&key]) {
            return Ok(Err(error));
        }
        Ok(self.keyvalue.has(bucket, key).await.map_err(Into::into))
    }

    async fn list_keys(&mut self, bucket: Resource<GuestBucket>, cursor: Option<u64>) -> Answer<KeyResponse> {
        let bucket = bucket_of(self, &bucket)?;
        let page = self.keyvalue.list(bucket, cursor).await;
        Ok(page.map(|page| KeyResponse { keys: page.keys, cursor: page.next }).map_err(Into::into))
    }

    async fn drop(&mut self, bucket: Resource<GuestBucket>) -> wasmtime::Result<()> {
        self.table.delete(bucket)?;
        Ok(())
    }
}

impl wit::atomics::Host for GuestState {
    async fn increment(&mut self, bucket: Resource<GuestBucket>, key: String, delta: u64) -> Answer<u64> {
        let bucket = bucket_of(self, &bucket)?;
        if let Err(error) = check_keys([&key]) {
            return Ok(Err(error));
        }
        Ok(self.keyvalue.add(bucket, key, delta).await.map_err(Into::into))
    }
}

impl wit::batch::Host for GuestState {
    async fn get_many(
        &mut self,
        bucket: Resource<GuestBucket>,
        keys: Vec<String>,
    ) -> Answer<Vec<Option<(String, Vec<u8>)>>> {
        let bucket = bucket_of(self, &bucket)?;
        if let Err(error) = check_keys(&keys) {
            return Ok(Err(error));
        }
        let values = self.keyvalue.get(bucket, keys.clone(), self.answer_bytes_max()).await;
        let pairs = |values: Vec<Option<Vec<u8>>>| keys.into_iter().zip(values).map(|(key, value)| Some((key, value?)));
        Ok(values.map(|values| pairs(values).collect()).map_err(Into::into))
    }

    async fn set_many(&mut self, bucket: Resource<GuestBucket>, pairs: Vec<(String, Vec<u8>)>) -> Answer<()> {
        let bucket = bucket_of(self, &bucket)?;
        if let Err(error) = check_pairs(&pairs, bucket.quota) {
            return Ok(Err(error));
        }
        Ok(self.keyvalue.set(bucket, pairs).await.map_err(Into::into))
    }

    async fn delete_many(&mut self, bucket: Resource<GuestBucket>, keys: Vec<String>) -> Answer<()> {
        let bucket = bucket_of(self, &bucket)?;
        if let Err(error) = check_keys(&keys) {
            return Ok(Err(error));
        }
        Ok(self.keyvalue.delete(bucket, keys).await.map_err(Into::into))
    }
}

impl GuestState {
    /// What one answer may bring: the guest has to have room for it, as well.
    fn answer_bytes_max(&self) -> u64 {
        self.limiter.left().min(ANSWER_BYTES_MAX)
    }
}

fn bucket_of(state: &GuestState, bucket: &Resource<GuestBucket>) -> wasmtime::Result<Arc<Bucket>> {
    Ok(state.table.get(bucket)?.0.clone())
}

fn check_keys<'k>(keys: impl IntoIterator<Item = &'k String, IntoIter: ExactSizeIterator>) -> Result<(), Error> {
    let keys = keys.into_iter();
    if keys.len() > BATCH_KEYS_MAX {
        return Err(Error::Other(format!("{} keys in one call, {BATCH_KEYS_MAX} are allowed", keys.len())));
    }
    for key in keys {
        if key.is_empty() || key.len() > KEY_BYTES_MAX {
            let found = key.len();
            return Err(Error::Other(format!("a key of {found} bytes: 1 to {KEY_BYTES_MAX} are allowed")));
        }
    }
    Ok(())
}

fn check_pairs(pairs: &[(String, Vec<u8>)], quota: KeyValueQuota) -> Result<(), Error> {
    check_keys(pairs.iter().map(|(key, _)| key))?;
    let limit = quota.value_bytes;
    match pairs.iter().find(|(_, value)| value.len() as u64 > limit) {
        Some((key, value)) => {
            let found = value.len();
            Err(Error::Other(format!("the value of `{key}` has {found} bytes, {limit} are allowed (`keyvalue_value`)")))
        }
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUOTA: KeyValueQuota = KeyValueQuota { keys: 1, bytes: 1, value_bytes: 3 };

    #[test]
    fn what_no_store_need_see_is_refused_in_words() {
        let said = |result: Result<(), Error>| match result.unwrap_err() {
            Error::Other(text) => text,
            other => panic!("{other:?}"),
        };
        assert!(check_keys(&["k".repeat(KEY_BYTES_MAX)]).is_ok());
        assert!(said(check_keys(&["k".repeat(KEY_BYTES_MAX + 1)])).contains("1025 bytes"));
        assert!(said(check_keys(&[String::new()])).contains("0 bytes"));
        assert!(said(check_keys(&vec!["k".to_owned(); BATCH_KEYS_MAX + 1])).contains("1001 keys"));
        assert!(check_pairs(&[("k".to_owned(), vec![0; 3])], QUOTA).is_ok());
        assert!(said(check_pairs(&[("k".to_owned(), vec![0; 4])], QUOTA)).contains("`k` has 4 bytes, 3 are allowed"));
    }
}
