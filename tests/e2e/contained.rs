//! Programs that do to the host what they can: each is stopped at its budget and named, the neighbour answers meanwhile, and nothing of
//! it stays. One row is one program.

use modelet_tests::raw::Wire;
use modelet_tests::wait::SetAtEnd;
use modelet_tests::{Function, TestHost, process, until};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread;

/// What the client gets, and what the metrics count: `modelet_guest_traps_total{kind}`.
#[derive(Debug, Clone, Copy)]
enum Ends {
    /// A problem with this status, code and kind.
    As(u16, &'static str, &'static str),
    /// Stopped by the end of its processor time, or of its time if it got too little of the processor.
    Stopped,
    /// A whole answer; it ends so afterwards.
    After(&'static str),
    /// An answer that does not look whole: it is cut, or 502 if nothing of it was sent.
    Cut(&'static str),
    /// A whole answer, and nothing else.
    Well,
}

use Ends::{After, As, Cut, Stopped, Well};

/// A guest, what it is asked, and its end.
type Program = (&'static str, &'static str, Ends);

const MEMORY: Ends = As(502, "function-over-limit", "memory");
const TENSORS: Ends = As(502, "function-over-limit", "tensor");
const RESOURCES: Ends = As(502, "function-over-limit", "resources");
const HEADERS: Ends = As(502, "function-over-limit", "headers");
const RANDOM: Ends = As(502, "function-over-limit", "random");
const TIME: Ends = As(504, "function-timed-out", "time");
const UNREACHABLE: Ends = As(502, "function-trapped", "unreachable");
const TRAP: Ends = As(502, "function-trapped", "trap");
const BOUNDS: Ends = As(502, "function-trapped", "out-of-bounds");
const EXIT: Ends = As(502, "function-trapped", "exit");
const NO_ANSWER: Ends = As(502, "function-no-answer", "no-answer");

const LIMITS: &str = "[limits]\nmemory = \"16MiB\"\ntensors = \"8MiB\"\ntime = \"1s\"\ncpu = \"200ms\"\n\
    response = \"256KiB\"\nlog = \"16KiB\"\n";

/// What all of them together may cost the server, in bytes: each has 16 MiB, and they run one after the other.
const GROWTH_MAX: u64 = 384 << 20;

#[test]
fn programs_that_want_too_much_get_no_more_than_they_may() {
    contain(
        &[
            ("eat_memory", "", MEMORY),
            ("tiny_allocations", "", MEMORY),
            ("grow", "", MEMORY),
            ("grow", "?then=answer", Well),
            ("hoard", "", TENSORS),
            ("hoard", "?of=headers", MEMORY),
            ("hoard", "?of=bodies", MEMORY),
            ("hoard", "?of=methods", MEMORY),
            ("hoard", "?of=paths", MEMORY),
            ("many_resources", "", RESOURCES),
            ("many_resources", "?of=pollables", RESOURCES),
            ("many_resources", "?of=tensors", RESOURCES),
            ("own_resources", "", RESOURCES),
            ("random_flood", "", RANDOM),
            ("big_headers", "?bytes=200000", HEADERS),
            ("big_headers", "?bytes=1&count=20000", HEADERS),
            ("pair_flood", "?of=buckets", RESOURCES),
            ("pair_flood", "", Well),
            ("pair_flood", "?of=bytes", Well),
            ("pair_flood", "?of=value", Well),
            ("pair_flood", "?of=key", Well),
            ("pair_flood", "?of=batch", Well),
            ("loud_panic", "?bytes=500000", UNREACHABLE),
            ("loud_panic", "?bytes=500000&lines=1", UNREACHABLE),
            ("error_answer", "?bytes=1000000", NO_ANSWER),
        ],
        "[limits]\nkeyvalue_keys = 50\nkeyvalue_bytes = \"2MiB\"\n",
    );
}

#[test]
fn programs_that_do_not_end_are_ended() {
    contain(
        &[
            ("infinite_loop", "", Stopped),
            ("infinite_loop", "?after=answer", After("cpu")),
            ("tiny_allocations", "?churn=1", Stopped),
            ("grow", "?then=insist", Stopped),
            ("storm", "", Stopped),
            ("storm", "?of=random", Stopped),
            ("storm", "?of=fields", Stopped),
            ("storm", "?of=poll", Stopped),
            ("storm", "?of=yield", Stopped),
            ("storm", "?of=stdin", Stopped),
            ("storm", "?of=env", Stopped),
            ("storm", "?of=log", Stopped),
            ("storm", "?of=outbound", Stopped),
            ("storm", "?of=malformed", Stopped),
            ("storm", "?of=tensors", Stopped),
            ("sleep", "", TIME),
            ("sleep", "?for=many", TIME),
            ("heavy", "?ms=50&then=sleep", TIME),
            ("early_answer", "?pause_ms=1000000", After("time")),
            ("drip", "?n=1000000", Cut("time")),
            ("endless_answer", "", Cut("response")),
            ("endless_answer", "?pause_ms=20", Cut("time")),
            ("endless_answer", "?swell=1", Cut("memory")),
        ],
        "",
    );
}

#[test]
fn programs_that_end_badly_end_alone() {
    contain(
        &[
            ("trap", "", UNREACHABLE),
            ("trap", "?pause_ms=20", UNREACHABLE),
            ("trap_after", "", After("unreachable")),
            ("panic", "", UNREACHABLE),
            ("bad_drop", "", UNREACHABLE),
            ("bad_drop", "?after=answer", After("unreachable")),
            ("stack_overflow", "", BOUNDS), // Rust's own stack lies below its heap: its end is the end of the memory.
            ("exit", "?code=0", EXIT),
            ("exit", "?code=1", EXIT),
            ("no_answer", "", NO_ANSWER),
            ("error_answer", "", NO_ANSWER),
            ("bad_finish", "", Cut("resources")),
            ("bad_finish", "?how=trailers", Cut("headers")),
            ("bad_finish", "?how=more", Cut("no-answer")),
            ("bad_finish", "?how=early", Well),
            ("forged_handle", "", After("trap")),
            ("forged_handle", "?how=dropped", TRAP),
            ("forged_handle", "?how=made-up", TRAP),
            ("forged_handle", "?how=other", TRAP),
        ],
        "",
    );
}

/// Runs each program twice (the first may make the instance, the second must find a server that has forgotten the first) with a
/// neighbour that asks all the time.
fn contain(programs: &[Program], config: &str) {
    let host = TestHost::configured(config);
    let hello = host.guest("hello");
    for (guest, ..) in programs {
        let _ = host.once(&Function::guest(guest).with(LIMITS));
    }
    process::forget_peak(host.pid);
    let before = process::resident_bytes(host.pid);
    let (over, served) = (AtomicBool::new(false), AtomicU32::new(0));
    thread::scope(|scope| {
        let _over = SetAtEnd(&over);
        scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                assert_eq!(host.get(&hello).ok().text(), "hello\n");
                served.fetch_add(1, Ordering::Relaxed);
            }
        });
        for program in programs.iter().flat_map(|program| [program, program]) {
            let so_far = served.load(Ordering::Relaxed);
            run(&host, program);
            until("the neighbour was served meanwhile", || (served.load(Ordering::Relaxed) > so_far).then_some(()));
        }
    });
    let grown = process::resident_bytes_peak(host.pid).saturating_sub(before);
    assert!(grown < GROWTH_MAX, "the server grew by {} MiB", grown >> 20);
    until("no instance is busy", || {
        (host.metrics().sum("modelet_instances", &[("state", "busy")]) == 0.0).then_some(())
    });
    let log = host.log().len();
    assert!(log < 4 << 20, "{} KiB of log", log >> 10);
    host.stop();
}

fn run(host: &TestHost, &(guest, query, ends): &Program) {
    let function = guest.replace('_', "-");
    let traps = |kind: &str| {
        let labels = [("function", function.as_str()), ("kind", kind)];
        host.metrics().sum("modelet_guest_traps_total", &labels)
    };
    let path = format!("/{function}{query}");
    let kinds = match ends {
        As(_, _, kind) | After(kind) | Cut(kind) => vec![kind],
        Stopped => vec!["cpu", "time"],
        Well => Vec::new(),
    };
    let counted = if kinds.is_empty() { 0.0 } else { 1.0 };
    let before: f64 = kinds.iter().map(|kind| traps(kind)).sum();
    match ends {
        As(status, code, _) => drop(host.get(&path).problem(status, code)),
        Stopped => {
            let answer = host.get(&path);
            let is_so = matches!(answer.status, 502 | 504);
            assert!(is_so, "{path}: {} {}", answer.status, answer.text());
            let code = if answer.status == 502 { "function-over-limit" } else { "function-timed-out" };
            drop(answer.problem(answer.status, code));
        }
        After(_) | Well => drop(host.get(&path).ok()),
        Cut(_) => cut(host, &path),
    }
    until(&format!("{path} is counted as {kinds:?}"), || {
        (kinds.iter().map(|kind| traps(kind)).sum::<f64>() >= before + counted).then_some(())
    });
}

fn cut(host: &TestHost, path: &str) {
    let mut wire = Wire::connect(&host.data_url);
    wire.send(format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").as_bytes());
    let text = String::from_utf8_lossy(&wire.rest()).to_lowercase();
    let is_refused = text.starts_with("http/1.1 502") || text.starts_with("http/1.1 504");
    let is_cut = text.starts_with("http/1.1 200") && !text.ends_with("\r\n0\r\n\r\n");
    let (head, tail) = (text.get(..60).unwrap_or(&text), text.len());
    assert!(is_refused || is_cut, "{path}: {head} … {tail} bytes");
}

#[test]
fn what_a_guest_leaks_from_request_to_request_ends_its_instance_and_not_the_function() {
    let host = TestHost::start();
    let leak = host.once(&Function::guest("leak").with(LIMITS));
    let leaked = || host.get(&format!("{leak}?n=4000")).ok().json()["leaked"].as_u64().unwrap();
    until("an instance is at its cap", || {
        let answer = host.get(&format!("{leak}?n=4000"));
        (answer.status != 200).then(|| answer.problem(502, "function-over-limit"))
    });
    assert_eq!(leaked(), 4000, "the next has a fresh one");
    host.stop();
}

#[test]
fn a_body_that_never_comes_costs_a_guest_its_time_and_nobody_else_any() {
    let host = TestHost::start();
    let (sleep, hello) = (host.once(&Function::guest("sleep").with(LIMITS)), host.guest("hello"));
    let mut waiting: Vec<Wire> = (0..8)
        .map(|_| {
            let mut wire = Wire::connect(&host.data_url);
            let head = format!("POST {sleep}?for=body HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\n\r\n12345");
            wire.send(head.as_bytes());
            wire
        })
        .collect();
    assert_eq!(host.get(&hello).ok().text(), "hello\n");
    for wire in &mut waiting {
        let answer = wire.answer().expect("an answer");
        assert_eq!(answer.status, 504, "{}", answer.text());
    }
    host.stop();
}
