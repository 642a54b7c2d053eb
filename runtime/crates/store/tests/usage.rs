//! What was used: added up by hour and by day, listed in pages, kept over a restart and a tenant's end, and gone when its time is
//! over.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot go on says so by a panic")]

use modelet_spec::{Claims, TenantName, UsageCounts, Used, UsedKind};
use modelet_store::{Actor, Store, UsagePlace, UsageQuery, UsageSpan};
use tempfile::TempDir;

const DAY: u64 = 86400;
/// 2026-01-01, 00:00.
const NEW_YEAR: u64 = 1_767_225_600;

fn store() -> (TempDir, Store) {
    let scratch = tempfile::tempdir().unwrap();
    let store = Store::open(&scratch.path().join("data")).unwrap();
    (scratch, store)
}

fn tenant(name: &str) -> TenantName {
    name.parse().unwrap()
}

fn function(owner: &str, name: &str, version: &str) -> Used {
    Used { tenant: tenant(owner), kind: UsedKind::Function, name: name.to_owned(), part: version.to_owned() }
}

fn requests(count: u64) -> UsageCounts {
    UsageCounts { requests: count, cpu_us: 10 * count, ..UsageCounts::default() }
}

fn all(span: UsageSpan) -> UsageQuery {
    UsageQuery {
        tenant: None,
        function: None,
        model: None,
        kind: None,
        span,
        since_s: 0,
        until_s: u64::MAX,
        is_sum: false,
        after: None,
        rows_max: 1000,
    }
}

/// Tenant, start, name, part and requests of each row.
fn listed(store: &Store, query: &UsageQuery) -> Vec<(String, u64, String, String, u64)> {
    let page = store.usage(query).unwrap();
    assert!(!page.has_more);
    let row = |row: modelet_store::UsageRow| {
        let UsagePlace { start_s, used } = row.place;
        (used.tenant.to_string(), start_s, used.name, used.part, row.counts.requests)
    };
    page.rows.into_iter().map(row).collect()
}

#[test]
fn use_is_added_up_by_hour_and_by_day_and_stays_over_a_restart() {
    let (scratch, store) = store();
    store.book_usage(NEW_YEAR + 10, &[(function("acme", "f", "1"), requests(1))]).unwrap();
    store.book_usage(NEW_YEAR + 20, &[(function("acme", "f", "1"), requests(2))]).unwrap();
    store.book_usage(NEW_YEAR + 3600, &[(function("acme", "f", "1"), requests(4))]).unwrap();
    store.book_usage(NEW_YEAR + DAY, &[(function("acme", "f", "2"), requests(8))]).unwrap();
    drop(store);
    let store = Store::open(&scratch.path().join("data")).unwrap();
    let row = |start: u64, part: &str, count: u64| ("acme".to_owned(), start, "f".to_owned(), part.to_owned(), count);
    let hours = listed(&store, &all(UsageSpan::Hour));
    assert_eq!(hours, [row(NEW_YEAR, "1", 3), row(NEW_YEAR + 3600, "1", 4), row(NEW_YEAR + DAY, "2", 8)]);
    let days = listed(&store, &all(UsageSpan::Day));
    assert_eq!(days, [row(NEW_YEAR, "1", 7), row(NEW_YEAR + DAY, "2", 8)]);
    let sum = UsageQuery { is_sum: true, ..all(UsageSpan::Day) };
    assert_eq!(listed(&store, &sum), [row(0, "", 15)]);
    let first = UsageQuery { until_s: NEW_YEAR + DAY, ..sum };
    assert_eq!(listed(&store, &first), [row(0, "", 7)]);
}

#[test]
fn a_listing_is_of_what_was_asked_for_and_its_pages_make_the_whole() {
    let (_scratch, store) = store();
    let model =
        |owner: &str, name: &str| Used { kind: UsedKind::Model, part: "cpu".to_owned(), ..function(owner, name, "") };
    let busy = UsageCounts { runs: 2, rows: 5, busy_us: 7, ..UsageCounts::default() };
    let mut used = Vec::new();
    for owner in ["acme", "beta", "z"] {
        used.extend([(function(owner, "f", "1"), requests(1)), (function(owner, "f", "2"), requests(2))]);
        used.extend([(function(owner, "g", "1"), requests(4)), (model(owner, "beta/f"), busy)]);
    }
    store.book_usage(NEW_YEAR, &used).unwrap();
    let count = |query: &UsageQuery| store.usage(query).unwrap().rows.len();
    let of = all(UsageSpan::Hour);
    assert_eq!(count(&of), 12);
    assert_eq!(count(&UsageQuery { tenant: Some(tenant("beta")), ..of.clone() }), 4);
    assert_eq!(count(&UsageQuery { tenant: Some(tenant("bet")), ..of.clone() }), 0);
    assert_eq!(count(&UsageQuery { function: Some("f".parse().unwrap()), ..of.clone() }), 6);
    assert_eq!(count(&UsageQuery { model: Some("beta/f".to_owned()), ..of.clone() }), 3);
    let both = UsageQuery { function: Some("g".parse().unwrap()), model: Some("beta/f".to_owned()), ..of.clone() };
    assert_eq!(count(&both), 6);
    assert_eq!(count(&UsageQuery { kind: Some(UsedKind::Model), is_sum: true, ..of.clone() }), 3);
    for is_sum in [false, true] {
        let whole = store.usage(&UsageQuery { is_sum, ..of.clone() }).unwrap().rows;
        let (mut paged, mut after) = (Vec::new(), None);
        loop {
            let page = store.usage(&UsageQuery { is_sum, after, rows_max: 5, ..of.clone() }).unwrap();
            assert!(page.rows.len() == 5 || !page.has_more);
            paged.extend(page.rows);
            after = paged.last().map(|row: &modelet_store::UsageRow| row.place.clone());
            if !page.has_more {
                break;
            }
        }
        assert_eq!(paged, whole);
    }
}

#[test]
fn a_removed_tenant_stays_in_the_books_until_their_time_is_over() {
    let (_scratch, store) = store();
    let acme = tenant("acme");
    store.by(&Actor::Server).create_tenant(&acme, &Claims::default()).unwrap();
    store.book_usage(NEW_YEAR, &[(function("acme", "f", "1"), requests(3))]).unwrap();
    store.by(&Actor::Server).remove_tenant(&acme, true).unwrap();
    assert!(!store.has_tenant(&acme).unwrap() && store.had_tenant(&acme).unwrap());
    assert!(!store.had_tenant(&tenant("ghost")).unwrap());
    let today = store.usage_of_day(NEW_YEAR + 5000).unwrap();
    assert_eq!(today, [(acme, requests(3))]);
    assert!(store.usage_of_day(NEW_YEAR + DAY).unwrap().is_empty());
    let left = |now_s: u64| {
        store.trim_usage(now_s).unwrap();
        [UsageSpan::Hour, UsageSpan::Day].map(|span| listed(&store, &all(span)).len())
    };
    assert_eq!(left(NEW_YEAR + 14 * DAY), [1, 1]);
    assert_eq!(left(NEW_YEAR + 14 * DAY + 3600), [0, 1]);
    assert_eq!(left(NEW_YEAR + 400 * DAY), [0, 1]);
    assert_eq!(left(NEW_YEAR + 401 * DAY), [0, 0]);
}
