//! Versions of functions: listed, made live again, removed; and that nobody's request fails for it.

use modelet_tests::raw::Wire;
use modelet_tests::wait::SetAtEnd;
use modelet_tests::{Function, TestHost, client, shared, until};
use serde_json::{Value, json};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// Live switches while clients call. The 500 of the project's own numbers are a row of `cargo xtask bench control`; these find the same faults.
const SWITCHES: u64 = 60;

/// Two versions of one function: the first answers "hello", the second "status 200".
fn two_versions(host: &TestHost, name: &str) -> String {
    let route = format!("path = \"/{name}\"");
    host.deploy(&Function::guest("hello").named(name).route(&route));
    host.deploy(&Function::guest("status").named(name).route(&route));
    format!("/{name}")
}

fn answer_of(version: u64) -> &'static str {
    if version == 1 { "hello\n" } else { "status 200\n" }
}

fn versions(host: &TestHost, name: &str) -> Value {
    host.modelet(["function", "versions", name, "--json"]).json()
}

#[test]
fn versions_are_listed_with_what_each_of_them_serves() {
    let host = shared();
    let route = two_versions(host, "of-versions");
    let _ = host.get(&route).ok();
    let listed = versions(host, "of-versions");
    let seen: Vec<_> =
        listed["versions"].as_array().unwrap().iter().map(|v| (&v["version"], &v["live"], &v["percent"])).collect();
    assert_eq!(seen, [(&json!(2), &json!(true), &json!(100)), (&json!(1), &json!(false), &json!(0))]);
    let first = &listed["versions"][1];
    assert!(first["digest"].as_str().unwrap().starts_with("sha256:"), "{listed}");
    assert!(first["deployed"].as_str().unwrap().ends_with('Z'), "{listed}");
    let text = host.modelet(["function", "versions", "of-versions"]).done();
    assert!(text.contains("live") && text.contains("DEPLOYED") && text.lines().count() == 3, "{text}");
    assert!(host.modelet(["function", "versions", "nobody"]).refused().contains("no function"));
}

#[test]
fn a_rollback_makes_the_version_before_live_and_another_one_if_named() {
    let mut host = TestHost::start();
    let route = two_versions(&host, "back");
    assert_eq!(host.get(&route).ok().text(), answer_of(2));
    assert!(host.modelet(["rollback", "back"]).done().contains("back version 1 is live"));
    assert_eq!(host.get(&route).ok().text(), answer_of(1));
    let line = host.modelet(["rollback", "back"]).refused();
    assert!(line.contains("no version before 1"), "{line}");
    assert!(host.modelet(["rollback", "back", "--to", "7"]).refused().contains("no version 7"));
    let shown = host.modelet(["rollback", "back", "--to", "2", "--json"]).json();
    assert_eq!((&shown["version"], &shown["live"], &shown["percent"]), (&json!(2), &json!(true), &json!(100)));
    host.modelet(["rollback", "back"]).done();
    host.kill_and_restart();
    assert_eq!(host.get(&route).ok().text(), answer_of(1), "it is kept");
    host.deploy(&Function::guest("status").named("back").route("path = \"/back\""));
    assert_eq!(
        host.modelet(["function", "show", "back", "--json"]).json()["version"],
        3,
        "a deploy goes live, under a new number"
    );
    host.stop();
}

#[test]
fn a_rollback_brings_the_routes_of_its_version_back_or_is_refused_where_one_is_taken() {
    let host = TestHost::start();
    host.deploy(&Function::guest("hello").named("moves").route("path = \"/old\""));
    host.deploy(&Function::guest("hello").named("moves").route("path = \"/new\""));
    assert_eq!((host.get("/old").status, host.get("/new").status), (404, 200));
    host.modelet(["rollback", "moves"]).done();
    assert_eq!((host.get("/old").status, host.get("/new").status), (200, 404));
    host.deploy(&Function::guest("echo").named("squatter").route("path = \"/new\""));
    let line = host.modelet(["rollback", "moves", "--to", "2"]).refused();
    assert!(line.contains("/new"), "{line}");
    assert_eq!((host.get("/old").status, versions(&host, "moves")["versions"][1]["live"].clone()), (200, true.into()));
    host.stop();
}

#[test]
fn no_request_fails_and_none_is_answered_by_the_wrong_version_while_versions_are_switched() {
    let host = TestHost::start();
    let route = two_versions(&host, "switched");
    // Odd: a switch is under way. Even: this half of it is acknowledged, and its parity tells the version.
    let (turn, done, checked) = (AtomicU64::new(0), AtomicBool::new(false), AtomicU64::new(0));
    let live_at = |turn: u64| 1 + turn / 2 % 2;
    host.modelet(["rollback", "switched", "--to", "1"]).done();
    std::thread::scope(|scope| {
        let _done = SetAtEnd(&done);
        for _ in 0..3 {
            scope.spawn(|| {
                while !done.load(Ordering::Acquire) {
                    let before = turn.load(Ordering::Acquire);
                    let answer = host.get(&route).ok().text();
                    let after = turn.load(Ordering::Acquire);
                    if before == after && before % 2 == 0 {
                        assert_eq!(answer, answer_of(live_at(before)), "after the acknowledgement of turn {before}");
                        checked.fetch_add(1, Ordering::Relaxed);
                    } else {
                        assert!(answer == answer_of(1) || answer == answer_of(2), "{answer}");
                    }
                }
            });
        }
        for switch in 1..=SWITCHES {
            turn.fetch_add(1, Ordering::AcqRel);
            let to = json!({ "to": live_at(switch * 2) }).to_string();
            let _ = host.admin("POST", "/v1/functions/switched/rollback", to.as_bytes()).ok();
            turn.fetch_add(1, Ordering::AcqRel);
            assert_eq!(host.get(&route).ok().text(), answer_of(live_at(switch * 2)), "right after the acknowledgement");
        }
    });
    assert!(checked.load(Ordering::Relaxed) > 0, "no request fell between two switches");
    let metrics = host.metrics();
    let failed: f64 =
        ["500", "502", "503", "504"].iter().map(|s| metrics.sum("modelet_requests_total", &[("status", s)])).sum();
    assert_eq!(failed, 0.0);
    host.stop();
}

#[test]
fn a_version_that_serves_is_not_removed_and_a_removed_number_is_not_used_again() {
    let host = TestHost::start();
    let route = two_versions(&host, "thinned");
    let line = host.modelet(["function", "remove", "thinned", "--version", "2"]).refused();
    assert!(line.contains("is live") && line.contains("modelet rollback thinned"), "{line}");
    let forced = host.modelet(["function", "remove", "thinned", "--version", "2", "--force"]).refused();
    assert!(forced.contains("is live"), "{forced}");
    host.modelet(["rollback", "thinned"]).done();
    host.modelet(["function", "remove", "thinned", "--version", "2"]).done();
    assert!(host.modelet(["rollback", "thinned", "--to", "2"]).refused().contains("no version 2"));
    let line = host.modelet(["function", "remove", "thinned", "--version", "2"]).refused();
    assert!(
        line.contains("there is no version 2 of `thinned`") && line.contains("function versions thinned"),
        "{line}"
    );
    host.deploy(&Function::guest("status").named("thinned").route("path = \"/thinned\""));
    let numbers: Vec<_> =
        versions(&host, "thinned")["versions"].as_array().unwrap().iter().map(|v| v["version"].clone()).collect();
    assert_eq!(numbers, [3, 1]);
    assert_eq!(host.get(&route).ok().text(), answer_of(2));
    host.stop();
}

#[test]
fn a_removed_function_is_gone_from_routes_listings_and_metrics_and_its_numbers_go_on() {
    let mut host = TestHost::start();
    let route = two_versions(&host, "gone");
    let _ = host.get(&route).ok();
    host.modelet(["function", "scale", "gone", "--min", "1"]).done();
    let said = host.modelet(["function", "remove", "gone"]).done();
    assert!(said.contains("gone is removed, with 2 versions"), "{said}");
    let _ = host.get(&route).problem(404, "not-found");
    assert!(host.modelet(["function", "show", "gone"]).refused().contains("no function"));
    assert!(host.modelet(["function", "remove", "gone"]).refused().contains("no function"));
    assert_eq!(host.modelet(["function", "list", "--json"]).json()["functions"], json!([]));
    until("its series are gone", || {
        let metrics = host.metrics();
        let names = [
            "modelet_requests_total",
            "modelet_request_seconds_count",
            "modelet_cpu_seconds_total",
            "modelet_instances",
        ];
        (names.iter().all(|name| !metrics.lines(name).contains("function=\"gone\""))).then_some(())
    });
    host.restart();
    let _ = host.get(&route).problem(404, "not-found");
    host.deploy(&Function::guest("hello").named("gone").route("path = \"/gone\""));
    let shown = host.modelet(["function", "show", "gone", "--json"]).json();
    assert_eq!((&shown["version"], &shown["instances"]["kept"]), (&json!(3), &json!(0)), "{shown}");
    host.stop();
}

#[test]
fn a_function_that_answers_is_removed_by_force_alone_and_finishes_what_it_has() {
    let host = TestHost::start();
    let drip = host.guest("drip");
    let mut wire = Wire::connect(&host.data_url);
    wire.send(format!("GET {drip}?n=100&pause_ms=10 HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").as_bytes());
    let _ = wire.read_until(b"\n0\n");
    let line = host.modelet(["function", "remove", "drip"]).refused();
    assert!(line.contains("answers 1 requests") && line.contains("--force"), "{line}");
    let removed = host.modelet(["function", "remove", "drip", "--force", "--json"]).json();
    assert_eq!(removed["in_flight"], 0, "{removed}");
    let answer = client::send("GET", &format!("{}{drip}", host.data_url), &[], b"").unwrap();
    assert_eq!(answer.status, 404);
    let rest = String::from_utf8_lossy(&wire.rest()).into_owned();
    assert!(rest.contains("\n99\n") && rest.ends_with("0\r\n\r\n"), "cut: {}", &rest[rest.len().saturating_sub(80)..]);
    host.stop();
}

#[test]
fn a_function_that_is_removed_under_load_fails_no_request_and_is_gone_afterwards() {
    let host = TestHost::start();
    let drip = Function::guest("drip").named("busy").route("path = \"/busy\"\nauth = \"none\"");
    host.deploy(&drip);
    host.deploy(&drip);
    host.modelet(["traffic", "busy", "1=50", "2=50"]).done();
    let (answered, gone, over) = (AtomicU64::new(0), AtomicBool::new(false), AtomicBool::new(false));
    std::thread::scope(|scope| {
        let _over = SetAtEnd(&over);
        for _ in 0..6 {
            scope.spawn(|| {
                while !over.load(Ordering::Acquire) || gone.load(Ordering::Acquire) {
                    let was_gone = gone.load(Ordering::Acquire);
                    let answer = host.get("/busy?n=5&pause_ms=2");
                    if answer.status == 404 {
                        answer.problem(404, "not-found");
                        return;
                    }
                    assert!(!was_gone, "it is answered although it was removed: {answer:?}");
                    assert_eq!(answer.ok().text(), "0\n1\n2\n3\n4\n", "the whole answer");
                    answered.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        until("requests are answered", || (answered.load(Ordering::Relaxed) > 60).then_some(()));
        let removed = host.modelet(["function", "remove", "busy", "--force", "--json"]).json();
        gone.store(true, Ordering::Release);
        assert_eq!(removed["in_flight"], 0, "what it answered was waited for: {removed}");
    });
    let metrics = host.metrics();
    let failed: f64 =
        ["500", "502", "503", "504"].iter().map(|s| metrics.sum("modelet_requests_total", &[("status", s)])).sum();
    assert_eq!(failed, 0.0);
    host.stop();
}
