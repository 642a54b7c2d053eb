//! Grants: who may name whose model, and that they go with what they are for.

#![allow(clippy::panic, clippy::unwrap_used, reason = "what fails here is a failed test")]

use modelet_spec::{Claims, ModelName, Pick, TenantName};
use modelet_store::{
    Actor, FileEntry, FileRole, NewFunctionVersion, NewModelBinding, NewModelVersion, Store, StoreError,
};
use tempfile::{TempDir, tempdir};

fn tenant(name: &str) -> TenantName {
    name.parse().unwrap()
}

fn model() -> ModelName {
    "m".parse().unwrap()
}

fn store() -> (Store, TempDir) {
    let dir = tempdir().unwrap();
    let store = Store::open(&dir.path().join("data")).unwrap();
    for name in ["acme", "beta"] {
        store.by(&Actor::Server).create_tenant(&tenant(name), &Claims::default()).unwrap();
    }
    push(&store, b"one");
    (store, dir)
}

fn push(store: &Store, content: &[u8]) {
    let digest = store.put_blob(&tenant("acme"), content, u64::MAX).unwrap();
    let path = "model.onnx".parse().unwrap();
    let new = NewModelVersion {
        tenant: tenant("acme"),
        name: model(),
        digest,
        files: vec![FileEntry { path, role: FileRole::Model, digest, bytes: content.len() as u64 }],
        card_json: "{}".to_owned(),
        description_json: "{}".to_owned(),
        label: Some("stable".parse().unwrap()),
    };
    store.by(&Actor::Server).put_model(&new).unwrap();
}

/// A function of `beta` that is bound to acme's model.
fn bind(store: &Store) -> Result<(), StoreError> {
    let version = store.model(&tenant("acme"), &model(), &Pick::Latest)?.unwrap();
    let component = store.put_blob(&tenant("beta"), b"component", u64::MAX)?;
    let binding = NewModelBinding {
        alias: "m".to_owned(),
        owner: tenant("acme"),
        name: model(),
        version: version.version,
        digest: version.digest,
    };
    let new = NewFunctionVersion {
        tenant: tenant("beta"),
        name: "f".parse().unwrap(),
        component,
        compiled: store.write_compiled(&component, "engine", b"code")?,
        manifest_json: "{}".to_owned(),
        models: vec![binding],
        not_reused: None,
    };
    store.by(&Actor::Server).put_function(&new).map(drop)
}

fn usable(store: &Store, pick: &str) -> bool {
    store.usable_model(&tenant("beta"), &tenant("acme"), &model(), &pick.parse().unwrap()).unwrap().is_some()
}

#[test]
fn a_model_can_be_named_and_bound_as_long_as_it_is_granted() {
    let (store, _dir) = store();
    assert!(!usable(&store, "latest"));
    assert!(matches!(bind(&store), Err(StoreError::NoModel { .. })));
    let granted = store.by(&Actor::Server).grant_model(&tenant("acme"), &model(), &tenant("beta"), false).unwrap();
    assert!(!granted.share_batch);
    assert!(usable(&store, "latest") && usable(&store, "1") && usable(&store, "stable") && !usable(&store, "2"));
    bind(&store).unwrap();
    let again = store.by(&Actor::Server).grant_model(&tenant("acme"), &model(), &tenant("beta"), true).unwrap();
    assert_eq!((again.share_batch, again.granted_ms), (true, granted.granted_ms));
    assert_eq!(store.grants().unwrap(), [again]);
    let listed = store.granted_models(&tenant("beta")).unwrap();
    assert_eq!(
        listed.iter().map(|(grant, version)| (&grant.to, version.version.get())).collect::<Vec<_>>(),
        [(&tenant("beta"), 1)]
    );
    assert!(store.granted_models(&tenant("acme")).unwrap().is_empty());
    store.by(&Actor::Server).revoke_model(&tenant("acme"), &model(), &tenant("beta")).unwrap();
    assert!(!usable(&store, "latest"));
    assert!(matches!(bind(&store), Err(StoreError::NoModel { .. })));
    let twice = store.by(&Actor::Server).revoke_model(&tenant("acme"), &model(), &tenant("beta"));
    assert!(matches!(twice, Err(StoreError::NoGrant(_))));
}

#[test]
fn what_is_not_there_is_not_granted_and_asked_for_in_as_many_steps() {
    let (store, _dir) = store();
    let missing =
        store.by(&Actor::Server).grant_model(&tenant("acme"), &"other".parse().unwrap(), &tenant("beta"), false);
    assert!(matches!(missing, Err(StoreError::ModelMissing(_))));
    let not_own = store.by(&Actor::Server).grant_model(&tenant("beta"), &model(), &tenant("default"), false);
    assert!(matches!(not_own, Err(StoreError::ModelMissing(_))));
    let accesses = |owner: &str, name: &str| {
        let before = store.accesses();
        assert!(
            store
                .usable_model(&tenant("beta"), &tenant(owner), &name.parse().unwrap(), &Pick::Latest)
                .unwrap()
                .is_none()
        );
        store.accesses() - before
    };
    assert_eq!([accesses("acme", "m"), accesses("acme", "other"), accesses("ghost", "m")], [1; 3]);
}

#[test]
fn a_grant_goes_with_the_last_version_with_its_owner_and_with_its_grantee() {
    let (store, _dir) = store();
    let grant = |store: &Store| {
        store.by(&Actor::Server).grant_model(&tenant("acme"), &model(), &tenant("beta"), false).map(drop)
    };
    grant(&store).unwrap();
    bind(&store).unwrap();
    push(&store, b"two");
    // What others use by a grant hinders nobody, and is not told.
    let removed =
        store.by(&Actor::Server).remove_model(&tenant("acme"), &model(), Some(&"1".parse().unwrap()), false).unwrap();
    assert!(removed.functions.is_empty());
    assert!(usable(&store, "latest"), "there is a version left");
    store.by(&Actor::Server).remove_model(&tenant("acme"), &model(), None, false).unwrap();
    assert!(store.grants().unwrap().is_empty());
    push(&store, b"three");
    assert!(!usable(&store, "latest"), "another model of that name is not granted");
    grant(&store).unwrap();
    store.by(&Actor::Server).remove_tenant(&tenant("beta"), true).unwrap();
    assert!(store.grants().unwrap().is_empty());
    store.by(&Actor::Server).grant_model(&tenant("acme"), &model(), &tenant("later"), false).unwrap();
    store.by(&Actor::Server).remove_tenant(&tenant("acme"), true).unwrap();
    assert!(store.grants().unwrap().is_empty());
}
