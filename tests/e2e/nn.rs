//! `wasi:nn` through a guest: every element type, and every way to ask wrongly.

use modelet_tests::frame::{Frame, Kind, Part};
use modelet_tests::nn::{Refusal, compute, f32s, i64s, part, to_f32s};
use modelet_tests::{Function, shared};

/// The route of one function that has all models which these tests use.
fn route() -> String {
    let models = [
        "digits",
        "add_scalars",
        "dynamic_batch",
        "nested_if",
        "identity_f16",
        "identity_f32",
        "identity_f64",
        "identity_bf16",
        "identity_u8",
        "identity_i32",
        "identity_i64",
        "identity_bool",
        "identity_string",
        "identity_i8",
        "slow_loop",
    ];
    let function = models.iter().fold(Function::guest("nn"), |function, model| function.model(model));
    shared().once(&function.with("[limits]\ntime = \"20s\"\n"))
}

#[track_caller]
fn refused(model: &str, inputs: Vec<Part<'_>>) -> Refusal {
    compute(shared(), &route(), model, inputs).expect_err("wasi:nn refuses this")
}

#[track_caller]
fn only(model: &str, inputs: Vec<Part<'_>>) -> Part<'static> {
    let mut outputs = compute(shared(), &route(), model, inputs).unwrap();
    assert_eq!(outputs.len(), 1, "{outputs:?}");
    outputs.pop().unwrap()
}

#[test]
fn every_element_type_goes_there_and_back() {
    let cases: [(&str, Kind, Vec<u8>); 7] = [
        ("identity-f16", Kind::Fp16, vec![0x00, 0x3c, 0x00, 0xc0, 0xff, 0x7b]),
        ("identity-f32", Kind::Fp32, f32s(&[1.5, -0.0, f32::NAN])),
        ("identity-f64", Kind::Fp64, [0.1_f64, f64::MAX, -3.0].iter().flat_map(|n| n.to_le_bytes()).collect()),
        ("identity-bf16", Kind::Bf16, vec![0x80, 0x3f, 0x00, 0xc0, 0x7f, 0x7f]),
        ("identity-u8", Kind::U8, vec![0, 127, 255]),
        ("identity-i32", Kind::I32, [i32::MIN, 0, i32::MAX].iter().flat_map(|n| n.to_le_bytes()).collect()),
        ("identity-i64", Kind::I64, i64s(&[i64::MIN, -1, i64::MAX])),
    ];
    for (model, kind, data) in cases {
        let got = only(model, vec![part("x", kind, &[3], data.clone())]);
        assert_eq!(got, part("y", kind, &[3], data), "{model}");
    }
}

#[test]
fn a_loop_takes_a_call_of_several_inputs_from_its_body() {
    let route = shared().once(&Function::guest("nn_loop").model("add_scalars"));
    let scalar = |name| part(name, Kind::Fp32, &[1], f32s(&[1.0]));
    let frame = Frame { model: "add-scalars".to_owned(), tensors: vec![scalar("a"), scalar("b")] };
    let answer = shared().post(&format!("{route}?n=3"), &frame.encode().unwrap());
    assert_eq!((answer.status, &answer.json()["n"]), (200, &3.into()), "{}", answer.text());
}

#[test]
fn a_bool_travels_as_a_byte() {
    let got = only("identity-bool", vec![part("x", Kind::U8, &[4], vec![0, 1, 7, 255])]);
    assert_eq!(got, part("y", Kind::U8, &[4], vec![0, 1, 1, 1]), "every byte but 0 is true, and true is 1");
}

#[test]
fn an_empty_tensor_goes_there_and_back() {
    let got = only("identity-f32", vec![part("x", Kind::Fp32, &[0], vec![])]);
    assert_eq!(got, part("y", Kind::Fp32, &[0], vec![]));
}

#[test]
fn the_scalar_of_a_guest_is_the_scalar_of_a_model() {
    let scalar = |name, number: f32| part(name, Kind::Fp32, &[1], f32s(&[number]));
    let sum = only("add-scalars", vec![scalar("a", 1.5), scalar("b", 2.25)]);
    assert_eq!(sum, scalar("sum", 3.75));
}

#[test]
fn a_dynamic_dimension_takes_any_size() {
    for batch in [1_u32, 2, 5] {
        let rows: Vec<f32> = (0..batch * 4).map(|n| n as f32).collect();
        let got = only("dynamic-batch", vec![part("x", Kind::Fp32, &[batch, 4], f32s(&rows))]);
        let expected: Vec<f32> =
            rows.chunks(4).flat_map(|row| [1.0, 2.0, 3.0].map(|n| n * row.iter().sum::<f32>())).collect();
        assert_eq!((got.dims, to_f32s(&got.data)), (vec![batch, 3], expected));
    }
}

#[test]
fn the_deepest_graph_runs_on_a_guests_stack() {
    for (go, expected) in [(1, 40.0), (0, 10.0)] {
        let inputs = vec![part("go", Kind::U8, &[1], vec![go]), part("x", Kind::Fp32, &[1], f32s(&[10.0]))];
        assert_eq!(to_f32s(&only("nested-if", inputs).data), [expected]);
    }
}

#[test]
fn a_wrong_element_type_is_an_invalid_argument() {
    let wrong = [
        ("identity-f32", Kind::I32, 4),
        ("identity-i64", Kind::Fp64, 8),
        ("identity-f16", Kind::Bf16, 2),
        ("identity-bool", Kind::I32, 4),
        ("identity-i8", Kind::U8, 1),
    ];
    for (model, kind, bytes) in wrong {
        let refusal = refused(model, vec![part("x", kind, &[2], vec![0; 2 * bytes])]);
        assert_eq!(
            (refusal.stage.as_str(), refusal.code.as_str()),
            ("compute", "invalid-argument"),
            "{model}: {refusal:?}"
        );
        assert!(refusal.data.contains('x'), "it names the input: {refusal:?}");
    }
}

#[test]
fn a_wrong_shape_is_an_invalid_argument() {
    let shapes: [&[u32]; 5] = [&[1, 63], &[64], &[1, 64, 1], &[64, 1], &[1, 1]];
    for dims in shapes {
        let len: u32 = dims.iter().product();
        let refusal = refused("digits", vec![part("X", Kind::Fp32, dims, vec![0; len as usize * 4])]);
        assert_eq!(
            (refusal.stage.as_str(), refusal.code.as_str()),
            ("compute", "invalid-argument"),
            "{dims:?}: {refusal:?}"
        );
    }
}

#[test]
fn missing_unknown_and_repeated_inputs_are_invalid_arguments() {
    let scalar = |name| part(name, Kind::Fp32, &[1], f32s(&[1.0]));
    let wrong = [
        vec![],
        vec![scalar("a")],
        vec![scalar("a"), scalar("c")],
        vec![scalar("a"), scalar("b"), scalar("c")],
        vec![scalar("a"), scalar("b"), scalar("b")],
        vec![scalar("a"), scalar("")],
        vec![scalar("a"), scalar("b\0")],
    ];
    for inputs in wrong {
        let names: Vec<String> = inputs.iter().map(|input| input.name.clone()).collect();
        let refusal = refused("add-scalars", inputs);
        assert_eq!(refusal.code, "invalid-argument", "{names:?}: {refusal:?}");
    }
}

#[test]
fn a_model_of_strings_is_refused_in_words() {
    let refusal = refused("identity-string", vec![part("x", Kind::U8, &[1], vec![b'a'])]);
    assert!(matches!(refusal.code.as_str(), "invalid-argument" | "unsupported-operation"), "{refusal:?}");
    assert!(refusal.data.contains("string"), "{refusal:?}");
}

#[test]
fn a_tensor_whose_bytes_do_not_fit_its_shape_is_an_invalid_argument() {
    let host = shared();
    let route = host.once(&Function::guest("nn_wrong_length").model("digits"));
    let report = host.get(&route).ok().json();
    for case in report.as_array().unwrap() {
        let expected = if case["case"] == "fits" { serde_json::Value::Null } else { "invalid-argument".into() };
        assert_eq!(case["code"], expected, "{case}");
    }
    assert_eq!(report.as_array().unwrap().len(), 8);
}

#[test]
fn a_name_that_the_manifest_has_not_is_not_found() {
    let host = shared();
    // Another function's model exists, and is not this one's.
    let _ = route();
    let report = host.get(&host.guest("nn_unknown_model")).ok().json();
    for name in report.as_array().unwrap() {
        assert_eq!(name["code"], "not-found", "{name}");
    }
    let refusal = refused("digits@1", vec![]);
    assert_eq!((refusal.stage.as_str(), refusal.code.as_str()), ("load", "not-found"));
    assert!(!refusal.data.contains("add-scalars"), "other names are not told: {refusal:?}");
}

#[test]
fn a_model_from_bytes_is_an_unsupported_operation() {
    let host = shared();
    let route = host.guest("nn_load_bytes");
    let model = std::fs::read(modelet_tests::places::model("digits")).unwrap();
    let answer = host.post(&route, &model);
    assert_eq!((answer.status, &answer.json()["code"]), (422, &"unsupported-operation".into()), "{}", answer.text());
}

#[test]
fn the_digits_model_reads_pictures() {
    let text = std::fs::read_to_string(modelet_tests::places::repository().join("tests/models/digits.json")).unwrap();
    let expected: serde_json::Value = serde_json::from_str(&text).unwrap();
    let numbers = |value: &serde_json::Value| -> Vec<f32> {
        value.as_array().unwrap().iter().map(|number| number.as_f64().unwrap() as f32).collect()
    };
    let pictures = expected["samples"].as_array().unwrap();
    assert!(!pictures.is_empty());
    for picture in pictures {
        let pixels = f32s(&numbers(&picture["pixels"]));
        let outputs = compute(shared(), &route(), "digits", vec![part("X", Kind::Fp32, &[1, 64], pixels)]).unwrap();
        let [label, probabilities] = outputs.as_slice() else { panic!("{outputs:?}") };
        assert_eq!(*label, part("label", Kind::I64, &[1], i64s(&[picture["label"].as_i64().unwrap()])));
        let off = to_f32s(&probabilities.data)
            .iter()
            .zip(numbers(&picture["probabilities"]))
            .any(|(a, b)| (a - b).abs() > 1e-4);
        assert!(!off && probabilities.dims == [1, 10], "{probabilities:?}");
    }
}

#[test]
fn a_model_that_runs_too_long_ends_with_its_request() {
    let host = shared();
    let function = Function::guest("nn").named("short-nn").model("slow_loop").with("[limits]\ntime = \"500ms\"\n");
    let route = host.once(&function);
    let frame = modelet_tests::frame::Frame {
        model: "slow-loop".to_owned(),
        tensors: vec![part("n", Kind::I64, &[1], i64s(&[1_000_000_000]))],
    };
    let start = std::time::Instant::now();
    let answer = host.post(&route, &frame.encode().unwrap());
    let is_timeout = answer.status == 504 || (answer.status == 422 && answer.json()["code"] == "timeout");
    assert!(is_timeout, "{}: {}", answer.status, answer.text());
    assert!(start.elapsed().as_secs() < 10, "{:?}", start.elapsed());
    let ok = compute(host, &route, "slow-loop", vec![part("n", Kind::I64, &[1], i64s(&[3]))]).unwrap();
    assert_eq!(to_f32s(&ok[0].data), [3.0], "the model serves again");
}

#[test]
fn many_requests_share_the_sessions_of_a_model() {
    let host = shared();
    let route = route();
    std::thread::scope(|scope| {
        for thread in 0..8_i64 {
            let route = &route;
            scope.spawn(move || {
                for n in 0..25 {
                    let numbers = i64s(&[thread, n, thread * n]);
                    let got = compute(host, route, "identity-i64", vec![part("x", Kind::I64, &[3], numbers.clone())])
                        .unwrap();
                    assert_eq!(got, [part("y", Kind::I64, &[3], numbers)]);
                }
            });
        }
    });
}
