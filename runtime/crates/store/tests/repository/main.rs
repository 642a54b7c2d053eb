//! The model repository: what tenants share on the disk, what they are counted for, what goes when.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "what fails here is a failed test")]

mod goes;
mod killed;
mod shared;
mod versions;

use modelet_spec::{Claims, Digest, ModelName, Pick, TenantName};
use modelet_store::{
    Actor, FileEntry, FileRole, ModelVersion, NewFunctionVersion, NewModelBinding, NewModelVersion, Store, StoreError,
    content_digest,
};
use std::path::Path;
use tempfile::{TempDir, tempdir};

/// A store, and the folder that goes with it.
struct Host {
    store: Store,
    dir: TempDir,
}

fn host() -> Host {
    let dir = tempdir().unwrap();
    Host { store: Store::open(&dir.path().join("data")).unwrap(), dir }
}

fn tenant(name: &str) -> TenantName {
    name.parse().unwrap()
}

fn model(name: &str) -> ModelName {
    name.parse().unwrap()
}

fn pick(text: &str) -> Pick {
    text.parse().unwrap()
}

/// A file of a model that `owner` has just sent.
fn sent(store: &Store, owner: &str, path: &str, role: FileRole, content: &[u8]) -> FileEntry {
    let digest = store.put_blob(&tenant(owner), content, u64::MAX).unwrap();
    FileEntry { path: path.parse().unwrap(), role, digest, bytes: content.len() as u64 }
}

fn new(owner: &str, name: &str, files: Vec<FileEntry>) -> NewModelVersion {
    NewModelVersion {
        tenant: tenant(owner),
        name: model(name),
        digest: content_digest(&files),
        files,
        card_json: "{}".to_owned(),
        description_json: "{}".to_owned(),
        label: None,
    }
}

/// Pushes a model of one file.
fn push(store: &Store, owner: &str, name: &str, content: &[u8]) -> ModelVersion {
    let file = sent(store, owner, "model.onnx", FileRole::Model, content);
    store.by(&Actor::Server).put_model(&new(owner, name, vec![file])).unwrap()
}

/// Deploys a function that is bound to a model.
fn bind(store: &Store, owner: &str, function: &str, to: &ModelVersion) -> Result<(), StoreError> {
    let component = store.put_blob(&tenant(owner), function.as_bytes(), u64::MAX)?;
    let binding = NewModelBinding {
        alias: "m".to_owned(),
        owner: to.tenant.clone(),
        name: to.name.clone(),
        version: to.version,
        digest: to.digest,
    };
    let new = NewFunctionVersion {
        tenant: tenant(owner),
        name: function.parse().unwrap(),
        component,
        compiled: store.write_compiled(&component, "engine", b"code")?,
        manifest_json: "{}".to_owned(),
        models: vec![binding],
        not_reused: None,
    };
    store.by(&Actor::Server).put_function(&new).map(drop)
}

/// The files below a folder, and their bytes, each inode once.
fn on_disk(folder: &Path) -> (usize, u64) {
    use std::os::unix::fs::MetadataExt;
    let (mut seen, mut waiting) = (std::collections::BTreeMap::new(), vec![folder.to_owned()]);
    while let Some(next) = waiting.pop() {
        for entry in std::fs::read_dir(next).unwrap() {
            let (path, metadata) = entry.map(|entry| (entry.path(), entry.metadata().unwrap())).unwrap();
            match metadata.is_dir() {
                true => waiting.push(path),
                false => drop(seen.insert(metadata.ino(), metadata.len())),
            }
        }
    }
    (seen.len(), seen.values().sum())
}

fn blobs(store: &Store) -> (usize, u64) {
    on_disk(&store.data_dir().join("blobs"))
}

fn digest(content: &[u8]) -> Digest {
    Digest::of(content)
}
