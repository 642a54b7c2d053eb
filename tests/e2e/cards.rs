//! What a model's card says is what happens to the calls of guests: filling up, run limits, devices.

use modelet_tests::frame::{Kind, Part};
use modelet_tests::nn::{compute, f32s, i64s, part, to_f32s};
use modelet_tests::{Function, TestHost, places};
use std::fs;

/// About a microsecond a turn: hours.
const ENDLESS: i64 = 10_000_000_000;

/// Pushes a model of `tests/models/` with a card, under the name `m`.
fn push(host: &TestHost, model: &str, card: &str) -> modelet_tests::Ran {
    let file = host.scratch().join("card.toml");
    fs::write(&file, card).unwrap();
    let (model, card) = (places::model(model).display().to_string(), file.display().to_string());
    host.modelet(["model", "push", &model, "--name", "m", "--card", &card])
}

fn sentence(ids: &[i64]) -> Vec<Part<'static>> {
    let dims = [1, u32::try_from(ids.len()).unwrap()];
    vec![part("ids", Kind::I64, &dims, i64s(ids)), part("mask", Kind::I64, &dims, i64s(&vec![1; ids.len()]))]
}

fn embedding(host: &TestHost, route: &str, ids: &[i64]) -> Vec<f32> {
    let outputs = compute(host, route, "m", sentence(ids)).unwrap();
    assert_eq!((outputs.len(), outputs[0].dims.as_slice()), (1, &[1, 8][..]), "{outputs:?}");
    to_f32s(&outputs[0].data)
}

#[test]
fn sentences_of_different_lengths_share_a_run_where_the_card_says_how_to_fill_them_up() {
    const SENTENCES: [&[i64]; 2] = [&[1, 2, 3, 4, 5], &[9, 8, 7, 6]];
    let host = TestHost::start();
    push(&host, "tiny_encoder", "[batch.pad]\nids = { dim = 1, value = 0 }\nmask = { dim = 1, value = 0 }\n").done();
    let function = |name: &str, rule: &str| {
        let sections = format!("[batch]\nm = {{ {rule} }}\n[limits]\ntime = \"60s\"\n");
        host.once(&Function::guest("nn").named(name).model_ref("m", "m@1").with(&sections))
    };
    let alone = function("alone", "max = 1");
    let joined = function("joined", "max = 2, wait = \"10s\"");
    let expected = SENTENCES.map(|ids| embedding(&host, &alone, ids));
    let count = || {
        let metrics = host.metrics();
        let copies = metrics.sum("modelet_model_copies_total", &[("side", "input")]);
        let of = |name: &str| metrics.sum(name, &[]);
        (of("modelet_batch_size_count"), of("modelet_batch_size_sum"), copies)
    };
    assert_eq!(count(), (2.0, 2.0, 0.0));
    let answers = std::thread::scope(|scope| {
        let (host, joined) = (&host, &joined);
        SENTENCES.map(|ids| scope.spawn(move || embedding(host, joined, ids))).map(|call| call.join().unwrap())
    });
    for (answer, expected) in answers.iter().zip(&expected) {
        let is_near = |(a, b): (&f32, &f32)| (a - b).abs() <= 1e-5 + 1e-4 * b.abs();
        assert!(answer.iter().zip(expected).all(is_near), "{answer:?} is not {expected:?}");
    }
    // One more run, of two rows; each caller's two tensors went into the joined ones.
    assert_eq!(count(), (3.0, 4.0, 4.0));
    host.stop();
}

#[test]
fn a_run_past_the_limit_of_the_card_is_a_timeout_for_its_guest_and_the_session_lives_on() {
    let host = TestHost::start();
    push(&host, "slow_loop", "[run]\nlimit = \"500ms\"\nsessions = 1\n").done();
    let route = host.once(&Function::guest("nn").model_ref("m", "m@1").with("[limits]\ntime = \"60s\"\n"));
    let turns = |n: i64| compute(&host, &route, "m", vec![part("n", Kind::I64, &[1], i64s(&[n]))]);
    for _ in 0..2 {
        let refusal = turns(ENDLESS).unwrap_err();
        assert_eq!((refusal.stage.as_str(), refusal.code.as_str()), ("compute", "timeout"), "{refusal:?}");
        assert_eq!(to_f32s(&turns(3).unwrap()[0].data), [3.0]);
    }
    let metrics = host.metrics();
    assert_eq!(metrics.sum("modelet_model_loads_total", &[("outcome", "done")]), 1.0, "{}", metrics.text);
    assert_eq!(metrics.sum("modelet_sessions", &[]), 1.0);
    host.stop();
}

/// A device that no machine of ours has, the highest number; and one that this server was not told of.
const DEVICES: &str = "[inference]\ndevices = \"cuda:63, cpu\"\ndevice_memory = \"cuda:63=1GiB\"\n";

#[test]
fn a_model_that_demands_a_device_that_is_not_there_is_refused_with_the_fix_and_gets_no_cpu() {
    let host = TestHost::configured(DEVICES);
    let folder = host.scratch().join("demanding");
    fs::create_dir(&folder).unwrap();
    fs::copy(places::model("identity_f32"), folder.join("m.onnx")).unwrap();
    for (device, why) in [("cuda:63", "CUDA"), ("cuda:7", "it is not among the server's `inference.devices`")] {
        let card = format!("[run]\ndevice = \"{device}!\"\n");
        fs::write(folder.join("card.toml"), &card).unwrap();
        let function = Function::guest("nn").model_file("m", &folder);
        let lines = [push(&host, "identity_f32", &card).refused(), host.try_deploy(&function).refused()];
        for line in lines {
            for words in [&format!("demands {device}"), why, "`device` in [run] of its card", "modelet doctor"] {
                assert!(line.contains(words), "{words} is not in: {line}");
            }
        }
    }
    assert_eq!((host.get("/nn").status, host.modelet(["model", "show", "m"]).status), (404, Some(1)));
    assert!(
        !host.metrics().has("modelet_sessions"),
        "no session anywhere: {}",
        host.metrics().lines("modelet_sessions")
    );
    // Without the `!` it is a wish.
    push(&host, "identity_f32", "[run]\ndevice = \"cuda:63\"\n").done();
    let route = host.once(&Function::guest("nn").model_ref("m", "m@1"));
    let x = || part("x", Kind::Fp32, &[2], f32s(&[1.0, 2.0]));
    assert_eq!(compute(&host, &route, "m", vec![x()]).unwrap()[0].data, x().data);
    assert_eq!(host.metrics().sum("modelet_sessions", &[("device", "cpu")]), 1.0);
    host.stop();
}
