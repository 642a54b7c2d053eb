//! Any interleaving of calls, flows, rules, deadlines and cancels: the answer of a run alone or a typed error, and a
//! model at rest afterwards.

use std::sync::Arc;
use std::time::Duration;

use modelet_inference::{Model, RunError};
use modelet_spec::Flow;
use modelet_spec::card::PadRule;
use modelet_spec::manifest::{BatchRule, Share};
use proptest::prelude::*;

use crate::onnx;
use crate::support::{as_f32s, f32s, named, until};

#[derive(Clone, Debug)]
struct Step {
    flow: Flow,
    rule: BatchRule,
    rows: u64,
    /// Numbers in each row; only `turns_of_words` takes more than one.
    words: u64,
    /// Turns of the loop, about a microsecond each; also what comes back.
    turns: u32,
    deadline_us: Option<u64>,
    /// Its caller goes away after this many looks at it.
    polls: Option<u8>,
    /// Others may run before it starts.
    yields: u8,
}

fn step(words_max: u64) -> impl Strategy<Value = Step> {
    let share = prop_oneof![Just(Share::None), Just(Share::Function), Just(Share::Tenant), Just(Share::All)];
    let rule = (1u32..9, prop_oneof![3 => Just(0u64), 1 => 1u64..3000], share)
        .prop_map(|(max, wait_us, share)| BatchRule { max, wait: Duration::from_micros(wait_us), share });
    let flow = (0u64..3, 0u64..3, 0u32..4, 0u8..2).prop_map(|(id, group, weight, priority)| Flow {
        circle: 0,
        weight,
        priority,
        ..Flow::new(id, group)
    });
    let turns = prop_oneof![4 => 0u32..20, 1 => 500u32..5000];
    let deadline_us = proptest::option::weighted(0.3, 1u64..5000);
    let polls = proptest::option::weighted(0.2, 0u8..4);
    (flow, rule, 1u64..4, 1..=words_max, turns, deadline_us, polls, 0u8..4).prop_map(
        |(flow, rule, rows, words, turns, deadline_us, polls, yields)| Step {
            flow,
            rule,
            rows,
            words,
            turns,
            deadline_us,
            polls,
            yields,
        },
    )
}

async fn play(model: Arc<Model>, step: Step) -> Result<(), TestCaseError> {
    for _ in 0..step.yields {
        tokio::task::yield_now().await;
    }
    let deadline = step.deadline_us.map(|us| std::time::Instant::now() + Duration::from_micros(us));
    let values = vec![step.turns as f32; (step.rows * step.words) as usize];
    let inputs = named(vec![("x", f32s(&[step.rows, step.words], &values))]);
    let mut call = Box::pin(model.run_with(Flow { deadline, ..step.flow }, &step.rule, inputs));
    let answer = match step.polls {
        None => call.await,
        Some(polls) => {
            for _ in 0..polls {
                tokio::select! {
                    biased;
                    _ = &mut call => return Ok(()),
                    () = tokio::task::yield_now() => {}
                }
            }
            return Ok(());
        }
    };
    match answer {
        Ok(outputs) => {
            prop_assert_eq!(outputs[0].1.shape().dims(), [step.rows as i64, step.words as i64]);
            prop_assert_eq!(as_f32s(&outputs[0].1), values);
        }
        Err(RunError::Timeout) => prop_assert!(deadline.is_some()),
        Err(RunError::Busy { .. }) => {}
        Err(error) => prop_assert!(false, "{error:?}"),
    }
    Ok(())
}

fn check(model: &Arc<Model>, threads: usize, steps: Vec<Step>) -> Result<(), TestCaseError> {
    let mut builder = if threads == 1 {
        tokio::runtime::Builder::new_current_thread()
    } else {
        tokio::runtime::Builder::new_multi_thread()
    };
    let executor = builder.worker_threads(threads).enable_all().build().unwrap();
    executor.block_on(async {
        let tasks: Vec<_> = steps.into_iter().map(|step| tokio::spawn(play(Arc::clone(model), step))).collect();
        for task in tasks {
            task.await.unwrap()?;
        }
        until("an idle model", || model.sessions_busy() == 0 && model.queue_depth() == 0).await;
        Ok(())
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_interleaving_answers_or_says_why_and_leaves_nothing(
        sessions in 1usize..3,
        threads in 1usize..4,
        steps in proptest::collection::vec(step(1), 1..120),
    ) {
        let model = onnx::load(onnx::turns(), |options| options.sessions_max = Some(sessions));
        // Enough short runs that some of the calls use their callers' threads.
        check(&model, 1, vec![Step { deadline_us: None, polls: None, turns: 1, ..steps[0].clone() }; 12])?;
        check(&model, threads, steps)?;
    }

    #[test]
    fn so_does_every_interleaving_of_calls_that_are_filled_up(
        sessions in 1usize..3,
        threads in 1usize..4,
        steps in proptest::collection::vec(step(4), 1..120),
    ) {
        let model = onnx::load(onnx::turns_of_words(), |options| {
            options.sessions_max = Some(sessions);
            options.padding = [("x".to_owned(), PadRule { dim: 1, value: -1.0 })].into();
        });
        check(&model, threads, steps)?;
        prop_assert_eq!((model.reason_against_batching(), model.reason_against_padding()), (None, None));
    }
}
