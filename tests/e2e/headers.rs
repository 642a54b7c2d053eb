//! The header rules of the contract: what a guest sees, and what it may say.

use modelet_tests::cli::ran;
use modelet_tests::{Answer, Function, shared, until};
use serde_json::Value;

/// What the guest `headers` saw of a request.
fn seen(answer: &Answer) -> Vec<(String, String)> {
    assert_eq!(answer.status, 200, "{}", answer.text());
    let pair = |pair: &Value| (pair[0].as_str().unwrap().to_owned(), pair[1].as_str().unwrap().to_owned());
    answer.json()["headers"].as_array().unwrap().iter().map(pair).collect()
}

fn names(answer: &Answer) -> Vec<String> {
    seen(answer).into_iter().map(|(name, _)| name.to_lowercase()).collect()
}

#[test]
fn a_guest_sees_the_request_as_it_was_made() {
    let host = shared();
    let route = host.guest("headers");
    let headers = [("x-one", "1"), ("accept", "text/html"), ("host", "a.example:81"), ("x-modelet", "not ours")];
    let answer = host.send("DELETE", &format!("{route}?a=b%20c&d"), &headers, b"");
    let report = answer.json();
    assert_eq!(report["method"], "DELETE");
    assert_eq!((&report["path"], &report["query"]), (&route.clone().into(), &"a=b%20c&d".into()), "{report}");
    assert_eq!((&report["scheme"], &report["authority"]), (&"http".into(), &"a.example:81".into()), "{report}");
    let seen = seen(&answer);
    for (name, value) in [("x-one", "1"), ("accept", "text/html"), ("x-modelet", "not ours")] {
        assert!(seen.contains(&(name.to_owned(), value.to_owned())), "{name}: {seen:?}");
    }
}

#[test]
fn incoming_modelet_headers_are_dropped() {
    let host = shared();
    let route = host.guest("headers");
    let forged =
        [("modelet-caller", "admin"), ("Modelet-Invocation", "forged"), ("modelet-x", "y"), ("MODELET-TENANT", "acme")];
    let answer = host.send("GET", &route, &forged, b"");
    let names = names(&answer);
    assert!(!names.iter().any(|name| name.starts_with("modelet-")), "{names:?}");
    assert_ne!(answer.invocation(), "forged");
}

#[test]
fn hop_by_hop_headers_do_not_reach_a_guest() {
    let host = shared();
    let route = host.guest("headers");
    let hop = [
        ("connection", "x-private, keep-alive"),
        ("x-private", "1"),
        ("te", "trailers"),
        ("proxy-authorization", "Basic x"),
        ("keep-alive", "1"),
        ("upgrade", "websocket"),
    ];
    let names = names(&host.send("GET", &route, &hop, b""));
    for (name, _) in hop {
        assert!(!names.contains(&name.to_owned()), "{name}: {names:?}");
    }
}

#[test]
fn a_route_with_a_key_is_401_without_one() {
    let host = shared();
    let locked = host.once(&locked());
    let answer = host.get(&locked);
    answer.problem(401, "unauthorized");
    assert!(answer.header("www-authenticate").is_some_and(|value| value.starts_with("Bearer")), "{answer:?}");
    host.send("GET", &locked, &[("authorization", "Bearer wrong")], b"").problem(401, "unauthorized");
    host.send("GET", &locked, &[("authorization", "Basic d3Jvbmc6")], b"").problem(401, "unauthorized");
}

#[test]
fn a_key_that_authorised_a_request_never_reaches_the_guest_and_its_id_does() {
    let host = shared();
    let locked = host.once(&locked());
    let key = host.key();
    for scheme in ["Bearer", "bearer", "BEARER"] {
        let bearer = format!("{scheme} {key}");
        let headers = [("authorization", bearer.as_str()), ("modelet-caller", "forged")];
        let answer = host.send("GET", &locked, &headers, b"");
        let seen = seen(&answer);
        assert!(!answer.text().contains(&key), "the guest saw the key: {seen:?}");
        assert!(!seen.iter().any(|(name, _)| name == "authorization"), "{seen:?}");
        let callers: Vec<_> = seen.iter().filter(|(name, _)| name == "modelet-caller").collect();
        assert!(matches!(callers.as_slice(), [(_, id)] if id != "forged" && !id.is_empty()), "{callers:?}");
    }
    assert!(!host.log().contains(&key), "the log has the key");
}

#[test]
fn at_no_level_of_detail_does_the_log_have_a_key() {
    let host = modelet_tests::TestHost::configured("[server]\nlog = \"trace\"\n");
    let locked = host.once(&locked());
    let key = host.key();
    let bearer = format!("authorization: Bearer {key}");
    for version in ["--http1.1", "--http2-prior-knowledge"] {
        let mut curl = std::process::Command::new("curl");
        curl.args(["--silent", "--show-error", "--max-time", "30", "--noproxy", "*", version, "--header", &bearer]);
        let answer = ran(curl.arg(format!("{}{locked}", host.data_url))).done();
        assert!(answer.contains("modelet-caller"), "{answer}");
        let wrong = format!("authorization: Bearer {}", key.replace(|c: char| c.is_ascii_digit(), "a"));
        let mut curl = std::process::Command::new("curl");
        curl.args(["--silent", "--max-time", "30", "--noproxy", "*", version, "--header", &wrong]);
        assert!(ran(curl.arg(format!("{}{locked}", host.data_url))).done().contains("unauthorized"));
    }
    let log = host.logged(&["TRACE"]);
    let secret = key.rsplit('_').next().unwrap();
    assert!(!log.contains(secret), "{}", log.lines().find(|line| line.contains(secret)).unwrap());
    host.stop();
}

#[test]
fn a_copy_of_a_request_has_no_more_of_its_key_than_the_guest_has() {
    let host = modelet_tests::TestHost::start();
    let path = host.once(&locked());
    host.deploy(&locked());
    host.modelet(["traffic", "locked", "1=100", "--shadow", "2"]).done();
    let key = host.key();
    let answer = host.send("GET", &path, &[("authorization", &format!("Bearer {key}"))], b"");
    assert!(!answer.text().contains(&key) && names(&answer).contains(&"modelet-caller".to_owned()));
    // What the shadow saw is what its answer has, and that was the same.
    until("the copy has a verdict", || {
        let shadow = host.modelet(["traffic", "locked", "--json"]).json()["shadow"]["verdicts"].clone();
        assert_eq!(shadow["body"], 0, "{shadow}");
        (shadow["same"] == 1).then_some(())
    });
    host.stop();
}

#[test]
fn a_key_on_an_open_route_does_not_reach_the_guest_either() {
    let host = shared();
    let route = host.guest("headers");
    let key = host.key();
    let answer = host.send("GET", &route, &[("authorization", &format!("Bearer {key}"))], b"");
    assert!(!answer.text().contains(&key), "{}", answer.text());
}

#[test]
fn an_authorisation_that_is_not_ours_is_the_guests() {
    let host = shared();
    let route = host.guest("headers");
    for value in ["Basic YTpi", "Bearer a-token-of-the-function"] {
        let seen = seen(&host.send("GET", &route, &[("authorization", value)], b""));
        assert!(seen.contains(&("authorization".to_owned(), value.to_owned())), "{seen:?}");
    }
}

#[test]
fn a_guest_cannot_set_headers_of_the_server() {
    let host = shared();
    let route = host.guest("forged");
    let answer = host.get(&format!("{route}?list=1")).ok();
    let report = answer.json();
    let accepted: Vec<&str> =
        report["accepted"].as_array().unwrap().iter().map(|name| name.as_str().unwrap()).collect();
    for ours in [
        "modelet-invocation",
        "Modelet-Caller",
        "modelet-anything",
        "server-timing",
        "connection",
        "transfer-encoding",
        "upgrade",
        "keep-alive",
        "proxy-connection",
        "te",
        "http2-settings",
    ] {
        assert!(!accepted.contains(&ours), "the guest could set {ours}: {report}");
    }
    assert!(accepted.contains(&"x-own") && accepted.contains(&"x-modelet"), "{report}");
    assert_eq!(report["list"], "refused");
    let forged: Vec<_> = answer
        .headers
        .iter()
        .filter(|(_, value)| value.as_bytes() == b"forged")
        .map(|(name, _)| name.as_str())
        .collect();
    let mut expected: Vec<String> = accepted.iter().map(|name| name.to_lowercase()).collect();
    expected.retain(|name| forged.contains(&name.as_str()));
    for name in &forged {
        assert!(!name.starts_with("modelet-") && *name != "server-timing", "{name} was forged");
    }
    assert_eq!(answer.headers.get_all("modelet-invocation").iter().count(), 1);
    assert_eq!(answer.header("x-own"), Some("forged"));
}

#[test]
fn server_timing_is_there_only_when_the_operator_says_so() {
    let quiet = shared();
    assert_eq!(quiet.get(&quiet.guest("hello")).ok().header("server-timing"), None);
    let host = modelet_tests::TestHost::configured("[server]\nserver_timing = true\n");
    let answer = host.get(&host.guest("hello")).ok();
    let timing = answer.header("server-timing").unwrap_or_else(|| panic!("{answer:?}")).to_owned();
    for stage in ["route", "queue", "guest"] {
        assert!(timing.contains(&format!("{stage};dur=")), "{timing}");
    }
    host.stop();
}

fn locked() -> Function {
    Function::guest("headers").named("locked").route("path = \"/locked\"\nauth = \"key\"")
}
