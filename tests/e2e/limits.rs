//! Limits that are not one guest's end: what is counted, who waits, who is told to come again.

use modelet_tests::raw::Wire;
use modelet_tests::{Function, Origin, TestHost, shared, until};
use serde_json::json;
use std::thread;

#[test]
fn what_a_guest_computes_is_counted_for_its_function_and_waiting_is_not() {
    let host = shared();
    let cpu = |function: &str| {
        host.metrics().sum("modelet_cpu_seconds_total", &[("tenant", "default"), ("function", function)])
    };
    let heavy = host.once(&Function::guest("heavy").named("counted-heavy"));
    assert_eq!(host.get(&format!("{heavy}?ms=200")).ok().text(), "computed\n");
    until("it is counted", || (cpu("counted-heavy") > 0.005).then_some(()));
    let idle = host.once(&Function::guest("early_answer").named("counted-idle"));
    assert_eq!(host.get(&format!("{idle}?pause_ms=400")).ok().text(), "answered\n");
    until("the other one is, too", || (cpu("counted-idle") > 0.0).then_some(()));
    assert!(cpu("counted-idle") < 0.3, "{}", host.metrics().lines("modelet_cpu_seconds"));
}

#[test]
fn what_is_dropped_of_a_log_is_counted() {
    let host = shared();
    let dropped = || host.metrics().sum("modelet_log_dropped_bytes_total", &[("function", "counted-log")]);
    let route = host.once(&Function::guest("stdout").named("counted-log").with("[limits]\nlog = \"4KiB\"\n"));
    assert_eq!(host.get(&format!("{route}?lines=1")).ok().text(), "ok\n");
    assert_eq!(dropped(), 0.0);
    let answer = host.get(&format!("{route}?lines=100&bytes=1000")).ok();
    let log = host.logged(&[answer.invocation(), "log limit reached"]);
    assert_eq!(log.matches("log limit reached").count(), 1, "it is said once: {log}");
    until("it is counted", || (dropped() > 150_000.0).then_some(()));
}

#[test]
fn the_functions_of_a_tenant_share_its_places_and_who_finds_none_is_told_to_come_again() {
    let host = TestHost::configured("[limits]\nconcurrency_tenant = 1\n");
    let (drip, hello) = (host.once(&Function::guest("drip")), host.guest("hello"));
    let mut first = Wire::connect(&host.data_url);
    first.send(format!("GET {drip}?n=100000 HTTP/1.1\r\nhost: x\r\n\r\n").as_bytes());
    let _ = first.read_until(b"\n0\n");
    let (sender, answers) = std::sync::mpsc::channel();
    thread::scope(|scope| {
        for _ in 0..2 {
            let (sender, host, hello) = (sender.clone(), &host, &hello);
            scope.spawn(move || sender.send(host.get(hello)).unwrap());
        }
        // One waits in the only place, whichever came first; the other is answered at once.
        let refused = answers.recv().unwrap();
        let _ = refused.problem(429, "tenant-busy");
        assert!(refused.header("retry-after").is_some(), "{refused:?}");
        drop(first);
        assert_eq!(answers.recv().unwrap().status, 200, "who waited is served when the first has gone");
    });
    let rejected = host.metrics().sum("modelet_rejected_total", &[("tenant", "default"), ("reason", "tenant-busy")]);
    assert_eq!(rejected, 1.0);
    host.stop();
}

#[test]
fn an_invocation_sends_as_many_requests_as_it_may_and_the_next_begins_anew() {
    let host = TestHost::configured("[limits]\noutbound_calls = 2\n");
    let origin = Origin::start();
    let allow = format!("[outbound]\nallow = [{:?}]\n", origin.url());
    let route = host.once(&Function::guest("fetch").with(&allow));
    for n in 1..=2 {
        let answer = host.get(&format!("{route}?url={}/hello&copies=3", origin.url())).ok();
        let reports = answer.json();
        let refused = reports.as_array().unwrap().iter().filter(|report| report.get("refused").is_some());
        assert_eq!(
            refused.collect::<Vec<_>>(),
            [&json!({ "refused": "ErrorCode::ConnectionLimitReached" })],
            "{reports}"
        );
        let _ = host.logged(&[answer.invocation(), "outbound_calls"]);
        let counted = host.metrics().sum("modelet_outbound_requests_total", &[("outcome", "too-many")]);
        assert_eq!(counted, f64::from(n));
    }
    host.stop();
}

/// Milliseconds of a stage, as `server-timing` has them.
fn stage_ms(answer: &modelet_tests::Answer, stage: &str) -> f64 {
    let timing = answer.header("server-timing").unwrap();
    let (_, rest) = timing.split_once(&format!("{stage};dur=")).unwrap_or_else(|| panic!("no {stage}: {timing}"));
    rest.split(',').next().unwrap().parse().unwrap()
}

#[test]
fn time_is_over_the_queue_as_well() {
    let host = TestHost::configured("[server]\nserver_timing = true\n");
    let limits = "[limits]\nconcurrency = 1\nqueue = 2\ntime = \"12s\"\n";
    let route = host.once(&Function::guest("deadline_left").with(limits));
    let hold = |ms: u64| {
        let mut wire = Wire::connect(&host.data_url);
        wire.send(format!("GET {route}?ms={ms} HTTP/1.1\r\nhost: x\r\n\r\n").as_bytes());
        until("it has the only place", || {
            let busy = [("function", "deadline-left"), ("state", "busy")];
            (host.metrics().sum("modelet_instances", &busy) == 1.0).then_some(())
        });
        wire
    };
    let first = hold(1500);
    let waited = host.get(&format!("{route}?ms=0")).ok();
    let left_ms = waited.json()[0].as_u64().unwrap() as f64;
    // What it has is what the queue has left of it. Numbers are cut to milliseconds.
    let queue_ms = stage_ms(&waited, "queue");
    assert!(left_ms <= 12_000.0 - queue_ms + 1.0, "{left_ms} ms are left after {queue_ms} ms in the queue");
    drop(first);
    host.stop();
}

#[test]
fn who_waits_for_a_place_waits_no_longer_than_its_time() {
    let host = TestHost::start();
    let limits = "[limits]\nconcurrency = 1\nqueue = 2\ntime = \"3s\"\n";
    let drip = host.once(&Function::guest("drip").with(limits));
    let mut wires: Vec<Wire> = (0..3).map(|_| Wire::connect(&host.data_url)).collect();
    for wire in &mut wires {
        wire.send(format!("GET {drip}?n=1000000 HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").as_bytes());
    }
    // Whoever came first has the place for all of its time. For those behind it nothing is left but a moment, if that.
    let ended: Vec<String> = wires.iter_mut().map(|wire| String::from_utf8_lossy(&wire.rest()).into_owned()).collect();
    let with = |status: &str| ended.iter().filter(|text| text.starts_with(&format!("HTTP/1.1 {status}"))).count();
    assert!(with("200") >= 1 && with("200") + with("429") + with("504") == 3, "{ended:#?}");
    host.stop();
}

#[test]
fn each_world_has_its_own_places_for_instances() {
    let host = TestHost::configured("[server]\nwasi_http_03 = true\n[limits]\ninstances_total = 4\n");
    let (sync, asynchronous) = (host.guest("hello"), host.guest("async_hello"));
    let idle = |function: &str| host.metrics().sum("modelet_instances", &[("function", function), ("state", "idle")]);
    // Half of `instances_total` may be kept warm, over both worlds.
    for (function, route) in [("hello", &sync), ("async-hello", &asynchronous)] {
        host.modelet(["function", "scale", function, "--min", "1"]).done();
        assert_eq!(host.get(route).status, 200);
        until("its instance waits", || (idle(function) == 1.0).then_some(()));
    }
    let shown = host.metrics();
    let share = shown.sum("modelet_utilization_ratio", &[("resource", "instances")]);
    assert_eq!(share, 0.25, "one of four places is taken in either pool: {}", shown.lines("modelet_utilization_ratio"));
    // A world that is full takes nothing from the other.
    let mut wires: Vec<Wire> = (0..4).map(|_| Wire::connect(&host.data_url)).collect();
    let drip = host.once(&Function::guest("drip").with("[limits]\nconcurrency = 8\ntime = \"30s\"\n"));
    for wire in &mut wires {
        wire.send(format!("GET {drip}?n=1000000 HTTP/1.1\r\nhost: x\r\n\r\n").as_bytes());
    }
    until("three drip, and the fourth finds no place: the one that waits is kept", || {
        (host.metrics().sum("modelet_utilization_ratio", &[("resource", "instances")]) == 1.0).then_some(())
    });
    assert_eq!(host.get(&asynchronous).ok().status, 200);
    until("its instance waits again", || (idle("async-hello") == 1.0).then_some(()));
    drop(wires);
    host.stop();
}
