//! Secrets as the store keeps them: sealed, counted, each value under a version of its own.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on says so by a panic")]

use modelet_spec::{Claims, SecretName, TenantLimits, TenantName};
use modelet_store::{Actor, Seal, Store, StoreError, StoredSealed};

fn open() -> (tempfile::TempDir, Store) {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(&dir.path().join("data")).unwrap();
    for tenant in ["acme", "beta"] {
        store.by(&Actor::Server).create_tenant(&tenant.parse().unwrap(), &Claims::default()).unwrap();
    }
    (dir, store)
}

fn seal(text: &str) -> Seal {
    Seal { key_id: "k1".to_owned(), bytes: text.as_bytes().to_vec() }
}

fn put(store: &Store, tenant: &str, name: &str, text: &str) -> Result<(StoredSealed, bool), StoreError> {
    let (tenant, name): (TenantName, SecretName) = (tenant.parse().unwrap(), name.parse().unwrap());
    store
        .by(&Actor::Server)
        .put_secret((&tenant, &name), Some("key-1"), 2, |version| Some(seal(&format!("{text}@{version}"))))
}

#[test]
fn a_value_has_a_version_of_its_own_and_another_tenants_is_not_found() {
    let (_dir, store) = open();
    let (acme, beta, name) = ("acme".parse().unwrap(), "beta".parse().unwrap(), "api-key".parse().unwrap());
    let (first, is_new) = put(&store, "acme", "api-key", "one").unwrap();
    assert!(is_new && first.seal.bytes == format!("one@{}", first.version).into_bytes());
    assert_eq!(first.set_by.as_deref(), Some("key-1"));
    let (second, is_new) = put(&store, "acme", "api-key", "two").unwrap();
    assert!(!is_new && second.version > first.version);
    assert_eq!(store.secret(&acme, &name).unwrap(), Some(second.clone()));
    assert_eq!(store.secret(&beta, &name).unwrap(), None);
    assert!(matches!(store.by(&Actor::Server).remove_secret(&beta, &name), Err(StoreError::NoSecret(_))));
    assert_eq!(store.by(&Actor::Server).remove_secret(&acme, &name).unwrap(), second);
    let (third, is_new) = put(&store, "acme", "api-key", "two").unwrap();
    assert!(is_new && third.version > second.version, "also after it was removed");
    let kinds: Vec<String> = store.events(0, 100).unwrap().into_iter().map(|event| event.kind).collect();
    assert!(kinds.contains(&"secret.set".to_owned()) && kinds.contains(&"secret.remove".to_owned()), "{kinds:?}");
}

#[test]
fn secrets_are_counted_and_go_with_their_tenant() {
    let (_dir, store) = open();
    let acme: TenantName = "acme".parse().unwrap();
    put(&store, "acme", "a", "x").unwrap();
    put(&store, "acme", "b", "x").unwrap();
    let refused = put(&store, "acme", "c", "x").unwrap_err();
    assert!(matches!(refused, StoreError::Count { what: "secrets", max: 2, used: 2 }), "{refused}");
    put(&store, "acme", "b", "y").unwrap();
    store
        .by(&Actor::Server)
        .set_tenant_limits(&acme, &TenantLimits { secrets: Some(1), ..TenantLimits::default() })
        .unwrap();
    assert!(matches!(put(&store, "acme", "c", "x"), Err(StoreError::Count { max: 1, .. })));
    assert_eq!(store.tenant_use(&acme).unwrap().secrets, 2);
    put(&store, "beta", "c", "x").unwrap();
    store.by(&Actor::Server).remove_tenant(&acme, false).unwrap();
    let left: Vec<String> = store.secrets(None).unwrap().iter().map(|secret| secret.tenant.to_string()).collect();
    assert_eq!(left, ["beta"]);
    assert!(matches!(put(&store, "acme", "c", "x"), Err(StoreError::NoTenant(_))));
}

#[test]
fn what_cannot_be_sealed_leaves_nothing_and_other_seals_are_for_the_values_they_were_made_of() {
    let (_dir, store) = open();
    let (acme, name): (TenantName, SecretName) = ("acme".parse().unwrap(), "a".parse().unwrap());
    let events = store.events(0, 100).unwrap().len();
    assert!(matches!(
        store.by(&Actor::Server).put_secret((&acme, &name), None, 9, |_| None),
        Err(StoreError::NotSealed)
    ));
    assert_eq!((store.secrets(None).unwrap().len(), store.events(0, 100).unwrap().len()), (0, events));
    let (first, _) = put(&store, "acme", "a", "one").unwrap();
    let (second, _) = put(&store, "acme", "a", "two").unwrap();
    let other = Seal { key_id: "k2".to_owned(), bytes: b"other".to_vec() };
    store.by(&Actor::Server).reseal_secrets(&[StoredSealed { seal: other.clone(), ..first }]).unwrap();
    assert_eq!(store.secret(&acme, &name).unwrap().unwrap().seal, second.seal, "it was set meanwhile");
    store.by(&Actor::Server).reseal_secrets(&[StoredSealed { seal: other.clone(), ..second.clone() }]).unwrap();
    assert_eq!(store.secret(&acme, &name).unwrap(), Some(StoredSealed { seal: other, ..second }));
    assert!(!format!("{:?}", store.secrets(None).unwrap()).contains("111"), "bytes are not printed");
}
