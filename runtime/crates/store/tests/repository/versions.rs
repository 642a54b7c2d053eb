//! Versions of several files, their labels and cards.

use super::*;
use modelet_store::{Actor, Bucket, KeyValueLimits};

#[test]
fn a_version_is_its_files_and_its_card() {
    let Host { store, dir: _dir } = &host();
    let files = || {
        vec![
            sent(store, "default", "weights/0.bin", FileRole::Data, b"weights"),
            sent(store, "default", "net.onnx", FileRole::Model, b"net"),
            sent(store, "default", "samples/1.json", FileRole::Sample, b"{}"),
        ]
    };
    let first = store.by(&Actor::Server).put_model(&new("default", "m", files())).unwrap();
    assert_eq!((first.bytes, first.main().unwrap().path.as_str()), (10, "net.onnx"));
    let paths: Vec<&str> = first.files.iter().map(|file| file.path.as_str()).collect();
    assert_eq!(paths, ["net.onnx", "samples/1.json", "weights/0.bin"]);
    assert!(!store.by(&Actor::Server).put_model(&new("default", "m", files())).unwrap().created);
    // Another card, and another sample, are another version of the same content.
    let card = NewModelVersion { card_json: r#"{"licence":"MIT"}"#.to_owned(), ..new("default", "m", files()) };
    let second = store.by(&Actor::Server).put_model(&card).unwrap();
    assert_eq!((second.version.get(), second.created, second.digest), (2, true, first.digest));
    assert_eq!(second.card_json, card.card_json);
    let mut fewer = card.clone();
    fewer.files.retain(|file| file.role != FileRole::Sample);
    let third = store.by(&Actor::Server).put_model(&fewer).unwrap();
    assert_eq!((third.version.get(), third.digest), (3, first.digest));
}

#[test]
fn labels_move_and_go() {
    let Host { store, dir: _dir } = &host();
    let (owner, name) = (tenant("default"), model("m"));
    push(store, "default", "m", b"1");
    push(store, "default", "m", b"2");
    let stable = "stable".parse().unwrap();
    let labelled = store.by(&Actor::Server).label_model(&owner, &name, &pick("1"), &stable).unwrap();
    assert_eq!((labelled.version.get(), labelled.labels.as_slice()), (1, std::slice::from_ref(&stable)));
    assert_eq!(store.by(&Actor::Server).label_model(&owner, &name, &pick("latest"), &stable).unwrap().version.get(), 2);
    let events = store.events(0, 100).unwrap().len();
    store.by(&Actor::Server).label_model(&owner, &name, &pick("2"), &stable).unwrap();
    assert_eq!(store.events(0, 100).unwrap().len(), events, "nothing has moved");
    for (at, refusal) in [("1", "the label stable does not stand at m@1"), ("9", "there is no model m@9")] {
        let refused = store.by(&Actor::Server).unlabel_model(&owner, &name, Some(&pick(at)), &stable).unwrap_err();
        assert_eq!(refused.to_string(), refusal);
    }
    let bare = store.by(&Actor::Server).unlabel_model(&owner, &name, None, &stable).unwrap();
    assert_eq!((bare.version.get(), bare.labels.len()), (2, 0));
    assert!(matches!(
        store.by(&Actor::Server).unlabel_model(&owner, &name, None, &stable),
        Err(StoreError::LabelMissing { .. })
    ));
    assert!(matches!(
        store.by(&Actor::Server).label_model(&owner, &name, &pick("3"), &stable),
        Err(StoreError::ModelMissing(_))
    ));
    let kinds: Vec<String> = store.events(0, 100).unwrap().into_iter().map(|event| event.kind).collect();
    assert_eq!(kinds, ["model.push", "model.push", "model.label", "model.label", "model.unlabel"]);
}

#[test]
fn a_models_folder_is_made_of_its_contents_and_each_is_compared() {
    let Host { store, dir: _dir } = &host();
    let owner = tenant("default");
    let files = vec![
        sent(store, "default", "net.onnx", FileRole::Model, b"net"),
        sent(store, "default", "w/0.bin", FileRole::Data, b"weights"),
        sent(store, "default", "samples/1.json", FileRole::Sample, b"{}"),
    ];
    let content = content_digest(&files);
    let folder = store.model_folder(&owner, &content, &files).unwrap();
    assert_eq!(std::fs::read(folder.join("w/0.bin")).unwrap(), b"weights");
    assert_eq!(on_disk(&folder), (2, 10), "a sample is not loaded");
    let links = "links: three contents, three databases with two files each beside them, the lock, the audit's key";
    assert_eq!(on_disk(store.data_dir()).0, 3 + 3 * 3 + 2, "{links}");
    // Sent again, a content is another file; the folder follows it.
    store.put_blob(&owner, b"weights", u64::MAX).unwrap();
    assert_eq!(store.model_folder(&owner, &content, &files).unwrap(), folder);
    assert_eq!(on_disk(store.data_dir()).0, 3 + 3 * 3 + 2);
    std::fs::write(store.blob_path(&owner, &files[1].digest), b"weighty").unwrap();
    let damaged = store.model_folder(&owner, &content, &files).unwrap_err();
    assert!(matches!(damaged, StoreError::DamagedBlob { .. }), "{damaged}");
    std::fs::remove_file(store.blob_path(&owner, &files[1].digest)).unwrap();
    assert!(matches!(store.model_folder(&owner, &content, &files), Err(StoreError::NoBlob(_))));
}

#[test]
fn a_database_of_the_first_schema_keeps_its_models() {
    let Host { store, dir } = host();
    let before = push(&store, "default", "m", b"old");
    drop(store);
    let data = dir.path().join("data");
    let connection = rusqlite::Connection::open(data.join("modelet.db")).unwrap();
    // As the first schema had it.
    connection.execute_batch(TENANTS_UNDONE).unwrap();
    connection
        .execute_batch(
            "DROP TABLE period; DROP VIEW function_serves; DROP TABLE function_traffic; ALTER TABLE function_version DROP COLUMN removed_ms;
             DROP TABLE model_file; DROP TABLE upload; DROP TABLE optimised; DROP TABLE model_pin; DROP TABLE model_rewrite; ALTER TABLE model_version DROP COLUMN card;
             ALTER TABLE model_version DROP COLUMN removed_ms; DROP TABLE function_scale; ALTER TABLE function_version DROP COLUMN not_reused;
             ALTER TABLE function_version DROP COLUMN image; PRAGMA user_version = 1;",
        )
        .unwrap();
    drop(connection);
    let store = Store::open(&data).unwrap();
    let after = store.model(&before.tenant, &before.name, &pick("latest")).unwrap().unwrap();
    assert_eq!(after, ModelVersion { created: false, revision: after.revision.clone(), ..before });
    assert!(!push(&store, "default", "m", b"old").created);
}

#[test]
fn a_data_directory_of_before_scales_and_pairs_gets_both_once() {
    let Host { store, dir } = host();
    drop(store);
    let data = dir.path().join("data");
    let connection = rusqlite::Connection::open(data.join("modelet.db")).unwrap();
    connection.execute_batch(TENANTS_UNDONE).unwrap();
    connection
        .execute_batch(
            "DROP TABLE period; DROP VIEW function_serves; DROP TABLE function_traffic; ALTER TABLE function_version DROP COLUMN removed_ms;
             DROP TABLE function_scale; ALTER TABLE function_version DROP COLUMN not_reused;
             ALTER TABLE function_version DROP COLUMN image; PRAGMA user_version = 5;",
        )
        .unwrap();
    drop(connection);
    std::fs::remove_file(data.join("keyvalue.db")).unwrap();
    let (tenant, name) = (TenantName::default_tenant(), "f".parse().unwrap());
    let bucket = Bucket { tenant: tenant.clone(), name: "b".to_owned() };
    let room = KeyValueLimits { keys: 1, bytes: 10 };
    let store = Store::open(&data).unwrap();
    store.by(&Actor::Server).set_scale(&tenant, &name, 2).unwrap();
    store.pairs_set(&bucket, &[("k".to_owned(), b"v".to_vec())], room).unwrap();
    drop(store);
    let store = Store::open(&data).unwrap();
    assert_eq!(store.scale(&tenant, &name).unwrap(), Some(2));
    assert_eq!(store.pairs_get(&bucket, &["k".to_owned()], 10).unwrap(), [Some(b"v".to_vec())]);
}

/// Takes the steps back that tenants and what came after them brought.
const TENANTS_UNDONE: &str = "DROP VIEW revision_told; DROP TABLE revision; DROP TABLE request; DROP INDEX event_by_tenant; DROP INDEX event_by_kind; DROP INDEX event_by_subject; DROP TABLE event_head;
    ALTER TABLE event DROP COLUMN value_before; ALTER TABLE event DROP COLUMN value_after; ALTER TABLE event DROP COLUMN actor;
    ALTER TABLE event DROP COLUMN actor_tenant; ALTER TABLE event DROP COLUMN actor_scopes; ALTER TABLE event DROP COLUMN remote;
    ALTER TABLE event DROP COLUMN hash; DROP TABLE secret; DROP TABLE model_grant; DROP TABLE key_secret; DROP TABLE key; CREATE TABLE key (id TEXT PRIMARY KEY, tenant TEXT NOT NULL REFERENCES tenant (name),
    scopes TEXT NOT NULL, hash BLOB NOT NULL UNIQUE CHECK (length(hash) = 32), created_ms INTEGER NOT NULL) STRICT; DROP TABLE tenant_claim; ALTER TABLE tenant DROP COLUMN limits;
    ALTER TABLE tenant DROP COLUMN removed_ms;";
