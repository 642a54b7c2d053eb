//! What a component can do beside computing: what `inspect` says of it, what a deploy asks about it, and that it works.

use modelet_tests::{Function, TestHost, cli, places, shared};
use serde_json::{Value, json};

fn deploy(host: &TestHost, guest: &str, name: &str, more: &[&str]) -> cli::Ran {
    let folder = tempfile::tempdir_in(host.scratch()).unwrap();
    Function::guest(guest).named(name).lay(folder.path());
    host.modelet(["deploy", folder.path().to_str().unwrap()].iter().chain(more))
}

fn inspected(guest: &str) -> Value {
    let file = places::guest(guest);
    cli::run_in(&std::env::temp_dir(), ["inspect", file.to_str().unwrap(), "--json"]).json()
}

#[test]
fn inspect_says_what_a_component_can_do_apart_from_what_is_linked_but_empty() {
    assert_eq!(inspected("hello")["powers"], json!([]));
    assert_eq!(inspected("pairs")["powers"], json!(["wasi:keyvalue"]));
    assert_eq!(inspected("outbound")["powers"], json!(["wasi:http/outgoing-handler"]));
    assert_eq!(inspected("settings")["powers"], json!(["wasi:config"]));
    let nn = inspected("nn");
    assert_eq!(nn["powers"], json!(["wasi:nn"]));
    for (list, has) in [("capabilities", "wasi:nn/graph"), ("standard", "wasi:cli/"), ("exports", "wasi:http/incoming")]
    {
        let names = nn[list].as_array().unwrap();
        assert!(names.iter().any(|name| name.as_str().unwrap().starts_with(has)), "{list}: {nn}");
    }
    let text = cli::run_in(&std::env::temp_dir(), ["inspect", places::guest("pairs").to_str().unwrap()]).done();
    assert!(text.lines().any(|line| line.starts_with("powers") && line.ends_with("wasi:keyvalue")), "{text}");
}

#[test]
fn a_version_that_can_do_more_than_the_last_is_refused_unless_that_is_meant() {
    let host = shared();
    deploy(host, "hello", "gains", &[]).done();
    let line = deploy(host, "pairs", "gains", &[]).refused();
    assert!(line.contains("wasi:keyvalue") && line.contains("--allow-new-capabilities"), "{line}");
    assert_eq!(host.get("/gains").ok().text(), "hello\n", "the version before still serves");
    deploy(host, "pairs", "gains", &["--allow-new-capabilities"]).done();
    assert_eq!(host.get("/gains?do=exists&key=k").ok().json(), json!({ "ok": false }));
    let line = deploy(host, "outbound", "gains", &[]).refused();
    assert!(line.contains("wasi:http/outgoing-handler") && !line.contains("keyvalue"), "only what is new: {line}");
    deploy(host, "hello", "gains", &[]).done();
    let line = deploy(host, "pairs", "gains", &[]).refused();
    assert!(line.contains("wasi:keyvalue"), "compared with the version before, not with all: {line}");
}

#[test]
fn settings_are_read_and_log_lines_have_their_level_and_invocation() {
    let host = shared();
    let route = host.once(&Function::guest("settings").with("[config]\nthreshold = \"0.5\"\nname = \"x\"\n"));
    let answer = host.get(&route).ok();
    assert_eq!(answer.json(), json!({ "one": "0.5", "all": 2 }));
    assert_eq!(host.get(&format!("{route}?key=none")).ok().json()["one"], Value::Null);
    let id = answer.invocation();
    for level in ["TRACE", "DEBUG", "INFO", "WARN", "ERROR", "CRITICAL"] {
        let _ = host.logged(&[id, &format!("{level} [settings] threshold is 0.5")]);
    }
}

#[test]
fn clocks_are_as_fine_as_the_operator_has_it() {
    let coarse = TestHost::configured("[server]\nclock_step = \"5ms\"\n");
    let seen = coarse.get(&coarse.guest("clock")).ok().json();
    assert_eq!(seen["resolution"], 5_000_000, "{seen}");
    for clock in ["wall", "monotonic"] {
        let times: Vec<u64> = seen[clock].as_array().unwrap().iter().map(|time| time.as_u64().unwrap()).collect();
        assert!(times.len() == 10 && times.iter().all(|time| time % 5_000_000 == 0), "{clock}: {times:?}");
    }
    coarse.stop();
    let exact = shared().get(&shared().guest("clock")).ok().json();
    let times = exact["monotonic"].as_array().unwrap();
    assert!(times.iter().any(|time| time.as_u64().unwrap() % 5_000_000 != 0), "{exact}");
}
