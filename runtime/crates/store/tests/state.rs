//! Desired state: versions, labels, what is live, compiled code, keys, events.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "what fails here is a failed test")]

use modelet_spec::{Claims, Digest, ModelName, Pick, TenantName, Version};
use modelet_store::{
    Actor, CompiledRecord, FileEntry, FileRole, FunctionVersion, ModelVersion, NewFunctionVersion, NewModelBinding,
    NewModelVersion, Store, StoreError,
};
use std::fs;
use tempfile::{TempDir, tempdir};

const ENGINE: &str = "wasmtime-48.0.8/abc def";

struct Host {
    store: Store,
    _dir: TempDir,
}

fn host() -> Host {
    let dir = tempdir().expect("a folder");
    Host { store: Store::open(&dir.path().join("data")).expect("a store"), _dir: dir }
}

fn tenant(name: &str) -> TenantName {
    name.parse().expect("a name")
}

fn pushed(store: &Store, owner: &str, name: &str, content: &[u8], label: Option<&str>) -> ModelVersion {
    let digest = store.put_blob(&tenant(owner), content, u64::MAX).expect("a content");
    let path = "model.onnx".parse().expect("a path");
    let new = NewModelVersion {
        tenant: tenant(owner),
        name: name.parse().expect("a name"),
        digest,
        files: vec![FileEntry { path, role: FileRole::Model, digest, bytes: content.len() as u64 }],
        card_json: "{}".to_owned(),
        description_json: r#"{"inputs":[]}"#.to_owned(),
        label: label.map(|label| label.parse().expect("a label")),
    };
    store.by(&Actor::Server).put_model(&new).expect("a push")
}

fn deploy(store: &Store, owner: &str, name: &str, models: &[(&str, &ModelVersion)]) -> NewFunctionVersion {
    let component = format!("component of {name}");
    let component = match store.put_blob(&tenant(owner), component.as_bytes(), u64::MAX) {
        Err(StoreError::NoTenant(_)) => Digest::of(component.as_bytes()),
        sent => sent.expect("a content"),
    };
    let binding = |(alias, model): &(&str, &ModelVersion)| NewModelBinding {
        alias: (*alias).to_owned(),
        owner: model.tenant.clone(),
        name: model.name.clone(),
        version: model.version,
        digest: model.digest,
    };
    NewFunctionVersion {
        tenant: tenant(owner),
        name: name.parse().expect("a name"),
        component,
        compiled: store.write_compiled(&component, ENGINE, b"code").expect("code"),
        manifest_json: "{}".to_owned(),
        models: models.iter().map(binding).collect(),
        not_reused: None,
    }
}

fn digest(compiled: Option<CompiledRecord>) -> Option<Digest> {
    compiled.map(|compiled| compiled.digest)
}

fn pick(store: &Store, name: &ModelName, pick: &str) -> Option<u32> {
    let pick: Pick = pick.parse().expect("a pick");
    let found = store.model(&TenantName::default_tenant(), name, &pick).expect("an answer");
    found.map(|model| model.version.get())
}

#[test]
fn pushes_are_numbered_and_the_same_bytes_make_no_new_version() {
    let Host { store, _dir } = &host();
    let first = pushed(store, "default", "m", b"one", None);
    assert_eq!((first.version, first.created, first.bytes), (Version::FIRST, true, 3));
    let again = pushed(store, "default", "m", b"one", None);
    assert_eq!((again.version, again.created), (Version::FIRST, false));
    let second = pushed(store, "default", "m", b"two", None);
    let third = pushed(store, "default", "m", b"one", None);
    assert_eq!((second.version.get(), third.version.get()), (2, 3));
    let versions = store.model_versions(&tenant("default"), &first.name).unwrap();
    assert_eq!(versions.iter().map(|model| model.version.get()).collect::<Vec<_>>(), [3, 2, 1]);
    assert_eq!(first.revision, again.revision);
    assert_eq!(versions[2], ModelVersion { created: false, revision: third.revision, ..first });
}

#[test]
fn a_version_is_picked_by_number_by_label_and_as_the_newest() {
    let Host { store, _dir } = &host();
    let first = pushed(store, "default", "m", b"one", Some("stable"));
    pushed(store, "default", "m", b"two", None);
    let picks = ["latest", "1", "2", "3", "stable", "other"].map(|text| pick(store, &first.name, text));
    assert_eq!(picks, [Some(2), Some(1), Some(2), None, Some(1), None]);
    let moved = pushed(store, "default", "m", b"two", Some("stable"));
    assert_eq!((moved.created, moved.labels.len()), (false, 1));
    assert_eq!(pick(store, &first.name, "stable"), Some(2));
    let versions = store.model_versions(&tenant("default"), &first.name).unwrap();
    assert!(versions[1].labels.is_empty());
}

#[test]
fn tenants_do_not_see_each_others_models_and_functions() {
    let Host { store, _dir } = &host();
    store.by(&Actor::Server).create_tenant(&tenant("acme"), &Claims::default()).unwrap();
    assert!(matches!(
        store.by(&Actor::Server).create_tenant(&tenant("acme"), &Claims::default()),
        Err(StoreError::TenantExists(_))
    ));
    let names = store.tenants().unwrap().into_iter().map(|tenant| tenant.name);
    assert_eq!(names.collect::<Vec<_>>(), [tenant("acme"), tenant("default")]);
    let theirs = pushed(store, "acme", "m", b"one", None);
    assert_eq!(pick(store, &theirs.name, "latest"), None);
    assert!(store.models(Some(&tenant("default"))).unwrap().is_empty());
    assert_eq!(store.models(None).unwrap().len(), 1);
    let refused = store.by(&Actor::Server).put_function(&deploy(store, "default", "f", &[("m", &theirs)]));
    assert!(matches!(refused, Err(StoreError::NoModel { .. })));
    let accepted = store.by(&Actor::Server).put_function(&deploy(store, "acme", "f", &[("m", &theirs)])).unwrap();
    assert_eq!(accepted.models[0].owner, tenant("acme"));
    assert!(store.functions(Some(&tenant("default"))).unwrap().is_empty());
}

#[test]
fn what_belongs_to_nobody_or_is_not_there_is_refused_and_changes_nothing() {
    let Host { store, _dir } = &host();
    let before = store.events(0, 100).unwrap();
    let digest = store.put_blob(&tenant("default"), b"x", u64::MAX).unwrap();
    let path = "model.onnx".parse().unwrap();
    let mut new = NewModelVersion {
        tenant: tenant("ghost"),
        name: "m".parse().unwrap(),
        digest,
        files: vec![FileEntry { path, role: FileRole::Model, digest, bytes: 1 }],
        card_json: "{}".to_owned(),
        description_json: String::new(),
        label: None,
    };
    assert!(matches!(store.by(&Actor::Server).put_model(&new), Err(StoreError::NoTenant(_))));
    new.tenant = tenant("default");
    new.files[0].digest = Digest::of(b"absent");
    assert!(matches!(store.by(&Actor::Server).put_model(&new), Err(StoreError::NoBlob(_))));
    let mut function = deploy(store, "ghost", "f", &[]);
    assert!(matches!(store.by(&Actor::Server).put_function(&function), Err(StoreError::NoTenant(_))));
    function.tenant = tenant("default");
    function.component = Digest::of(b"absent");
    assert!(matches!(store.by(&Actor::Server).put_function(&function), Err(StoreError::NoBlob(_))));
    assert_eq!(store.events(0, 100).unwrap(), before);
    assert!(store.functions(None).unwrap().is_empty() && store.models(None).unwrap().is_empty());
}

#[test]
fn a_deploy_makes_a_new_version_live_and_keeps_the_old_one() {
    let Host { store, _dir } = &host();
    let model = pushed(store, "default", "m", b"one", None);
    let first =
        store.by(&Actor::Server).put_function(&deploy(store, "default", "f", &[("b", &model), ("a", &model)])).unwrap();
    assert!(first.is_live);
    assert_eq!(first.models.iter().map(|bound| bound.alias.as_str()).collect::<Vec<_>>(), ["a", "b"]);
    let second = store.by(&Actor::Server).put_function(&deploy(store, "default", "f", &[])).unwrap();
    assert_eq!((first.version.get(), second.version.get()), (1, 2));
    assert_eq!(store.functions(None).unwrap(), std::slice::from_ref(&second));
    assert_eq!(store.function(&second.tenant, &second.name).unwrap(), Some(second.clone()));
    let versions = store.function_versions(&second.tenant, &second.name).unwrap();
    let revision = second.revision.clone();
    assert_ne!(first.revision, revision, "it is the function's, whatever the version");
    assert_eq!(versions, [second, FunctionVersion { is_live: false, revision, ..first }]);
}

#[test]
fn a_failed_deploy_leaves_the_live_version_as_it_was() {
    let Host { store, _dir } = &host();
    let model = pushed(store, "default", "m", b"one", None);
    let live = store.by(&Actor::Server).put_function(&deploy(store, "default", "f", &[("m", &model)])).unwrap();
    let events = store.events(0, 100).unwrap();
    let wrong = ModelVersion { digest: Digest::of(b"other"), ..model };
    let refused = store.by(&Actor::Server).put_function(&deploy(store, "default", "f", &[("m", &wrong)]));
    assert!(matches!(refused, Err(StoreError::NoModel { .. })));
    assert_eq!(store.function_versions(&live.tenant, &live.name).unwrap(), [live]);
    assert_eq!(store.events(0, 100).unwrap(), events);
}

#[test]
fn compiled_code_counts_only_if_it_is_what_was_recorded() {
    let Host { store, _dir } = &host();
    let new = deploy(store, "default", "f", &[]);
    let component = new.component;
    assert_eq!(store.compiled(&component, ENGINE).unwrap(), None);
    let version = store.by(&Actor::Server).put_function(&new).unwrap();
    assert_eq!(digest(store.compiled(&component, ENGINE).unwrap()), Some(Digest::of(b"code")));
    assert_eq!(store.compiled(&component, "another engine").unwrap(), None);

    let folder = store.data_dir().join("compiled");
    let file = fs::read_dir(&folder).unwrap().next().unwrap().unwrap().path();
    fs::write(&file, b"evil").unwrap();
    assert_eq!(store.compiled(&component, ENGINE).unwrap(), None);
    fs::remove_file(&file).unwrap();
    assert_eq!(store.compiled(&component, ENGINE).unwrap(), None);

    let record = store.write_compiled(&component, "newer", b"newer code").unwrap();
    assert_eq!(record, CompiledRecord { digest: Digest::of(b"newer code"), engine: "newer".to_owned(), image: None });
    store.by(&Actor::Server).set_compiled(&version.tenant, &version.name, version.version, &record).unwrap();
    assert_eq!(digest(store.compiled(&component, "newer").unwrap()), Some(Digest::of(b"newer code")));
    assert_eq!(store.function(&version.tenant, &version.name).unwrap().unwrap().compiled, record);
}

#[test]
fn every_change_is_an_event_and_listings_are_none() {
    let Host { store, _dir } = &host();
    store.by(&Actor::Server).create_tenant(&tenant("acme"), &Claims::default()).unwrap();
    let model = pushed(store, "acme", "m", b"one", Some("stable"));
    pushed(store, "acme", "m", b"one", Some("stable"));
    let function = store.by(&Actor::Server).put_function(&deploy(store, "acme", "f", &[("m", &model)])).unwrap();
    store
        .by(&Actor::Server)
        .set_compiled(&function.tenant, &function.name, function.version, &function.compiled)
        .unwrap();
    let events = store.events(0, 100).unwrap();
    let told: Vec<_> = events.iter().map(|event| (event.kind.as_str(), event.subject.as_str())).collect();
    let expected = [
        ("tenant.create", "acme"),
        ("model.push", "m@1"),
        ("model.label", "m@1"),
        ("function.deploy", "f@1"),
        ("function.compile", "f@1"),
    ];
    assert_eq!(told, expected);
    assert!(events.iter().all(|event| event.at_ms > 0 && event.tenant == "acme"));
    assert_eq!(store.events(events[1].id, 1).unwrap(), [events[2].clone()]);
}

#[test]
fn all_of_it_is_there_after_a_restart() {
    let dir = tempdir().unwrap();
    let data = dir.path().join("data");
    let store = Store::open(&data).unwrap();
    let model = pushed(&store, "default", "m", b"one", Some("stable"));
    store.by(&Actor::Server).put_function(&deploy(&store, "default", "f", &[("m", &model)])).unwrap();
    let before = (store.models(None).unwrap(), store.functions(None).unwrap(), store.events(0, 100).unwrap());
    drop(store);
    let store = Store::open(&data).unwrap();
    let after = (store.models(None).unwrap(), store.functions(None).unwrap(), store.events(0, 100).unwrap());
    assert_eq!(before, after);
}

#[test]
fn threads_that_push_at_once_get_numbers_of_their_own() {
    let Host { store, _dir } = &host();
    let mut numbers: Vec<u32> = std::thread::scope(|scope| {
        let push = |thread: u8| scope.spawn(move || pushed(store, "default", "m", &[thread], None).version.get());
        let threads: Vec<_> = (0..8).map(push).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    numbers.sort_unstable();
    assert_eq!(numbers, (1..=8).collect::<Vec<_>>());
}

#[test]
fn many_deploys_in_one_transaction_are_kept_all_or_none() {
    let Host { store, _dir } = &host();
    let first = store.by(&Actor::Server).put_function(&deploy(store, "default", "f", &[])).unwrap();
    let again = |name: &str| NewFunctionVersion { name: name.parse().unwrap(), ..first.clone().into() };
    let many: Vec<_> = ["a", "b", "f", "a"].map(again).into();
    let kept = store.by(&Actor::Server).put_functions(&many).unwrap();
    let numbers: Vec<_> = kept.iter().map(|kept| (kept.name.as_str(), kept.version.get(), kept.is_live)).collect();
    assert_eq!(numbers, [("a", 1, true), ("b", 1, true), ("f", 2, true), ("a", 2, true)]);
    assert_eq!(kept[1].component, first.component);
    let live = || store.functions(None).unwrap().into_iter().map(|f| (f.name.to_string(), f.version.get()));
    assert_eq!(live().collect::<Vec<_>>(), [("a".into(), 2), ("b".into(), 1), ("f".into(), 2)]);

    let stray = NewFunctionVersion { component: Digest::of(b"never sent"), ..again("c") };
    let refused = store.by(&Actor::Server).put_functions(&[again("c"), stray]);
    assert!(matches!(refused, Err(StoreError::NoBlob(_))), "{refused:?}");
    assert_eq!(live().count(), 3, "the first of the two has gone with the second");
}
