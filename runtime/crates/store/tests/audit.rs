//! The audit: who changed what, from what to what, and that no row can be changed or taken away unnoticed.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a failure of the setup is a panic")]

use modelet_spec::{Claims, TenantLimits, TenantName};
use modelet_store::{Actor, Anchor, AuditQuery, ChainFault, Event, LostKey, Store};
use rusqlite::Connection;
use std::time::{Duration, Instant};
use tempfile::TempDir;

struct Place {
    store: Option<Store>,
    dir: TempDir,
}

impl Place {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        Self { store: Some(Store::open(&dir.path().join("data")).unwrap()), dir }
    }

    /// With `count` tenants more, made by somebody with a key.
    fn with_tenants(count: u32) -> Self {
        let place = Self::new();
        for at in 0..count {
            place.store().by(&acme()).create_tenant(&tenant(&format!("t{at}")), &Claims::default()).unwrap();
        }
        assert_eq!(place.fault(), None);
        place
    }

    fn store(&self) -> &Store {
        self.store.as_ref().unwrap()
    }

    fn fault(&self) -> Option<ChainFault> {
        self.store().verify_audit(None).unwrap().fault
    }

    /// What somebody does who can write the database.
    fn tamper(&self, sql: &str) {
        let changed = Connection::open(self.dir.path().join("data/modelet.db")).unwrap().execute_batch(sql);
        changed.unwrap();
    }

    fn restart(&mut self) {
        self.store = None;
        self.store = Some(Store::open(&self.dir.path().join("data")).unwrap());
    }

    /// Closes it and leaves it as a server of schema 12 did.
    fn as_of_schema_12(&mut self) {
        self.store = None;
        std::fs::remove_file(self.dir.path().join("data/audit.key")).unwrap();
        let columns = ["value_before", "value_after", "actor", "actor_tenant", "actor_scopes", "remote", "hash"];
        let dropped: String = columns.map(|column| format!("ALTER TABLE event DROP COLUMN {column};")).concat();
        self.tamper(&format!(
            "DROP VIEW revision_told; DROP TABLE revision; DROP TABLE request; DROP INDEX event_by_tenant; DROP INDEX event_by_kind; DROP INDEX event_by_subject; DROP TABLE event_head;
             {dropped} PRAGMA user_version = 12;"
        ));
    }

    /// The ids, newest first.
    fn ids(&self, query: &AuditQuery<'_>) -> Vec<i64> {
        self.store().audit(query).unwrap().iter().map(|event| event.id).collect()
    }
}

fn tenant(name: &str) -> TenantName {
    name.parse().unwrap()
}

fn acme() -> Actor {
    Actor::Key {
        id: "key-1".to_owned(),
        tenant: tenant("acme"),
        scopes: "admin read".to_owned(),
        remote: Some("192.0.2.7:4711".to_owned()),
    }
}

#[test]
fn a_change_says_who_made_it_and_what_stood_before() {
    let place = Place::new();
    let (name, limits) = (tenant("acme"), TenantLimits { functions: Some(3), ..TenantLimits::default() });
    place.store().by(&Actor::Server).create_tenant(&name, &Claims::default()).unwrap();
    place.store().by(&acme()).set_tenant_limits(&name, &limits).unwrap();
    let events = place.store().events(0, 10).unwrap();
    let told = |event: &Event| (event.kind.clone(), event.by.clone(), event.before.clone(), event.after.clone());
    assert_eq!(told(&events[0]).1, Some(Actor::Server));
    let expected =
        ("tenant.limits".to_owned(), Some(acme()), Some("{}".to_owned()), Some(r#"{"functions":3}"#.to_owned()));
    assert_eq!(told(&events[1]), expected);
}

#[test]
fn a_row_that_was_changed_is_named_whatever_of_it_was() {
    for (column, value) in [
        ("at_ms", "1"),
        ("kind", "'tenant.remove'"),
        ("tenant", "'t9'"),
        ("subject", "''"),
        ("detail", "'x'"),
        ("value_before", "''"),
        ("value_after", "NULL"),
        ("actor", "'server'"),
        ("actor_tenant", "NULL"),
        ("actor_scopes", "'read'"),
        ("remote", "'192.0.2.8:4711'"),
        ("hash", "zeroblob(32)"),
        // What no server writes.
        ("hash", "x'01'"),
        ("hash", "zeroblob(33)"),
        ("hash", "NULL"),
        ("at_ms", "-1"),
        ("kind", "CAST(x'ff00' AS TEXT)"),
        ("tenant", "'No Tenant!'"),
        ("value_after", "CAST(x'c3' AS TEXT)"),
        ("actor", "CAST(x'ff' AS TEXT)"),
        ("actor_tenant", "''"),
        ("actor_scopes", "CAST(x'ff' AS TEXT)"),
        ("remote", "CAST(x'ff' AS TEXT)"),
    ] {
        let place = Place::with_tenants(5);
        place.tamper(&format!("UPDATE event SET {column} = {value} WHERE id = 3"));
        assert_eq!(place.fault(), Some(ChainFault::Changed(3)), "{column} = {value}");
        let all = AuditQuery { count_max: 100, ..AuditQuery::default() };
        assert_eq!(place.ids(&all), [5, 4, 3, 2, 1], "and is listed with the others: {column} = {value}");
    }
}

#[test]
fn rows_that_are_missing_are_named_wherever_they_were() {
    for (gone, first) in [("id = 1", 1), ("id = 3", 3), ("id IN (2, 3)", 2), ("id = 5", 5), ("id >= 4", 4), ("true", 1)]
    {
        let place = Place::with_tenants(5);
        place.tamper(&format!("DELETE FROM event WHERE {gone}"));
        assert_eq!(place.fault(), Some(ChainFault::Missing(first)), "{gone}");
    }
}

#[test]
fn a_row_that_was_put_in_is_named() {
    let copy = |id: i64| {
        format!(
            "INSERT INTO event (id, at_ms, kind, tenant, subject, detail, actor, hash)
             SELECT {id}, at_ms, kind, tenant, subject, detail, actor, hash FROM event WHERE id = 2"
        )
    };
    for (id, fault) in [(6, ChainFault::Added(6)), (0, ChainFault::Changed(0)), (-7, ChainFault::Changed(-7))] {
        let place = Place::with_tenants(5);
        place.tamper(&copy(id));
        assert_eq!(place.fault(), Some(fault), "{id}");
        let listed = place.ids(&AuditQuery { count_max: 100, ..AuditQuery::default() });
        assert!(listed.len() == 6 && listed.contains(&id), "{listed:?}");
    }
    let place = Place::with_tenants(5);
    place.tamper(&format!("DELETE FROM event WHERE id = 4; {}", copy(4)));
    assert_eq!(place.fault(), Some(ChainFault::Changed(4)), "in the place of another");
}

#[test]
fn the_end_of_the_chain_cannot_be_moved_or_taken_away() {
    let place = Place::with_tenants(5);
    let to_four = "DELETE FROM event WHERE id = 5;
        UPDATE event_head SET last = 4, rows = 4, hash = (SELECT hash FROM event WHERE id = 4);";
    place.tamper(to_four);
    assert_eq!(place.fault(), Some(ChainFault::Head), "without the key there is no seal for it");
    place.tamper("UPDATE sqlite_sequence SET seq = 4 WHERE name = 'event'");
    place.store().by(&acme()).create_tenant(&tenant("t9"), &Claims::default()).unwrap();
    assert_eq!(place.fault(), Some(ChainFault::NoHead), "and the next change does not seal what was done");

    let mut place = Place::with_tenants(5);
    place.tamper("DELETE FROM event_head");
    assert_eq!(place.fault(), Some(ChainFault::NoHead));
    place.restart();
    assert_eq!(place.fault(), Some(ChainFault::NoHead), "a restart makes no new end for what is there");
    place.store().by(&acme()).create_tenant(&tenant("t9"), &Claims::default()).unwrap();
    assert_eq!(place.fault(), Some(ChainFault::Changed(6)), "and what comes then is not chained to it");

    let mut place = Place::with_tenants(5);
    place.tamper("DELETE FROM event; DELETE FROM event_head; DELETE FROM sqlite_sequence WHERE name = 'event'");
    place.restart();
    assert_eq!(place.fault(), Some(ChainFault::NoHead), "a new beginning is told from the first one");
    place.store().by(&acme()).create_tenant(&tenant("t9"), &Claims::default()).unwrap();
    assert_eq!(place.fault(), Some(ChainFault::NoHead));
}

#[test]
fn whoever_kept_a_head_finds_that_the_database_was_put_back() {
    let mut place = Place::with_tenants(3);
    let head = place.store().verify_audit(None).unwrap().head.unwrap();
    assert_eq!(head.to_string().parse::<Anchor>().unwrap(), head);
    let kept = place.dir.path().join("kept.db");
    place.store = None;
    std::fs::copy(place.dir.path().join("data/modelet.db"), &kept).unwrap();
    place.restart();
    place.store().by(&acme()).create_tenant(&tenant("later"), &Claims::default()).unwrap();
    let later = place.store().verify_audit(Some(head)).unwrap();
    assert_eq!((later.rows, later.fault), (4, None), "what was is still there");
    place.store = None;
    for beside in ["modelet.db-wal", "modelet.db-shm"] {
        let _ = std::fs::remove_file(place.dir.path().join("data").join(beside));
    }
    std::fs::copy(&kept, place.dir.path().join("data/modelet.db")).unwrap();
    place.restart();
    assert_eq!(place.fault(), None, "by itself it cannot tell");
    let fault = place.store().verify_audit(later.head).unwrap().fault;
    assert_eq!(fault, Some(ChainFault::Anchor(4)));
}

#[test]
fn without_the_key_of_then_nothing_fits() {
    let mut place = Place::with_tenants(2);
    let data = place.dir.path().join("data");
    let (key, kept) = (data.join("audit.key"), place.dir.path().join("kept"));
    place.store = None;
    std::fs::rename(&key, &kept).unwrap();
    let refused = Store::open(&data).unwrap_err().to_string();
    for word in ["audit.key is missing", "backup", "--renew-lost-keys"] {
        assert!(refused.contains(word), "{refused}");
    }
    assert!(!key.exists(), "nothing is made in its place");
    std::fs::rename(&kept, &key).unwrap();
    place.restart();
    assert_eq!(place.fault(), None);
    place.store = None;
    std::fs::remove_file(&key).unwrap();
    place.store = Some(Store::open_or_renew(&data, LostKey::Renew).unwrap());
    assert_eq!(place.fault(), Some(ChainFault::Changed(1)));
    place.restart();
    std::fs::write(&key, "damaged").unwrap();
    place.store = None;
    let refused = Store::open(&place.dir.path().join("data")).unwrap_err().to_string();
    assert!(refused.contains("audit.key") && refused.contains("64 hex digits"), "{refused}");
}

#[test]
fn rows_of_an_earlier_server_are_chained_from_then_on() {
    let mut place = Place::with_tenants(3);
    place.as_of_schema_12();
    place.restart();
    let verified = place.store().verify_audit(None).unwrap();
    assert_eq!((verified.rows, verified.fault), (3, None));
    assert_eq!(place.store().events(0, 1).unwrap()[0].by, None, "who it was, nobody knows");
    place.tamper("UPDATE event SET subject = 'x' WHERE id = 2");
    assert_eq!(place.fault(), Some(ChainFault::Changed(2)));
}

#[test]
fn changes_are_found_by_what_is_asked_of_them() {
    let place = Place::with_tenants(4);
    let limits = TenantLimits::default();
    place.store().by(&Actor::Server).set_tenant_limits(&tenant("t1"), &limits).unwrap();
    place.store().by(&Actor::Server).note("tenants.other", &tenant("t1"), "t1@2", "").unwrap();
    let all = AuditQuery { count_max: 100, ..AuditQuery::default() };
    assert_eq!(place.ids(&all), [6, 5, 4, 3, 2, 1]);
    assert_eq!(place.ids(&AuditQuery { count_max: 2, ..all }), [6, 5]);
    assert_eq!(place.ids(&AuditQuery { before: Some(5), count_max: 2, ..all }), [4, 3]);
    assert_eq!(place.ids(&AuditQuery { tenant: Some(&tenant("t1")), ..all }), [6, 5, 2]);
    assert_eq!(place.ids(&AuditQuery { kind: Some("tenant.limits"), ..all }), [5]);
    assert_eq!(place.ids(&AuditQuery { kind: Some("tenant"), ..all }), [5, 4, 3, 2, 1], "and not tenants.other");
    assert_eq!(place.ids(&AuditQuery { subject: Some("t1"), ..all }), [6, 5, 2], "its versions, too");
    assert_eq!(place.ids(&AuditQuery { subject: Some("t"), ..all }), [0; 0]);
    assert_eq!(place.ids(&AuditQuery { since_ms: Some(u64::MAX), ..all }), [0; 0]);
    assert_eq!(place.ids(&AuditQuery { until_ms: Some(1), ..all }), [0; 0]);
    assert_eq!(place.ids(&AuditQuery { since_ms: Some(1), until_ms: Some(u64::MAX), ..all }).len(), 6);
}

#[test]
fn a_hundred_thousand_changes_are_paged_and_verified() {
    const COUNT: u64 = 100_000;
    let mut place = Place::new();
    place.as_of_schema_12();
    place.tamper(&format!(
        "INSERT INTO event (at_ms, kind, tenant, subject, detail)
         WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < {COUNT})
         SELECT n, 'function.deploy', 'default', 'f@' || n, hex(randomblob(36)) FROM n"
    ));
    place.restart();
    let begun = Instant::now();
    let verified = place.store().verify_audit(None).unwrap();
    assert_eq!((verified.rows, verified.fault), (COUNT, None));
    let took = begun.elapsed();
    assert!(took < Duration::from_secs(20), "verifying took {took:?}");
    let (mut before, mut seen) = (None, 0);
    loop {
        let page = place.ids(&AuditQuery {
            before,
            count_max: 1000,
            tenant: Some(&tenant("default")),
            ..AuditQuery::default()
        });
        let Some(last) = page.last() else { break };
        assert!(page.windows(2).all(|pair| pair[0] == pair[1] + 1));
        (before, seen) = (Some(*last), seen + page.len() as u64);
    }
    assert_eq!((seen, before), (COUNT, Some(1_i64)));
}
