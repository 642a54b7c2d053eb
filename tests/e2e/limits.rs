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
