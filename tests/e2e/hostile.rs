//! Guests that misbehave, one by one; what contains them all is in `contained.rs`.

use modelet_tests::raw::Wire;
use modelet_tests::{Function, shared};
use std::thread;

/// What its caller and its operator read of a guest that ends badly: the lines of the log that begin with the invocation's id.
#[test]
fn the_log_tells_the_operator_more_than_the_answer_tells_the_client() {
    let host = shared();
    let limits = "[limits]\nmemory = \"16MiB\"\ntime = \"10s\"\ncpu = \"200ms\"\n";
    let logged: [(&str, &str, &[&str]); 8] = [
        ("trap", "", &["wasm backtrace", "unreachable"]),
        ("panic", "", &["wasm backtrace", "unreachable"]),
        ("exit", "?code=1", &["exit"]),
        ("stack_overflow", "", &["wasm backtrace", "stack"]),
        ("no_answer", "", &["no-answer"]),
        ("error_answer", "", &["no-answer", "a secret of the guest"]),
        ("eat_memory", "", &["memory"]),
        ("infinite_loop", "", &["cpu", "wasm backtrace"]),
    ];
    for (guest, query, words) in logged {
        let function = Function::guest(guest).named(&format!("told-{}", guest.replace('_', "-"))).with(limits);
        let answer = host.get(&format!("{}{query}", host.once(&function)));
        assert_eq!(answer.status, 502, "{guest}: {}", answer.text());
        let text = answer.text();
        assert!(!text.contains("secret") && !text.contains("backtrace") && !text.contains("trace\""), "{text}");
        let _ = host.logged(&[&[answer.invocation()], words].concat());
    }
}

#[test]
fn the_functions_owner_reads_the_backtrace_in_the_answer() {
    let host = shared();
    let (route, bearer) = (host.guest("trap"), format!("Bearer {}", host.key()));
    let problem = host.send("GET", &route, &[("authorization", &bearer)], b"").json();
    assert_eq!(problem["fault"], "unreachable", "{problem}");
    let trace = problem["trace"].as_str().unwrap();
    assert!(trace.contains("wasm backtrace") && trace.contains("abort"), "{trace}");
    assert!(!trace.contains("/src/"), "no path of the server's: {trace}");
    for wrong in ["Bearer nonsense", ""] {
        let problem = host.send("GET", &route, &[("authorization", wrong)], b"").json();
        assert_eq!(problem["code"], "function-trapped", "{problem}");
        assert!(problem.get("trace").is_none() && problem.get("fault").is_none(), "{problem}");
    }
}

#[test]
fn a_trap_after_the_answer_does_not_change_the_answer() {
    let host = shared();
    let route = host.guest("trap_after");
    for _ in 0..3 {
        let answer = host.get(&route).ok();
        assert_eq!(answer.text(), "answered\n");
        let _ = host.logged(&[answer.invocation(), "wasm backtrace"]);
    }
}

#[test]
fn a_loop_after_the_answer_does_not_hold_the_answer() {
    let host = shared();
    let route = host.once(&Function::guest("infinite_loop").named("loop-after").with("[limits]\ntime = \"1s\"\n"));
    let answer = host.get(&format!("{route}?after=answer")).ok();
    assert_eq!(answer.text(), "answered\n");
    modelet_tests::until("the guest is stopped at its deadline", || {
        (host.metrics().sum("modelet_guest_traps_total", &[("function", "loop-after")]) >= 1.0).then_some(())
    });
}

#[test]
fn a_guest_that_lingers_after_its_answer_is_left_to_end() {
    let host = shared();
    let route = host.guest("early_answer");
    assert_eq!(host.get(&format!("{route}?pause_ms=50")).ok().text(), "answered\n");
    assert_eq!(host.get(&format!("{route}?pause_ms=0")).ok().text(), "answered\n");
    assert_eq!(host.metrics().sum("modelet_guest_traps_total", &[("function", "early-answer")]), 0.0);
}

#[test]
fn an_answer_shorter_than_it_promised_is_broken_off_and_not_passed_off_as_whole() {
    let host = shared();
    let route = host.guest("short_answer");
    for then in ["drop", "trap", "finish"] {
        let mut wire = Wire::connect(&host.data_url);
        wire.send(format!("GET {route}?then={then} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").as_bytes());
        let text = String::from_utf8_lossy(&wire.rest()).to_lowercase();
        let whole_error = text.starts_with("http/1.1 502");
        let cut = text.starts_with("http/1.1 200") && text.ends_with("short") && text.contains("content-length: 100");
        assert!(whole_error || cut, "{then}: {text}");
    }
    assert_eq!(host.get(&host.guest("hello")).status, 200);
}

#[test]
fn a_guest_that_answers_more_than_its_limit_is_stopped() {
    let host = shared();
    let route = host.once(&Function::guest("big_body").named("bounded-body").with("[limits]\nresponse = \"64KiB\"\n"));
    assert_eq!(host.get(&format!("{route}?bytes=65536")).ok().body.len(), 65_536);
    let mut wire = Wire::connect(&host.data_url);
    wire.send(
        format!("GET {route}?bytes=1000000&length=1 HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").as_bytes(),
    );
    let received = wire.rest().len();
    assert!(received < 200_000, "{received} bytes of an answer that may have 65536");
    modelet_tests::until("the overrun is counted", || {
        let traps =
            host.metrics().sum("modelet_guest_traps_total", &[("function", "bounded-body"), ("kind", "response")]);
        (traps >= 1.0).then_some(())
    });
}

#[test]
fn headers_over_the_limit_are_refused_to_the_guest() {
    let host = shared();
    let route = host.guest("big_headers");
    assert_eq!(host.get(&format!("{route}?bytes=1000&count=3")).ok().text(), "taken\n");
    let answer = host.get(&format!("{route}?bytes=200000"));
    let refused = answer.status == 200 && answer.text().starts_with("refused");
    let stopped = answer.status == 502;
    assert!(refused || stopped, "{}: {} bytes", answer.status, answer.body.len());
}

#[test]
fn a_guest_that_never_reads_its_body_still_answers() {
    let host = shared();
    let route = host.guest("slow_body");
    for len in [10, 10_000, 300_000] {
        let mut wire = Wire::connect(&host.data_url);
        let head = format!("POST {route}?never=1 HTTP/1.1\r\nhost: x\r\ncontent-length: {len}\r\n\r\n");
        wire.send(head.as_bytes());
        // The answer may come, and the connection end, while this is still being sent.
        wire.send(&vec![b'x'; len]);
        let answer = wire.answer().unwrap_or_else(|| panic!("no answer to {len} bytes"));
        assert!(answer.status == 200 && answer.text().contains("unread"), "{len}: {}", answer.text());
    }
    let answer = host.post(&format!("{route}?bytes=7&pause_ms=1"), &[b'x'; 70]).ok();
    assert_eq!((&answer.json()["bytes"], &answer.json()["end"]), (&70.into(), &"closed".into()));
}

#[test]
fn requests_over_a_functions_concurrency_wait_and_over_its_queue_are_429() {
    let host = shared();
    let limits = "[limits]\nconcurrency = 1\nqueue = 1\ntime = \"30s\"\n";
    let drip = host.once(&Function::guest("drip").named("narrow").with(limits));
    let mut first = Wire::connect(&host.data_url);
    first.send(format!("GET {drip}?n=100000 HTTP/1.1\r\nhost: x\r\n\r\n").as_bytes());
    let _ = first.read_until(b"\n0\n");
    let (sender, answers) = std::sync::mpsc::channel();
    thread::scope(|scope| {
        for _ in 0..2 {
            let (sender, drip) = (sender.clone(), &drip);
            scope.spawn(move || sender.send(host.get(&format!("{drip}?n=1"))).unwrap());
        }
        // One waits in the queue's only place, whichever came first; the other is answered at once.
        let refused = answers.recv().unwrap();
        let _ = refused.problem(429, "function-busy");
        assert!(refused.header("retry-after").is_some(), "{refused:?}");
        drop(first);
        assert_eq!(answers.recv().unwrap().status, 200, "who waited is served when the first has gone");
    });
}
