//! Tenants: what they may claim and have, and that all of it goes with them.

#![allow(clippy::panic, clippy::unwrap_used, reason = "what fails here is a failed test")]

use modelet_spec::{Claims, Digest, Pick, TenantLimits, TenantName};
use modelet_store::{
    Actor, Bucket, FileEntry, FileRole, KeyValueLimits, NewFunctionVersion, NewModelVersion, Store, StoreError,
    TenantUse,
};
use std::time::Duration;
use tempfile::{TempDir, tempdir};

fn store() -> (Store, TempDir) {
    let dir = tempdir().unwrap();
    (Store::open(&dir.path().join("data")).unwrap(), dir)
}

fn acme() -> TenantName {
    "acme".parse().unwrap()
}

fn claims(host: &str, path: &str) -> Claims {
    Claims { hosts: [host.parse().unwrap()].into(), paths: [path.parse().unwrap()].into() }
}

fn push(store: &Store, name: &str) -> Result<(), StoreError> {
    let digest = store.put_blob(&acme(), name.as_bytes(), u64::MAX)?;
    let path = "model.onnx".parse().unwrap();
    let files = vec![FileEntry { path, role: FileRole::Model, digest, bytes: name.len() as u64 }];
    let (card_json, description_json) = ("{}".to_owned(), "{}".to_owned());
    let name = name.parse().unwrap();
    let new = NewModelVersion { tenant: acme(), name, digest, files, card_json, description_json, label: None };
    store.by(&Actor::Server).put_model(&new).map(drop)
}

fn deploy(store: &Store, name: &str) -> Result<Digest, StoreError> {
    let component = store.put_blob(&acme(), format!("component of {name}").as_bytes(), u64::MAX)?;
    let compiled = store.write_compiled(&component, "engine", b"code")?;
    let new = NewFunctionVersion {
        tenant: acme(),
        name: name.parse().unwrap(),
        component,
        compiled,
        manifest_json: "{}".to_owned(),
        models: Vec::new(),
        not_reused: None,
    };
    store.by(&Actor::Server).put_function(&new)?;
    Ok(component)
}

#[test]
fn a_tenant_has_its_claims_and_limits_after_a_restart() {
    let dir = tempdir().unwrap();
    let data = dir.path().join("data");
    let store = Store::open(&data).unwrap();
    let limits = TenantLimits { concurrency: Some(3), ..TenantLimits::default() };
    store.by(&Actor::Server).create_tenant(&acme(), &claims("acme.example", "/acme")).unwrap();
    store.by(&Actor::Server).set_tenant_limits(&acme(), &limits).unwrap();
    let refused = store.by(&Actor::Server).set_tenant_limits(&"ghost".parse().unwrap(), &limits);
    assert!(matches!(refused, Err(StoreError::NoTenant(_))));
    drop(store);
    let tenants = Store::open(&data).unwrap().tenants().unwrap();
    assert_eq!(tenants.iter().map(|tenant| tenant.name.as_str()).collect::<Vec<_>>(), ["acme", "default"]);
    assert_eq!((&tenants[0].claims, &tenants[0].limits), (&claims("acme.example", "/acme"), &limits));
    assert!(tenants[1].claims.is_empty() && tenants[1].limits == TenantLimits::default());
}

#[test]
fn a_tenant_that_is_made_with_limits_is_never_there_without_them() {
    let (store, _dir) = store();
    let limits = TenantLimits { concurrency: Some(3), ..TenantLimits::default() };
    let by = store.by(&Actor::Server);
    by.create_limited_tenant(&acme(), &claims("acme.example", "/acme"), &limits).unwrap();
    assert_eq!(store.tenants().unwrap()[0].limits, limits);
    let beta: TenantName = "beta".parse().unwrap();
    by.create_limited_tenant(&beta, &claims("acme.example", "/b"), &limits).unwrap_err();
    assert!(!store.had_tenant(&beta).unwrap(), "its name is free, too");
}

#[test]
fn a_claim_has_one_owner_whatever_the_caller_forgot_to_compare() {
    let (store, _dir) = store();
    store.by(&Actor::Server).create_tenant(&acme(), &claims("acme.example", "/acme")).unwrap();
    let beta: TenantName = "beta".parse().unwrap();
    for taken in [claims("acme.example", "/b"), claims("b.example", "/acme")] {
        assert!(matches!(store.by(&Actor::Server).create_tenant(&beta, &taken), Err(StoreError::Database(_))));
        assert!(!store.has_tenant(&beta).unwrap(), "nothing is left of it");
    }
    store.by(&Actor::Server).create_tenant(&beta, &claims("b.example", "/b")).unwrap();
}

#[test]
fn functions_and_models_are_counted_where_one_more_comes_in() {
    let (store, _dir) = store();
    store.by(&Actor::Server).create_tenant(&acme(), &Claims::default()).unwrap();
    let limits = TenantLimits { functions: Some(1), models: Some(2), ..TenantLimits::default() };
    store.by(&Actor::Server).set_tenant_limits(&acme(), &limits).unwrap();
    deploy(&store, "f").unwrap();
    deploy(&store, "f").unwrap();
    let refused = deploy(&store, "g").unwrap_err();
    assert!(matches!(refused, StoreError::Count { what: "functions", max: 1, used: 1 }), "{refused}");
    push(&store, "m").unwrap();
    push(&store, "n").unwrap();
    push(&store, "m").unwrap();
    let refused = push(&store, "o").unwrap_err();
    assert!(matches!(refused, StoreError::Count { what: "models", max: 2, used: 2 }), "{refused}");
    store.by(&Actor::Server).remove_model(&acme(), &"n".parse().unwrap(), None, false).unwrap();
    push(&store, "o").unwrap();
    let used = store.tenant_use(&acme()).unwrap();
    // "o" was sent twice, and is counted once.
    assert_eq!((used.functions, used.models, used.model_bytes), (1, 2, "component of g".len() as u64 + 2));
}

#[test]
fn all_that_a_tenant_had_goes_with_it_and_its_name_is_never_anothers() {
    let (store, _dir) = store();
    store.by(&Actor::Server).create_tenant(&acme(), &claims("acme.example", "/acme")).unwrap();
    let component = deploy(&store, "f").unwrap();
    push(&store, "m").unwrap();
    let bucket = Bucket { tenant: acme(), name: "b".to_owned() };
    let limits = KeyValueLimits { keys: 9, bytes: 99 };
    store.pairs_set(&bucket, &[("k".to_owned(), b"v".to_vec())], limits).unwrap();

    let Err(StoreError::TenantInUse { functions, models, .. }) = store.by(&Actor::Server).remove_tenant(&acme(), false)
    else {
        panic!("it has something");
    };
    assert_eq!((functions[0].as_str(), models[0].as_str()), ("f", "m"));
    let removed = store.by(&Actor::Server).remove_tenant(&acme(), true).unwrap();
    assert_eq!((removed.functions.len(), removed.models.len()), (1, 1));
    assert!(store.functions(None).unwrap().is_empty() && store.models(None).unwrap().is_empty());
    assert!(store.model(&acme(), &"m".parse().unwrap(), &Pick::Latest).unwrap().is_none());
    assert!(matches!(store.tenant_use(&acme()), Err(StoreError::NoTenant(_))));
    assert!(matches!(deploy(&store, "f"), Err(StoreError::NoTenant(_))));
    // However far the history goes back: nobody can go back to a tenant that is gone.
    store.collect(Duration::ZERO, Duration::from_secs(3600)).unwrap();
    assert_eq!(store.blob_bytes(&acme(), &component), None, "its components leave the disk");
    assert!(!store.pairs_has(&bucket, "k").unwrap(), "what its functions kept as well");
    assert!(store.pairs_use().unwrap().is_empty());
    assert!(store.verify().unwrap().faults.is_empty(), "and nothing that is gone is missed");

    assert!(matches!(
        store.by(&Actor::Server).create_tenant(&acme(), &Claims::default()),
        Err(StoreError::TenantRemoved(_))
    ));
    let beta: TenantName = "beta".parse().unwrap();
    store.by(&Actor::Server).create_tenant(&beta, &claims("acme.example", "/acme")).unwrap();
    assert_eq!(store.tenant_use(&beta).unwrap(), TenantUse::default());
    let last: Vec<_> = store.events(0, 100).unwrap().into_iter().map(|event| event.kind).collect();
    assert!(last.contains(&"tenant.remove".to_owned()) && last.contains(&"model.remove".to_owned()));
}

#[test]
fn the_default_tenant_stays() {
    let (store, _dir) = store();
    assert!(matches!(
        store.by(&Actor::Server).remove_tenant(&TenantName::default_tenant(), true),
        Err(StoreError::DefaultTenant)
    ));
}
