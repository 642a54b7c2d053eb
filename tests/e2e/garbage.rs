//! What is no HTTP, or too much of it.

use modelet_tests::raw::{Wire, ask};
use modelet_tests::{Function, TestHost, shared};

/// A server's answer to bytes on a connection of their own; 0 when it hung up without one.
fn status(host: &TestHost, bytes: &[u8]) -> u16 {
    ask(&host.data_url, bytes).map_or(0, |answer| answer.status)
}

#[test]
fn garbage_is_400_and_the_next_request_is_served() {
    let host = shared();
    let hello = host.guest("hello");
    let garbage: [&[u8]; 12] = [
        b"garbage\r\n\r\n",
        b"GET\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET /hello HTTP/1.1\r\nno colon\r\n\r\n",
        b"GET /hello HTTP/1.1\r\nhost: x\r\nbad name: x\r\n\r\n",
        b"GET /hello HTTP/1.1\r\nhost: x\r\ncontent-length: many\r\n\r\n",
        b"POST /echo HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab",
        b"GET /hello HTTP/1.1\r\n\r\n",
        b"GET /hello HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n",
        b"GET /hello HTTP/1.1\r\nhost: a b\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET /\x00 HTTP/1.1\r\nhost: x\r\n\r\n",
    ];
    for bytes in garbage {
        let shown = String::from_utf8_lossy(bytes).into_owned();
        let mut wire = Wire::connect(&host.data_url);
        wire.send(bytes);
        if let Some(answer) = wire.answer() {
            assert_eq!(answer.status, 400, "{shown:?}: {}", answer.head);
        } else {
            panic!("no answer to {shown:?}");
        }
        assert_eq!(host.get(&hello).ok().text(), "hello\n");
    }
}

#[test]
fn a_request_without_a_host_is_told_so() {
    let host = shared();
    let answer = ask(&host.data_url, b"GET /hello HTTP/1.1\r\n\r\n").unwrap();
    assert_eq!(answer.status, 400);
    let problem: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!(problem["code"], "bad-request", "{problem}");
    assert_eq!(problem["invocation"], answer.header("modelet-invocation").unwrap());
}

#[test]
fn a_smuggled_request_is_not_seen() {
    let host = shared();
    let echo = host.guest("echo");
    // Whoever believes the length sees a second request where the chunks end.
    let both = format!(
        "POST {echo} HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\nGET /hello HTTP/1.1\r\nhost: x\r\n\r\n"
    );
    let mut wire = Wire::connect(&host.data_url);
    wire.send(both.as_bytes());
    let first = wire.answer().expect("an answer");
    assert!(first.status == 400 || first.body.is_empty(), "{first:?}");
    if first.status == 200 {
        // RFC 9112, 6.3: the chunks win, and the connection is not used again.
        assert!(wire.is_closed(), "the connection goes on after an ambiguous request");
    }
}

#[test]
fn too_many_or_too_long_headers_are_refused() {
    let host = shared();
    let hello = host.guest("hello");
    let many: String = (0..200).map(|n| format!("x-{n}: y\r\n")).collect();
    let status_many = status(host, format!("GET {hello} HTTP/1.1\r\nhost: x\r\n{many}\r\n").as_bytes());
    assert_eq!(status_many, 431);
    let long = "y".repeat(1 << 20);
    let status_long = status(host, format!("GET {hello} HTTP/1.1\r\nhost: x\r\nx-long: {long}\r\n\r\n").as_bytes());
    assert_eq!(status_long, 431);
    assert_eq!(host.get(&hello).status, 200);
}

#[test]
fn a_body_that_announces_more_than_the_limit_is_413_before_it_is_sent() {
    let host = shared();
    let echo = host.once(&small_echo());
    let head = format!("POST {echo} HTTP/1.1\r\nhost: x\r\ncontent-length: 5000\r\n\r\n");
    let answer = ask(&host.data_url, head.as_bytes()).unwrap();
    assert_eq!(answer.status, 413, "{}", answer.head);
    let problem: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!(problem["code"], "body-too-large", "{problem}");
    assert!(problem["detail"].as_str().unwrap().contains("4096"), "{problem}");
    assert_eq!(host.post(&echo, &[b'x'; 4096]).ok().body.len(), 4096);
    host.post(&echo, &[b'x'; 4097]).problem(413, "body-too-large");
}

#[test]
fn a_chunked_body_that_passes_the_limit_is_413() {
    let host = shared();
    // This guest reads its whole body before it answers.
    let nn = host.once(&Function::guest("nn").named("small-nn").model("digits").with("[limits]\nbody = \"4KiB\""));
    let chunk = format!("800\r\n{}\r\n", "x".repeat(0x800));
    let head = format!("POST {nn} HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n");
    let answer = ask(&host.data_url, format!("{head}{}0\r\n\r\n", chunk.repeat(3)).as_bytes()).unwrap();
    let text = answer.text();
    assert!(answer.status == 413, "{} {text}", answer.status);
}

#[test]
fn a_chunked_body_within_the_limit_passes() {
    let host = shared();
    let echo = host.once(&small_echo());
    let chunk = format!("800\r\n{}\r\n", "x".repeat(0x800));
    let head = format!("POST {echo} HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n");
    let answer = ask(&host.data_url, format!("{head}{}0\r\n\r\n", chunk.repeat(2)).as_bytes()).unwrap();
    assert_eq!((answer.status, answer.body.len()), (200, 4096));
}

#[test]
fn a_client_that_stops_within_its_body_leaves_nothing_behind() {
    let host = shared();
    let echo = host.guest("echo");
    for sent in ["", "5\r\nab", "5\r\nabcde\r\n"] {
        let mut wire = Wire::connect(&host.data_url);
        wire.send(format!("POST {echo} HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n{sent}").as_bytes());
        drop(wire);
    }
    assert_eq!(host.post(&echo, b"next").ok().text(), "next");
}

fn small_echo() -> Function {
    Function::guest("echo").named("small-echo").with("[limits]\nbody = \"4KiB\"")
}
