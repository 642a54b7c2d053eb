//! What a request leaves with the host is gone when it has its answer: an instance may serve thousands.

use modelet_tests::{Function, Origin, TestHost};

/// Fewer resources than requests: one that stays behind each time is too much before the last.
const RESOURCES: usize = 24;
const REQUESTS: usize = 100;

fn answers_all(host: &TestHost, function: &str, method: &str, path: &str, body: &[u8]) {
    for number in 1..=REQUESTS {
        let answer = host.send(method, path, &[], body);
        assert_eq!(answer.status, 200, "request {number} to {path}: {}", answer.text());
    }
    let made = host.metrics().sum("modelet_cold_starts_total", &[("function", function), ("level", "instance")]);
    // A request that comes before the guest has returned finds its instance busy, and gets another.
    let each = REQUESTS as f64 / made;
    assert!(each > RESOURCES as f64, "{made} instances of {function} answered, which is {each} requests for each");
}

#[test]
fn guests_that_take_bodies_and_keep_pairs_leave_no_resource_behind() {
    let host = TestHost::configured(&format!("[limits]\nresources = {RESOURCES}\n"));
    for guest in ["hello", "echo", "trailers", "big_body", "stdout", "pairs", "settings", "headers"] {
        host.deploy(&Function::guest(guest));
    }
    let calls: [(&str, &str, &str, &[u8]); 8] = [
        ("hello", "GET", "/hello", b""),
        ("echo", "POST", "/echo", &[7; 10_000]),
        ("trailers", "POST", "/trailers", b"some"),
        ("big-body", "GET", "/big-body?bytes=100000", b""),
        ("stdout", "GET", "/stdout?lines=3&bytes=10", b""),
        ("pairs", "GET", "/pairs?do=set&key=a&value=b", b""),
        ("settings", "GET", "/settings", b""),
        ("headers", "GET", "/headers", b""),
    ];
    for (function, method, path, body) in calls {
        answers_all(&host, function, method, path, body);
    }
}

#[test]
fn guests_that_send_requests_leave_no_resource_behind() {
    let origin = Origin::start();
    let host = TestHost::configured(&format!("[limits]\nresources = {RESOURCES}\n"));
    let allow = format!("[outbound]\nallow = [\"http://{}\"]\n", origin.address);
    host.deploy(&Function::guest("fetch").with(&allow));
    for query in ["/hello", "/echo&method=POST&bytes=5000", "/hello&connect_ms=5000&first_ms=5000", "/cut", "/garbage"]
    {
        let path = format!("/fetch?url=http://{}{query}", origin.address);
        answers_all(&host, "fetch", "GET", &path, b"");
    }
    answers_all(&host, "fetch", "GET", "/fetch?url=http://192.0.2.1/", b"");
}
