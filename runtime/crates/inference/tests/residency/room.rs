//! The budget: who goes for whom, what stays, and what is refused.

use std::time::Duration;

use modelet_inference::{LoadError, Loader, ModelHandle, ModelOptions, Unload};

use crate::build::{Attr, BOOL, F32, Graph, I64, floats, raw, zeros};
use crate::staged::Staged;
use crate::support::{as_f32s, f32s, flow, i64s, named, until};
use crate::{Host, block_on};

const MIB: u64 = 1 << 20;

/// What `digits.onnx` takes, measured.
fn one_model() -> u64 {
    let host = Host::new(|_| {});
    block_on(host.handle("digits", &Staged::of(&host.runtime, "digits.onnx")).get()).unwrap();
    host.bytes()
}

/// Handles of as many models of the same size, not loaded.
fn handles(host: &Host, count: usize, bytes: u64) -> Vec<ModelHandle> {
    let make = |index: usize| {
        let loader = Staged::of(&host.runtime, "digits.onnx").expecting(bytes);
        host.handle(&format!("model {index}"), &loader)
    };
    (0..count).map(make).collect()
}

fn load(handle: &ModelHandle) -> Result<(), LoadError> {
    block_on(handle.get()).map(drop)
}

fn is_here(handle: &ModelHandle) -> bool {
    handle.seen().is_resident
}

#[test]
fn a_load_lets_go_of_what_nobody_uses_and_keeps_the_budget() {
    let bytes = one_model();
    let host = Host::of(bytes * 5 / 2, |_| {});
    let handles = handles(&host, 3, bytes);
    load(&handles[0]).unwrap();
    load(&handles[1]).unwrap();
    assert_eq!((host.models(), host.residency.stats().evicted), (2, 0));
    load(&handles[2]).unwrap();
    assert_eq!((host.models(), host.residency.stats().evicted), (2, 1));
    assert!(host.bytes() <= bytes * 5 / 2, "{} over {bytes} * 5 / 2", host.bytes());
    assert!(is_here(&handles[2]) && is_here(&handles[0]) != is_here(&handles[1]));
    load(&handles[0]).unwrap();
    load(&handles[1]).unwrap();
    assert_eq!(host.models(), 2);
}

#[test]
fn a_pinned_model_stays_and_what_does_not_fit_beside_it_is_too_large() {
    let bytes = one_model();
    let host = Host::of(bytes * 3 / 2, |_| {});
    let handles = handles(&host, 2, bytes);
    load(&handles[0]).unwrap();
    handles[0].pin(true);
    let error = load(&handles[1]).unwrap_err();
    assert!(
        matches!(&error, LoadError::TooLarge(why) if why.contains("pinned") && why.contains("inference_memory")),
        "{error}"
    );
    assert!(is_here(&handles[0]));
    assert_eq!((handles[0].unload(false), host.models()), (Unload::Pinned, 1));
    assert_eq!((handles[0].unload(true), host.models(), host.bytes()), (Unload::Done, 0, 0));
    handles[0].pin(false);
    assert_eq!(host.residency.stats().too_large, 1);
}

#[test]
fn a_model_in_use_stays_and_who_needs_its_room_is_told_to_come_again() {
    let bytes = one_model();
    let host = Host::of(bytes * 3 / 2, |config| {
        (config.room_wait, config.back_off) = (Duration::ZERO, Duration::ZERO);
    });
    let handles = handles(&host, 2, bytes);
    block_on(async {
        let used = handles[0].get().await.unwrap();
        let error = handles[1].get().await.err().unwrap();
        assert!(matches!(error, LoadError::Busy { .. }), "{error}");
        used.run(flow(), named(vec![("X", f32s(&[1, 64], &[0.0; 64]))])).await.unwrap();
        drop(used);
        until("a worker lets go of it", || block_in_place(|| load(&handles[1])).is_ok()).await;
    });
    assert!(!is_here(&handles[0]) && host.residency.stats().busy >= 1);
}

/// A blocking look inside of a condition that is asked by a task.
fn block_in_place<T: Send>(look: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| scope.spawn(look).join().unwrap())
}

#[test]
fn a_load_waits_for_a_short_use_to_end() {
    let bytes = one_model();
    let host = Host::of(bytes * 3 / 2, |config| {
        config.room_wait = Duration::from_secs(60);
    });
    let handles = handles(&host, 2, bytes);
    block_on(async {
        let used = handles[0].get().await.unwrap();
        let waits = tokio::spawn({
            let other = handles[1].clone();
            async move { other.get().await.map(drop) }
        });
        tokio::task::yield_now().await;
        drop(used);
        waits.await.unwrap().unwrap();
    });
    assert_eq!((host.models(), host.residency.stats().busy), (1, 0));
}

#[test]
fn what_was_expected_too_small_is_refused_after_the_load_and_before_the_next() {
    let bytes = one_model();
    let host = Host::of(bytes / 2, |config| {
        config.back_off = Duration::ZERO;
    });
    let loader = Staged::of(&host.runtime, "digits.onnx");
    let handle = host.handle("digits", &loader);
    for _ in 0..3 {
        assert!(matches!(load(&handle), Err(LoadError::TooLarge(_))));
    }
    assert_eq!((loader.loads(), host.bytes(), host.models()), (1, 0, 0));
    // Whoever counts the runtime's models just now holds each of them for a moment.
    block_on(until("its session has gone", || host.runtime.stats().sessions == 0));
}

#[test]
fn bytes_of_a_model_that_is_still_used_count_until_it_is_gone() {
    let host = Host::new(|_| {});
    let loader = Staged::of(&host.runtime, "digits.onnx");
    let handle = host.handle("digits", &loader);
    block_on(async {
        let used = handle.get().await.unwrap();
        let bytes = host.bytes();
        assert_eq!((handle.unload(false), handle.seen().is_resident, host.models()), (Unload::Done, false, 0));
        assert_eq!(host.bytes(), bytes, "it is still there");
        // The call in progress finishes, and whoever comes meanwhile gets the same copy.
        used.run(flow(), named(vec![("X", f32s(&[1, 64], &[0.0; 64]))])).await.unwrap();
        assert_eq!(handle.get().await.unwrap().runs(), 1);
        assert_eq!((loader.loads(), host.models()), (1, 1));
        assert_eq!((handle.unload(false), host.models()), (Unload::Done, 0));
        drop(used);
        until("the bytes come back", || host.bytes() == 0 && host.runtime.stats().sessions == 0).await;
        assert_eq!(handle.unload(false), Unload::NotHere);
        drop(handle.get().await.unwrap());
    });
    assert_eq!(loader.loads(), 2);
}

/// `n` i64 [1], `x` f32 [1, 1024] → `y` f32 [1] = n for an x of zeros, after as many turns of a loop (a microsecond each) and a
/// product with 8 MiB of weights, which each session lays out for itself: what one of a small model takes is lost among the
/// crumbs that the arena has left.
fn slow_and_large() -> Vec<u8> {
    Graph::default()
        .node("Loop", &["n", "yes", "zero"], &["total"], vec![("body", Attr::Graph(Graph::adding_body().0))])
        .node("MatMul", &["x", "w"], &["product"], vec![])
        .node("ReduceMax", &["product"], &["most"], vec![("keepdims", Attr::Int(0))])
        .node("Add", &["total", "most"], &["y"], vec![])
        .constant(zeros("w", &[1024, 2048]))
        .constant(zeros("zero", &[1]))
        .constant(floats("one", &[1], &[1.0]))
        .constant(raw("yes", BOOL, &[], &[1]))
        .input("n", I64, &[1])
        .input("x", F32, &[1, 1024])
        .output_of("y", F32, &[1])
        .model()
        .0
}

#[test]
fn further_sessions_are_on_the_account_and_need_room() {
    let slow = || named(vec![("n", i64s(&[1], &[200_000])), ("x", f32s(&[1, 1024], &[0.0; 1024]))]);
    // Two calls at once; says what the first session took, how many there are, and what is on the account.
    let grown = |budget: u64| {
        let host = Host::of(budget, |_| {});
        let loader = Staged::made(&host.runtime, slow_and_large(), ModelOptions::named("slow"));
        let handle = host.handle("slow", &loader);
        let first = block_on(async { handle.get().await.unwrap().footprint() });
        let sessions = block_on(async {
            let model = handle.get().await.unwrap();
            let (one, two) = tokio::join!(model.run(flow(), slow()), model.run(flow(), slow()));
            for outputs in [one.unwrap(), two.unwrap()] {
                assert_eq!(as_f32s(&outputs[0].1), [200_000.0]);
            }
            until("the model is at rest", || model.sessions_busy() == 0).await;
            model.sessions()
        });
        assert!(host.bytes() <= budget, "{} over {budget}", host.bytes());
        (first.total(), sessions, host.bytes())
    };
    let (first, sessions, bytes) = grown(256 << 20);
    assert!(first > 15 * MIB, "its file and its weights: {first} bytes");
    assert!(sessions == 2 && bytes > first + 7 * MIB, "{sessions} sessions, {bytes} bytes, {first} for the first");
    // Room for one, and a little more: what a load takes differs by some hundred bytes from one to the next.
    let (first, sessions, bytes) = grown(first + MIB);
    assert_eq!((sessions, bytes), (1, first), "what was refused is not on the account");
}

#[test]
fn a_model_whose_handles_are_gone_goes() {
    let host = Host::new(|_| {});
    let loader = Staged::of(&host.runtime, "digits.onnx");
    let handle = host.handle("digits", &loader);
    handle.pin(true);
    load(&handle).unwrap();
    host.residency.sweep();
    assert_eq!(host.models(), 1);
    drop(handle);
    // The thread that loaded it may still be on its way out of the load.
    block_on(until("the model is gone", || {
        host.residency.sweep();
        (host.models(), host.bytes(), host.runtime.stats().sessions) == (0, 0, 0)
    }));
    let weak: std::sync::Weak<dyn Loader> = std::sync::Arc::downgrade(&loader) as _;
    drop(loader);
    block_on(until("its loader is gone, too", || {
        host.residency.sweep();
        weak.strong_count() == 0
    }));
}
