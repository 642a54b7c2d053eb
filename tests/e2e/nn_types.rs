//! `modelet:nn` through a guest: the element types that `wasi:nn` has not, strings, descriptions, time left, and every way to
//! ask wrongly.

use modelet_tests::frame::{Kind, Part, pack, unpack};
use modelet_tests::nn::{Refusal, compute, f32s, i64s, part, to_f32s};
use modelet_tests::{Function, shared};
use serde_json::{Value, json};

const MODELS: [&str; 22] = [
    "add_scalars",
    "odd_string",
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
    "identity_i16",
    "identity_u16",
    "identity_u32",
    "identity_u64",
    "identity_f8e4m3fn",
    "identity_f8e4m3fnuz",
    "identity_f8e5m2",
    "identity_f8e5m2fnuz",
    "cast_u4",
    "cast_i4",
];

/// The route of one function that has all models which these tests use.
fn route() -> String {
    shared().once(&MODELS.iter().fold(Function::guest("nn_types"), |function, model| function.model(model)))
}

#[track_caller]
fn only(model: &str, inputs: Vec<Part<'_>>) -> Part<'static> {
    let mut outputs = compute(shared(), &route(), model, inputs).unwrap();
    assert_eq!(outputs.len(), 1, "{outputs:?}");
    outputs.pop().unwrap()
}

#[track_caller]
fn refused(model: &str, inputs: Vec<Part<'_>>) -> Refusal {
    compute(shared(), &route(), model, inputs).expect_err("it is refused")
}

#[test]
fn every_element_type_goes_there_and_back() {
    let cases: [(&str, Kind, usize); 17] = [
        ("identity-f16", Kind::Fp16, 2),
        ("identity-f32", Kind::Fp32, 4),
        ("identity-f64", Kind::Fp64, 8),
        ("identity-bf16", Kind::Bf16, 2),
        ("identity-u8", Kind::U8, 1),
        ("identity-i8", Kind::I8, 1),
        ("identity-u16", Kind::U16, 2),
        ("identity-i16", Kind::I16, 2),
        ("identity-u32", Kind::U32, 4),
        ("identity-i32", Kind::I32, 4),
        ("identity-u64", Kind::U64, 8),
        ("identity-i64", Kind::I64, 8),
        ("identity-bool", Kind::Bool, 1),
        ("identity-f8e4m3fn", Kind::F8e4m3fn, 1),
        ("identity-f8e4m3fnuz", Kind::F8e4m3fnuz, 1),
        ("identity-f8e5m2", Kind::F8e5m2, 1),
        ("identity-f8e5m2fnuz", Kind::F8e5m2fnuz, 1),
    ];
    for (model, kind, bytes) in cases {
        let data: Vec<u8> = match kind {
            Kind::Bool => vec![1, 0, 1],
            // Every byte differs from its neighbours, and the highest bits are set too.
            _ => (0..3 * bytes).map(|at| 0x81_u8.wrapping_add((at * 59) as u8)).collect(),
        };
        let got = only(model, vec![part("x", kind, &[3], data.clone())]);
        assert_eq!(got, part("y", kind, &[3], data), "{model}");
    }
}

#[test]
fn four_bit_types_are_packed_two_to_a_byte() {
    for (model, kind, expected) in [("cast-u4", Kind::U4, [1, 15, 8]), ("cast-i4", Kind::I4, [1, -1, -8])] {
        let got = only(model, vec![part("x", kind, &[3], vec![0xf1, 0x08])]);
        let numbers: Vec<i32> = got.data.as_chunks().0.iter().map(|bytes| i32::from_le_bytes(*bytes)).collect();
        assert_eq!((got.kind, numbers.as_slice()), (Kind::I32, expected.as_slice()), "{model}");
    }
}

#[test]
fn strings_go_there_and_back() {
    let long = "long ".repeat(20_000);
    let texts = ["", "plain", "with\0nul", "Grüße, 世界", &long, ""];
    let got = only("identity-string", vec![part("x", Kind::String, &[6], pack(&texts).unwrap())]);
    assert_eq!((got.kind, got.dims.as_slice()), (Kind::String, [6].as_slice()));
    assert_eq!(unpack(&got.data).unwrap(), texts);
    let none = only("identity-string", vec![part("x", Kind::String, &[0], vec![])]);
    assert_eq!((none.dims, none.data.len()), (vec![0], 0));
}

#[test]
fn what_a_model_gives_and_is_no_text_is_marked() {
    let got = only("odd-string", vec![part("x", Kind::String, &[1], pack(&["a"]).unwrap())]);
    assert_eq!(unpack(&got.data).unwrap(), ["a", "\u{fffd}\u{fffd}", "good"]);
}

#[test]
fn a_string_of_a_guest_that_is_no_text_ends_it() {
    let host = shared();
    let answer = host.get(&host.guest("nn_bad_utf8"));
    answer.problem(502, "function-trapped");
    let _ = host.logged(&[answer.invocation(), "utf-8"]);
}

#[test]
fn a_scalar_has_no_dimensions() {
    let scalar = |name, number: f32| part(name, Kind::Fp32, &[], f32s(&[number]));
    assert_eq!(only("add-scalars", vec![scalar("a", 1.5), scalar("b", 2.25)]), scalar("sum", 3.75));
    // As wasi:nn has it, too.
    let one = part("a", Kind::Fp32, &[1], f32s(&[1.0]));
    assert_eq!(to_f32s(&only("add-scalars", vec![one, scalar("b", 1.0)]).data), [2.0]);
}

#[test]
fn a_wrong_element_type_is_an_invalid_argument() {
    for (model, kind, bytes) in [
        ("identity-u8", Kind::Bool, 1),
        ("identity-i8", Kind::U8, 1),
        ("identity-f16", Kind::U16, 2),
        ("identity-string", Kind::U8, 1),
    ] {
        let refusal = refused(model, vec![part("x", kind, &[2], vec![0; 2 * bytes])]);
        assert_eq!((refusal.stage.as_str(), refusal.code.as_str()), ("compute", "invalid-argument"), "{refusal:?}");
        assert!(refusal.data.contains("`x`"), "it names the input: {refusal:?}");
    }
    let strings = vec![part("x", Kind::String, &[1], pack(&["1"]).unwrap())];
    assert_eq!(refused("identity-i64", strings).code, "invalid-argument");
}

#[test]
fn an_output_that_wasi_nn_has_no_type_for_names_the_way_out() {
    let host = shared();
    let route = host.once(&Function::guest("nn").named("strict").model("number_text"));
    let refusal = compute(host, &route, "number-text", vec![part("n", Kind::I64, &[1], i64s(&[3]))]).unwrap_err();
    assert_eq!(refusal.code, "unsupported-operation", "{refusal:?}");
    assert!(refusal.data.contains("`y` is string") && refusal.data.contains("modelet:nn"), "{refusal:?}");
    let route = host.once(&Function::guest("nn_types").named("free").model("number_text"));
    let got = compute(host, &route, "number-text", vec![part("n", Kind::I64, &[1], i64s(&[3]))]).unwrap();
    assert_eq!(unpack(&got[0].data).unwrap(), ["3"]);
}

#[test]
fn tensors_that_cannot_be_are_invalid_arguments() {
    let host = shared();
    let report = host.get(&host.guest("nn_typed_misfits")).ok().json();
    let made = ["fits", "a scalar", "nothing", "three to two bytes", "strings that fit", "no strings", "reshaped"];
    for case in report.as_array().unwrap() {
        let is_made = made.contains(&case["case"].as_str().unwrap());
        assert_eq!(case["code"], if is_made { Value::Null } else { json!("invalid-argument") }, "{case}");
    }
    assert_eq!(report.as_array().unwrap().len(), 21);
}

#[test]
fn what_wasi_nn_has_no_word_for_ends_the_guest_and_is_said_in_the_log() {
    let host = shared();
    let route = host.guest("nn_no_word");
    for (ask, word) in [("ty", "element-type-of"), ("data", "strings-of")] {
        let answer = host.get(&format!("{route}?ask={ask}"));
        answer.problem(502, "function-trapped");
        let _ = host.logged(&[answer.invocation(), word]);
    }
    let says = |ask: &str| host.get(&format!("{route}?ask={ask}")).ok().json();
    assert_eq!(says("dimensions"), json!("[2] [1] [1]"), "a scalar is [1] there");
    assert_eq!(says("bytes"), json!("[1, 255]"));
    assert_eq!(says("bool"), json!("TensorType::U8"));
}

#[test]
fn a_million_tensors_of_nothing_are_over_the_limit() {
    let host = shared();
    let route = host.guest("nn_tiny_tensors");
    host.get(&route).problem(502, "function-over-limit");
    assert_eq!(host.get(&format!("{route}?n=1000")).ok().json(), 1000);
}

#[test]
fn strings_count_against_the_limit_with_their_handles() {
    let host = shared();
    let function = Function::guest("nn_huge_strings").with("[limits]\ntensors = \"8MiB\"\nmemory = \"256MiB\"\n");
    let route = host.once(&function);
    let refused = |query: &str| {
        let answer = host.get(&format!("{route}?{query}"));
        assert_eq!((answer.status, &answer.json()["code"]), (422, &json!("too-large")), "{query}: {}", answer.text());
    };
    // 9 MiB at once, in pieces, and in 200,000 strings of a byte: 49 bytes each.
    refused("bytes=9437184");
    refused("bytes=1048576&times=9");
    refused("n=200000");
    assert_eq!(host.get(&format!("{route}?bytes=1048000&times=8")).ok().json(), 8);
    // Even without a byte in them, so many are more than one call may bring out of a guest.
    host.get(&format!("{route}?n=6000000&bytes=0")).problem(502, "function-over-limit");
}

#[test]
fn a_tensor_that_is_lent_a_million_times_is_refused() {
    let host = shared();
    let route = host.once(&Function::guest("nn_lent_often").model("identity_u8"));
    for n in [2, 4097] {
        let answer = host.get(&format!("{route}?n={n}"));
        assert_eq!(
            (answer.status, &answer.json()["code"]),
            (422, &json!("invalid-argument")),
            "{n}: {}",
            answer.text()
        );
    }
    host.get(&format!("{route}?n=1000000")).problem(502, "function-over-limit");
    assert_eq!(host.get(&format!("{route}?n=1")).status, 200);
}

#[test]
fn a_model_is_described() {
    let host = shared();
    let function = Function::guest("nn_describe").model("digits").model("tiny_decoder").model("add_scalars");
    let route = host.once(&function);
    let about = host.get(&format!("{route}?model=tiny-decoder")).ok().json();
    assert_eq!(about["inputs"][0], json!({ "name": "ids", "type": "i64", "dimensions": ["batch", "tokens"] }));
    let past = json!({ "name": "past", "type": "f32", "dimensions": [2, 2, "batch", 2, "past", 8] });
    assert_eq!(about["inputs"][1], past);
    assert_eq!(about["outputs"][1]["name"], "present");
    assert_eq!(about["opsets"], json!([["", 17]]));
    let scalars = host.get(&format!("{route}?model=add-scalars")).ok().json();
    assert_eq!(scalars["inputs"][0]["dimensions"], json!([]), "a scalar has no dimensions, and says so");
    let digits = host.get(&format!("{route}?model=digits&n=20000")).ok().json();
    assert_eq!(digits["outputs"][0]["name"], "label", "{digits}");
}

#[test]
fn the_sdks_example_describes_a_model_of_strings_and_runs_it() {
    let host = shared();
    let model = modelet_tests::places::model("identity_string");
    let route = host.once(&Function::guest("sdk_describe").model_file("texts", &model));
    let about = host.get(&route).ok().json();
    assert_eq!(about["inputs"], json!(["x: string [n]"]));
    assert_eq!(host.post(&route, br#"["a", "", "b"]"#).ok().json(), json!(["a", "", "b"]));
}

#[test]
fn a_guest_knows_how_much_time_is_left() {
    let host = shared();
    let route = host.once(&Function::guest("deadline_left").with("[limits]\ntime = \"5s\"\n"));
    for _ in 0..2 {
        let left = host.get(&format!("{route}?ms=30")).ok().json();
        let [before, after] = [&left[0], &left[1]].map(|ms| ms.as_u64().unwrap());
        assert!(before <= 5000 && after + 30 <= before && after > 0, "{left}");
    }
}

#[test]
fn inspect_lists_it_among_what_a_function_can_do() {
    let host = shared();
    let component = modelet_tests::places::guest("nn_types");
    let told = host.modelet(["inspect".as_ref(), component.as_os_str(), "--json".as_ref()]).json();
    let lists = |list: &str| told[list].as_array().unwrap().iter().any(|import| import == "modelet:nn/models@0.1.0");
    assert!(lists("capabilities") && !lists("standard"), "{told}");
    // A function that asks for nothing of it does not import it.
    let plain = modelet_tests::places::function_component("digits");
    let told = host.modelet(["inspect".as_ref(), plain.as_os_str(), "--json".as_ref()]).done();
    assert!(!told.contains("modelet:nn"), "{told}");
}
