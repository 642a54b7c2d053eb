//! What comes in by an import: contents before their owners, and then all of it or nothing.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test that cannot go on says so by a panic"
)]

use modelet_spec::{Claims, Digest, Pick, TenantLimits, TenantName, Version};
use modelet_store::{
    Actor, Dedupe, FileEntry, FileRole, Import, ImportedTenant, NewFunctionVersion, NewModelVersion, Serving, Store,
    StoreError,
};

fn tenant(name: &str) -> TenantName {
    name.parse().unwrap()
}

fn version(number: u32) -> Version {
    Version::new(number).unwrap()
}

fn staged(store: &Store, bytes: &[u8], tenants: &[&str]) -> Digest {
    let mut staged = store.stage().unwrap();
    staged.write(bytes).unwrap();
    let (digest, tenants) = (Digest::of(bytes), tenants.iter().map(|name| tenant(name)).collect::<Vec<_>>());
    store.keep_staged(staged, &digest, &tenants).unwrap();
    digest
}

/// A new tenant with a model of two versions and a function.
fn imported(store: &Store, name: &str) -> ImportedTenant {
    let model = |bytes: &[u8]| {
        let digest = staged(store, bytes, &[name]);
        let path = "model.onnx".parse().unwrap();
        NewModelVersion {
            tenant: tenant(name),
            name: "m".parse().unwrap(),
            digest,
            files: vec![FileEntry { path, role: FileRole::Model, digest, bytes: bytes.len() as u64 }],
            card_json: "{}".to_owned(),
            description_json: "{}".to_owned(),
            label: None,
        }
    };
    let component = staged(store, b"component", &[name]);
    let function = NewFunctionVersion {
        tenant: tenant(name),
        name: "f".parse().unwrap(),
        component,
        compiled: store.write_compiled(&component, "engine", b"code").unwrap(),
        manifest_json: "{}".to_owned(),
        models: Vec::new(),
        not_reused: None,
    };
    let live = Serving { tenant: tenant(name), name: "f".parse().unwrap(), live: version(7), traffic_json: None };
    ImportedTenant {
        is_new: true,
        claims: Some(Claims::default()),
        models: vec![(version(3), model(b"three")), (version(5), model(b"five"))],
        labels: vec![("m".parse().unwrap(), "stable".parse().unwrap(), version(3))],
        pins: vec![("m".parse().unwrap(), version(5))],
        functions: vec![(version(7), function)],
        serving: vec![live],
        scales: vec![("f".parse().unwrap(), 2)],
        ..ImportedTenant::none(tenant(name), 1000)
    }
}

fn import(store: &Store, tenants: Vec<ImportedTenant>) -> Result<(), StoreError> {
    store.by(&Actor::Server).import(&Import { tenants, secrets_max: 1, detail: "a test".to_owned() }, &|_, _, _| None)
}

#[test]
fn versions_keep_their_numbers_and_the_next_ones_follow() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(&dir.path().join("data")).unwrap();
    import(&store, vec![imported(&store, "acme")]).unwrap();
    let (owner, name) = (tenant("acme"), "m".parse().unwrap());
    let numbers: Vec<u32> = store.model_versions(&owner, &name).unwrap().iter().map(|v| v.version.get()).collect();
    assert_eq!(numbers, [5, 3]);
    let stable = store.model(&owner, &name, &Pick::Label("stable".parse().unwrap())).unwrap().unwrap();
    assert_eq!(stable.version, version(3));
    let live = store.function(&owner, &"f".parse().unwrap()).unwrap().unwrap();
    assert_eq!((live.version, store.scale(&owner, &live.name).unwrap()), (version(7), Some(2)));
    assert_eq!(store.next_function_version(&owner, &live.name).unwrap(), version(8));
    let exported = store.export(Some(&owner)).unwrap();
    assert_eq!((exported.models.len(), exported.functions.len(), exported.pins.len()), (2, 1, 1));
    let served = store.functions_at(&owner, store.moment(u64::MAX).unwrap()).unwrap();
    assert_eq!(served.len(), 1, "the history knows of it");
}

#[test]
fn what_cannot_be_undoes_everything() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(&dir.path().join("data")).unwrap();
    import(&store, vec![imported(&store, "acme")]).unwrap();
    let taken = ImportedTenant { is_new: false, claims: None, ..imported(&store, "acme") };
    assert!(matches!(import(&store, vec![imported(&store, "beta"), taken]), Err(StoreError::Taken(_))));
    let absent = Digest::of(b"absent");
    let mut lacking = imported(&store, "beta");
    lacking.functions[0].1.component = absent;
    assert!(matches!(import(&store, vec![lacking]), Err(StoreError::NoBlob(digest)) if digest == absent));
    let large = ImportedTenant { quota_bytes: 8, ..imported(&store, "beta") };
    assert!(matches!(import(&store, vec![large]), Err(StoreError::Quota { wanted_bytes: 9, .. })));
    assert!(matches!(import(&store, vec![imported(&store, "acme")]), Err(StoreError::TenantExists(_))));
    assert_eq!(store.tenants().unwrap().len(), 2, "no part of it is there");
    import(&store, vec![imported(&store, "beta")]).unwrap();
}

#[test]
fn functions_are_counted_with_those_that_come_and_claims_may_change_hands() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(&dir.path().join("data")).unwrap();
    let several = |name: &str, max: u32| {
        let mut several = imported(&store, name);
        let mut other = several.functions[0].clone();
        other.1.name = "g".parse().unwrap();
        several.functions.push(other);
        several.serving.push(Serving { name: "g".parse().unwrap(), ..several.serving[0].clone() });
        several.limits = Some(TenantLimits { functions: Some(max), ..TenantLimits::default() });
        several
    };
    let refused = import(&store, vec![several("acme", 1)]).unwrap_err();
    assert!(matches!(refused, StoreError::Count { what: "functions", max: 1, used: 0 }), "{refused}");
    import(&store, vec![several("acme", 2)]).unwrap();
    let claims = |path: &str| Claims { paths: [path.parse().unwrap()].into(), ..Claims::default() };
    let gets = |name: &str, path: &str| ImportedTenant {
        claims: Some(claims(path)),
        is_new: !store.has_tenant(&tenant(name)).unwrap(),
        ..ImportedTenant::none(tenant(name), 1000)
    };
    import(&store, vec![gets("acme", "/one")]).unwrap();
    import(&store, vec![gets("beta", "/one"), gets("acme", "/two")]).unwrap();
    import(&store, vec![gets("acme", "/one"), gets("beta", "/two")]).unwrap();
    let has = |name: &str| store.tenants().unwrap().into_iter().find(|t| t.name == tenant(name)).unwrap().claims;
    assert_eq!((has("acme"), has("beta")), (claims("/one"), claims("/two")));
}

#[test]
fn a_content_with_another_digest_leaves_nothing_and_tenants_that_share_nothing_have_their_own() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(&dir.path().join("data")).unwrap().with_dedupe(Dedupe::Tenant);
    let mut other = store.stage().unwrap();
    other.write(b"other").unwrap();
    let expected = Digest::of(b"expected");
    let refused = store.keep_staged(other, &expected, &[tenant("acme")]).unwrap_err();
    assert!(matches!(refused, StoreError::OtherDigest { .. }), "{refused}");
    assert_eq!(std::fs::read_dir(store.data_dir().join("tmp")).unwrap().count(), 0);
    let digest = staged(&store, b"both", &["acme", "beta"]);
    let places = ["acme", "beta"].map(|name| store.blob_path(&tenant(name), &digest));
    assert_ne!(places[0], places[1]);
    for (name, place) in ["acme", "beta"].iter().zip(&places) {
        assert!(place.to_string_lossy().contains(name), "{}", place.display());
        assert_eq!(store.blob(&tenant(name), &digest).unwrap(), b"both");
        store.refresh(&tenant(name), &digest).unwrap();
    }
}

#[test]
fn what_is_reserved_counts_until_it_is_given_back() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(&dir.path().join("data")).unwrap();
    let owner = tenant("default");
    let reserved = store.reserve(&owner, 60, 100).unwrap();
    let refused = store.reserve(&owner, 41, 100).unwrap_err();
    assert!(matches!(refused, StoreError::Quota { wanted_bytes: 101, .. }), "{refused}");
    assert!(matches!(store.put_blob(&owner, &[1; 41], 100), Err(StoreError::Quota { .. })));
    drop(reserved);
    store.reserve(&owner, 100, 100).unwrap();
}
