//! Keys at rest: hashes, what they are bound to, when they end, and what a rotation leaves.

#![allow(clippy::panic, clippy::unwrap_used, reason = "what fails here is a failed test")]

use modelet_spec::{Claims, TenantName};
use modelet_store::{Actor, HashKind, Revision, Store, StoreError, StoredKey, StoredSecret};
use tempfile::{TempDir, tempdir};

/// Later than any clock.
const FAR: u64 = 1 << 50;

fn store() -> (Store, TempDir) {
    let dir = tempdir().unwrap();
    let store = Store::open(&dir.path().join("data")).unwrap();
    store.by(&Actor::Server).create_tenant(&acme(), &Claims::default()).unwrap();
    (store, dir)
}

fn acme() -> TenantName {
    "acme".parse().unwrap()
}

fn secret(byte: u8, until_ms: Option<u64>) -> StoredSecret {
    StoredSecret { hash: [byte; 32], kind: HashKind::Blake3, until_ms }
}

fn key(id: &str, byte: u8) -> StoredKey {
    StoredKey {
        id: id.to_owned(),
        tenant: acme(),
        scopes: vec!["deploy".to_owned(), "read".to_owned()],
        bound: Some((["f".parse().unwrap(), "g".parse().unwrap()].into(), Default::default())),
        created_ms: 0,
        expires_ms: Some(FAR),
        last_use_ms: None,
        secrets: vec![secret(byte, None)],
        revision: Revision::default(),
    }
}

fn stored(store: &Store, id: &str) -> StoredKey {
    let key = store.keys(Some(&acme())).unwrap().into_iter().find(|key| key.id == id).unwrap();
    StoredKey { created_ms: 0, revision: Revision::default(), ..key }
}

#[test]
fn a_key_is_as_it_was_made_and_two_never_share_an_id_or_a_secret() {
    let (store, _dir) = store();
    store.by(&Actor::Server).create_key(&key("a", 1)).unwrap();
    assert_eq!(stored(&store, "a"), key("a", 1));
    for taken in [key("a", 2), key("b", 1)] {
        assert!(matches!(store.by(&Actor::Server).create_key(&taken), Err(StoreError::Database(_))));
    }
    assert_eq!(store.keys(None).unwrap().len(), 1);
    store.by(&Actor::Server).put_key(&key("a", 2)).unwrap();
    assert_eq!(stored(&store, "a").secrets, [secret(2, None)]);
    let ghost = StoredKey { tenant: "ghost".parse().unwrap(), ..key("c", 3) };
    assert!(matches!(store.by(&Actor::Server).create_key(&ghost), Err(StoreError::NoTenant(_))));
}

#[test]
fn a_rotation_leaves_the_secret_before_for_a_while_or_not_at_all() {
    let (store, _dir) = store();
    store.by(&Actor::Server).create_key(&key("a", 1)).unwrap();
    let rotate = |byte: u8, until: Option<u64>| {
        store.by(&Actor::Server).rotate_key(&acme(), "a", [byte; 32], until).unwrap().secrets
    };
    assert_eq!(rotate(2, Some(FAR)), [secret(2, None), secret(1, Some(FAR))]);
    let sooner = FAR - 5;
    assert_eq!(rotate(3, Some(sooner)), [secret(3, None), secret(2, Some(sooner)), secret(1, Some(sooner))]);
    assert_eq!(
        rotate(4, Some(FAR)),
        [secret(4, None), secret(3, Some(FAR)), secret(2, Some(sooner)), secret(1, Some(sooner))]
    );
    assert_eq!(
        rotate(5, Some(1)),
        [secret(5, None), secret(4, Some(1)), secret(3, Some(1)), secret(2, Some(1)), secret(1, Some(1))]
    );
    assert_eq!(rotate(6, Some(FAR)), [secret(6, None), secret(5, Some(FAR))], "what has ended is forgotten");
    assert_eq!(rotate(7, None), [secret(7, None)]);
}

#[test]
fn a_key_is_found_by_its_own_tenant_alone_and_goes_with_it() {
    let (store, _dir) = store();
    store.by(&Actor::Server).create_key(&key("a", 1)).unwrap();
    let other = TenantName::default_tenant();
    assert!(matches!(store.by(&Actor::Server).revoke_key(&other, "a"), Err(StoreError::NoKey(_))));
    assert!(matches!(store.by(&Actor::Server).rotate_key(&other, "a", [9; 32], None), Err(StoreError::NoKey(_))));
    assert_eq!(stored(&store, "a"), key("a", 1));
    store.by(&Actor::Server).revoke_key(&acme(), "a").unwrap();
    assert!(store.keys(None).unwrap().is_empty());
    store.by(&Actor::Server).create_key(&key("b", 1)).unwrap();
    store.by(&Actor::Server).remove_tenant(&acme(), false).unwrap();
    assert!(store.keys(None).unwrap().is_empty(), "its secrets are free: nothing of them is left");
}

#[test]
fn last_uses_are_written_down_of_keys_that_are_there() {
    let (store, _dir) = store();
    store.by(&Actor::Server).create_key(&key("a", 1)).unwrap();
    store.set_last_uses(&[("a".to_owned(), 7), ("gone".to_owned(), 8)]).unwrap();
    assert_eq!(stored(&store, "a").last_use_ms, Some(7));
    assert_eq!(store.keys(None).unwrap().len(), 1);
}
