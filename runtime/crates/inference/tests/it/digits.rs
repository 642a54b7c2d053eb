//! A real model: scikit-learn's digits, against scikit-learn's own answers.

use serde_json::Value;

use crate::support::{self, as_f32s, as_i64s, flow, load, named};

fn numbers(value: &Value) -> Vec<f32> {
    value.as_array().unwrap().iter().map(|number| number.as_f64().unwrap() as f32).collect()
}

#[tokio::test]
async fn digits_are_recognised_as_scikit_learn_does() {
    let answers: Value = serde_json::from_slice(&support::model_bytes("digits.json")).unwrap();
    let samples = answers["samples"].as_array().unwrap();
    assert!(!samples.is_empty());
    let model = load(&crate::runtime(), "digits.onnx");
    let pixels: Vec<f32> = samples.iter().flat_map(|sample| numbers(&sample["pixels"])).collect();
    let batch = support::f32s(&[samples.len() as u64, 64], &pixels);
    let outputs = model.run(flow(), named(vec![("X", batch)])).await.unwrap();
    let (labels, probabilities) = (as_i64s(&outputs[0].1), as_f32s(&outputs[1].1));
    assert_eq!((&*outputs[0].0, &*outputs[1].0), ("label", "probabilities"));
    for (at, sample) in samples.iter().enumerate() {
        assert_eq!(labels[at], sample["label"].as_i64().unwrap());
        let expected = numbers(&sample["probabilities"]);
        for (got, expected) in probabilities[at * 10..(at + 1) * 10].iter().zip(expected) {
            assert!((got - expected).abs() < 1e-4, "{got} instead of {expected}");
        }
    }
}
