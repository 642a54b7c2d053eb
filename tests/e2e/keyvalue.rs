//! `wasi:keyvalue`: what functions keep, for whom, and how much.

use modelet_tests::{Function, TestHost, shared, tenants};
use serde_json::{Value, json};

/// What the guest `pairs` answers.
#[track_caller]
fn did(host: &TestHost, route: &str, query: &str) -> Value {
    host.get(&format!("{route}?{query}")).ok().json()
}

/// Why the guest was refused.
#[track_caller]
fn refused(host: &TestHost, route: &str, query: &str) -> String {
    let answer = did(host, route, query);
    answer["error"].as_str().unwrap_or_else(|| panic!("{query}: {answer}")).to_owned()
}

#[test]
fn what_a_function_keeps_is_there_for_its_next_request_and_for_its_tenants_other_functions() {
    let host = shared();
    let pairs = host.guest("pairs");
    let other = host.once(&Function::guest("pairs").named("pairs-other"));
    assert_eq!(did(host, &pairs, "do=get&bucket=shared&key=k"), json!({ "ok": null }));
    assert_eq!(did(host, &pairs, "do=set&bucket=shared&key=k&value=hello"), json!({ "ok": null }));
    assert_eq!(did(host, &pairs, "do=get&bucket=shared&key=k"), json!({ "ok": "hello" }));
    assert_eq!(did(host, &other, "do=get&bucket=shared&key=k"), json!({ "ok": "hello" }));
    assert_eq!(did(host, &other, "do=exists&bucket=elsewhere&key=k"), json!({ "ok": false }));
    assert_eq!(did(host, &other, "do=delete&bucket=shared&key=k"), json!({ "ok": null }));
    assert_eq!(did(host, &pairs, "do=exists&bucket=shared&key=k"), json!({ "ok": false }));
}

#[test]
fn batches_listings_and_counters_do_what_their_interfaces_say() {
    let host = shared();
    let pairs = host.guest("pairs");
    assert_eq!(did(host, &pairs, "do=set-many&bucket=many&key=a,b,c&value=x"), json!({ "ok": null }));
    let many = did(host, &pairs, "do=get-many&bucket=many&key=a,none,c");
    assert_eq!(many, json!({ "ok": [["a", "x"], null, ["c", "x"]] }));
    assert_eq!(did(host, &pairs, "do=delete-many&bucket=many&key=a,none"), json!({ "ok": null }));
    assert_eq!(did(host, &pairs, "do=list&bucket=many"), json!({ "ok": { "keys": ["b", "c"], "cursor": null } }));
    assert_eq!(did(host, &pairs, "do=add&bucket=many&key=n&by=40"), json!({ "ok": 40 }));
    assert_eq!(did(host, &pairs, "do=add&bucket=many&key=n&by=2"), json!({ "ok": 42 }));
    assert!(refused(host, &pairs, "do=add&bucket=many&key=b").contains("no whole number"));
}

#[test]
fn many_requests_that_count_at_once_lose_no_step() {
    let host = shared();
    let pairs = host.guest("pairs");
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| (0..25).for_each(|_| drop(did(host, &pairs, "do=add&bucket=at-once&key=n"))));
        }
    });
    assert_eq!(did(host, &pairs, "do=get&bucket=at-once&key=n"), json!({ "ok": "200" }));
}

#[test]
fn a_deploy_keeps_nothing_though_a_case_of_the_manifest_would() {
    let host = shared();
    let case = "[[case]]\nrequest = { path = \"/?do=add&bucket=cases&key=n\" }\n";
    let route = host.once(&Function::guest("pairs").named("pairs-case").with(case));
    assert_eq!(did(host, &route, "do=get&bucket=cases&key=n"), json!({ "ok": null }));
    assert_eq!(did(host, &route, "do=add&bucket=cases&key=n"), json!({ "ok": 1 }));
}

#[test]
fn a_key_or_a_value_that_is_too_large_is_refused_in_words() {
    let host = shared();
    let pairs = host.guest("pairs");
    assert!(refused(host, &pairs, &format!("do=set&key={}&value=x", "k".repeat(1025))).contains("1 to 1024"));
    assert!(refused(host, &pairs, "do=get&key=").contains("a key of 0 bytes"));
    assert!(refused(host, &pairs, &format!("do=get&bucket={}&key=k", "b".repeat(64))).contains("NoSuchStore"));
    let large = host.post(&format!("{pairs}?do=set&key=large"), &vec![b'x'; (1 << 20) + 1]).ok().json();
    assert!(large["error"].as_str().unwrap().contains("1048576 are allowed"), "{large}");
}

#[test]
fn a_tenants_quota_holds_and_what_is_kept_outlives_the_server() {
    let mut host = TestHost::configured("[limits]\nkeyvalue_keys = 3\nkeyvalue_bytes = \"100B\"\n");
    tenants::create(&host, "acme", &["/acme-pairs"]);
    let pairs = host.guest("pairs");
    assert_eq!(did(&host, &pairs, "do=set-many&key=a,b,c&value=x"), json!({ "ok": null }));
    assert!(refused(&host, &pairs, "do=set&key=d&value=x").contains("quota of 3 keys"));
    assert!(refused(&host, &pairs, &format!("do=set&key=a&value={}", "x".repeat(100))).contains("quota of 100 bytes"));
    assert_eq!(did(&host, &pairs, "do=get&key=a"), json!({ "ok": "x" }), "a refusal changes nothing");
    let metrics = host.metrics();
    for (operation, outcome) in [("set", "done"), ("set", "refused-keys"), ("set", "refused-bytes"), ("get", "done")] {
        let labels = [("tenant", "default"), ("operation", operation), ("outcome", outcome)];
        let count = metrics.sum("modelet_keyvalue_operations_total", &labels);
        assert_eq!(count, 1.0, "{labels:?}: {}", metrics.lines("modelet_keyvalue"));
    }
    let of = |name| metrics.sum(name, &[("tenant", "default")]);
    assert_eq!((of("modelet_keyvalue_keys"), of("modelet_keyvalue_bytes")), (3.0, 6.0));
    tenants::deploy(&host, "acme", &Function::guest("pairs").named("acme-pairs"));
    let theirs = "/acme-pairs";
    assert_eq!(did(&host, theirs, "do=get&key=a"), json!({ "ok": null }), "another tenant sees nothing of it");
    assert_eq!(did(&host, theirs, "do=set-many&key=a,b,c&value=y"), json!({ "ok": null }), "and has its own quota");
    host.restart();
    assert_eq!(did(&host, &pairs, "do=get&key=a"), json!({ "ok": "x" }));
    assert_eq!(did(&host, theirs, "do=get&key=a"), json!({ "ok": "y" }));
    host.kill_and_restart();
    assert_eq!(did(&host, &pairs, "do=get&key=b"), json!({ "ok": "x" }));
    host.stop();
}
