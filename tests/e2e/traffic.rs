//! Requests shared out among the versions of a function, versions that are reached by name, and shadows.

use modelet_tests::{Function, TestHost, until};
use serde_json::Value;

const HELLO: &str = "hello\n";
const STATUS: &str = "status 200\n";

/// Two versions of a function at its own route: the first answers "hello", the second is another guest.
fn two_versions(host: &TestHost, name: &str, second: &str) -> String {
    let route = format!("path = \"/{name}\"\nauth = \"none\"");
    host.deploy(&Function::guest("hello").named(name).route(&route));
    host.deploy(&Function::guest(second).named(name).route(&route));
    format!("/{name}")
}

/// The second version again.
fn deploy(host: &TestHost, name: &str, guest: &str) -> String {
    let route = format!("path = \"/{name}\"\nauth = \"none\"");
    host.try_deploy(&Function::guest(guest).named(name).route(&route)).done()
}

fn asked(host: &TestHost, path: &str, headers: &[(&str, &str)]) -> String {
    host.send("GET", path, headers, b"").ok().text()
}

fn percentages(host: &TestHost, name: &str) -> Vec<(u64, u64)> {
    let shown = host.modelet(["function", "versions", name, "--json"]).json();
    let number = |version: &Value, key: &str| version[key].as_u64().unwrap();
    shown["versions"].as_array().unwrap().iter().map(|v| (number(v, "version"), number(v, "percent"))).collect()
}

#[test]
fn requests_are_shared_out_as_said_and_who_sends_the_same_meets_the_same() {
    let mut host = TestHost::start();
    let route = two_versions(&host, "split", "status");
    let said = host.modelet(["traffic", "split", "1=50", "2=50", "--sticky", "X-User"]).done();
    assert!(said.contains("50 %  live") && said.contains("sticky by x-user"), "{said}");
    assert_eq!(percentages(&host, "split"), [(2, 50), (1, 50)]);
    let users: Vec<String> = (0..40).map(|user| format!("user-{user}")).collect();
    let met = |host: &TestHost| -> Vec<String> {
        users.iter().map(|user| asked(host, &route, &[("x-user", user)])).collect()
    };
    let first = met(&host);
    // Each of forty falls to one side by a coin: that all do has odds of one in 2^39.
    assert!(first.iter().any(|text| text == HELLO) && first.iter().any(|text| text == STATUS));
    assert_eq!(met(&host), first);
    host.restart();
    assert_eq!(met(&host), first, "after a restart, too");
    let without: Vec<String> = (0..60).map(|_| asked(&host, &route, &[])).collect();
    assert!(without.iter().any(|text| text == HELLO) && without.iter().any(|text| text == STATUS));
    host.modelet(["traffic", "split", "1=0", "2=100"]).done();
    assert!(users.iter().all(|user| asked(&host, &route, &[("x-user", user)]) == STATUS));
    let shown = host.modelet(["function", "show", "split"]).done();
    assert!(shown.contains("split version 2") && shown.contains("1=0 2=100"), "{shown}");
    host.stop();
}

#[test]
fn requests_stay_shared_out_when_the_limits_of_the_tenant_change() {
    let host = TestHost::start();
    let route = two_versions(&host, "stays", "status");
    host.modelet(["traffic", "stays", "1=50", "2=50"]).done();
    let _ = host.admin("PATCH", "/v1/tenants/default/limits", br#"{"concurrency":7}"#).ok();
    assert_eq!(percentages(&host, "stays"), [(2, 50), (1, 50)]);
    let met: Vec<String> = (0..60).map(|_| asked(&host, &route, &[])).collect();
    assert!(met.iter().any(|text| text == HELLO) && met.iter().any(|text| text == STATUS), "{met:?}");
    host.stop();
}

#[test]
fn the_callers_key_may_decide() {
    let host = TestHost::start();
    let route = two_versions(&host, "by-key", "status");
    host.modelet(["traffic", "by-key", "1=50", "2=50", "--sticky", "modelet-caller"]).done();
    let bearer = format!("Bearer {}", host.key());
    let met: Vec<String> = (0..20).map(|_| asked(&host, &route, &[("authorization", &bearer)])).collect();
    assert!(met.iter().all(|text| *text == met[0]), "one key, one version: {met:?}");
    // The client's own word for it is nobody's key.
    let forged: Vec<String> = (0..60).map(|_| asked(&host, &route, &[("modelet-caller", "admin")])).collect();
    assert!(forged.iter().any(|text| text == HELLO) && forged.iter().any(|text| text == STATUS));
    host.stop();
}

#[test]
fn a_deploy_under_a_split_gets_nothing_until_it_is_given_more() {
    let host = TestHost::start();
    let route = two_versions(&host, "canary", "status");
    host.modelet(["traffic", "canary", "1=100"]).done();
    assert_eq!(asked(&host, &route, &[]), HELLO);
    let said = deploy(&host, "canary", "status");
    assert!(said.contains("canary version 3 is deployed and gets no requests"), "{said}");
    assert_eq!(percentages(&host, "canary"), [(3, 0), (2, 0), (1, 100)]);
    assert!((0..20).all(|_| asked(&host, &route, &[]) == HELLO));
    host.modelet(["traffic", "canary", "1=0", "3=100"]).done();
    assert_eq!(asked(&host, &route, &[]), STATUS);
    host.modelet(["rollback", "canary", "--to", "1"]).done();
    assert_eq!(asked(&host, &route, &[]), HELLO, "a rollback ends the split");
    let report = host.modelet(["traffic", "canary"]).done();
    assert!(report.contains("version 1 has all requests"), "{report}");
    assert!(deploy(&host, "canary", "status").contains("canary version 4 is live"));
    host.modelet(["traffic", "canary", "1=10", "4=90"]).done();
    host.modelet(["traffic", "canary", "--off"]).done();
    assert!((0..20).all(|_| asked(&host, &route, &[]) == STATUS), "the live version has all");
    host.stop();
}

#[test]
fn what_cannot_be_shared_out_is_refused_and_changes_nothing() {
    let host = TestHost::start();
    let route = two_versions(&host, "odd", "status");
    for (arguments, why) in [
        (&["1=50", "2=40"][..], "90 %"),
        (&["1=50", "7=50"], "no version 7"),
        (&["1=100", "1=0"], "named twice"),
        (&["1=100", "2=0", "--shadow", "2"], "shadow must be another"),
        (&["1=100", "--sticky", "modelet-invocation"], "not a header"),
    ] {
        let line = host.modelet(["traffic", "odd"].iter().chain(arguments)).refused();
        assert!(line.contains(why), "{arguments:?}: {line}");
    }
    assert_eq!(asked(&host, &route, &[]), STATUS);
    host.modelet(["traffic", "odd", "1=10", "2=90"]).done();
    let line = host.modelet(["function", "remove", "odd", "--version", "1"]).refused();
    assert!(line.contains("modelet traffic odd"), "{line}");
    host.stop();
}

#[test]
fn a_version_is_reached_by_its_number_by_who_may_deploy_and_by_nobody_else() {
    let host = TestHost::start();
    let route = two_versions(&host, "preview", "status");
    host.modelet(["traffic", "preview", "1=100", "2=0"]).done();
    let bearer = format!("Bearer {}", host.key());
    let owner =
        |version: &str| host.send("GET", &route, &[("authorization", &bearer), ("modelet-version", version)], b"");
    assert_eq!(owner("2").ok().text(), STATUS);
    assert_eq!(owner("1").ok().text(), HELLO);
    for absent in ["3", "0", "x", ""] {
        let detail = owner(absent).problem(404, "no-version");
        assert!(detail.contains("modelet traffic"), "{detail}");
    }
    assert_eq!(asked(&host, &route, &[("modelet-version", "2")]), HELLO, "without a key it means nothing");
    let wrong = [("authorization", "Bearer wrong"), ("modelet-version", "2")];
    assert_eq!(asked(&host, &route, &wrong), HELLO);
    // Where nothing is shared out, too: the owner must not take the live version for the one that was asked for.
    host.modelet(["traffic", "preview", "--off"]).done();
    let _ = owner("2").problem(404, "no-version");
    assert_eq!(owner("1").ok().text(), HELLO);
    host.stop();
}

fn verdicts(host: &TestHost, name: &str) -> Value {
    host.modelet(["traffic", name, "--json"]).json()["shadow"].clone()
}

/// Waits until so many copies have a verdict, and returns all counts.
fn counted(host: &TestHost, name: &str, copies: u64) -> Value {
    until("all copies have a verdict", || {
        let shadow = verdicts(host, name);
        let sum: u64 = shadow["verdicts"].as_object().unwrap().values().filter_map(Value::as_u64).sum();
        (sum >= copies).then_some(shadow)
    })
}

#[test]
fn a_shadow_gets_copies_and_the_differences_are_counted_and_told() {
    let host = TestHost::start();
    let route = two_versions(&host, "shadowed", "status");
    host.modelet(["traffic", "shadowed", "1=100", "--shadow", "2"]).done();
    for _ in 0..3 {
        assert_eq!(asked(&host, &route, &[]), HELLO, "the client gets the other one's answer");
    }
    let other = host.get(&format!("{route}?code=418")).ok();
    let shadow = counted(&host, "shadowed", 4);
    assert_eq!((&shadow["verdicts"]["body"], &shadow["verdicts"]["status"]), (&3.into(), &1.into()), "{shadow}");
    let told = shadow["recent"].as_array().unwrap().iter().find(|differs| differs["verdict"] == "status").unwrap();
    assert_eq!((told["invocation"].as_str(), told["shadow"].as_str()), (Some(other.invocation()), Some("418")));
    let report = host.modelet(["traffic", "shadowed"]).done();
    assert!(report.contains("shadow version 2: 0 alike; 1 with another status, 3 with another body"), "{report}");
    let labels = [("function", "shadowed"), ("version", "2"), ("verdict", "body")];
    assert_eq!(host.metrics().sum("modelet_shadow_requests_total", &labels), 3.0);
    assert_eq!(
        host.metrics().sum("modelet_requests_total", &[("function", "shadowed"), ("version", "2")]),
        0.0,
        "no client's"
    );
    host.modelet(["traffic", "shadowed", "--off"]).done();
    assert!(!host.metrics().has("modelet_shadow_requests_total"));
    host.stop();
}

#[test]
fn a_shadow_that_answers_alike_that_fails_and_bodies_that_are_too_large() {
    let host = TestHost::start();
    let echo = |name: &str| Function::guest("echo").named(name).route(&format!("path = \"/{name}\"\nauth = \"none\""));
    host.deploy(&echo("alike"));
    host.deploy(&echo("alike"));
    host.modelet(["traffic", "alike", "1=100", "--shadow", "2"]).done();
    assert_eq!(host.post("/alike", b"some body").ok().text(), "some body");
    assert_eq!(host.post("/alike", &vec![b'x'; 100_000]).ok().body.len(), 100_000);
    assert_eq!(host.post("/alike", &vec![b'x'; 300_000]).ok().body.len(), 300_000);
    let shadow = counted(&host, "alike", 3);
    assert_eq!((&shadow["verdicts"]["same"], &shadow["verdicts"]["large"]), (&2.into(), &1.into()), "{shadow}");
    let route = two_versions(&host, "failing", "trap");
    host.modelet(["traffic", "failing", "1=100", "--shadow", "2"]).done();
    assert_eq!(asked(&host, &route, &[]), HELLO);
    let shadow = counted(&host, "failing", 1);
    assert_eq!(
        (&shadow["verdicts"]["failed"], &shadow["recent"][0]["shadow"]),
        (&1.into(), &"trapped".into()),
        "{shadow}"
    );
    host.stop();
}

#[test]
fn a_shadow_changes_nothing_outside() {
    let host = TestHost::start();
    let pairs = |host: &TestHost| {
        host.deploy(&Function::guest("pairs").named("kept").route("path = \"/kept\"\nauth = \"none\""));
    };
    pairs(&host);
    pairs(&host);
    host.modelet(["traffic", "kept", "1=100", "--shadow", "2"]).done();
    for sum in 1..=3 {
        assert_eq!(host.get("/kept?do=add&bucket=b&key=n").ok().json(), serde_json::json!({ "ok": sum }));
    }
    let _ = counted(&host, "kept", 3);
    assert_eq!(host.get("/kept?do=get&bucket=b&key=n").ok().json(), serde_json::json!({ "ok": "3" }));
    host.stop();
}
