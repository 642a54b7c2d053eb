//! What goes, and what stays although somebody wants it gone.

use super::*;
use std::time::Duration;

#[test]
fn what_a_live_function_uses_is_removed_only_by_force_and_never_bound_again() {
    let Host { store, dir: _dir } = &host();
    let (owner, name) = (tenant("default"), model("m"));
    let first = push(store, "default", "m", b"1");
    let second = push(store, "default", "m", b"2");
    bind(store, "default", "f", &first).unwrap();
    bind(store, "default", "g", &first).unwrap();
    let before = store.events(0, 100).unwrap();
    for all in [Some(pick("1")), None] {
        let refused = store.by(&Actor::Server).remove_model(&owner, &name, all.as_ref(), false).unwrap_err();
        assert!(refused.to_string().starts_with("the functions f, g use m"), "{refused}");
    }
    assert_eq!(store.events(0, 100).unwrap(), before);
    let removed = store.by(&Actor::Server).remove_model(&owner, &name, Some(&pick("2")), false).unwrap();
    assert_eq!(
        (removed.versions.as_slice(), removed.functions.len()),
        (&[ModelVersion { created: false, ..second }][..], 0)
    );
    assert!(store.removed_in_use().unwrap().is_empty());
    let removed = store.by(&Actor::Server).remove_model(&owner, &name, Some(&pick("1")), true).unwrap();
    assert_eq!(removed.functions.len(), 2);
    assert_eq!(store.removed_in_use().unwrap(), [(owner.clone(), name.clone(), first.version)]);
    assert!(matches!(bind(store, "default", "h", &first), Err(StoreError::NoModel { .. })));
    assert!(matches!(
        store.by(&Actor::Server).remove_model(&owner, &name, None, true),
        Err(StoreError::ModelMissing(_))
    ));
}

#[test]
fn a_removed_version_is_in_no_listing_and_its_number_is_not_used_again() {
    let Host { store, dir: _dir } = &host();
    let (owner, name) = (tenant("default"), model("m"));
    push(store, "default", "m", b"1");
    push(store, "default", "m", b"2");
    store.by(&Actor::Server).label_model(&owner, &name, &pick("2"), &"stable".parse().unwrap()).unwrap();
    store.by(&Actor::Server).remove_model(&owner, &name, Some(&pick("stable")), false).unwrap();
    assert_eq!(store.models(None).unwrap()[0].version.get(), 1);
    assert_eq!(store.model_versions(&owner, &name).unwrap().len(), 1);
    for gone in ["2", "stable"] {
        assert_eq!(store.model(&owner, &name, &pick(gone)).unwrap(), None);
    }
    assert!(!push(store, "default", "m", b"1").created, "the newest that is left");
    assert_eq!(push(store, "default", "m", b"2").version.get(), 3);
    store.by(&Actor::Server).remove_model(&owner, &name, None, false).unwrap();
    assert!(store.models(None).unwrap().is_empty());
    assert_eq!(push(store, "default", "m", b"3").version.get(), 4);
    let kinds: Vec<String> = store.events(0, 100).unwrap().into_iter().map(|event| event.kind).collect();
    let removal = ["model.unlabel", "model.remove", "model.push", "model.remove", "model.remove", "model.push"];
    assert_eq!(kinds[3..], removal);
}

#[test]
fn what_nothing_names_leaves_the_disk_after_the_grace_period() {
    let Host { store, dir: _dir } = &host();
    store.by(&Actor::Server).create_tenant(&tenant("acme"), &Claims::default()).unwrap();
    push(store, "default", "m", b"shared");
    push(store, "acme", "m", b"shared");
    let files = vec![
        sent(store, "default", "net.onnx", FileRole::Model, b"net"),
        sent(store, "default", "w.bin", FileRole::Data, b"weights"),
    ];
    let folder = store.by(&Actor::Server).put_model(&new("default", "folder", files)).unwrap();
    let laid = store.model_folder(&folder.tenant, &folder.digest, &folder.files).unwrap();
    let stray = store.put_blob(&tenant("default"), b"stray", u64::MAX).unwrap();
    assert_eq!(store.used_bytes(&tenant("default")).unwrap(), 6 + 10 + 5);

    store.by(&Actor::Server).remove_model(&tenant("default"), &model("m"), None, false).unwrap();
    store.by(&Actor::Server).remove_model(&tenant("default"), &model("folder"), None, false).unwrap();
    assert_eq!(store.used_bytes(&tenant("default")).unwrap(), 5, "what is removed counts no longer");
    assert_eq!(store.collect(Duration::from_secs(3600), Duration::ZERO).unwrap().files, 0, "all of it is too young");
    assert!(store.holds(&tenant("default"), &stray).unwrap());

    let collected = store.collect(Duration::ZERO, Duration::ZERO).unwrap();
    assert_eq!((collected.files, collected.bytes), (3, 3 + 7 + 5));
    assert!(!laid.exists());
    assert_eq!(store.blob(&tenant("acme"), &digest(b"shared")).unwrap(), b"shared");
    assert_eq!(store.used_bytes(&tenant("default")).unwrap(), 0);
    assert!(!store.holds(&tenant("default"), &stray).unwrap());
}

#[test]
fn what_a_version_or_a_function_names_stays() {
    let Host { store, dir: _dir } = &host();
    let pushed = push(store, "default", "m", b"1");
    bind(store, "default", "f", &pushed).unwrap();
    let before = blobs(store);
    assert_eq!(store.collect(Duration::ZERO, Duration::ZERO).unwrap().files, 0);
    assert_eq!((blobs(store), before.0), (before, 2));
    assert_eq!(store.blob(&tenant("default"), &digest(b"f")).unwrap(), b"f", "the component");
}

#[test]
fn pushes_and_collections_at_once_never_leave_a_version_without_its_bytes() {
    let Host { store, dir: _dir } = &host();
    let name = model("m");
    std::thread::scope(|scope| {
        let pushes = scope.spawn(|| {
            for round in 0..200u32 {
                let content = (round % 3).to_le_bytes();
                // Collected before a version held it: then it is sent again, as a client would.
                let pushed = loop {
                    let digest = store.put_blob(&tenant("default"), &content, u64::MAX).unwrap();
                    let path = "model.onnx".parse().unwrap();
                    let file = FileEntry { path, role: FileRole::Model, digest, bytes: 4 };
                    match store.by(&Actor::Server).put_model(&new("default", "m", vec![file])) {
                        Err(StoreError::NoBlob(_)) => {}
                        pushed => break pushed.unwrap(),
                    }
                };
                assert_eq!(store.blob(&tenant("default"), &pushed.digest).unwrap(), content);
                if round % 2 == 0 {
                    store
                        .by(&Actor::Server)
                        .remove_model(&tenant("default"), &name, Some(&Pick::Version(pushed.version)), false)
                        .unwrap();
                }
            }
        });
        while !pushes.is_finished() {
            store.collect(Duration::ZERO, Duration::ZERO).unwrap();
        }
    });
    for version in store.model_versions(&tenant("default"), &name).unwrap() {
        store.blob(&version.tenant, &version.digest).unwrap();
    }
}
