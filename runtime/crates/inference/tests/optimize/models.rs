//! Whole models: the digits of scikit-learn, and an encoder as exporters write it.

use modelet_inference::admission::RowMixing;
use modelet_inference::optimize::{Options, Precision};
use serde_json::Value;

use crate::support::{as_f32s, as_i64s, f32s, flow, i64s, model_bytes, named};
use crate::{PRECISIONS, ROWS, TENSOR, answer, cosine, eager, load, rewrite};

#[tokio::test]
async fn digits_are_still_recognised() {
    let answers: Value = serde_json::from_slice(&model_bytes("digits.json")).unwrap();
    let samples = answers["samples"].as_array().unwrap();
    let numbers = |value: &Value| -> Vec<f32> {
        value.as_array().unwrap().iter().map(|number| number.as_f64().unwrap() as f32).collect()
    };
    let pixels: Vec<f32> = samples.iter().flat_map(|sample| numbers(&sample["pixels"])).collect();
    let labels: Vec<i64> = samples.iter().map(|sample| sample["label"].as_i64().unwrap()).collect();
    let expected: Vec<f32> = samples.iter().flat_map(|sample| numbers(&sample["probabilities"])).collect();
    for precision in PRECISIONS {
        let before = model_bytes("digits.onnx");
        let made = rewrite(&before, &Options::new(precision)).unwrap();
        // The 64 × 64 weights; 64 × 10 are too few.
        assert_eq!(made.rewritten.len(), 1);
        assert_eq!(made.rewritten[0].bytes_before, 4 * 64 * 64);
        let saved = made.rewritten[0].bytes_before - made.rewritten[0].bytes_after;
        assert!(made.bytes.len() as u64 + saved < before.len() as u64 + 2048, "{precision:?}: {}", made.bytes.len());
        let batch = f32s(&[samples.len() as u64, 64], &pixels);
        let outputs = load(&made.bytes).run(flow(), named(vec![("X", batch)])).await.unwrap();
        assert_eq!(as_i64s(&outputs[0].1), labels, "{precision:?}");
        let cosine = cosine(&as_f32s(&outputs[1].1), &expected);
        assert!(cosine > 0.999, "{cosine} at {precision:?}");
    }
}

#[tokio::test]
async fn an_encoder_gives_nearly_the_same_embedding() {
    let before = model_bytes("tiny_encoder.onnx");
    let inputs = || vec![("ids", i64s(&[2, 3], &[1, 5, 2, 7, 3, 0])), ("mask", i64s(&[2, 3], &[1, 1, 1, 1, 1, 0]))];
    let expected = answer(&before, inputs()).await;
    for (precision, least) in [(ROWS, 0.99), (TENSOR, 0.98), (Precision::Fp16, 0.9999)] {
        let made = rewrite(&before, &eager(precision)).unwrap();
        let cosine = cosine(&answer(&made.bytes, inputs()).await, &expected);
        assert!(cosine > least, "{cosine} at {precision:?}");
        let apart = made.after.row_mixing == RowMixing::No;
        assert_eq!(apart, precision != TENSOR, "{:?}", made.after.row_mixing);
    }
}

#[tokio::test]
async fn joined_callers_get_what_they_get_alone() {
    let model = load(rewrite(model_bytes("tiny_encoder.onnx"), &eager(ROWS)).unwrap().bytes);
    let call = |ids: &[i64], rows: u64| {
        let mask = vec![1; ids.len()];
        named(vec![("ids", i64s(&[rows, 3], ids)), ("mask", i64s(&[rows, 3], &mask))])
    };
    let both = as_f32s(&model.run(flow(), call(&[1, 5, 2, 7, 3, 4], 2)).await.unwrap()[0].1);
    for (at, ids) in [[1, 5, 2], [7, 3, 4]].iter().enumerate() {
        let alone = as_f32s(&model.run(flow(), call(ids, 1)).await.unwrap()[0].1);
        let worst = alone.iter().zip(&both[at * 8..]).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(worst < 1e-6, "{worst}: a row has seen the other");
    }
}
