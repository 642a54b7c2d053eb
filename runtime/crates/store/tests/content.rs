//! Contents: what goes in comes out, or an error does.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "what fails here is a failed test")]

use modelet_spec::{Digest, TenantName};
use modelet_store::{Store, StoreError};
use std::fs;
use std::path::Path;
use tempfile::tempdir;

fn default() -> TenantName {
    TenantName::default_tenant()
}

fn files_in(folder: &Path) -> usize {
    fs::read_dir(folder).map_or(usize::MAX, Iterator::count)
}

#[test]
fn a_content_in_pieces_is_found_by_its_digest_also_after_a_restart() {
    let dir = tempdir().unwrap();
    let data = dir.path().join("data");
    let store = Store::open(&data).unwrap();
    let mut upload = store.begin_upload(&default(), u64::MAX).unwrap();
    upload.write(b"mode").unwrap();
    upload.write(b"let").unwrap();
    let (digest, bytes) = store.finish_upload(upload).unwrap();
    assert_eq!((digest, bytes), (Digest::of(b"modelet"), 7));
    assert_eq!(store.blob_bytes(&default(), &digest), Some(7));
    drop(store);
    let store = Store::open(&data).unwrap();
    assert_eq!(store.blob(&default(), &digest).unwrap(), b"modelet");
    assert_eq!(files_in(&data.join("tmp")), 0);
}

#[test]
fn a_content_that_is_not_there_is_said_to_be_missing() {
    let dir = tempdir().unwrap();
    let store = Store::open(&dir.path().join("data")).unwrap();
    let digest = Digest::of(b"nothing");
    assert_eq!(store.blob_bytes(&default(), &digest), None);
    assert!(matches!(store.blob(&default(), &digest), Err(StoreError::NoBlob(missing)) if missing == digest));
}

#[test]
fn a_damaged_content_is_detected_and_mended_by_pushing_it_again() {
    let dir = tempdir().unwrap();
    let store = Store::open(&dir.path().join("data")).unwrap();
    let digest = store.put_blob(&default(), b"modelet", u64::MAX).unwrap();
    fs::write(store.blob_path(&default(), &digest), b"modeled").unwrap();
    let error = store.blob(&default(), &digest).unwrap_err();
    assert!(matches!(&error, StoreError::DamagedBlob { found, .. } if *found == Digest::of(b"modeled")), "{error}");
    store.put_blob(&default(), b"modelet", u64::MAX).unwrap();
    assert_eq!(store.blob(&default(), &digest).unwrap(), b"modelet");
}

#[test]
fn an_upload_that_breaks_off_leaves_nothing() {
    let dir = tempdir().unwrap();
    let data = dir.path().join("data");
    let store = Store::open(&data).unwrap();
    let mut upload = store.begin_upload(&default(), u64::MAX).unwrap();
    upload.write(b"half").unwrap();
    assert_eq!(files_in(&data.join("tmp")), 1);
    drop(upload);
    assert_eq!(files_in(&data.join("tmp")), 0);
    assert_eq!(store.blob_bytes(&default(), &Digest::of(b"half")), None);
}

#[test]
fn what_a_killed_server_was_writing_is_removed_at_the_next_start() {
    let dir = tempdir().unwrap();
    let data = dir.path().join("data");
    let store = Store::open(&data).unwrap();
    let mut upload = store.begin_upload(&default(), u64::MAX).unwrap();
    upload.write(b"half").unwrap();
    std::mem::forget(upload);
    drop(store);
    assert_eq!(files_in(&data.join("tmp")), 1);
    let store = Store::open(&data).unwrap();
    assert_eq!(files_in(&data.join("tmp")), 0);
    assert_eq!(store.blob_bytes(&default(), &Digest::of(b"half")), None);
}
