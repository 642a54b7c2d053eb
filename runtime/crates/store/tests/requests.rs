//! Requests that were done: known again for a day, and of each tenant no more than so many.

#![allow(clippy::unwrap_used, reason = "what fails here is a failed test")]

use modelet_spec::{Claims, TenantLimits, TenantName};
use modelet_store::{
    Actor, Expected, Intent, KeptAnswer, Once, REQUESTS_KEPT, REQUESTS_MAX, RequestName, Store, StoreError, Thing,
};
use rusqlite::Connection;
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;

fn host() -> (Store, TempDir) {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(&dir.path().join("data")).unwrap();
    store.by(&Actor::Server).create_tenant(&acme(), &Claims::default()).unwrap();
    (store, dir)
}

fn acme() -> TenantName {
    "acme".parse().unwrap()
}

fn once(tenant: &TenantName, key: &str) -> Arc<Once> {
    let once = Once::new(RequestName { tenant: tenant.clone(), caller: "key".to_owned(), key: key.to_owned() });
    once.read([7; 32]);
    Arc::new(once)
}

fn answer(body: &str) -> KeptAnswer {
    let (content_type, etag) = (Some("application/json".to_owned()), Some("\"1\"".to_owned()));
    KeptAnswer { status: 200, content_type, etag, body: body.as_bytes().to_vec() }
}

#[test]
fn that_a_request_was_done_is_written_with_its_change_or_not_at_all() {
    let (store, _dir) = host();
    let limit = |once: &Arc<Once>, tenant: &TenantName| {
        let intent = Intent::new(Some(Thing::tenant(tenant)), Expected::default()).once(Some(Arc::clone(once)));
        store.by(&Actor::Server).meaning(&intent).set_tenant_limits(tenant, &TenantLimits::default())
    };
    let (done, refused) = (once(&acme(), "a"), once(&acme(), "b"));
    limit(&done, &acme()).unwrap();
    assert!(matches!(limit(&refused, &"ghost".parse().unwrap()), Err(StoreError::NoTenant(_))));
    assert_eq!((done.is_done(), refused.is_done()), (true, false));
    let known = store.done_request(done.name()).unwrap().unwrap();
    assert_eq!((known.digest, known.thing.as_deref(), known.answer), ([7; 32], Some("the tenant `acme`"), None));
    assert_eq!(store.done_request(refused.name()).unwrap(), None);
    store.keep_answer(&done, &answer("{}")).unwrap();
    let known = store.done_request(done.name()).unwrap().unwrap();
    assert_eq!((known.thing.as_deref(), known.answer), (Some("the tenant `acme`"), Some(answer("{}"))));
}

#[test]
fn requests_are_forgotten_after_a_day_beyond_so_many_and_with_their_tenant() {
    let (store, dir) = host();
    for number in 0..=REQUESTS_MAX {
        store.keep_answer(&once(&acme(), &number.to_string()), &answer("{}")).unwrap();
        if number == 0 {
            // The clock's step is coarser than this.
            let sooner = "UPDATE request SET done_ms = done_ms - 10";
            Connection::open(dir.path().join("data/modelet.db")).unwrap().execute_batch(sooner).unwrap();
        }
    }
    let default = once(&TenantName::default_tenant(), "other");
    store.keep_answer(&default, &answer("{}")).unwrap();
    let knows = |key: u32| store.done_request(once(&acme(), &key.to_string()).name()).unwrap().is_some();
    assert_eq!((knows(0), knows(1), knows(REQUESTS_MAX)), (false, true, true));
    assert!(store.done_request(default.name()).unwrap().is_some(), "another tenant's stay");

    let day = REQUESTS_KEPT.as_millis();
    let database = Connection::open(dir.path().join("data/modelet.db")).unwrap();
    let count = || database.query_row("SELECT count(*) FROM request", [], |row| row.get::<_, u32>(0)).unwrap();
    database.execute_batch(&format!("UPDATE request SET done_ms = done_ms - {day} WHERE key = '1'")).unwrap();
    assert!(!knows(1), "also before it is swept away");
    let before = count();
    store.collect(Duration::from_secs(3600), Duration::from_secs(3600)).unwrap();
    assert_eq!(count(), before - 1);
    store.by(&Actor::Server).remove_tenant(&acme(), false).unwrap();
    assert_eq!(count(), 1, "that of the other tenant");
}
