//! Joined runs: the same answers, to whom they belong, and one caller's trouble stays its own.

use std::sync::Arc;
use std::time::{Duration, Instant};

use modelet_inference::{BatchTrial, Batchable, Copies, ElementType, Model, RunError, Tensor};
use modelet_spec::Flow;
use modelet_spec::manifest::{BatchRule, Share};
use serde_json::Value;
use tokio::task::JoinHandle;

use crate::onnx;
use crate::support::{self, as_f32s, f32s, flow, i64s, load_with, named, until, within};

type Answer = Result<Vec<(Arc<str>, Tensor)>, RunError>;

/// Longer than any test takes: calls with this wait run as soon as they fill their batch, and not before.
const TOGETHER: Duration = Duration::from_secs(3600);

fn rule(max: u32, wait: Duration) -> BatchRule {
    BatchRule { max, wait, share: Share::Tenant }
}

fn spawn(model: &Arc<Model>, flow: Flow, rule: &BatchRule, inputs: Vec<(String, Tensor)>) -> JoinHandle<Answer> {
    let (model, rule) = (Arc::clone(model), rule.clone());
    tokio::spawn(async move { model.run_with(flow, &rule, inputs).await })
}

fn x(values: &[f32]) -> Vec<(String, Tensor)> {
    named(vec![("x", f32s(&[values.len() as u64, 1], values))])
}

fn one_session(name: &str) -> Arc<Model> {
    load_with(&crate::runtime(), name, |options| options.sessions_max = Some(1))
}

async fn assert_at_rest(model: &Arc<Model>) {
    until("an idle session", || model.sessions_busy() == 0).await;
    assert_eq!(model.queue_depth(), 0);
}

#[tokio::test]
async fn joined_digits_are_the_digits_of_single_runs_in_one_run_with_one_copy_in_and_none_out() {
    let answers: Value = serde_json::from_slice(&support::model_bytes("digits.json")).unwrap();
    let model = one_session("digits.onnx");
    assert_eq!(model.reason_against_batching(), None);
    let pixels = |sample: &Value| {
        let pixels: Vec<f32> =
            sample["pixels"].as_array().unwrap().iter().map(|p| p.as_f64().unwrap() as f32).collect();
        named(vec![("X", f32s(&[1, 64], &pixels))])
    };
    let samples: Vec<_> = answers["samples"].as_array().unwrap().iter().map(pixels).collect();
    let mut singles = Vec::new();
    for sample in &samples {
        singles.push(model.run(flow(), sample.clone()).await.unwrap());
    }
    assert_eq!(model.copies(), Copies::default());
    let runs = model.runs();
    let rule = rule(samples.len() as u32, TOGETHER);
    let calls: Vec<_> = samples.iter().map(|sample| spawn(&model, flow(), &rule, sample.clone())).collect();
    let mut held = 0;
    for (call, single) in calls.into_iter().zip(&singles) {
        let outputs = call.await.unwrap().unwrap();
        assert_eq!(outputs[0].1.bytes(), single[0].1.bytes(), "labels are exact");
        let probabilities = as_f32s(&outputs[1].1).into_iter().zip(as_f32s(&single[1].1));
        probabilities.for_each(|(got, expected)| assert!((got - expected).abs() < 1e-5, "{got} for {expected}"));
        assert_eq!(outputs[1].1.shape().dims(), [1, 10]);
        held = outputs[1].1.held_bytes();
    }
    assert_eq!(model.runs(), runs + 1, "one run for all");
    assert_eq!(held, samples.len() * 40, "each holds the whole buffer");
    assert_eq!(model.copies(), Copies { inputs: samples.len() as u64, outputs: 0 });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn callers_in_a_crowd_are_joined_and_each_gets_its_own_answer() {
    let model = load_with(&crate::runtime(), "dynamic_batch.onnx", |options| options.sessions_max = Some(2));
    let tasks: Vec<_> = (0..16)
        .map(|task| {
            let model = Arc::clone(&model);
            tokio::spawn(async move {
                for round in 0..200 {
                    let rows = 1 + round % 3;
                    let value = (task * 200 + round) as f32;
                    let inputs = named(vec![("x", f32s(&[rows, 4], &vec![value; rows as usize * 4]))]);
                    let rule = BatchRule { max: 16, wait: Duration::ZERO, share: Share::Tenant };
                    let outputs = model.run_with(Flow::new(task, 1), &rule, inputs).await.unwrap();
                    let sum = value * 4.0;
                    assert_eq!(as_f32s(&outputs[0].1), [sum, 2.0 * sum, 3.0 * sum].repeat(rows as usize));
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    assert_at_rest(&model).await;
    assert!(model.runs() < 16 * 200, "none were joined in {} runs", model.runs());
}

#[tokio::test]
async fn callers_of_one_thread_find_each_other_without_a_wait() {
    let model = one_session("dynamic_batch.onnx");
    let ready = Instant::now() + Duration::from_secs(60);
    while !model.runs_inline() {
        assert!(Instant::now() < ready, "never measured as short");
        model.run(flow(), named(vec![("x", f32s(&[1, 4], &[1.0; 4]))])).await.unwrap();
    }
    let before = model.runs();
    let rule = rule(32, Duration::ZERO);
    let tasks: Vec<_> = (0..8)
        .map(|_| {
            let (model, rule) = (Arc::clone(&model), rule.clone());
            tokio::spawn(async move {
                for _ in 0..100 {
                    let inputs = named(vec![("x", f32s(&[1, 4], &[1.0; 4]))]);
                    model.run_with(flow(), &rule, inputs).await.unwrap();
                    tokio::task::yield_now().await;
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    let runs = model.runs() - before;
    println!("800 calls in {runs} runs");
    assert!(runs < 400, "{runs} runs for 800 calls");
    assert_at_rest(&model).await;
}

#[tokio::test]
async fn strangers_are_joined_only_if_both_say_so() {
    let model = onnx::load(onnx::turns(), |_| {});
    let (one, stranger) = (Flow::new(1, 1), Flow::new(1, 2));
    let all = BatchRule { max: 2, wait: TOGETHER, share: Share::All };
    let (a, b) = (spawn(&model, one, &all, x(&[1.0])), spawn(&model, stranger, &all, x(&[2.0])));
    assert_eq!(as_f32s(&a.await.unwrap().unwrap()[0].1), [1.0]);
    assert_eq!(as_f32s(&b.await.unwrap().unwrap()[0].1), [2.0]);
    assert_eq!(model.runs(), 1);
    let narrow = BatchRule { wait: Duration::from_millis(20), share: Share::Tenant, ..all.clone() };
    let (a, b) = (spawn(&model, one, &narrow, x(&[1.0])), spawn(&model, stranger, &narrow, x(&[2.0])));
    a.await.unwrap().unwrap();
    b.await.unwrap().unwrap();
    assert_eq!(model.runs(), 3, "each alone, when its wait is over");
}

#[tokio::test]
async fn other_shapes_wait_for_their_like() {
    let runtime = crate::runtime();
    let model = load_with(&runtime, "identity_f32.onnx", |_| {});
    let outputs = model.run_with(flow(), &rule(4, Duration::ZERO), named(vec![("x", f32s(&[0], &[]))])).await.unwrap();
    assert_eq!(outputs[0].1.shape().dims(), [0], "no rows: not joined, not refused");
    let scalars = load_with(&runtime, "add_scalars.onnx", |_| {});
    assert_eq!(scalars.reason_against_batching(), Some("input `a` is a scalar"));
    let refused = load_with(&runtime, "identity_f32.onnx", |options| options.batchable = Batchable::No("no".into()));
    assert_eq!(refused.reason_against_batching(), Some("no"));
    // A rule that would wait for ever joins nothing here, so it waits for nothing.
    refused.run_with(flow(), &rule(4, TOGETHER), named(vec![("x", f32s(&[1], &[1.0]))])).await.unwrap();
}

#[tokio::test]
async fn a_deadline_is_shorter_than_a_wait_and_a_wait_ends() {
    let model = onnx::load(onnx::turns(), |_| {});
    let alone = model.run_with(flow(), &rule(8, Duration::from_millis(20)), x(&[3.0])).await.unwrap();
    assert_eq!(as_f32s(&alone[0].1), [3.0]);
    let soon = model.run_with(within(Duration::from_secs(2)), &rule(8, TOGETHER), x(&[3.0])).await.unwrap();
    assert_eq!(as_f32s(&soon[0].1), [3.0]);
    assert_at_rest(&model).await;
}

#[tokio::test]
async fn joined_calls_use_the_shortest_wait_and_the_smallest_max_among_them() {
    let model = onnx::load(onnx::turns(), |options| options.sessions_max = Some(1));
    let brief = Duration::from_millis(20);
    for (one, other) in [(rule(8, TOGETHER), rule(8, brief)), (rule(8, TOGETHER), rule(2, TOGETHER))] {
        let runs = model.runs();
        let calls = [spawn(&model, flow(), &one, x(&[1.0])), spawn(&model, flow(), &other, x(&[2.0]))];
        for (call, expected) in calls.into_iter().zip([1.0, 2.0]) {
            assert_eq!(as_f32s(&call.await.unwrap().unwrap()[0].1), [expected]);
        }
        assert_eq!(model.runs(), runs + 1);
    }
    assert_at_rest(&model).await;
}

#[tokio::test]
async fn one_callers_deadline_in_a_joined_run_is_not_the_others() {
    let model = onnx::load(onnx::turns(), |options| options.sessions_max = Some(1));
    let rule = rule(3, TOGETHER);
    let others = [spawn(&model, flow(), &rule, x(&[1.0])), spawn(&model, flow(), &rule, x(&[500_000.0]))];
    until("two calls in the queue", || model.queue_depth() == 2).await;
    let began = Instant::now();
    let late = model.run_with(within(Duration::from_millis(60)), &rule, x(&[2.0])).await.unwrap_err();
    assert_eq!(late, RunError::Timeout);
    let waited = began.elapsed();
    for (other, expected) in others.into_iter().zip([1.0, 500_000.0]) {
        assert_eq!(as_f32s(&other.await.unwrap().unwrap()[0].1), [expected]);
    }
    assert!(waited < began.elapsed(), "it was told before the run was over");
    assert_eq!(model.runs(), 1, "the run went on for the others");
}

#[tokio::test]
async fn a_run_ends_when_the_last_of_its_callers_has_gone() {
    let model = onnx::load(onnx::turns(), |options| options.sessions_max = Some(1));
    let rule = rule(2, TOGETHER);
    let callers = [spawn(&model, flow(), &rule, x(&[1e10])), spawn(&model, flow(), &rule, x(&[1.0]))];
    until("a run in progress", || model.sessions_busy() == 1).await;
    callers[1].abort();
    until("one caller gone", || callers[1].is_finished()).await;
    assert_eq!(model.sessions_busy(), 1, "the other still waits");
    callers[0].abort();
    assert_at_rest(&model).await;
}

#[tokio::test]
async fn a_run_past_the_models_limit_is_a_timeout_for_its_author_only() {
    let limit = Duration::from_millis(200);
    let model = onnx::load(onnx::turns(), |options| (options.sessions_max, options.run_max) = (Some(1), limit));
    assert_eq!(model.run(flow(), x(&[1e10])).await.unwrap_err(), RunError::Timeout);
    let rule = rule(2, TOGETHER);
    let callers = [spawn(&model, flow(), &rule, x(&[1e10])), spawn(&model, flow(), &rule, x(&[5.0]))];
    let [endless, quick] = callers.map(|caller| async { caller.await.unwrap() });
    assert_eq!(endless.await.unwrap_err(), RunError::Timeout);
    assert_eq!(as_f32s(&quick.await.unwrap()[0].1), [5.0]);
    assert_at_rest(&model).await;
}

#[tokio::test]
async fn one_callers_bad_input_fails_only_its_own_call() {
    let model = onnx::load(onnx::lookup(), |_| {});
    let rule = rule(3, TOGETHER);
    let calls = [0, 9, 1].map(|index| spawn(&model, flow(), &rule, named(vec![("x", i64s(&[1], &[index]))])));
    let mut answers = Vec::new();
    for call in calls {
        answers.push(call.await.unwrap().map(|outputs| as_f32s(&outputs[0].1)));
    }
    assert_eq!((answers[0].as_deref(), answers[2].as_deref()), (Ok(&[1.5][..]), Ok(&[2.5][..])));
    assert!(answers[1].is_err());
    assert_eq!(model.reason_against_batching(), None);
}

#[tokio::test]
async fn a_model_that_does_not_give_row_for_row_is_found_out_and_answers_all_the_same() {
    let model = onnx::load(onnx::twice(), |_| {});
    assert_eq!(model.reason_against_batching(), None, "its description does not tell");
    let rule = rule(2, TOGETHER);
    let calls = [1.0, 2.0].map(|value| (value, spawn(&model, flow(), &rule, x(&[value]))));
    for (value, call) in calls {
        assert_eq!(as_f32s(&call.await.unwrap().unwrap()[0].1), [value, value]);
    }
    assert_eq!(model.reason_against_batching(), Some("output `y` has the shape [4, 1] for 2 rows"));
}

#[tokio::test]
async fn a_trial_tells_models_whose_rows_mix() {
    let trial =
        |bytes: Vec<u8>| async { onnx::load(bytes, |_| {}).verify_batching(vec![x(&[1.0]), x(&[4.0, 2.0])]).await };
    assert_eq!(trial(onnx::turns()).await, Ok(BatchTrial::Equal));
    let mixed = BatchTrial::NotBatchable("output `y` of sample 0 is another one in a joined run".into());
    assert_eq!(trial(onnx::centred()).await, Ok(mixed));
    let model = onnx::load(onnx::turns(), |_| {});
    assert!(matches!(model.verify_batching(vec![x(&[1.0])]).await, Err(RunError::InvalidArgument(_))));
    assert_eq!(model.reason_against_batching(), None);
}

#[tokio::test]
async fn rows_that_mix_are_joined_with_permission_and_inside_a_group_only() {
    let refused = onnx::load(onnx::centred(), |options| options.mixes_rows = Some(true));
    assert!(refused.reason_against_batching().is_some());
    let model =
        onnx::load(onnx::centred(), |options| (options.mixes_rows, options.allow_row_mixing) = (Some(true), true));
    let rule = BatchRule { max: 2, wait: Duration::from_millis(20), share: Share::All };
    let strangers = [(1, 2.0), (2, 4.0)].map(|(group, v)| spawn(&model, Flow::new(1, group), &rule, x(&[v])));
    for stranger in strangers {
        assert_eq!(as_f32s(&stranger.await.unwrap().unwrap()[0].1), [0.0], "alone it is its own mean");
    }
    let wait = BatchRule { wait: TOGETHER, ..rule };
    let siblings = [(1, 2.0), (2, 4.0)].map(|(id, v)| spawn(&model, Flow::new(id, 7), &wait, x(&[v])));
    let mut answers = Vec::new();
    for sibling in siblings {
        answers.extend(as_f32s(&sibling.await.unwrap().unwrap()[0].1));
    }
    assert_eq!(answers, [-1.0, 1.0]);
}

#[tokio::test]
async fn an_aggressor_is_shed_and_its_victim_is_not() {
    let model = onnx::load(onnx::turns(), |options| options.sessions_max = Some(1));
    let alone = BatchRule::default();
    let (aggressor, victim) = (Flow::new(1, 1), Flow::new(2, 2));
    let first = spawn(&model, aggressor, &alone, x(&[1e10]));
    until("a run in progress", || model.sessions_busy() == 1).await;
    let flood: Vec<_> = (0..crate::QUEUE_MAX).map(|_| spawn(&model, aggressor, &alone, x(&[1.0]))).collect();
    until("a full queue", || model.queue_depth() == crate::QUEUE_MAX).await;
    let kept = spawn(&model, victim, &alone, x(&[7.0]));
    until("one of the flood turned away", || flood.iter().any(JoinHandle::is_finished)).await;
    assert_eq!(model.queue_depth(), crate::QUEUE_MAX);
    first.abort();
    assert_eq!(as_f32s(&kept.await.unwrap().unwrap()[0].1), [7.0]);
    let mut shed = 0;
    for call in flood {
        match call.await.unwrap() {
            Ok(outputs) => assert_eq!(as_f32s(&outputs[0].1), [1.0]),
            Err(RunError::Busy { .. }) => shed += 1,
            Err(error) => panic!("{error}"),
        }
    }
    assert_eq!(shed, 1);
    assert_at_rest(&model).await;
}

#[tokio::test]
async fn strings_are_joined_too() {
    let model = load_with(&crate::runtime(), "identity_string.onnx", |_| {});
    let text = |text: &str| {
        let shape = modelet_inference::Shape::new(&[1]).unwrap();
        named(vec![("x", Tensor::strings(shape, vec![text.to_owned()]).unwrap())])
    };
    let calls = ["one", "two"].map(|t| (t, spawn(&model, flow(), &rule(2, TOGETHER), text(t))));
    for (expected, call) in calls {
        let outputs = call.await.unwrap().unwrap();
        assert_eq!(outputs[0].1.element_type(), ElementType::String);
        assert_eq!(outputs[0].1.as_strings().unwrap(), [expected]);
    }
    assert_eq!(model.runs(), 1);
}
