//! Pins: kept over a restart, set and taken back once.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says so by a panic")]

use modelet_spec::{TenantName, Version};
use modelet_store::{Actor, FileEntry, FileRole, NewModelVersion, Pin, Store, StoreError};

#[test]
fn a_pin_stays_until_it_is_taken_back() {
    let scratch = tempfile::tempdir().unwrap();
    let dir = scratch.path().join("data");
    let pin = Pin { tenant: TenantName::default_tenant(), name: "m".parse().unwrap(), version: Version::FIRST };
    {
        let store = Store::open(&dir).unwrap();
        assert!(
            matches!(store.by(&Actor::Server).set_pin(&pin, true), Err(StoreError::Database(_))),
            "there is no such version"
        );
        push(&store, &pin);
        assert_eq!(
            (
                store.by(&Actor::Server).set_pin(&pin, true).unwrap(),
                store.by(&Actor::Server).set_pin(&pin, true).unwrap()
            ),
            (true, false)
        );
    }
    let store = Store::open(&dir).unwrap();
    assert_eq!(store.pins().unwrap(), std::slice::from_ref(&pin));
    assert_eq!(
        (
            store.by(&Actor::Server).set_pin(&pin, false).unwrap(),
            store.by(&Actor::Server).set_pin(&pin, false).unwrap()
        ),
        (true, false)
    );
    assert!(store.pins().unwrap().is_empty());
}

fn push(store: &Store, pin: &Pin) {
    let digest = store.put_blob(&pin.tenant, b"model", u64::MAX).unwrap();
    let files = vec![FileEntry { path: "m.onnx".parse().unwrap(), role: FileRole::Model, digest, bytes: 5 }];
    let card_json = "{}".to_owned();
    let (tenant, name) = (pin.tenant.clone(), pin.name.clone());
    let new =
        NewModelVersion { tenant, name, digest, files, card_json, description_json: "{}".to_owned(), label: None };
    store.by(&Actor::Server).put_model(&new).unwrap();
}
