//! Calls of different lengths in one run: filled up, masked, and cut back to what each caller gave.

use std::sync::Arc;
use std::time::Duration;

use modelet_inference::{BatchTrial, Copies, Model, ModelOptions, RunError, Tensor};
use modelet_spec::card::PadRule;
use modelet_spec::manifest::{BatchRule, Share};
use tokio::task::JoinHandle;

use crate::onnx;
use crate::support::{as_f32s, f32s, flow, i64s, load_with, named, until};

type Answer = Result<Vec<(Arc<str>, Tensor)>, RunError>;

/// Longer than any test takes: calls with this wait run as soon as they fill their batch, and not before.
const TOGETHER: Duration = Duration::from_secs(3600);

fn pad(options: &mut ModelOptions, inputs: &[&str], value: f64) {
    options.padding = inputs.iter().map(|input| ((*input).to_owned(), PadRule { dim: 1, value })).collect();
}

fn encoder() -> Arc<Model> {
    load_with(&crate::runtime(), "tiny_encoder.onnx", |options| {
        options.sessions_max = Some(1);
        pad(options, &["ids", "mask"], 0.0);
    })
}

/// A model of `onnx.rs` that takes `x`, filled up with `value`.
fn filled(bytes: Vec<u8>, value: f64) -> Arc<Model> {
    onnx::load(bytes, |options| {
        options.sessions_max = Some(1);
        pad(options, &["x"], value);
    })
}

fn spawn(model: &Arc<Model>, max: u32, wait: Duration, inputs: Vec<(String, Tensor)>) -> JoinHandle<Answer> {
    let (model, rule) = (Arc::clone(model), BatchRule { max, wait, share: Share::Tenant });
    tokio::spawn(async move { model.run_with(flow(), &rule, inputs).await })
}

/// Sentences of equal length.
fn words(ids: &[&[i64]]) -> Vec<(String, Tensor)> {
    let dims = [ids.len() as u64, ids[0].len() as u64];
    let mask = vec![1; ids.len() * ids[0].len()];
    named(vec![("ids", i64s(&dims, &ids.concat())), ("mask", i64s(&dims, &mask))])
}

fn x(rows: u64, values: &[f32]) -> Vec<(String, Tensor)> {
    named(vec![("x", f32s(&[rows, values.len() as u64 / rows], values))])
}

fn assert_near(got: &Tensor, expected: &Tensor) {
    assert_eq!(got.shape(), expected.shape());
    for (got, expected) in as_f32s(got).into_iter().zip(as_f32s(expected)) {
        assert!((got - expected).abs() <= 1e-5 + 1e-4 * expected.abs(), "{got} for {expected}");
    }
}

#[tokio::test]
async fn sentences_of_different_lengths_share_a_run_and_get_the_answers_of_runs_alone() {
    let model = encoder();
    assert_eq!((model.reason_against_batching(), model.reason_against_padding()), (None, None));
    let sentences = [
        words(&[&[1, 2, 3, 4, 5]]),
        words(&[&[9, 8, 7, 6, 5, 4, 3], &[1, 1, 2, 3, 5, 8, 13]]),
        words(&[&[31, 30, 29, 28, 27, 26]]),
    ];
    let mut singles = Vec::new();
    for sentence in &sentences {
        singles.push(model.run(flow(), sentence.clone()).await.unwrap());
    }
    let runs = model.runs();
    let calls = sentences.map(|sentence| spawn(&model, 4, TOGETHER, sentence));
    for (call, single) in calls.into_iter().zip(&singles) {
        assert_near(&call.await.unwrap().unwrap()[0].1, &single[0].1);
    }
    assert_eq!(model.runs(), runs + 1, "one run for all");
    assert_eq!(model.copies(), Copies { inputs: 6, outputs: 0 }, "each of the three has two inputs");
}

#[tokio::test]
async fn an_output_that_carries_the_length_is_cut_back_and_copied_only_if_it_lies_in_pieces() {
    let model = filled(onnx::doubled(), -1.0);
    let given = [x(1, &[1.0, 2.0]), x(2, &[3.0, 4.0, 5.0, 6.0]), x(1, &[7.0, 8.0, 9.0])];
    let calls = given.map(|given| spawn(&model, 4, TOGETHER, given));
    let expected = [vec![2.0, 4.0], vec![6.0, 8.0, 10.0, 12.0], vec![14.0, 16.0, 18.0]];
    let dims = [[1, 2], [2, 2], [1, 3]];
    for ((call, expected), dims) in calls.into_iter().zip(expected).zip(dims) {
        let outputs = call.await.unwrap().unwrap();
        assert_eq!((as_f32s(&outputs[0].1), outputs[0].1.shape().dims()), (expected, &dims[..]));
    }
    assert_eq!(model.runs(), 1);
    assert_eq!(model.copies(), Copies { inputs: 3, outputs: 1 }, "two rows that are cut lie in two pieces");
}

#[tokio::test]
async fn what_would_be_mostly_filling_is_not_joined() {
    let model = filled(onnx::doubled(), 0.0);
    let short = spawn(&model, 2, Duration::from_millis(20), x(1, &[1.0]));
    let long = spawn(&model, 2, Duration::from_millis(20), x(1, &[1.0; 8]));
    assert_eq!(as_f32s(&short.await.unwrap().unwrap()[0].1), [2.0]);
    assert_eq!(as_f32s(&long.await.unwrap().unwrap()[0].1), [2.0; 8]);
    assert_eq!((model.runs(), model.copies()), (2, Copies::default()));
}

#[tokio::test]
async fn a_trial_with_a_mask_lets_padding_be() {
    let model = encoder();
    let alike = vec![words(&[&[1, 2, 3, 4]]), words(&[&[5, 6, 7, 8]])];
    assert_eq!(model.verify_batching(alike).await, Ok(BatchTrial::Equal));
    let different = vec![words(&[&[1, 2, 3, 4]]), words(&[&[5, 6, 7]]), words(&[&[9, 9, 9, 9, 9, 9]])];
    assert_eq!(model.verify_batching(different).await, Ok(BatchTrial::Equal));
    assert_eq!((model.reason_against_batching(), model.reason_against_padding()), (None, None));
}

#[tokio::test]
async fn a_trial_finds_a_model_that_takes_the_filling_for_words_and_joins_only_equal_lengths() {
    // The largest word of each row: filled up with a larger one, and with no mask to say so.
    let model = filled(onnx::largest(), 100.0);
    let samples = vec![x(1, &[1.0, 2.0, 3.0, 4.0]), x(1, &[8.0, 7.0, 6.0, 5.0])];
    assert_eq!(model.verify_batching(samples).await, Ok(BatchTrial::Equal), "alike they are joined");
    assert_eq!(model.reason_against_padding(), Some("output `y` of sample 1 is another one in a joined run"));
    let runs = model.runs();
    let wait = Duration::from_millis(20);
    let calls = [vec![1.0, 2.0], vec![1.0, 2.0, 3.0]].map(|given| spawn(&model, 2, wait, x(1, &given)));
    let mut answers = Vec::new();
    for call in calls {
        answers.extend(as_f32s(&call.await.unwrap().unwrap()[0].1));
    }
    assert_eq!((answers, model.runs()), (vec![2.0, 3.0], runs + 2));
    let calls = [vec![1.0, 2.0], vec![4.0, 3.0]].map(|given| spawn(&model, 2, TOGETHER, x(1, &given)));
    for (call, expected) in calls.into_iter().zip([2.0, 4.0]) {
        assert_eq!(as_f32s(&call.await.unwrap().unwrap()[0].1), [expected]);
    }
    assert_eq!(model.runs(), runs + 3);
}

#[tokio::test]
async fn what_cannot_be_tried_is_not_done() {
    let model = encoder();
    let ones = vec![words(&[&[1]]), words(&[&[2]])];
    assert_eq!(model.verify_batching(ones).await, Ok(BatchTrial::Equal));
    let why = "no sample was long enough to be tried with a shorter one";
    assert_eq!(model.reason_against_padding(), Some(why));
    let bad = named(vec![("ids", i64s(&[1, 2], &[1, 2])), ("mask", i64s(&[1, 3], &[1, 1, 1]))]);
    let model = encoder();
    assert!(matches!(model.verify_batching(vec![bad.clone(), bad]).await, Err(RunError::InvalidArgument(_))));
}

#[tokio::test]
async fn an_output_that_is_not_as_long_as_it_says_is_found_out_and_answered_all_the_same() {
    let model = filled(onnx::longer(), 0.0);
    assert_eq!(model.reason_against_padding(), None, "its description does not tell");
    let calls = [vec![1.0, 2.0], vec![3.0, 4.0, 5.0]].map(|given| spawn(&model, 2, TOGETHER, x(1, &given)));
    for (call, expected) in calls.into_iter().zip([vec![1.0, 2.0, 1.0, 2.0], vec![3.0, 4.0, 5.0, 3.0, 4.0, 5.0]]) {
        assert_eq!(as_f32s(&call.await.unwrap().unwrap()[0].1), expected);
    }
    let why = model.reason_against_padding().unwrap();
    assert_eq!(why, "output `y` has the shape [1, 6] where 3 of `W` were fed");
    assert_eq!(model.reason_against_batching(), None);
}

#[tokio::test]
async fn a_call_whose_inputs_contradict_each_other_fails_alone() {
    let model = encoder();
    let bad = named(vec![("ids", i64s(&[1, 4], &[1, 2, 3, 4])), ("mask", i64s(&[1, 3], &[1, 1, 1]))]);
    let good = spawn(&model, 2, TOGETHER, words(&[&[1, 2, 3, 4]]));
    until("a call that waits", || model.queue_depth() == 1).await;
    assert!(spawn(&model, 2, TOGETHER, bad).await.unwrap().is_err());
    let other = spawn(&model, 2, TOGETHER, words(&[&[4, 3, 2]]));
    assert!(good.await.unwrap().is_ok() && other.await.unwrap().is_ok());
}

#[tokio::test]
async fn rules_that_the_description_does_not_bear_out_say_why() {
    let why = |inputs: &[&str], value: f64| {
        let model = load_with(&crate::runtime(), "tiny_encoder.onnx", |options| pad(options, inputs, value));
        model.reason_against_padding().map(str::to_owned).unwrap_or_default()
    };
    assert_eq!(why(&[], 0.0), "its card has no rule in [batch.pad]");
    assert_eq!(why(&["words"], 0.0), "[batch.pad] names `words`, and the model has no such input");
    assert_eq!(why(&["ids"], 0.0), "input `mask` has `words` in dimension 1 and no rule in [batch.pad] for it");
    assert_eq!(why(&["ids", "mask"], 0.5), "input `ids` is i64 and cannot be filled with 0.5");
    let fixed = load_with(&crate::runtime(), "digits.onnx", |options| pad(options, &["X"], 0.0));
    assert_eq!(fixed.reason_against_padding(), Some("input `X` has no name for its dimension 1: it is f32 [?, 64]"));
}
