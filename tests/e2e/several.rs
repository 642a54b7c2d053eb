//! Instances of `wasi:http` 0.3 that have several requests at a time: they overlap, share a fate, and each request is told its own end.

use std::sync::mpsc::{Receiver, channel};
use std::thread::Scope;

use modelet_tests::raw::Wire;
use modelet_tests::{Answer, Function, TestHost, client, until};

const SERVED: &str = "[server]\nwasi_http_03 = true\n";

/// The guest `async_meet`, with so many places in an instance, and one instance for all of them.
fn meeting(host: &TestHost, name: &str, requests: u32, limits: &str) -> String {
    let manifest = format!(
        "[instances]\nrequests = {requests}\n[limits]\nmemory = \"64MiB\"\n{}{limits}",
        if limits.contains("concurrency") { String::new() } else { format!("concurrency = {requests}\n") }
    );
    host.once(&Function::guest("async_meet").named(name).with(&manifest))
}

/// Asks in another thread. The guest writes `tag` when it has begun.
fn ask<'s>(scope: &'s Scope<'s, '_>, host: &'s TestHost, path: String) -> Receiver<Answer> {
    let (sender, answer) = channel();
    scope.spawn(move || sender.send(host.get(&path)).unwrap());
    answer
}

fn busy(host: &TestHost, function: &str) -> f64 {
    host.metrics().sum("modelet_instances", &[("function", function), ("state", "busy")])
}

fn running(host: &TestHost, function: &str, count: f64) {
    until("so many instances are busy", || (busy(host, function) == count).then_some(()));
}

fn traps(host: &TestHost, function: &str, kind: &str) -> f64 {
    host.metrics().sum("modelet_guest_traps_total", &[("function", function), ("kind", kind)])
}

#[test]
fn several_requests_are_for_0_3_alone_and_a_manifest_that_contradicts_itself_is_refused() {
    let host = TestHost::configured(SERVED);
    let refused = host.try_deploy(&Function::guest("hello").with("[instances]\nrequests = 4\n")).refused();
    for word in ["instances.requests", "wasi:http 0.2", "one request at a time"] {
        assert!(refused.contains(word), "{word}: {refused}");
    }
    for (lines, word) in [
        ("requests = 4\nreuse = \"request\"\n", "a fresh instance for each request"),
        ("requests = 0\n", "at least 1"),
        ("requests = 1000\n", "write 1 to 100"),
    ] {
        let function = Function::guest("async_meet").with(&format!("[instances]\n{lines}"));
        let refused = host.try_deploy(&function).refused();
        assert!(refused.contains(word), "{lines}: {refused}");
    }
    host.deploy(&Function::guest("hello").named("one").with("[instances]\nrequests = 1\n"));
    host.stop();
}

#[test]
fn two_requests_that_wait_for_each_other_in_one_instance_both_answer() {
    let host = TestHost::configured(SERVED);
    let route = meeting(&host, "pair", 2, "time = \"30s\"\n");
    std::thread::scope(|scope| {
        let one = ask(scope, &host, format!("{route}?n=2&tag=one"));
        let other = ask(scope, &host, format!("{route}?n=2&tag=other"));
        for (answer, tag, wrong) in [(one, "one", "other"), (other, "other", "one")] {
            let answer = answer.recv().unwrap().ok();
            let report = answer.json();
            // The deploy's own calls were in another instance, which nobody meets.
            assert_eq!(report["most"], 2, "{report}");
            assert!((1..=30_000).contains(&report["left_ms"].as_u64().unwrap()), "{report}");
            let _ = host.logged(&[answer.invocation(), &format!("met: {tag}")]);
            let log = host.logged(&[answer.invocation(), &format!("in: {tag}")]);
            let own: Vec<&str> = log.lines().filter(|line| line.contains(answer.invocation())).collect();
            assert!(!own.iter().any(|line| line.contains(&format!(": {wrong}"))), "{own:#?}");
        }
    });
    until("the instance waits for the next", || {
        let shown = host.modelet(["function", "show", "pair", "--json"]).json();
        (shown["instances"]["busy"] == 0 && shown["instances"]["idle"] == 1).then_some(())
    });
    assert_eq!(host.get(&route).ok().json()["seen"], 3, "it is used again");
    host.stop();
}

#[test]
fn no_instance_has_more_requests_than_its_places_and_no_more_instances_are_made_than_they_need() {
    let host = TestHost::configured(SERVED);
    let route = meeting(&host, "crowd", 3, "concurrency = 6\nqueue = 100\ntime = \"60s\"\n");
    std::thread::scope(|scope| {
        let waiting: Vec<_> = (0..6).map(|_| ask(scope, &host, format!("{route}?n=3"))).collect();
        for answer in waiting {
            // Three meet only if each instance is filled before a third one is made.
            assert_eq!(answer.recv().unwrap().ok().json()["most"], 3);
        }
        let crowd: Vec<_> = (0..30).map(|_| ask(scope, &host, format!("{route}?pause_ms=5"))).collect();
        for answer in crowd {
            let report = answer.recv().unwrap().ok().json();
            assert!(report["most"].as_u64().unwrap() <= 3, "{report}");
        }
    });
    running(&host, "crowd", 0.0);
    let made = host.metrics().sum("modelet_cold_starts_total", &[("function", "crowd"), ("level", "instance")]);
    assert!((1.0..=2.0).contains(&made), "{made} instances for two times three requests");
    host.stop();
}

#[test]
fn a_trap_ends_all_requests_of_its_instance_and_no_others() {
    let host = TestHost::configured(SERVED);
    let route = meeting(&host, "fate", 3, "time = \"30s\"\n");
    let apart = meeting(&host, "apart", 3, "time = \"30s\"\n");
    std::thread::scope(|scope| {
        let other = ask(scope, &host, format!("{apart}?n=2"));
        for how in ["trap", "memory"] {
            let waiting = ["a", "b"].map(|tag| ask(scope, &host, format!("{route}?then=wait&n=3&tag={tag}")));
            let culprit = ask(scope, &host, format!("{route}?then={how}&n=3"));
            let code = if how == "trap" { "function-trapped" } else { "function-over-limit" };
            for answer in waiting.into_iter().chain([culprit]) {
                let told = answer.recv().unwrap().problem(502, code);
                assert!(told.contains("3 requests"), "{told}");
            }
            until("a new instance is made", || (busy(&host, "fate") == 0.0).then_some(()));
            assert_eq!(host.get(&route).ok().json()["seen"], 1, "the next request has a new instance");
        }
        assert_eq!(host.get(&format!("{apart}?n=2")).ok().json()["most"], 2);
        assert_eq!(other.recv().unwrap().ok().json()["most"], 2);
    });
    assert_eq!((traps(&host, "fate", "unreachable"), traps(&host, "fate", "memory")), (3.0, 3.0));
    host.stop();
}

#[test]
fn who_computes_too_long_is_named_and_its_neighbours_are_told_that_it_was_one() {
    let host = TestHost::configured(SERVED);
    let route = meeting(&host, "loops", 2, "cpu = \"300ms\"\ntime = \"30s\"\n");
    std::thread::scope(|scope| {
        let neighbour = ask(scope, &host, format!("{route}?then=wait&n=2"));
        let culprit = ask(scope, &host, format!("{route}?then=loop&n=2"));
        let told = culprit.recv().unwrap().problem(502, "function-over-limit");
        assert!(told.contains("processor time") && told.contains("300ms"), "{told}");
        let answer = neighbour.recv().unwrap();
        let told = answer.problem(502, "function-trapped");
        assert!(told.contains("another request of the same instance"), "{told}");
    });
    assert_eq!((traps(&host, "loops", "cpu"), traps(&host, "loops", "neighbour")), (1.0, 1.0));
    let computed = host.metrics().sum("modelet_cpu_seconds_total", &[("function", "loops")]);
    assert!(computed >= 0.29, "{computed} s");
    assert_eq!(host.get(&route).ok().json()["seen"], 1);
    // Alone in its instance, one that loops is what it is elsewhere.
    host.get(&format!("{route}?then=loop")).problem(502, "function-over-limit");
    host.stop();
}

#[test]
fn a_request_whose_time_is_over_leaves_its_neighbours_to_answer_and_nobody_comes_in_after_it() {
    let host = TestHost::configured(SERVED);
    let route = meeting(&host, "late", 2, "concurrency = 4\ntime = \"6s\"\n");
    let late = std::time::Instant::now();
    std::thread::scope(|scope| {
        let late_one = ask(scope, &host, format!("{route}?then=wait&tag=late"));
        until("it is in", || host.log().contains("met: late").then_some(()));
        // Half of its time has to be over, so that the next one has as much left when it is told.
        until("half of its time is over", || (late.elapsed().as_secs() >= 3).then_some(()));
        let mut wire = Wire::connect(&host.data_url);
        let head = format!("POST {route}?then=body&n=2&tag=neighbour HTTP/1.1\r\nhost: x\r\ncontent-length: 6\r\n\r\n");
        wire.send(head.as_bytes());
        until("it is in", || host.log().contains("met: neighbour").then_some(()));
        assert_eq!(busy(&host, "late"), 1.0, "both are in one instance");
        late_one.recv().unwrap().problem(504, "function-timed-out");
        assert_eq!(host.get(&route).ok().json()["seen"], 1, "who comes now is in another instance");
        wire.send(b"hello\n");
        let answer = wire.answer().expect("the neighbour is answered");
        assert_eq!((answer.status, answer.text().as_str()), (200, "hello\n"));
    });
    running(&host, "late", 0.0);
    assert_eq!(traps(&host, "late", "time"), 1.0);
    let shown = host.modelet(["function", "show", "late", "--json"]).json();
    assert_eq!(shown["instances"]["idle"], 1, "the instance of the late one is not kept: {shown}");
    host.stop();
}

#[test]
fn a_client_that_leaves_takes_nobody_with_it_and_its_place_is_kept_until_its_guest_is_done() {
    let host = TestHost::configured(SERVED);
    let route = meeting(&host, "left", 2, "queue = 4\ntime = \"5s\"\n");
    let mut gone = Wire::connect(&host.data_url);
    gone.send(format!("GET {route}?then=wait&tag=gone HTTP/1.1\r\nhost: x\r\n\r\n").as_bytes());
    until("it is in", || host.log().contains("met: gone").then_some(()));
    drop(gone);
    for _ in 0..5 {
        assert_eq!(host.get(&format!("{route}?n=2")).ok().json()["most"], 2, "its neighbours are answered");
    }
    running(&host, "left", 0.0);
    assert_eq!(traps(&host, "left", "time"), 1.0, "its guest was given up at its deadline");
    assert_eq!(host.get(&route).ok().json()["seen"], 1, "with its instance");
    host.stop();
}

#[test]
fn in_a_crowd_of_shared_instances_each_request_is_answered_once() {
    let host = TestHost::configured(SERVED);
    let route = meeting(&host, "many", 4, "concurrency = 8\nqueue = 200\ntime = \"20s\"\ncpu = \"5s\"\n");
    const THREADS: usize = 8;
    const ROUNDS: usize = 12;
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let (host, route) = (&host, &route);
            scope.spawn(move || {
                for round in 0..ROUNDS {
                    match (thread + round) % 6 {
                        0 => {
                            let answer = host.get(&format!("{route}?then=trap&pause_ms=3"));
                            answer.problem(502, "function-trapped");
                        }
                        1 => {
                            let mut wire = Wire::connect(&host.data_url);
                            wire.send(format!("GET {route}?pause_ms=20 HTTP/1.1\r\nhost: x\r\n\r\n").as_bytes());
                        }
                        // One that was being answered breaks off when its instance goes.
                        _ => {
                            if let Ok(answer) =
                                client::send("GET", &format!("{}{route}?pause_ms=2", host.data_url), &[], b"")
                            {
                                assert!(matches!(answer.status, 200 | 502), "{}: {}", answer.status, answer.text());
                            }
                        }
                    }
                }
            });
        }
    });
    running(&host, "many", 0.0);
    let all = (0..THREADS).flat_map(|thread| (0..ROUNDS).map(move |round| (thread + round) % 6));
    let (trapped, left) = (all.clone().filter(|kind| *kind == 0).count(), all.filter(|kind| *kind == 1).count());
    let metrics = host.metrics();
    let told = |reason: &[(&str, &str)]| {
        metrics.sum("modelet_requests_total", &[&[("function", "many")], reason].concat()) as usize
    };
    // A client that leaves may have done so before its request was read.
    let (told_all, asked) = (told(&[]), THREADS * ROUNDS);
    assert!(
        (asked - left..=asked).contains(&told_all),
        "{told_all} of {asked}, {left} left: {}",
        metrics.lines("modelet_requests_total")
    );
    assert!(told(&[("reason", "function-trapped")]) >= trapped, "{}", metrics.lines("modelet_requests_total"));
    assert_eq!(host.get(&route).ok().status, 200);
    host.stop();
}
