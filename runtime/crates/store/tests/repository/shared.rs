//! The same bytes of many tenants: one file, and nothing that tells.

use super::*;
use modelet_store::{Actor, Dedupe};

#[test]
fn a_hundred_tenants_with_the_same_model_have_one_file_and_each_is_counted_in_full() {
    let Host { store, dir: _dir } = &host();
    let content = vec![7; 100_000];
    let names: Vec<String> = (0..100).map(|number| format!("t{number}")).collect();
    for name in &names {
        store.by(&Actor::Server).create_tenant(&tenant(name), &Claims::default()).unwrap();
        let pushed = push(store, name, "m", &content);
        assert_eq!((pushed.version.get(), pushed.created, pushed.bytes), (1, true, 100_000));
        assert_eq!(store.used_bytes(&tenant(name)).unwrap(), 100_000);
    }
    assert_eq!(blobs(store), (1, 100_000));
    assert_eq!(store.used_bytes(&tenant("default")).unwrap(), 0);
}

#[test]
fn a_content_counts_once_for_a_tenant_in_however_many_versions() {
    let Host { store, dir: _dir } = &host();
    push(store, "default", "m", b"12345");
    push(store, "default", "m", b"123");
    push(store, "default", "n", b"12345");
    push(store, "default", "m", b"12345");
    assert_eq!(store.used_bytes(&tenant("default")).unwrap(), 8);
}

#[test]
fn a_quota_is_held_while_the_bytes_come_and_says_its_numbers() {
    let Host { store, dir: _dir } = &host();
    push(store, "default", "m", &[1; 60]);
    let refused = store.put_blob(&tenant("default"), &[2; 41], 100).unwrap_err();
    assert!(matches!(refused, StoreError::Quota { quota_bytes: 100, used_bytes: 60, wanted_bytes: 101 }), "{refused}");
    assert_eq!(blobs(store).0, 1, "nothing is left of it");
    assert_eq!(on_disk(&store.data_dir().join("tmp")).0, 0);
    // Two at a time are counted together, and what broke off is given back.
    let mut first = store.begin_upload(&tenant("default"), 100).unwrap();
    let mut second = store.begin_upload(&tenant("default"), 100).unwrap();
    first.write(&[3; 30]).unwrap();
    assert!(matches!(second.write(&[4; 30]), Err(StoreError::Quota { wanted_bytes: 120, .. })));
    drop(second);
    first.write(&[3; 10]).unwrap();
    store.finish_upload(first).unwrap();
    assert_eq!(store.used_bytes(&tenant("default")).unwrap(), 100);
}

#[test]
fn uploads_that_end_together_are_not_over_the_quota_together() {
    let Host { store, dir: _dir } = &host();
    let quota = 100;
    let outcomes: Vec<bool> = std::thread::scope(|scope| {
        let send = |byte: u8| scope.spawn(move || store.put_blob(&tenant("default"), &[byte; 40], quota).is_ok());
        let threads: Vec<_> = (0..8).map(send).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let kept = outcomes.iter().filter(|kept| **kept).count();
    assert!(kept <= 2, "{outcomes:?}");
    assert_eq!(store.used_bytes(&tenant("default")).unwrap(), 40 * kept as u64);
}

#[test]
fn a_tenant_may_name_only_what_it_has_sent_itself() {
    let Host { store, dir: _dir } = &host();
    store.by(&Actor::Server).create_tenant(&tenant("acme"), &Claims::default()).unwrap();
    let theirs = push(store, "acme", "m", b"theirs");
    let (here, nowhere) = (digest(b"theirs"), digest(b"nowhere"));
    for content in [here, nowhere] {
        assert!(!store.holds(&tenant("default"), &content).unwrap());
        let mut files = theirs.files.clone();
        files[0].digest = content;
        let refused = store.by(&Actor::Server).put_model(&new("default", "m", files)).unwrap_err();
        assert!(matches!(refused, StoreError::NoBlob(named) if named == content), "{refused}");
    }
    assert!(store.holds(&tenant("acme"), &here).unwrap());
}

#[test]
fn tenants_that_are_kept_apart_share_no_file_and_the_choice_may_change() {
    let Host { store, dir } = host();
    push(&store, "default", "m", b"bytes");
    drop(store);
    let data = dir.path().join("data");
    let apart = || Store::open(&data).unwrap().with_dedupe(Dedupe::Tenant);
    let store = apart();
    store.by(&Actor::Server).create_tenant(&tenant("acme"), &Claims::default()).unwrap();
    push(&store, "acme", "m", b"bytes");
    assert_eq!(blobs(&store), (2, 10));
    assert_eq!(store.blob(&tenant("default"), &digest(b"bytes")).unwrap(), b"bytes");
    let own = store.blob_path(&tenant("acme"), &digest(b"bytes"));
    assert!(own.strip_prefix(data.join("blobs/by-tenant/acme")).is_ok(), "{}", own.display());
    // Each goes with its own tenant.
    store.by(&Actor::Server).remove_model(&tenant("acme"), &model("m"), None, false).unwrap();
    store.collect(std::time::Duration::ZERO, std::time::Duration::ZERO).unwrap();
    assert_eq!(blobs(&store), (1, 5));
    assert_eq!(store.blob(&tenant("default"), &digest(b"bytes")).unwrap(), b"bytes");
    drop(store);
    let store = Store::open(&data).unwrap();
    assert_eq!(push(&store, "acme", "m", b"bytes").version.get(), 2);
    assert_eq!(blobs(&store), (1, 5));
}
