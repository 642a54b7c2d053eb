//! Contents: what goes in comes out, or an error does.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "what fails here is a failed test")]

use modelet_spec::Digest;
use modelet_store::{Store, StoreError};
use std::fs;
use std::io::Write;
use std::path::Path;
use tempfile::tempdir;

fn files_in(folder: &Path) -> usize {
    fs::read_dir(folder).map_or(usize::MAX, Iterator::count)
}

#[test]
fn a_content_in_pieces_is_found_by_its_digest_also_after_a_restart() {
    let dir = tempdir().unwrap();
    let data = dir.path().join("data");
    let store = Store::open(&data).unwrap();
    let mut writer = store.begin_blob().unwrap();
    writer.write_all(b"mode").unwrap();
    writer.write_all(b"let").unwrap();
    let (digest, bytes) = writer.finish().unwrap();
    assert_eq!((digest, bytes), (Digest::of(b"modelet"), 7));
    assert!(store.has_blob(&digest));
    drop(store);
    let store = Store::open(&data).unwrap();
    assert_eq!(store.blob(&digest).unwrap(), b"modelet");
    assert_eq!(files_in(&data.join("tmp")), 0);
}

#[test]
fn a_content_that_is_not_there_is_said_to_be_missing() {
    let dir = tempdir().unwrap();
    let store = Store::open(&dir.path().join("data")).unwrap();
    let digest = Digest::of(b"nothing");
    assert!(!store.has_blob(&digest));
    assert!(matches!(store.blob(&digest), Err(StoreError::NoBlob(missing)) if missing == digest));
}

#[test]
fn a_damaged_content_is_detected_and_mended_by_pushing_it_again() {
    let dir = tempdir().unwrap();
    let store = Store::open(&dir.path().join("data")).unwrap();
    let digest = store.put_blob(b"modelet").unwrap();
    fs::write(store.blob_path(&digest), b"modeled").unwrap();
    let error = store.blob(&digest).unwrap_err();
    assert!(matches!(&error, StoreError::DamagedBlob { found, .. } if *found == Digest::of(b"modeled")), "{error}");
    store.put_blob(b"modelet").unwrap();
    assert_eq!(store.blob(&digest).unwrap(), b"modelet");
}

#[test]
fn an_upload_that_breaks_off_leaves_nothing() {
    let dir = tempdir().unwrap();
    let data = dir.path().join("data");
    let store = Store::open(&data).unwrap();
    let mut writer = store.begin_blob().unwrap();
    writer.write_all(b"half").unwrap();
    assert_eq!(files_in(&data.join("tmp")), 1);
    drop(writer);
    assert_eq!(files_in(&data.join("tmp")), 0);
    assert!(!store.has_blob(&Digest::of(b"half")));
}

#[test]
fn what_a_killed_server_was_writing_is_removed_at_the_next_start() {
    let dir = tempdir().unwrap();
    let data = dir.path().join("data");
    let store = Store::open(&data).unwrap();
    let mut writer = store.begin_blob().unwrap();
    writer.write_all(b"half").unwrap();
    std::mem::forget(writer);
    drop(store);
    assert_eq!(files_in(&data.join("tmp")), 1);
    let store = Store::open(&data).unwrap();
    assert_eq!(files_in(&data.join("tmp")), 0);
    assert!(!store.has_blob(&Digest::of(b"half")));
}
