//! From the disk to an answer and back: what is in memory of a function, when, and what its owner may say about it.

use modelet_tests::raw::Wire;
use modelet_tests::{Function, TestHost, until};
use serde_json::Value;

fn level(host: &TestHost, level: &str) -> f64 {
    host.metrics().sum("modelet_functions", &[("level", level)])
}

fn show(host: &TestHost, function: &str) -> Value {
    host.modelet(["function", "show", function, "--json"]).json()
}

fn scale(host: &TestHost, function: &str, min: &str) -> Value {
    host.modelet(["function", "scale", function, "--min", min, "--json"]).json()
}

fn idle(host: &TestHost, function: &str) -> u64 {
    show(host, function)["instances"]["idle"].as_u64().unwrap()
}

#[test]
fn a_function_climbs_when_it_is_called_and_steps_down_by_itself() {
    let host = TestHost::configured("[server]\ncomponent_idle = \"500ms\"\nserver_timing = true\n");
    let hello = host.once(&Function::guest("hello").with("[instances]\nidle = \"100ms\"\n"));
    until("nothing of it is in memory", || (level(&host, "disk") == 1.0).then_some(()));
    let metrics = host.metrics();
    assert_eq!((metrics.sum("modelet_components", &[]), metrics.sum("modelet_warm_bytes", &[])), (0.0, 0.0));
    assert!(!metrics.has("modelet_instances"), "{}", metrics.lines("modelet_instances"));

    let answer = host.get(&hello).ok();
    assert_eq!(answer.text(), "hello\n");
    let timing = answer.header("server-timing").unwrap().to_owned();
    let at = |stage: &str| timing.find(&format!("{stage};dur=")).unwrap_or_else(|| panic!("no {stage}: {timing}"));
    let places = ["route", "queue", "compile", "instantiate", "guest"].map(at);
    assert!(places.is_sorted(), "in the contract's order: {timing}");
    let metrics = host.metrics();
    for cold in ["component", "instance"] {
        let labels = [("function", "hello"), ("level", cold)];
        assert_eq!(metrics.sum("modelet_cold_starts_total", &labels), 1.0, "{cold}");
        assert_eq!(metrics.sum("modelet_cold_start_seconds_count", &[("level", cold)]), 1.0, "{cold}");
    }
    for stage in ["compile", "instantiate"] {
        assert_eq!(metrics.sum("modelet_stage_seconds_count", &[("stage", stage)]), 1.0, "{stage}");
    }
    until("its instance has gone", || (level(&host, "warm") == 0.0).then_some(()));
    until("its component has gone", || (level(&host, "disk") == 1.0).then_some(()));
    until("it is told why", || {
        (host.metrics().sum("modelet_functions_cooled_total", &[("reason", "idle")]) >= 1.0).then_some(())
    });
    assert_eq!(show(&host, "hello")["instances"]["warmth"], "disk");
    assert_eq!(host.get(&hello).ok().text(), "hello\n", "and comes back for whoever calls");
    host.stop();
}

#[test]
fn a_warm_answer_tells_of_no_start() {
    let host = TestHost::configured("[server]\nserver_timing = true\n");
    let hello = host.guest("hello");
    assert_eq!(host.get(&hello).status, 200);
    let answer = host.get(&hello).ok();
    let timing = answer.header("server-timing").unwrap();
    assert!(!timing.contains("compile") && !timing.contains("instantiate"), "{timing}");
    host.stop();
}

#[test]
fn after_a_start_functions_are_on_the_disk_until_they_are_called() {
    let mut host = TestHost::start();
    host.guest("hello");
    host.once(&Function::guest("hello").named("never"));
    host.restart();
    assert_eq!((level(&host, "disk"), host.metrics().sum("modelet_components", &[])), (2.0, 0.0));
    assert_eq!(host.get("/hello").ok().text(), "hello\n");
    assert_eq!((level(&host, "disk"), host.metrics().sum("modelet_components", &[])), (1.0, 1.0));
    host.stop();
}

#[test]
fn instances_that_are_kept_warm_are_there_after_a_restart_and_a_deploy() {
    let mut host = TestHost::start();
    let count = Function::guest("count").with("[instances]\nidle = \"50ms\"\n");
    host.deploy(&count);
    let scaled = scale(&host, "count", "2");
    assert_eq!((&scaled["instances"]["kept"], &scaled["instances"]["idle"]), (&2.into(), &2.into()), "{scaled}");
    host.restart();
    until("they are there again", || (idle(&host, "count") == 2).then_some(()));
    host.deploy(&count);
    let shown = show(&host, "count");
    assert_eq!((&shown["version"], &shown["instances"]["idle"]), (&2.into(), &2.into()), "{shown}");
    let said = host.modelet(["function", "scale", "count", "--min", "0"]).done();
    assert!(said.contains("count keeps no instance warm"), "{said}");
    until("they go as others do", || (idle(&host, "count") == 0).then_some(()));
    host.restart();
    assert_eq!(show(&host, "count")["instances"]["kept"], 0);
    host.stop();
}

#[test]
fn a_new_version_takes_the_kept_instances_over_while_the_old_one_still_runs() {
    let host = TestHost::configured("[limits]\ninstances_total = 8\n");
    let trap = Function::guest("trap").with("[instances]\nmin = 4\n");
    host.deploy(&trap);
    let mut wire = Wire::connect(&host.data_url);
    wire.send(b"GET /trap?pause_ms=60000 HTTP/1.1\r\nhost: x\r\n\r\n");
    until("a request runs", || (show(&host, "trap")["instances"]["busy"] == 1).then_some(()));
    let said = host.try_deploy(&trap).done();
    assert!(!said.contains("note"), "{said}");
    let shown = show(&host, "trap");
    assert_eq!((&shown["version"], &shown["instances"]["kept"]), (&2.into(), &4.into()), "{shown}");
    drop(wire);
    host.stop();
}

#[test]
fn a_manifest_may_ask_for_warm_instances_and_its_owner_say_otherwise() {
    let mut host = TestHost::start();
    host.deploy(&Function::guest("hello").with("[instances]\nmin = 1\n"));
    assert_eq!(show(&host, "hello")["instances"]["kept"], 1);
    host.restart();
    until("it is there again", || (idle(&host, "hello") == 1).then_some(()));
    assert_eq!(scale(&host, "hello", "0")["instances"]["kept"], 0);
    host.restart();
    assert_eq!(show(&host, "hello")["instances"]["kept"], 0, "what was said beats the manifest");
    host.stop();
}

#[test]
fn more_than_can_be_kept_is_refused_with_the_limit() {
    let host = TestHost::configured("[limits]\ninstances_total = 8\n");
    host.deploy(&Function::guest("hello").with("[limits]\nconcurrency = 5\n"));
    let line = host.modelet(["function", "scale", "hello", "--min", "6"]).refused();
    assert!(line.contains("limit of 5") && line.contains("function.toml"), "{line}");
    let line = host.modelet(["function", "scale", "hello", "--min", "5"]).refused();
    assert!(line.contains("at most 4") && line.contains("instances_total"), "{line}");
    let line = host.modelet(["function", "scale", "nobody", "--min", "1"]).refused();
    assert!(line.contains("no function `nobody`"), "{line}");
    assert_eq!(show(&host, "hello")["instances"]["kept"], 0);
    host.stop();
}

#[test]
fn a_guest_that_cannot_be_called_twice_gets_a_fresh_instance_for_each_request() {
    let mut host = TestHost::start();
    let said = host.try_deploy(&Function::guest("once")).done();
    assert!(said.contains("note: reuse = \"instance\" does not work here"), "{said}");
    assert!(said.contains("second request in the same instance its guest trapped"), "{said}");
    for _ in 0..2 {
        for _ in 0..5 {
            assert_eq!(host.get("/once").ok().text(), "first\n");
        }
        let shown = show(&host, "once");
        assert_eq!(shown["reuse"], "request");
        assert!(shown["notes"][0].as_str().unwrap().contains("trapped"), "{shown}");
        host.restart();
    }
    host.stop();
}

#[test]
fn a_trap_after_the_answer_counts_and_so_does_a_case_of_the_manifest() {
    let host = TestHost::start();
    let said = host.try_deploy(&Function::guest("trap_after")).done();
    assert!(said.contains("its guest trapped after it had answered"), "{said}");
    // Called by `GET /` it would trap at the second call; it is called as its case says.
    let case = "[[case]]\nrequest = { path = \"/once?gentle\" }\n";
    host.deploy(&Function::guest("once").with(case));
    let said = host.try_deploy(&Function::guest("count")).done();
    assert!(!said.contains("note"), "{said}");
    assert_eq!(host.get("/count").ok().text(), "1\n", "who calls first does not meet what the deploy called");
    assert_eq!(host.get("/count").ok().text(), "2\n");
    for function in ["once", "count"] {
        assert_eq!(show(&host, function)["reuse"], "instance");
    }
    host.stop();
}

#[test]
fn where_the_manifest_wants_it_each_request_has_a_fresh_sandbox_made_before() {
    let host = TestHost::start();
    host.deploy(&Function::guest("count").with("[instances]\nreuse = \"request\"\n"));
    for _ in 0..5 {
        assert_eq!(host.get("/count").ok().text(), "1\n");
        until("the next one is ready", || (idle(&host, "count") == 1).then_some(()));
    }
    let metrics = host.metrics();
    let cold = [("function", "count"), ("level", "instance")];
    assert_eq!(metrics.sum("modelet_cold_starts_total", &cold), 1.0, "only the first one waited");
    host.stop();
}
