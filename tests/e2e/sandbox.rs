//! What a guest finds of the machine: nothing.

use modelet_tests::raw::Wire;
use modelet_tests::{Function, TestHost, shared, until};

#[test]
fn a_guest_has_no_arguments_no_variables_no_files_and_no_network() {
    let host = shared();
    let report = host.get(&host.guest("env")).ok().json();
    assert_eq!(report["vars"], 0, "{report}");
    assert!(report["args"].as_u64().unwrap() <= 1, "{report}");
    assert_eq!(report["stdin"], 0, "{report}");
    for closed in ["cwd", "root", "file", "tcp", "udp", "names"] {
        assert!(report[closed].is_string(), "{closed} is open: {report}");
    }
}

#[test]
fn nothing_leaves_a_guest_that_may_call_nobody() {
    let host = shared();
    let route = host.guest("outbound");
    let admin = host.admin_url.trim_start_matches("http://");
    for to in ["127.0.0.1:80", "example.com", admin, "localhost:1"] {
        let report = host.get(&format!("{route}?to={to}")).ok().json();
        let refused = report["refused"].as_str().unwrap_or_else(|| panic!("{to}: {report}"));
        assert!(refused.contains("Denied") || refused.contains("Prohibited"), "{to}: {report}");
    }
}

#[test]
fn what_a_guest_prints_is_in_the_log_under_its_invocation() {
    let host = shared();
    let route = host.guest("stdout");
    let answer = host.get(&format!("{route}?lines=2")).ok();
    assert_eq!(answer.text(), "ok\n", "nothing of it is in the answer");
    let id = answer.invocation();
    let log = host.logged(&[id, "out 1 xxxxxxxxxx", "err 1 xxxxxxxxxx", "tail"]);
    let lines: Vec<&str> = log.lines().filter(|line| line.contains(id)).collect();
    assert_eq!(lines.len(), 5, "{lines:#?}");
    assert!(lines.iter().all(|line| line.contains("stdout") || line.contains("stderr")), "{lines:#?}");
}

#[test]
fn a_guest_cannot_flood_the_log() {
    let host = shared();
    let route = host.guest("stdout");
    let before = host.log().len();
    let answer = host.get(&format!("{route}?lines=20000&bytes=1000")).ok();
    let _ = host.logged(&[answer.invocation(), "log limit reached"]);
    let grown = host.log().len() - before;
    assert!(grown < 2 << 20, "40 MB of output became {grown} bytes of log");
}

#[test]
fn a_guest_that_panics_says_so_in_the_log() {
    let host = shared();
    let answer = host.get(&host.guest("panic"));
    answer.problem(502, "function-trapped");
    let _ = host.logged(&[answer.invocation(), "this guest panics"]);
    assert!(!answer.text().contains("panics"), "the client reads nothing of it: {}", answer.text());
}

#[test]
fn a_server_without_room_for_another_sandbox_says_so_and_has_room_again() {
    let host = TestHost::configured("[limits]\ninstances_total = 2\n");
    let hello = host.once(&Function::guest("hello"));
    let drip = host.once(&Function::guest("drip"));
    assert_eq!(host.get(&hello).ok().text(), "hello\n");
    let dripping: Vec<Wire> = (0..2)
        .map(|_| {
            let mut wire = Wire::connect(&host.data_url);
            wire.send(format!("GET {drip} HTTP/1.1\r\nhost: x\r\n\r\n").as_bytes());
            let _ = wire.read_until(b"\n0\n");
            wire
        })
        .collect();
    let refused = host.get(&hello);
    refused.problem(503, "server-exhausted");
    assert!(refused.header("retry-after").is_some(), "{refused:?}");
    let rejected = host.metrics().sum("modelet_rejected_total", &[("reason", "server-exhausted")]);
    assert!(rejected >= 1.0, "{}", host.metrics().lines("modelet_rejected"));
    drop(dripping);
    until("there is room again", || (host.get(&hello).status == 200).then_some(()));
    host.stop();
}
