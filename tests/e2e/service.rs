//! Functions of `wasi:http` 0.3: served where the operator says so, with the limits, outcomes and host interfaces of those of 0.2.

use modelet_tests::raw::Wire;
use modelet_tests::{Answer, Function, Origin, TestHost, shared, until};

use crate::streams::{back_before_the_next_is_sent, echoes_in_constant_memory, trailers_both_ways};

const SERVED: &str = "[server]\nwasi_http_03 = true\n";

fn ended(host: &TestHost, route: &str, how: &str) -> Answer {
    host.get(&format!("{route}?how={how}"))
}

/// All that comes for one request until the connection ends, in lower case.
fn whole(host: &TestHost, path: &str) -> String {
    let mut wire = Wire::connect(&host.data_url);
    wire.send(format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").as_bytes());
    String::from_utf8_lossy(&wire.rest()).to_lowercase()
}

fn traps(host: &TestHost, function: &str, kind: &str) -> f64 {
    host.metrics().sum("modelet_guest_traps_total", &[("function", function), ("kind", kind)])
}

#[test]
fn without_the_operators_word_an_async_function_is_refused_with_the_reason() {
    let host = shared();
    let refused = host.try_deploy(&Function::guest("async_hello")).refused();
    for word in ["wasi:http/service@0.3`", "experimental", "security fixes", "wasi_http_03 = true"] {
        assert!(refused.contains(word), "{word}: {refused}");
    }
    let inspected = modelet_tests::cli::run_in(
        host.scratch(),
        ["inspect", "--json", &modelet_tests::places::guest("async_hello").display().to_string()],
    );
    let report = inspected.json();
    assert_eq!(report["kind"], "wasi:http/service@0.3", "{report}");
    assert_eq!((&report["refused"], &report["powers"]), (&serde_json::json!([]), &serde_json::json!([])), "{report}");
}

#[test]
fn an_async_function_answers_and_its_instance_is_used_again_or_not_as_it_wishes() {
    let host = TestHost::configured(SERVED);
    let kept = host.guest("async_hello");
    let fresh = "[instances]\nreuse = \"request\"\n";
    let fresh = host.once(&Function::guest("async_hello").named("fresh").with(fresh));
    for n in 1..=20 {
        let answer = host.get(&kept).ok();
        assert_eq!(answer.text(), format!("hello {n}\n"));
        until("the instance is back", || {
            let idle = [("function", "async-hello"), ("state", "idle")];
            (host.metrics().sum("modelet_instances", &idle) == 1.0).then_some(())
        });
        assert_eq!(answer.header("content-length"), Some(&*answer.body.len().to_string()), "{answer:?}");
        assert_eq!(host.get(&fresh).ok().text(), "hello 1\n");
    }
    let shown = host.modelet(["function", "show", "async-hello", "--json"]).json();
    assert_eq!((&shown["instances"]["busy"], &shown["instances"]["idle"]), (&0.into(), &1.into()), "{shown}");
    assert_eq!(shown["world"], "wasi:http/service@0.3", "{shown}");
    let metrics = host.metrics();
    let world = [("function", "async-hello"), ("world", "wasi:http/service@0.3")];
    assert_eq!(metrics.sum("modelet_function_world", &world), 1.0, "{}", metrics.lines("modelet_function_world"));
    host.modelet(["function", "scale", "async-hello", "--min", "3"]).done();
    let shown = host.modelet(["function", "show", "async-hello", "--json"]).json();
    assert_eq!((&shown["instances"]["idle"], &shown["instances"]["kept"]), (&3.into(), &3.into()), "{shown}");
    // Its neighbours of 0.2 are served as ever.
    assert_eq!(host.get(&host.guest("hello")).ok().text(), "hello\n");
    host.stop();
}

#[test]
fn a_function_outlives_a_restart_and_a_server_that_does_not_serve_it_says_why() {
    let mut host = TestHost::configured(SERVED);
    let route = host.guest("async_hello");
    assert_eq!(host.get(&route).ok().text(), "hello 1\n");
    host.restart();
    assert_eq!(host.get(&route).ok().text(), "hello 1\n");
    host.halt();
    host.reconfigure("");
    host.start_again();
    let answer = host.get(&route);
    assert_eq!(answer.status, 500, "{}", answer.text());
    let _ = host.logged(&[answer.invocation(), "wasi_http_03 = true"]);
    host.try_deploy(&Function::guest("async_hello")).refused();
    host.halt();
    host.reconfigure(SERVED);
    host.start_again();
    assert_eq!(host.get(&route).ok().text(), "hello 1\n");
    host.stop();
}

#[test]
fn bodies_stream_both_ways() {
    let host = TestHost::configured(SERVED);
    let echo = host.guest("async_echo");
    for via in ["", "?via=host"] {
        let route = format!("{echo}{via}");
        back_before_the_next_is_sent(&host, &route);
        for len in [0, 1, 65_536, 1_000_003] {
            let body: Vec<u8> = (0..len).map(|n: u32| (n * 7 % 251) as u8).collect();
            assert!(host.post(&route, &body).ok().body == body, "{len} bytes, {via:?}");
        }
    }
    let drip = host.guest("async_drip");
    let mut wire = Wire::connect(&host.data_url);
    // A hundred seconds of answer: whoever waited for its end would not get the first lines in time.
    wire.send(format!("GET {drip}?n=10000 HTTP/1.1\r\nhost: x\r\n\r\n").as_bytes());
    let seen = wire.read_until(b"\n3\n");
    assert!(seen.contains("transfer-encoding: chunked"), "{seen}");
    drop(wire);
    until("a client that leaves stops its guest", || {
        (host.metrics().sum("modelet_instances", &[("function", "async-drip")]) == 0.0).then_some(())
    });
    let answer = host.get(&format!("{drip}?n=3&pause_ms=1")).ok();
    assert_eq!(answer.text(), "0\n1\n2\n");
    let _ = host.logged(&[answer.invocation(), "sent: Ok(())"]);
    host.stop();
}

#[test]
fn an_async_echo_of_much_more_than_its_memory_keeps_little_of_it() {
    let host = TestHost::configured(SERVED);
    let limits = "[limits]\nmemory = \"4MiB\"\nbody = \"64MiB\"\nresponse = \"64MiB\"\n";
    let route = host.once(&Function::guest("async_echo").with(limits));
    echoes_in_constant_memory(&host, &route);
    host.stop();
}

#[test]
fn trailers_and_headers_follow_the_same_rules_as_for_0_2() {
    let host = TestHost::configured(SERVED);
    trailers_both_ways(&host, &host.guest("async_trailers"));
    let route = host.guest("async_headers");
    let sent = [("x-one", "1"), ("host", "a.example:81"), ("modelet-caller", "forged"), ("te", "trailers")];
    let answer = host.send("DELETE", &format!("{route}?a=b%20c"), &sent, b"").ok();
    let report = answer.json();
    assert_eq!((&report["method"], &report["scheme"]), (&"Method::Delete".into(), &"Some(Scheme::Http)".into()));
    assert_eq!((&report["path"], &report["authority"]), (&format!("{route}?a=b%20c").into(), &"a.example:81".into()));
    assert_eq!(report["fixed"], true, "a request's headers are not to be changed: {report}");
    let seen = report["headers"].to_string();
    assert!(seen.contains("x-one") && !seen.contains("modelet-") && !seen.contains("\"te\""), "{seen}");
    let refused = report["refused"].as_array().unwrap();
    assert_eq!(refused.len(), 10, "{report}");
    assert!(!refused.contains(&"x-own".into()) && !refused.contains(&"content-type".into()), "{report}");
    assert_eq!((answer.header("x-own"), answer.header("server-timing")), (Some("forged"), None));
    assert_eq!(answer.headers.get_all("modelet-invocation").iter().count(), 1);
    host.stop();
}

#[test]
fn an_answer_that_is_not_what_it_promised_is_never_passed_off_as_whole() {
    let host = TestHost::configured(SERVED);
    let route = host.once(&Function::guest("async_length").with("[limits]\ntime = \"2s\"\n"));
    assert_eq!(host.get(&format!("{route}?promised=5&bytes=5")).ok().text(), "xxxxx");
    for (query, sent) in
        [("bytes=5", "xxxxx"), ("bytes=101", ""), ("bytes=5&then=trap", "xxxxx"), ("bytes=5&then=hold", "xxxxx")]
    {
        let text = whole(&host, &format!("{route}?{query}"));
        let is_error = text.starts_with("http/1.1 502") || text.starts_with("http/1.1 504");
        let is_cut = text.starts_with("http/1.1 200") && !text.ends_with("0\r\n\r\n");
        assert!(is_error || (is_cut && text.matches('x').count() <= sent.len() + 10), "{query}: {text}");
    }
    until("the body that nobody ends is given up at its deadline", || {
        (traps(&host, "async-length", "time") >= 1.0).then_some(())
    });
    assert!(traps(&host, "async-length", "unreachable") >= 1.0);
    assert_eq!(host.get(&format!("{route}?promised=5&bytes=5")).ok().text(), "xxxxx");
    host.stop();
}

#[test]
fn every_end_of_an_async_guest_has_its_outcome_and_its_neighbours_notice_nothing() {
    let host = TestHost::configured(SERVED);
    let limits = "[limits]\nmemory = \"16MiB\"\ntime = \"2s\"\ncpu = \"500ms\"\n";
    let route = host.once(&Function::guest("async_end").with(limits));
    // Much more time than processor time: on a busy machine a loop gets little of it in two seconds.
    let busy = Function::guest("async_end").named("async-loop").with("[limits]\ntime = \"20s\"\ncpu = \"100ms\"\n");
    let busy = host.once(&busy);
    let hello = host.guest("async_hello");
    for (how, status, code, logged) in [
        ("trap", 502, "function-trapped", "wasm backtrace"),
        ("exit", 502, "function-trapped", "exit"),
        ("error", 502, "function-no-answer", "a secret of the guest"),
        ("loop", 502, "function-over-limit", "processor time"),
        ("wait", 504, "function-timed-out", ""),
        ("streams", 502, "function-over-limit", "resources"),
        ("waits", 502, "function-over-limit", "resources"),
        ("memory", 502, "function-over-limit", "memory"),
        ("deep", 502, "function-trapped", "wasm backtrace"),
        ("interim", 502, "function-bad-answer", ""),
        ("drop", 502, "function-no-answer", ""),
    ] {
        for _ in 0..2 {
            let answer = ended(&host, if how == "loop" { &busy } else { &route }, how);
            assert_eq!(answer.status, status, "{how}: {}", answer.text());
            answer.problem(status, code);
            assert!(!answer.text().contains("secret"), "{}", answer.text());
            if !logged.is_empty() {
                let _ = host.logged(&[answer.invocation(), logged]);
            }
            assert_eq!(host.get(&hello).status, 200);
        }
    }
    let empty = ended(&host, &route, "empty");
    assert_eq!((empty.status, empty.body.len()), (204, 0));
    assert_eq!(ended(&host, &route, "").ok().text(), "answered\n");
    assert_eq!(host.send("HEAD", &route, &[], b"").ok().body.len(), 0);
    assert_eq!(ended(&host, &route, "").ok().text(), "answered\n");
    host.stop();
}

#[test]
fn what_an_async_guest_does_after_its_answer_does_not_change_it() {
    let host = TestHost::configured(SERVED);
    let route = host.once(&Function::guest("async_end").with("[limits]\ntime = \"1s\"\n"));
    for how in ["late-trap", "late-loop", "late-wait", "late-work"] {
        let answer = ended(&host, &route, how).ok();
        assert_eq!(answer.text(), "answered\n", "{how}");
        if how == "late-work" {
            let _ = host.logged(&[answer.invocation(), "worked"]);
        }
    }
    until("those are stopped, each for its own reason", || {
        let stopped = [traps(&host, "async-end", "unreachable"), traps(&host, "async-end", "time")];
        (stopped == [1.0, 2.0]).then_some(())
    });
    until("who went on to its end is kept", || {
        let shown = host.modelet(["function", "show", "async-end", "--json"]).json();
        (shown["instances"]["busy"] == 0 && shown["instances"]["idle"].as_u64()? >= 1).then_some(())
    });
    host.stop();
}

#[test]
fn an_async_guest_that_never_reads_its_body_still_answers() {
    let host = TestHost::configured(SERVED);
    let route = host.guest("async_end");
    for len in [10, 10_000, 300_000] {
        let mut wire = Wire::connect(&host.data_url);
        wire.send(format!("POST {route}?how=unread HTTP/1.1\r\nhost: x\r\ncontent-length: {len}\r\n\r\n").as_bytes());
        // The answer may come, and the connection end, while this is still being sent.
        wire.send(&vec![b'x'; len]);
        let answer = wire.answer().unwrap_or_else(|| panic!("no answer to {len} bytes"));
        assert_eq!((answer.status, answer.text().as_str()), (200, "answered\n"), "{len}");
    }
    let echo = host.once(&Function::guest("async_echo").named("small").with("[limits]\nbody = \"4KiB\"\n"));
    host.post(&echo, &[b'x'; 4097]).problem(413, "body-too-large");
    for sent in ["", "5\r\nab", "5\r\nabcde\r\n"] {
        let mut wire = Wire::connect(&host.data_url);
        wire.send(format!("POST {echo} HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n{sent}").as_bytes());
        drop(wire);
    }
    assert_eq!(host.post(&echo, b"next").ok().text(), "next");
    host.stop();
}

#[test]
fn requests_over_an_async_functions_concurrency_wait_and_over_its_queue_are_429() {
    let host = TestHost::configured(&format!("{SERVED}[limits]\ninstances_total = 2\n"));
    let limits = "[limits]\nconcurrency = 1\nqueue = 1\ntime = \"30s\"\n";
    let drip = host.once(&Function::guest("async_drip").named("narrow").with(limits));
    let dripping = || {
        let mut wire = Wire::connect(&host.data_url);
        wire.send(format!("GET {drip}?n=100000 HTTP/1.1\r\nhost: x\r\n\r\n").as_bytes());
        let _ = wire.read_until(b"\n0\n");
        wire
    };
    let first = dripping();
    let (sender, answers) = std::sync::mpsc::channel();
    std::thread::scope(|scope| {
        for _ in 0..2 {
            let (sender, drip, host) = (sender.clone(), &drip, &host);
            scope.spawn(move || sender.send(host.get(&format!("{drip}?n=1"))).unwrap());
        }
        // One waits in the queue's only place, whichever came first; the other is answered at once.
        answers.recv().unwrap().problem(429, "function-busy");
        drop(first);
        assert_eq!(answers.recv().unwrap().status, 200, "who waited is served when the first has gone");
    });
    host.stop();
}

#[test]
fn an_async_function_finds_what_a_host_offers_beside_http() {
    let host = TestHost::configured(SERVED);
    let config = "[config]\nthreshold = \"0.5\"\n[limits]\ntime = \"20s\"\n";
    let route = host.once(&Function::guest("async_host").model("digits").with(config));
    for sum in 1..=3 {
        let answer = host.get(&route).ok();
        let report = answer.json();
        assert_eq!((&report["threshold"], &report["sum"]), (&"0.5".into(), &sum.into()), "{report}");
        assert!(report["outputs"].as_u64().unwrap() >= 1 && report["ticks"].as_u64().unwrap() >= 1_000_000, "{report}");
        assert!((1..=20_000).contains(&report["left_ms"].as_u64().unwrap()), "{report}");
        assert_eq!(report["vars"], 0, "{report}");
        assert!(report["file"].is_string(), "{report}");
        let log = host.logged(&[answer.invocation(), "INFO [async_host] logged", "printed"]);
        assert!(log.lines().filter(|line| line.contains(answer.invocation())).count() >= 2, "{log}");
    }
    let seen = host.get(&host.guest("async_env")).ok().json();
    for (what, count) in [("vars", 0), ("args", 0), ("folders", 0), ("random", 1 << 20)] {
        assert_eq!(seen[what], count, "{what}: {seen}");
    }
    for closed in ["tcp", "udp", "names"] {
        assert!(seen[closed].is_string(), "{closed} is open: {seen}");
    }
    let origin = Origin::start();
    let allow = format!("[outbound]\nallow = [{:?}]\n", origin.url());
    let fetch = host.once(&Function::guest("async_fetch").with(&allow));
    let to = |address: &str| host.get(&format!("{fetch}?to={address}")).ok().text();
    assert_eq!(to(&origin.address.to_string()), "200 hello");
    assert_eq!(to("127.0.0.1:1"), "refused: ErrorCode::HttpRequestDenied");
    assert_eq!(to("example.com"), "refused: ErrorCode::HttpRequestDenied");
    host.stop();
}

#[test]
fn in_a_crowd_each_request_is_answered_once_and_as_it_deserves() {
    let host = TestHost::configured(SERVED);
    let (hello, drip) = (host.guest("async_hello"), host.guest("async_drip"));
    let end = host.once(&Function::guest("async_end").with("[limits]\nconcurrency = 3\nqueue = 100\n"));
    const THREADS: usize = 6;
    const ROUNDS: usize = 10;
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                for _ in 0..ROUNDS {
                    assert!(host.get(&hello).ok().text().starts_with("hello "));
                    ended(&host, &end, "trap").problem(502, "function-trapped");
                    ended(&host, &end, "error").problem(502, "function-no-answer");
                    assert_eq!(ended(&host, &end, "late-work").ok().text(), "answered\n");
                    let mut wire = Wire::connect(&host.data_url);
                    wire.send(format!("GET {drip} HTTP/1.1\r\nhost: x\r\n\r\n").as_bytes());
                    let _ = wire.read_until(b"\n0\n");
                }
            });
        }
    });
    until("nobody is left who answers", || {
        (host.metrics().sum("modelet_instances", &[("state", "busy")]) == 0.0).then_some(())
    });
    let metrics = host.metrics();
    let answered = |function, status| {
        metrics.sum("modelet_requests_total", &[("function", function), ("status", status)]) as usize
    };
    let each = THREADS * ROUNDS;
    assert_eq!((answered("async-hello", "200"), answered("async-end", "200")), (each, each));
    assert_eq!(answered("async-end", "502"), 2 * each);
    assert_eq!(traps(&host, "async-end", "unreachable") as usize, each);
    assert!(host.get(&hello).ok().text().starts_with("hello "));
    host.stop();
}
