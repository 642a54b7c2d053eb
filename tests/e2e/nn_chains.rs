//! Chains: an output that is the next call's input stays in the host. Copies are counted, and the counts asserted.

use modelet_tests::frame::Kind;
use modelet_tests::metrics::Metrics;
use modelet_tests::nn::{compute, f32s, part, to_f32s};
use modelet_tests::{Function, TestHost};
use serde_json::Value;

/// Tensors copied so far: from guests, to guests, into joined runs and out of models that hand an input through.
fn copies(metrics: &Metrics) -> [f64; 3] {
    let door = |direction| metrics.sum("modelet_tensor_copies_total", &[("direction", direction)]);
    [door("in"), door("out"), metrics.sum("modelet_model_copies_total", &[])]
}

/// What was copied meanwhile, and what `work` gave.
fn counted<T>(host: &TestHost, work: impl FnOnce() -> T) -> ([f64; 3], T) {
    let before = copies(&host.metrics());
    let result = work();
    let after = copies(&host.metrics());
    ([0, 1, 2].map(|at| after[at] - before[at]), result)
}

fn logits(answer: &Value) -> Vec<f64> {
    answer["logits"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|row| row.as_array().unwrap())
        .map(|n| n.as_f64().unwrap())
        .collect()
}

#[test]
fn a_cache_goes_from_call_to_call_without_a_copy() {
    const WORDS: usize = 24;
    let host = TestHost::start();
    let route = host.once(&Function::guest("nn_chain").model("tiny_decoder"));
    let write = |query: &str| host.get(&format!("{route}?n={WORDS}&{query}")).ok().json();
    let whole = write("cache=0");
    for lend in [0, 1] {
        let (copies, cached) = counted(&host, || write(&format!("cache=1&lend={lend}")));
        // In: the new words of each call and the empty cache of the first. Out: the logits of each call. The cache: never.
        assert_eq!(copies, [WORDS as f64 + 1.0, WORDS as f64, 0.0], "lend={lend}");
        assert_eq!(cached["ids"], whole["ids"], "lend={lend}");
        let off = logits(&cached).iter().zip(logits(&whole)).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
        assert!(logits(&cached).len() == WORDS * 32 && off < 1e-4, "lend={lend}: off by {off}");
    }
    host.stop();
}

#[test]
fn a_call_is_copied_in_once_and_out_once() {
    let host = TestHost::start();
    let route = host.once(&Function::guest("nn").model("dynamic_batch"));
    let call =
        || compute(&host, &route, "dynamic-batch", vec![part("x", Kind::Fp32, &[1, 4], f32s(&[1.0; 4]))]).unwrap();
    let _ = call();
    let (copies, outputs) = counted(&host, call);
    assert_eq!((copies, to_f32s(&outputs[0].data)), ([1.0, 1.0, 0.0], vec![4.0, 8.0, 12.0]));
    host.stop();
}

#[test]
fn a_call_that_is_joined_with_others_is_copied_in_twice_and_out_once() {
    const CALLS: u32 = 4;
    let host = TestHost::start();
    // They wait for each other, and a run of all four begins as soon as the fourth is there.
    let rule = format!(
        "[limits]\ntime = \"60s\"\n[batch]\ndynamic-batch = {{ max = {CALLS}, wait = \"9s\", share = \"function\" }}\n"
    );
    let route = host.once(&Function::guest("nn").model("dynamic_batch").with(&rule));
    let (copies, ()) = counted(&host, || {
        std::thread::scope(|scope| {
            for caller in 0..CALLS {
                let (host, route) = (&host, &route);
                scope.spawn(move || {
                    let rows = f32s(&[caller as f32; 4]);
                    let outputs =
                        compute(host, route, "dynamic-batch", vec![part("x", Kind::Fp32, &[1, 4], rows)]).unwrap();
                    let sum = 4.0 * caller as f32;
                    assert_eq!(to_f32s(&outputs[0].data), [sum, 2.0 * sum, 3.0 * sum]);
                });
            }
        });
    });
    assert_eq!(copies, [4.0, 4.0, 4.0], "once at the door and once into the joined run; out from the run's own memory");
    host.stop();
}

#[test]
fn the_sdks_example_of_a_language_model_writes_and_checks_its_ids() {
    let host = TestHost::start();
    let model = modelet_tests::places::model("tiny_decoder");
    let route = host.once(&Function::guest("sdk_generate").model_file("decoder", &model));
    let ask = |ids: &str| host.post(&route, format!("{{\"ids\": {ids}, \"tokens\": 8}}").as_bytes());
    let written = ask("[1, 2, 3]").ok().json();
    // As check_models.py prints it.
    assert_eq!(written["ids"], serde_json::json!([1, 2, 3, 24, 24, 29, 13, 13, 14, 29, 25]));
    for (ids, why) in [("[1, -1]", "the token id -1"), ("[32]", "the token id 32"), ("[]", "0 token ids")] {
        let refused = ask(ids);
        assert_eq!((refused.status, &refused.json()["code"]), (400, &"bad-tokens".into()), "{}", refused.text());
        assert!(refused.json()["detail"].as_str().unwrap().contains(why), "{}", refused.text());
    }
    host.stop();
}
