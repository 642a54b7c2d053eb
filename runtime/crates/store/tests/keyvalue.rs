//! What functions keep: apart from other tenants, within the quota, whole or not at all, over a restart.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says so by a panic")]

use modelet_spec::TenantName;
use modelet_store::{Bucket, KeyValueError, KeyValueLimits, Store};
use tempfile::TempDir;

const ROOM: KeyValueLimits = KeyValueLimits { keys: 10_000, bytes: 1 << 20 };

fn store() -> (TempDir, Store) {
    let scratch = tempfile::tempdir().unwrap();
    let store = Store::open(&scratch.path().join("data")).unwrap();
    (scratch, store)
}

fn bucket(tenant: &str, name: &str) -> Bucket {
    Bucket { tenant: tenant.parse().unwrap(), name: name.to_owned() }
}

fn pair(key: &str, value: &[u8]) -> (String, Vec<u8>) {
    (key.to_owned(), value.to_vec())
}

fn value(store: &Store, bucket: &Bucket, key: &str) -> Option<Vec<u8>> {
    store.pairs_get(bucket, &[key.to_owned()], u64::MAX).unwrap().remove(0)
}

#[test]
fn a_bucket_is_its_tenants_own_and_stays_over_a_restart() {
    let (scratch, store) = store();
    let ours = Bucket { tenant: TenantName::default_tenant(), name: "b".to_owned() };
    store.pairs_set(&ours, &[pair("k", b"ours")], ROOM).unwrap();
    store.pairs_set(&bucket("acme", "b"), &[pair("k", b"theirs")], ROOM).unwrap();
    store.pairs_set(&bucket("default", "c"), &[pair("k", b"")], ROOM).unwrap();
    drop(store);
    let store = Store::open(&scratch.path().join("data")).unwrap();
    assert_eq!(value(&store, &ours, "k").unwrap(), b"ours");
    assert_eq!(value(&store, &bucket("acme", "b"), "k").unwrap(), b"theirs");
    assert_eq!(value(&store, &bucket("default", "c"), "k").unwrap(), b"");
    assert_eq!(value(&store, &ours, "other"), None);
    store.pairs_delete(&ours, &["k".to_owned(), "never there".to_owned()]).unwrap();
    assert_eq!((store.pairs_has(&ours, "k").unwrap(), value(&store, &ours, "k")), (false, None));
    assert!(store.pairs_has(&bucket("acme", "b"), "k").unwrap());
}

#[test]
fn a_quota_counts_keys_and_bytes_of_all_buckets_and_a_batch_is_kept_whole_or_not_at_all() {
    let (_scratch, store) = store();
    let (a, b) = (bucket("t", "a"), bucket("t", "b"));
    let limits = KeyValueLimits { keys: 3, bytes: 20 };
    store.pairs_set(&a, &[pair("1", b"xxxx"), pair("2", b"xxxx")], limits).unwrap();
    let over = store.pairs_set(&b, &[pair("3", b""), pair("4", b"")], limits);
    assert!(matches!(over, Err(KeyValueError::Keys { limit: 3 })), "{over:?}");
    assert_eq!(value(&store, &b, "3"), None, "nothing of a refused batch is kept");
    let over = store.pairs_set(&b, &[pair("3", b"1234567890")], limits);
    assert!(matches!(over, Err(KeyValueError::Bytes { limit: 20 })), "{over:?}");
    store.pairs_set(&b, &[pair("3", b"123456789")], limits).unwrap();
    // What is overwritten counts once, and another tenant has a quota of its own.
    store.pairs_set(&b, &[pair("3", b"987654321")], limits).unwrap();
    store.pairs_set(&bucket("u", "b"), &[pair("3", b"123456789")], limits).unwrap();
    store.pairs_delete(&a, &["1".to_owned()]).unwrap();
    store.pairs_set(&a, &[pair("5", b"xxxx")], limits).unwrap();
}

#[test]
fn under_a_lowered_quota_what_is_kept_may_shrink_and_not_grow() {
    let (_scratch, store) = store();
    let b = bucket("t", "b");
    store.pairs_set(&b, &[pair("k", &[0; 100])], ROOM).unwrap();
    let lowered = KeyValueLimits { keys: 10, bytes: 10 };
    store.pairs_set(&b, &[pair("k", &[0; 50])], lowered).unwrap();
    let grown = store.pairs_set(&b, &[pair("k", &[0; 60])], lowered);
    assert!(matches!(grown, Err(KeyValueError::Bytes { limit: 10 })), "{grown:?}");
    assert_eq!(value(&store, &b, "k").unwrap().len(), 50);
}

#[test]
fn counting_up_is_by_decimal_digits_and_refuses_what_is_no_number() {
    let (_scratch, store) = store();
    let b = bucket("t", "b");
    assert_eq!((store.pairs_add(&b, "n", 5, ROOM).unwrap(), store.pairs_add(&b, "n", 37, ROOM).unwrap()), (5, 42));
    assert_eq!(value(&store, &b, "n").unwrap(), b"42");
    assert!(matches!(store.pairs_add(&b, "n", u64::MAX, ROOM), Err(KeyValueError::Overflow(key)) if key == "n"));
    store.pairs_set(&b, &[pair("text", b"x")], ROOM).unwrap();
    assert!(matches!(store.pairs_add(&b, "text", 1, ROOM), Err(KeyValueError::NotANumber(key)) if key == "text"));
    assert_eq!(value(&store, &b, "n").unwrap(), b"42");
}

#[test]
fn a_listing_gives_every_key_once_in_pages_whatever_is_written_meanwhile() {
    let (_scratch, store) = store();
    let b = bucket("t", "b");
    let pairs: Vec<_> = (0..2500).map(|n| pair(&format!("key-{n}"), b"v")).collect();
    store.pairs_set(&b, &pairs, ROOM).unwrap();
    store.pairs_set(&bucket("t", "other"), &[pair("elsewhere", b"v")], ROOM).unwrap();
    let first = store.pairs_list(&b, None).unwrap();
    assert_eq!((first.keys.len(), first.keys.first().unwrap().as_str()), (1000, "key-0"));
    // One that was listed is overwritten, another goes, a third comes back.
    store.pairs_set(&b, &[pair("key-0", b"new")], ROOM).unwrap();
    store.pairs_delete(&b, &["key-1".to_owned()]).unwrap();
    store.pairs_set(&b, &[pair("late", b"v")], ROOM).unwrap();
    let second = store.pairs_list(&b, first.next).unwrap();
    let third = store.pairs_list(&b, second.next).unwrap();
    let mut all = [first.keys, second.keys, third.keys].concat();
    assert_eq!((all.len(), all.last().unwrap().as_str(), third.next), (2501, "late", None));
    all.sort();
    all.dedup();
    assert_eq!(all.len(), 2501);
    assert_eq!(store.pairs_list(&b, Some(u64::MAX)).unwrap().keys.len(), 0);
}

#[test]
fn an_answer_has_a_bound() {
    let (_scratch, store) = store();
    let b = bucket("t", "b");
    store.pairs_set(&b, &[pair("a", &[1; 60]), pair("b", &[2; 60])], ROOM).unwrap();
    let keys = ["a".to_owned(), "b".to_owned(), "c".to_owned()];
    let values = store.pairs_get(&b, &keys, 120).unwrap();
    assert_eq!(values, [Some(vec![1; 60]), Some(vec![2; 60]), None]);
    assert!(matches!(store.pairs_get(&b, &keys, 119), Err(KeyValueError::Answer { limit: 119 })));
}
