//! A model that many call at once: who is joined with whom, who leaves, and what a full queue says.

use modelet_tests::frame::{Frame, Kind};
use modelet_tests::nn::{compute, f32s, i64s, part, to_f32s};
use modelet_tests::raw::Wire;
use modelet_tests::{Function, TestHost, until};

/// About a microsecond a turn: hours.
const ENDLESS: i64 = 10_000_000_000;

fn turns(model: &str, n: i64) -> Vec<u8> {
    let tensors = vec![part("n", Kind::I64, &[1], i64s(&[n]))];
    Frame { model: model.to_owned(), tensors }.encode().unwrap()
}

/// Sends a request and does not wait for its answer.
fn begin(host: &TestHost, route: &str, body: &[u8]) -> Wire {
    let mut wire = Wire::connect(&host.data_url);
    wire.send(format!("POST {route} HTTP/1.1\r\nhost: x\r\ncontent-length: {}\r\n\r\n", body.len()).as_bytes());
    wire.send(body);
    wire
}

fn queue_depth(host: &TestHost, expected: f64) {
    let what = format!("{expected} calls wait");
    until(&what, || (host.metrics().sum("modelet_queue_depth", &[]) == expected).then_some(()));
}

#[test]
fn a_client_that_leaves_takes_its_call_out_of_the_queue_or_stops_its_run() {
    let host = TestHost::configured("[inference]\nsessions = 1\n");
    let patient = Function::guest("nn").named("patient").model("slow_loop").with("[limits]\ntime = \"300s\"\n");
    let hurried = Function::guest("nn").named("hurried").model("slow_loop").with("[limits]\ntime = \"20s\"\n");
    let (patient, hurried) = (host.once(&patient), host.once(&hurried));
    compute(&host, &patient, "slow-loop", vec![part("n", Kind::I64, &[1], i64s(&[1]))]).unwrap();
    let endless = turns("slow-loop", ENDLESS);
    let running = begin(&host, &patient, &endless);
    let waiting = begin(&host, &patient, &endless);
    queue_depth(&host, 1.0);
    drop(waiting);
    queue_depth(&host, 0.0);
    drop(running);
    // Its model has one session: without the stop this would wait for 300 s and have 20.
    let answer = compute(&host, &hurried, "slow-loop", vec![part("n", Kind::I64, &[1], i64s(&[3]))]).unwrap();
    assert_eq!(to_f32s(&answer[0].data), [3.0]);
    host.stop();
}

#[test]
fn a_full_queue_is_503_with_retry_after_where_the_function_says_nothing_else() {
    let host = TestHost::configured("[inference]\nsessions = 1\nqueue = 1\n");
    let patient = Function::guest("nn").named("patient").model("slow_loop").with("[limits]\ntime = \"300s\"\n");
    let brief = Function::guest("slow_model").model("slow_loop").with("[limits]\ntime = \"2s\"\n");
    let (patient, other) = (host.once(&patient), host.once(&brief));
    assert_eq!(host.get(&format!("{other}?n=3")).ok().json(), serde_json::json!([3.0]));
    let endless = turns("slow-loop", ENDLESS);
    let mut calls = vec![begin(&host, &patient, &endless)];
    // One runs, and as soon as a third had to wait for it, a second waits.
    let refused = until("the queue is full", || {
        let answer = host.get(&format!("{other}?n=1"));
        if answer.status == 504 {
            // The third's own place is free a moment after its answer.
            queue_depth(&host, 0.0);
            calls.push(begin(&host, &patient, &endless));
            queue_depth(&host, 1.0);
        } else if answer.status == 200 {
            // None runs endlessly yet: the first may have found the one place taken by a call like this one.
            calls.push(begin(&host, &patient, &endless));
        }
        (![200, 504].contains(&answer.status)).then_some(answer)
    });
    assert_eq!((refused.status, &refused.json()["code"]), (503, &"model-busy".into()), "{}", refused.text());
    let wait: u64 = refused.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=30).contains(&wait), "{wait}");
    drop(calls);
    until("the model serves again", || (host.get(&format!("{other}?n=1")).status == 200).then_some(()));
    host.stop();
}

#[test]
fn two_functions_share_a_run_only_if_both_allow_it() {
    let host = TestHost::start();
    let function = |name: &str, share: &str, wait: &str| {
        let batch = format!("[batch]\ndynamic-batch = {{ max = 2, wait = \"{wait}\", share = \"{share}\" }}\n");
        let limits = "[limits]\ntime = \"60s\"\n";
        host.once(&Function::guest("nn").named(name).model("dynamic_batch").with(&format!("{batch}{limits}")))
    };
    // Each sends one row at the same time; says in how many runs they were answered.
    let runs = |routes: [&str; 2]| {
        let count = || host.metrics().sum("modelet_batch_size_count", &[]);
        let before = count();
        std::thread::scope(|scope| {
            for (route, number) in routes.into_iter().zip([1.0, 2.0]) {
                let host = &host;
                scope.spawn(move || {
                    let row = part("x", Kind::Fp32, &[1, 4], f32s(&[number; 4]));
                    let got = compute(host, route, "dynamic-batch", vec![row]).unwrap();
                    assert_eq!(to_f32s(&got[0].data), [4.0, 8.0, 12.0].map(|n| n * number), "its own answer");
                });
            }
        });
        count() - before
    };
    let (one, two) = (function("one", "tenant", "10s"), function("two", "all", "10s"));
    let alone = function("alone", "function", "300ms");
    assert_eq!(runs([&one, &two]), 1.0);
    assert_eq!(runs([&alone, &function("brief", "all", "300ms")]), 2.0, "the narrower of two shares decides");
    assert_eq!(runs([&one, &one]), 1.0);
    host.stop();
}
