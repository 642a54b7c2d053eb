//! `modelet logs`: what functions wrote, of one invocation or of all, and as it comes.

use modelet_tests::{Function, TestHost, cli, shared, until};
use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::process::Stdio;

fn texts(host: &TestHost, arguments: &[&str]) -> Vec<String> {
    let page = host.modelet([&["logs", "--json"][..], arguments].concat()).json();
    page["lines"].as_array().unwrap().iter().map(|line| line["text"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn what_a_function_wrote_is_shown_by_function_and_by_invocation() {
    let host = shared();
    let route = host.once(&Function::guest("stdout").named("writes"));
    let quiet = host.once(&Function::guest("stdout").named("writes-too"));
    let first = host.get(&format!("{route}?lines=2&bytes=3")).ok();
    let second = host.get(&format!("{route}?lines=1&bytes=1")).ok();
    // What has no end of line is written out when the guest ends, which may be after its answer.
    let of_second = ["out 0 x", "err 0 x", "tail"];
    until("all of it is there", || {
        (texts(host, &["writes", "--invocation", second.invocation()]) == of_second).then_some(())
    });
    let of_first = texts(host, &["writes", "--invocation", first.invocation()]);
    assert_eq!(of_first, ["out 0 xxx", "err 0 xxx", "out 1 xxx", "err 1 xxx", "tail"]);
    assert_eq!(texts(host, &["writes"]), [of_first, of_second.map(str::to_owned).into()].concat());
    assert_eq!(texts(host, &[quiet.trim_start_matches('/')]), [""; 0], "another function's lines are its own");
    let shown = host.modelet(["logs", "writes"]).done();
    let line = shown.lines().find(|line| line.ends_with("stdout out 1 xxx")).unwrap_or_else(|| panic!("{shown}"));
    assert!(line.contains(first.invocation()), "{line}");
    let unknown = host.modelet(["logs", "nobody"]).refused();
    assert!(unknown.contains("no function `nobody`"), "{unknown}");
}

#[test]
fn a_log_that_is_followed_tells_each_line_as_it_is_written() {
    let host = shared();
    let route = host.once(&Function::guest("stdout").named("followed"));
    let _ = host.get(&format!("{route}?lines=1&bytes=1")).ok();
    let mut command = cli::modelet();
    command.args(["logs", "-f", "followed", "--data-dir"]).arg(host.data_dir()).stdout(Stdio::piped());
    let mut following = command.spawn().unwrap();
    let mut lines = BufReader::new(following.stdout.take().unwrap()).lines();
    let mut next = || lines.next().unwrap().unwrap();
    assert!([next(), next(), next()].concat().contains("out 0 x"), "what was there already comes first");
    let answer = host.get(&format!("{route}?lines=1&bytes=2")).ok();
    let line = next();
    assert!(line.contains(answer.invocation()) && line.ends_with("out 0 xx"), "{line}");
    following.kill().unwrap();
    following.wait().unwrap();
}

#[test]
fn what_a_guest_writes_while_it_is_tried_is_its_versions() {
    let host = shared();
    let case = "[[case]]\nrequest = { path = \"/?lines=1&bytes=1\" }\n";
    for version in 1..=2_u64 {
        host.deploy(&Function::guest("stdout").named("tried").with(case));
        let page = host.admin("GET", "/v1/functions/tried/logs", b"").ok().json();
        let lines = page["lines"].as_array().unwrap();
        let own: Vec<_> = lines.iter().filter(|line| line["version"] == version).collect();
        let written = |text: &str| own.iter().filter(|line| line["text"] == text).count();
        assert_eq!((written("out 0 x"), written("err 0 x")), (2, 2), "it is called twice: {page:#}");
        let invocations: BTreeSet<_> = own.iter().map(|line| line["invocation"].as_str().unwrap()).collect();
        assert_eq!(invocations.len(), 2, "each call has an id of its own: {page:#}");
        assert!(invocations.iter().all(|id| !id.starts_with("000000")), "{invocations:?}");
    }
}

#[test]
fn a_functions_log_in_memory_has_a_bound() {
    let host = shared();
    let route = host.once(&Function::guest("stdout").named("writes-much").with("[limits]\nlog = \"256KiB\"\n"));
    for _ in 0..3 {
        let _ = host.get(&format!("{route}?lines=1000&bytes=100")).ok();
    }
    let page = host.admin("GET", "/v1/functions/writes-much/logs?after=0", b"").ok().json();
    let (first, lines) = (page["lines"][0]["seq"].as_u64().unwrap(), page["lines"].as_array().unwrap().len());
    assert!(first > 1000, "the oldest lines are gone: {first}");
    assert_eq!((lines, page["next"].as_u64().unwrap()), (1000, first + 999));
    host.admin("GET", "/v1/functions/writes-much/logs?invocation=x", b"").problem(400, "bad-request");
}
