//! Models that are to be loaded are admitted, and what is learned of them is true.

use std::path::Path;

use modelet_inference::admission::{Admission, AdmissionLimits, admit};
use modelet_inference::{Dim, ElementType};

use crate::support::model_bytes;

/// Refused, each with a test in `hostile.rs`.
const REFUSED: [&str; 3] = ["constant_folding_bomb.onnx", "function_chain.onnx", "function_doubling.onnx"];

fn admitted(name: &str) -> Admission {
    admit(&model_bytes(name), &AdmissionLimits::default()).unwrap_or_else(|refused| panic!("{name}: {refused}"))
}

/// The names of the ONNX files in a folder of `tests/models`, with that folder in front.
fn models(folder: &str) -> Vec<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../tests/models").join(folder);
    let entries = std::fs::read_dir(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name.ends_with(".onnx")).map(|name| format!("{folder}{name}")).collect()
}

#[test]
fn every_model_that_should_load_is_admitted() {
    let names = models("");
    assert!(names.len() > 25, "{names:?}");
    for name in names.iter().filter(|name| !REFUSED.contains(&name.as_str())) {
        admitted(name);
    }
}

#[test]
fn onnxs_own_test_cases_are_admitted() {
    let names = models("onnx-node/");
    assert_eq!(names.len(), 10, "{names:?}");
    names.iter().for_each(|name| drop(admitted(name)));
}

#[test]
fn the_outline_says_what_the_file_is_made_of() {
    let outline = admitted("digits.onnx").outline;
    assert_eq!((outline.ir_version, &*outline.producer), (8, "skl2onnx"));
    assert_eq!((outline.nodes, outline.functions, outline.subgraph_depth), (13, 0, 0));
    assert_eq!(outline.opsets.get(""), Some(&17));
    assert_eq!(outline.operators.get("MatMul"), Some(&2));
    assert_eq!(outline.operators.get("ai.onnx.ml::Scaler"), Some(&1));
    assert_eq!(outline.operators.values().sum::<u64>(), 13);
    // Two matrices, two biases, the classes and a shape.
    assert_eq!(outline.initializers, 6);
    assert_eq!(outline.initializer_bytes, 4 * (64 * 64 + 64 * 10 + 64 + 10) + 4 * 10 + 8);
    assert_eq!(admitted("nested_if.onnx").outline.subgraph_depth, 31);
}

#[test]
fn the_outline_has_what_goes_in_and_what_comes_out() {
    let outline = admitted("digits.onnx").outline;
    let [x] = outline.inputs.as_slice() else { panic!("{:?}", outline.inputs) };
    assert_eq!((&*x.name, x.element_type), ("X", Some(ElementType::F32)));
    assert_eq!(x.dims, Some(vec![Dim::Dynamic(None), Dim::Fixed(64)]));
    let names: Vec<&str> = outline.outputs.iter().map(|port| &*port.name).collect();
    assert_eq!(names, ["label", "probabilities"]);
    let encoder = admitted("tiny_encoder.onnx").outline;
    let named = |name: &str| Dim::Dynamic(Some(name.to_owned()));
    assert_eq!(encoder.inputs[0].dims, Some(vec![named("batch"), named("words")]));
}
