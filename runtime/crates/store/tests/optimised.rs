//! Optimised forms: what counts, what is replaced, what goes.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says so by a panic")]

use modelet_spec::Digest;
use modelet_store::{OptimisedRecord, Store};
use std::fs;
use std::os::unix::fs::PermissionsExt;

fn keep(store: &Store, model: &Digest, key: &str, bytes: &[u8]) -> OptimisedRecord {
    let writer = store.begin_output().unwrap();
    fs::write(writer.path(), bytes).unwrap();
    store.keep_optimised(model, key, Some(writer), "{}").unwrap()
}

#[test]
fn a_form_is_found_by_model_and_key_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let (model, other) = (Digest::of(b"model"), Digest::of(b"other"));
    let kept = {
        let store = Store::open(&dir.path().join("data")).unwrap();
        keep(&store, &model, "ort 1, cpu", b"form")
    };
    let store = Store::open(&dir.path().join("data")).unwrap();
    assert_eq!(store.optimised(&model, "ort 1, cpu").unwrap().unwrap(), kept);
    let (path, digest) = kept.file.unwrap();
    assert_eq!((fs::read(&path).unwrap().as_slice(), digest), (b"form".as_slice(), Digest::of(b"form")));
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o400);
    assert_eq!(store.optimised(&model, "ort 2, cpu").unwrap(), None);
    assert_eq!(store.optimised(&other, "ort 1, cpu").unwrap(), None);
}

#[test]
fn a_form_made_again_takes_the_place_of_the_one_before() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(&dir.path().join("data")).unwrap();
    let model = Digest::of(b"model");
    keep(&store, &model, "k", b"one");
    let two = keep(&store, &model, "k", b"two");
    assert_eq!(store.optimised(&model, "k").unwrap().unwrap(), two);
    assert_eq!(fs::read(two.file.unwrap().0).unwrap(), b"two");
    let none = store.keep_optimised(&model, "k", None, "{\"no\":1}").unwrap();
    assert_eq!(store.optimised(&model, "k").unwrap().unwrap(), none);
    assert_eq!((none.file, none.facts_json.as_str()), (None, "{\"no\":1}"));
}

#[test]
fn what_is_not_kept_or_forgotten_leaves_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(&dir.path().join("data")).unwrap();
    let writer = store.begin_output().unwrap();
    let aside = writer.path().to_owned();
    fs::write(&aside, b"half").unwrap();
    drop(writer);
    assert!(!aside.exists());
    let (model, other) = (Digest::of(b"model"), Digest::of(b"other"));
    let gone = keep(&store, &model, "k", b"form").file.unwrap().0;
    let stays = keep(&store, &other, "k", b"form").file.unwrap().0;
    store.forget_optimised(&model).unwrap();
    store.forget_optimised(&model).unwrap();
    assert_eq!((store.optimised(&model, "k").unwrap(), gone.exists(), stays.exists()), (None, false, true));
}
