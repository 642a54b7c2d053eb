//! Bodies that stream, and their ends: what guests of `wasi:http` 0.2 may do with them, and what becomes of a client's. `service.rs` has
//! the same for 0.3.

use modelet_tests::raw::Wire;
use modelet_tests::{Function, TestHost, h2, process, shared};

/// A body in chunks, with trailers.
const CHUNKED: &str = "transfer-encoding: chunked\r\n\r\n5\r\nfirst\r\n6\r\nsecond\r\n0\r\n";

#[test]
fn a_guest_reads_a_body_while_it_is_sent_and_answers_meanwhile() {
    let host = shared();
    back_before_the_next_is_sent(host, &host.guest("echo"));
}

/// Each piece comes back before the next is sent, and at the end the body does.
pub(crate) fn back_before_the_next_is_sent(host: &TestHost, route: &str) {
    let mut wire = Wire::connect(&host.data_url);
    wire.send(format!("POST {route} HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n").as_bytes());
    for piece in ["<one>", "<two>", "<six>"] {
        wire.send(format!("5\r\n{piece}\r\n").as_bytes());
        let seen = wire.read_until(piece.as_bytes());
        assert!(seen.contains(piece), "{seen}");
    }
    wire.send(b"0\r\n\r\n");
    let _ = wire.read_until(b"0\r\n\r\n");
}

#[test]
fn an_echo_of_much_more_than_its_memory_keeps_little_of_it() {
    let host = TestHost::start();
    let limits = "[limits]\nmemory = \"4MiB\"\nbody = \"64MiB\"\nresponse = \"64MiB\"\n";
    let route = host.once(&Function::guest("echo").with(limits));
    echoes_in_constant_memory(&host, &route);
    host.stop();
}

/// 48 MiB there and back; the server grows by far less.
pub(crate) fn echoes_in_constant_memory(host: &TestHost, route: &str) {
    const PIECES: usize = 768;
    assert_eq!(host.post(route, b"warm").ok().text(), "warm");
    let before = process::resident_bytes_peak(host.pid);
    let mut wire = Wire::connect(&host.data_url);
    let mut taken = wire.twin();
    wire.send(format!("POST {route} HTTP/1.1\r\nhost: x\r\ncontent-length: {}\r\n\r\n", PIECES << 16).as_bytes());
    let sender = std::thread::spawn(move || {
        let piece = vec![b'x'; 1 << 16];
        (0..PIECES).all(|_| wire.try_send(&piece))
    });
    let answer = taken.answer().expect("an answer");
    assert!(sender.join().unwrap(), "all of it was taken");
    assert_eq!((answer.status, answer.body.len()), (200, PIECES << 16));
    assert!(answer.body.iter().all(|byte| *byte == b'x'));
    let grown = process::resident_bytes_peak(host.pid).saturating_sub(before);
    assert!(grown < 24 << 20, "48 MiB through a guest made the server {grown} bytes larger");
}

#[test]
fn trailers_reach_the_guest_and_the_client_but_for_those_of_the_server() {
    let host = shared();
    trailers_both_ways(host, &host.guest("trailers"));
}

pub(crate) fn trailers_both_ways(host: &TestHost, route: &str) {
    let mut wire = Wire::connect(&host.data_url);
    let trailers = "x-sum: 11\r\nmodelet-caller: root\r\n\r\n";
    wire.send(format!("POST {route} HTTP/1.1\r\nhost: x\r\n{CHUNKED}{trailers}").as_bytes());
    let answer = wire.answer().expect("an answer");
    assert_eq!((answer.status, answer.text().as_str()), (200, "11 bytes\nx-sum: 11\n"));
    // HTTP/1.1 passes on only those that the head announces, which is no guest's to do; HTTP/2 passes on all.
    let sent = [("x-sum", "5"), ("modelet-caller", "root")];
    let (status, body, trailers) = h2::post_with_trailers(&host.data_url, route, b"abcde", &sent);
    assert_eq!((status, String::from_utf8_lossy(&body).as_ref()), (200, "5 bytes\nx-sum: 5\n"));
    let own: Vec<_> = trailers.iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect();
    assert_eq!(own, [("checksum", b"5".as_slice())]);
}

#[test]
fn an_answer_longer_than_it_promised_is_never_passed_off_as_whole() {
    let host = shared();
    let route = host.guest("long_answer");
    let mut wire = Wire::connect(&host.data_url);
    wire.send(format!("GET {route}?bytes=10 HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").as_bytes());
    let text = String::from_utf8_lossy(&wire.rest()).to_lowercase();
    assert!(text.starts_with("http/1.1 502"), "ten bytes where five were promised: {text}");
    assert_eq!(host.get(&format!("{route}?bytes=5")).ok().text(), "xxxxx");
}

#[test]
fn a_body_that_is_finished_while_it_is_written_ends_its_guest() {
    let host = shared();
    let route = host.guest("finish_early");
    let mut wire = Wire::connect(&host.data_url);
    wire.send(format!("GET {route} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").as_bytes());
    let text = String::from_utf8_lossy(&wire.rest()).to_lowercase();
    let is_cut = text.starts_with("http/1.1 200") && text.contains("begun") && !text.ends_with("0\r\n\r\n");
    assert!(text.starts_with("http/1.1 502") || is_cut, "{text}");
    assert!(!text.contains("after"), "{text}");
    assert_eq!(host.get(&host.guest("hello")).status, 200);
}

#[test]
fn statuses_without_a_body_have_none_and_an_interim_one_is_no_answer() {
    let host = shared();
    let status = host.guest("status");
    for code in [204, 304] {
        let mut wire = Wire::connect(&host.data_url);
        wire.send(format!("GET {status}?code={code} HTTP/1.1\r\nhost: x\r\n\r\n").as_bytes());
        wire.send(format!("GET {status}?code=201 HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").as_bytes());
        let text = String::from_utf8_lossy(&wire.rest()).to_lowercase();
        assert!(text.starts_with(&format!("http/1.1 {code}")), "{text}");
        assert!(!text.contains(&format!("status {code}")), "a {code} has no body: {text}");
        assert!(text.ends_with("status 201\n"), "the connection goes on: {text}");
    }
    for code in [100, 101, 103] {
        host.get(&format!("{status}?code={code}")).problem(502, "function-bad-answer");
    }
}
