//! Ordinary requests: bodies there and back, connections, routes, methods.

use modelet_tests::raw::{Wire, ask};
use modelet_tests::{Function, h2, shared};

#[test]
fn a_body_comes_back_byte_by_byte() {
    let host = shared();
    let echo = host.guest("echo");
    for len in [0, 1, 4096, 65_536, 1_000_003] {
        let body: Vec<u8> = (0..len).map(|n: u32| (n * 7 % 251) as u8).collect();
        let answer = host.post(&echo, &body).ok();
        assert!(answer.body == body, "{len} bytes came back as {}", answer.body.len());
        assert_eq!(answer.invocation().len(), 26, "{answer:?}");
    }
}

#[test]
fn every_invocation_has_an_id_of_its_own() {
    let host = shared();
    let hello = host.guest("hello");
    let mut ids: Vec<String> = (0..50).map(|_| host.get(&hello).ok().invocation().to_owned()).collect();
    let in_order = ids.clone();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 50);
    // They sort by time to the millisecond: the first of 50 is before the last.
    assert!(in_order[0] < in_order[49], "{in_order:?}");
}

#[test]
fn one_connection_carries_many_requests() {
    let host = shared();
    let hello = host.guest("hello");
    let mut wire = Wire::connect(&host.data_url);
    for _ in 0..100 {
        wire.send(format!("GET {hello} HTTP/1.1\r\nhost: x\r\n\r\n").as_bytes());
        let answer = wire.answer().expect("the connection stays open");
        assert_eq!((answer.status, answer.text().as_str()), (200, "hello\n"));
        assert_eq!(answer.header("content-length"), Some("6"), "{}", answer.head);
    }
}

#[test]
fn pipelined_requests_are_answered_in_their_order() {
    let host = shared();
    let echo = host.guest("echo");
    let request = |n: u32| format!("POST {echo} HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\n\r\n{n}");
    let mut wire = Wire::connect(&host.data_url);
    wire.send((0..10).map(request).collect::<String>().as_bytes());
    for n in 0..10 {
        assert_eq!(wire.answer().unwrap().text(), n.to_string());
    }
}

#[test]
fn a_connection_closes_when_the_client_asks_for_it() {
    let host = shared();
    let hello = host.guest("hello");
    let mut wire = Wire::connect(&host.data_url);
    wire.send(format!("GET {hello} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").as_bytes());
    assert_eq!(wire.answer().unwrap().status, 200);
    assert!(wire.is_closed());
}

#[test]
fn http_1_0_is_answered() {
    let host = shared();
    let hello = host.guest("hello");
    let answer = ask(&host.data_url, format!("GET {hello} HTTP/1.0\r\nhost: x\r\n\r\n").as_bytes()).unwrap();
    assert_eq!((answer.status, answer.text().as_str()), (200, "hello\n"));
}

#[test]
fn http_2_carries_many_requests_at_once() {
    let host = shared();
    let echo = host.guest("echo");
    let bodies: Vec<Vec<u8>> = (0..32).map(|n| vec![n; 10_000]).collect();
    let answers = h2::post_all(&host.data_url, &echo, bodies.clone());
    for ((status, body), sent) in answers.into_iter().zip(bodies) {
        assert_eq!((status, body), (200, sent));
    }
}

#[test]
fn a_chunked_body_comes_back() {
    let host = shared();
    let echo = host.guest("echo");
    let head = format!("POST {echo} HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n");
    let answer = ask(&host.data_url, format!("{head}3\r\nabc\r\n1\r\nd\r\n0\r\n\r\n").as_bytes()).unwrap();
    assert_eq!((answer.status, answer.text().as_str()), (200, "abcd"));
}

#[test]
fn head_has_the_headers_of_get_and_no_body() {
    let host = shared();
    let hello = host.guest("hello");
    let mut wire = Wire::connect(&host.data_url);
    wire.send(format!("HEAD {hello} HTTP/1.1\r\nhost: x\r\n\r\n").as_bytes());
    wire.send(format!("GET {hello} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").as_bytes());
    let text = String::from_utf8(wire.rest()).unwrap();
    assert_eq!(text.matches("HTTP/1.1 200").count(), 2, "{text}");
    assert_eq!(text.matches("hello").count(), 1, "only GET has a body: {text}");
}

#[test]
fn an_unknown_route_is_404() {
    let host = shared();
    let _ = host.guest("hello");
    for path in ["/", "/nobody", "/hello/more", "/hello/", "/HELLO", "/v1/models", "/v2/health/live", "/%68ello"] {
        let answer = host.get(path);
        let detail = answer.problem(404, "not-found");
        assert_eq!(detail, "no function answers this host and path");
        assert_eq!(answer.invocation().len(), 26, "{path}");
    }
}

#[test]
fn a_wrong_method_is_405_and_says_which_are_right() {
    let host = shared();
    let route = "path = \"/picky\"\nmethods = [\"POST\", \"PUT\"]";
    host.once(&Function::guest("hello").named("picky").route(route));
    assert_eq!(host.post("/picky", b"").status, 200);
    let answer = host.get("/picky");
    answer.problem(405, "method-not-allowed");
    let allow = answer.header("allow").unwrap_or_default();
    let mut methods: Vec<&str> = allow.split(", ").collect();
    methods.sort_unstable();
    assert_eq!(methods, ["POST", "PUT"]);
}

#[test]
fn a_route_has_parameters_and_the_exact_one_wins() {
    let host = shared();
    host.once(&Function::guest("headers").named("any-item").route("path = \"/items/{id}\""));
    host.once(&Function::guest("status").named("one-item").route("path = \"/items/status\""));
    host.once(&Function::guest("echo").named("rest").route("path = \"/items/{*rest}\""));
    assert_eq!(host.get("/items/7?x=1").ok().json()["path"], "/items/7");
    assert_eq!(host.get("/items/status?code=201").status, 201);
    assert_eq!(host.post("/items/a/b/c", b"deep").ok().text(), "deep");
}

#[test]
fn a_route_of_a_host_answers_that_host_only() {
    let host = shared();
    host.once(&Function::guest("hello").named("hosted").route("host = \"a.example\"\npath = \"/hosted\""));
    let ask = |name: &str| host.send("GET", "/hosted", &[("host", name)], b"").status;
    assert_eq!(ask("a.example"), 200);
    assert_eq!(ask("A.Example:8080"), 200);
    assert_eq!(ask("b.example"), 404);
}

#[test]
fn the_status_of_a_function_is_the_status_of_the_answer() {
    let host = shared();
    let status = host.guest("status");
    for code in [200, 201, 204, 301, 400, 404, 418, 429, 500, 503] {
        let answer = host.get(&format!("{status}?code={code}&empty=1"));
        assert_eq!(answer.status, code);
        assert_eq!(answer.header("content-type"), None, "a function's own error is not rewritten: {answer:?}");
        assert_eq!(answer.invocation().len(), 26);
    }
}

#[test]
fn a_streamed_answer_arrives_while_it_is_made() {
    let host = shared();
    let drip = host.guest("drip");
    let mut wire = Wire::connect(&host.data_url);
    // A hundred seconds of answer: whoever waited for its end would not get the first lines in time.
    wire.send(format!("GET {drip}?n=10000&pause_ms=10 HTTP/1.1\r\nhost: x\r\n\r\n").as_bytes());
    let seen = wire.read_until(b"\n3\n");
    assert!(seen.contains("transfer-encoding: chunked"), "{seen}");
}

#[test]
fn a_long_answer_is_whole() {
    let host = shared();
    let big = host.guest("big_body");
    for query in ["bytes=3000000", "bytes=3000000&length=1"] {
        let answer = host.get(&format!("{big}?{query}")).ok();
        assert_eq!(answer.body.len(), 3_000_000);
        assert!(answer.body.iter().all(|byte| *byte == b'x'));
    }
}
