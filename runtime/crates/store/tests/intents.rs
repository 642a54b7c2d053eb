//! Changes that are made only to what their maker has seen: compared in the change's own transaction.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "what fails here is a failed test")]

use modelet_spec::{Claims, TenantLimits, TenantName};
use modelet_store::{Actor, AuditQuery, Expected, Intent, Revision, Revisions, Seal, Store, StoreError, Thing};
use rusqlite::Connection;
use tempfile::TempDir;

struct Host {
    store: Store,
    dir: TempDir,
}

fn host() -> Host {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(&dir.path().join("data")).unwrap();
    store.by(&Actor::Server).create_tenant(&acme(), &Claims::default()).unwrap();
    Host { store, dir }
}

fn acme() -> TenantName {
    "acme".parse().unwrap()
}

fn one(revision: &Revision) -> Option<Revisions> {
    Some(Revisions::OneOf(vec![revision.to_string()]))
}

fn is(revision: &Revision) -> Expected {
    Expected { is: one(revision), is_not: None }
}

fn limits(functions: u32) -> TenantLimits {
    TenantLimits { functions: Some(functions), ..TenantLimits::default() }
}

/// Limits acme as meant; what is refused says what the tenant's revision is.
fn limit(store: &Store, functions: u32, expected: Expected) -> Result<Revision, Option<Revision>> {
    let intent = Intent::new(Some(Thing::tenant(&acme())), expected);
    match store.by(&Actor::Server).meaning(&intent).set_tenant_limits(&acme(), &limits(functions)) {
        Ok(()) => Ok(intent.revision().unwrap().clone()),
        Err(StoreError::Unexpected { now, .. }) => Err(now),
        Err(error) => panic!("{error}"),
    }
}

fn now(store: &Store) -> Revision {
    store.revision(&Thing::tenant(&acme())).unwrap().unwrap()
}

#[test]
fn a_change_is_refused_in_its_own_transaction_and_leaves_nothing() {
    let Host { store, dir: _dir } = &host();
    let first = now(store);
    let second = limit(store, 1, is(&first)).unwrap();
    assert_eq!(now(store), second);
    let events = store.events(0, 100).unwrap().len();
    assert_eq!(limit(store, 2, is(&first)), Err(Some(second.clone())));
    assert_eq!(limit(store, 2, Expected { is: None, is_not: Some(Revisions::Any) }), Err(Some(second.clone())));
    assert_eq!(limit(store, 2, Expected { is: None, is_not: one(&second) }), Err(Some(second.clone())));
    assert_eq!(store.events(0, 100).unwrap().len(), events);
    let of_acme = |store: &Store| store.tenants().unwrap().into_iter().find(|tenant| tenant.name == acme()).unwrap();
    assert_eq!((of_acme(store).limits, of_acme(store).revision), (limits(1), second.clone()));
    let named = Revisions::OneOf(vec!["nothing".to_owned(), second.to_string()]);
    let third = limit(store, 2, Expected { is: Some(named), is_not: one(&first) }).unwrap();
    assert_eq!(limit(store, 3, Expected { is: Some(Revisions::Any), is_not: None }).map(|_| ()), Ok(()));
    assert_ne!(third, second);
}

#[test]
fn only_changes_of_the_thing_itself_count() {
    let Host { store, dir: _dir } = &host();
    let (before, secret) = (now(store), "s".parse().unwrap());
    let seal = |_| Some(Seal { key_id: "k".to_owned(), bytes: vec![1] });
    let intent =
        Intent::new(Some(Thing::secret(&acme(), &secret)), Expected { is: None, is_not: Some(Revisions::Any) });
    store.by(&Actor::Server).meaning(&intent).put_secret((&acme(), &secret), None, 9, seal).unwrap();
    assert_eq!(intent.revision(), Some(&store.secret(&acme(), &secret).unwrap().unwrap().revision));
    assert_eq!(now(store), before, "what a tenant has is not what it may have");
    // The same under another seal is the same.
    let sealed = store.secrets(None).unwrap();
    store.by(&Actor::Server).reseal_secrets(&sealed).unwrap();
    assert_eq!(store.secrets(None).unwrap(), sealed);
    let intent = Intent::new(Some(Thing::secret(&acme(), &secret)), is(&sealed[0].revision));
    store.by(&Actor::Server).meaning(&intent).remove_secret(&acme(), &secret).unwrap();
    assert_eq!(intent.revision(), None, "it is no more");
    assert_eq!(store.revision(&Thing::secret(&acme(), &secret)).unwrap(), None);
}

#[test]
fn of_many_at_once_who_have_seen_the_same_one_wins() {
    let Host { store, dir: _dir } = &host();
    let seen = now(store);
    let won = std::thread::scope(|scope| {
        let change = |functions| {
            let seen = &seen;
            move || limit(store, functions, is(seen)).is_ok()
        };
        let threads: Vec<_> = (1..=16).map(|functions| scope.spawn(change(functions))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).filter(|won| *won).count()
    });
    assert_eq!(won, 1);
}

#[test]
fn a_change_of_what_is_there_already_is_held_to_its_condition_too() {
    let Host { store, dir: _dir } = &host();
    let owner = TenantName::default_tenant();
    let digest = store.put_blob(&owner, b"m", u64::MAX).unwrap();
    let file = modelet_store::FileEntry {
        path: "m.onnx".parse().unwrap(),
        role: modelet_store::FileRole::Model,
        digest,
        bytes: 1,
    };
    let new = modelet_store::NewModelVersion {
        tenant: owner.clone(),
        name: "m".parse().unwrap(),
        digest,
        files: vec![file],
        card_json: "{}".to_owned(),
        description_json: "{}".to_owned(),
        label: None,
    };
    let first = store.by(&Actor::Server).put_model(&new).unwrap();
    let stale = Intent::new(
        Some(Thing::model(&owner, &new.name)),
        Expected { is: Some(Revisions::OneOf(vec!["0".to_owned()])), is_not: None },
    );
    let again = store.by(&Actor::Server).meaning(&stale).put_model(&new);
    assert!(matches!(again, Err(StoreError::Unexpected { now: Some(now), .. }) if now == first.revision));
    let fresh = Intent::new(Some(Thing::model(&owner, &new.name)), is(&first.revision));
    assert!(!store.by(&Actor::Server).meaning(&fresh).put_model(&new).unwrap().created);
    assert_eq!(fresh.revision(), Some(&first.revision), "nothing has changed");
}

#[test]
fn revisions_of_an_older_database_are_made_of_its_events() {
    let Host { store, dir } = host();
    let expected = (now(&store), store.revision(&Thing::tenant(&TenantName::default_tenant())).unwrap().unwrap());
    drop(store);
    let data = dir.path().join("data");
    let undo = "DROP VIEW revision_told; DROP TABLE revision; DROP TABLE request; PRAGMA user_version = 13;";
    Connection::open(data.join("modelet.db")).unwrap().execute_batch(undo).unwrap();
    let store = Store::open(&data).unwrap();
    assert_eq!((now(&store), Revision::default()), expected, "the first tenant is older than all events");
    assert!(limit(&store, 1, is(&expected.0)).is_ok());
}

#[test]
fn a_database_that_was_put_back_gives_no_revision_twice() {
    let Host { store, dir } = host();
    drop(store);
    let (data, kept) = (dir.path().join("data"), dir.path().join("kept.db"));
    std::fs::copy(data.join("modelet.db"), &kept).unwrap();
    let store = Store::open(&data).unwrap();
    let seen = limit(&store, 1, Expected::default()).unwrap();
    let last = |store: &Store| store.audit(&AuditQuery { count_max: 1, ..Default::default() }).unwrap()[0].id;
    let number = last(&store);
    drop(store);
    std::fs::copy(&kept, data.join("modelet.db")).unwrap();
    let store = Store::open(&data).unwrap();
    let other = limit(&store, 2, Expected::default()).unwrap();
    assert_eq!(number, last(&store), "the same number again");
    assert_eq!(limit(&store, 3, is(&seen)), Err(Some(other)));
}
