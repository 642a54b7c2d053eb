//! Deadlines, cancelling, the queue, the pool, and the caller's thread.

use std::sync::Arc;
use std::time::{Duration, Instant};

use modelet_inference::{Model, RunError};

use crate::QUEUE_MAX;
use crate::support::{self, as_f32s, f32s, flow, i64s, load, load_with, named, until, within};

/// About a microsecond a turn: hours.
const ENDLESS: i64 = 10_000_000_000;

fn turns(n: i64) -> Vec<(String, modelet_inference::Tensor)> {
    named(vec![("n", i64s(&[1], &[n]))])
}

/// `slow_loop.onnx` with one session.
fn slow() -> Arc<Model> {
    load_with(&crate::runtime(), "slow_loop.onnx", |options| options.sessions_max = Some(1))
}

async fn assert_usable(model: &Arc<Model>) {
    until("an idle session", || model.sessions_busy() == 0).await;
    let outputs = model.run(within(Duration::from_secs(60)), turns(7)).await.unwrap();
    assert_eq!(as_f32s(&outputs[0].1), [7.0]);
    assert_eq!(model.queue_depth(), 0);
}

#[tokio::test]
async fn a_deadline_ends_a_run_and_the_session_is_used_again() {
    let model = slow();
    let began = Instant::now();
    let error = model.run(within(Duration::from_millis(50)), turns(ENDLESS)).await.unwrap_err();
    assert_eq!(error, RunError::Timeout);
    assert!(began.elapsed() >= Duration::from_millis(50));
    assert_usable(&model).await;
    let late = model.run(flow().until(Instant::now()), turns(1)).await.unwrap_err();
    assert_eq!(late, RunError::Timeout);
}

#[tokio::test]
async fn dropping_the_future_stops_the_run() {
    let model = slow();
    let running = tokio::spawn({
        let model = Arc::clone(&model);
        async move { model.run(flow(), turns(ENDLESS)).await }
    });
    until("a run in progress", || model.sessions_busy() == 1).await;
    running.abort();
    assert!(running.await.unwrap_err().is_cancelled());
    assert_usable(&model).await;
}

#[tokio::test]
async fn a_full_queue_says_busy_and_abandoned_jobs_leave_it() {
    let model = slow();
    let spawn = || {
        let model = Arc::clone(&model);
        tokio::spawn(async move { model.run(flow(), turns(ENDLESS)).await })
    };
    let first = spawn();
    until("a run in progress", || model.sessions_busy() == 1).await;
    let waiting: Vec<_> = (0..QUEUE_MAX).map(|_| spawn()).collect();
    until("a full queue", || model.queue_depth() == QUEUE_MAX).await;
    let error = model.run(flow(), turns(1)).await.unwrap_err();
    let RunError::Busy { retry_after } = error else { panic!("{error:?}") };
    assert!((Duration::from_millis(100)..=Duration::from_secs(30)).contains(&retry_after));
    waiting.iter().for_each(|task| task.abort());
    until("an empty queue", || model.queue_depth() == 0).await;
    assert_eq!(model.sessions_busy(), 1, "the run in progress is not theirs");
    first.abort();
    assert_usable(&model).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_tasks_share_the_sessions_and_each_gets_its_own_answer() {
    let model = load_with(&crate::runtime(), "dynamic_batch.onnx", |options| options.sessions_max = Some(3));
    let tasks: Vec<_> = (0..QUEUE_MAX)
        .map(|task| {
            let model = Arc::clone(&model);
            tokio::spawn(async move {
                for round in 0..50 {
                    let value = (task * 50 + round) as f32;
                    let inputs = named(vec![("x", f32s(&[1, 4], &[value; 4]))]);
                    let outputs = model.run(flow(), inputs).await.unwrap();
                    let sum = value * 4.0;
                    assert_eq!(as_f32s(&outputs[0].1), [sum, 2.0 * sum, 3.0 * sum]);
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    assert!(model.sessions() <= 3, "{}", model.sessions());
    until("idle sessions", || model.sessions_busy() == 0).await;
    assert_eq!(model.queue_depth(), 0);
}

#[tokio::test]
async fn a_model_whose_sessions_are_all_busy_gets_another_one() {
    let model = load_with(&crate::runtime(), "slow_loop.onnx", |options| options.sessions_max = Some(2));
    assert_eq!(model.sessions(), 1);
    let endless = tokio::spawn({
        let model = Arc::clone(&model);
        async move { model.run(flow(), turns(ENDLESS)).await }
    });
    until("a run in progress", || model.sessions_busy() == 1).await;
    let outputs = model.run(within(Duration::from_secs(60)), turns(3)).await.unwrap();
    assert_eq!(as_f32s(&outputs[0].1), [3.0]);
    assert_eq!(model.sessions(), 2);
    endless.abort();
    assert_usable(&model).await;
}

#[tokio::test]
async fn a_short_model_that_turns_slow_gives_its_callers_thread_back() {
    let model = slow();
    let quick_enough = Instant::now() + Duration::from_secs(60);
    while !model.runs_inline() {
        assert!(Instant::now() < quick_enough, "never measured as short");
        model.run(flow(), turns(1)).await.unwrap();
    }
    let began = Instant::now();
    let mut run = Box::pin(model.run(flow(), turns(2_000_000)));
    // One poll: it runs inline, is stopped by the watchdog, and is handed to a worker.
    tokio::select! {
        biased;
        answer = &mut run => panic!("answered inline: {answer:?}"),
        () = std::future::ready(()) => {}
    }
    let held = began.elapsed();
    let outputs = run.await.unwrap();
    let total = began.elapsed();
    assert_eq!(as_f32s(&outputs[0].1), [2_000_000.0]);
    assert!(held < total / 2, "the caller's thread was held for {held:?} of {total:?}");
    assert!(!model.runs_inline(), "it lost the right");
}

#[tokio::test]
async fn a_run_needs_no_more_than_send_and_static() {
    fn assert_send<T: Send + 'static>(future: T) -> T {
        future
    }
    let model = load(&crate::runtime(), "dynamic_batch.onnx");
    let future = assert_send(async move { model.run(flow(), named(vec![("x", f32s(&[1, 4], &[1.0; 4]))])).await });
    assert_eq!(support::as_f32s(&tokio::spawn(future).await.unwrap().unwrap()[0].1).len(), 3);
}
