//! Up: one load, many who wait, and what they are told when there is nothing to load.

#![allow(clippy::await_holding_lock, reason = "a gate that a test holds keeps a load waiting, on another thread")]

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use modelet_engine::{Engine, FaultKind, LoadError, Outcome, Warmth};

use crate::support::{Stored, answer, config, far, function, invoke_until, long, until};

#[tokio::test]
async fn a_function_that_nobody_calls_is_on_the_disk_only() {
    let engine = Engine::new(config()).unwrap();
    let code = Stored::new("hello");
    let hello = function(&engine, &code, "hello", long());
    assert_eq!((hello.warmth(), code.times_found(), engine.stats().components), (Warmth::Disk, 0, 0));
    assert_eq!(answer(&hello).await, "hello\n");
    assert_eq!((hello.warmth(), engine.stats().components), (Warmth::Warm, 1));
    drop(hello);
    until("its memory has gone with it", || (engine.stats().components, engine.stats().instances_idle) == (0, 0)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_callers_wait_for_one_load_and_it_goes_on_when_its_caller_leaves() {
    let engine = Engine::new(config()).unwrap();
    let code = Stored::new("hello");
    let hello = function(&engine, &code, "hello", long());
    code.gate.close();
    let first = tokio::spawn({
        let hello = hello.clone();
        async move { invoke_until(&hello, far()).await }
    });
    until("the load has begun", || code.times_found() == 1).await;
    let others: Vec<_> = (0..4)
        .map(|_| {
            let hello = hello.clone();
            tokio::spawn(async move { answer(&hello).await })
        })
        .collect();
    first.abort();
    assert!(first.await.unwrap_err().is_cancelled());
    code.gate.open();
    for other in others {
        assert_eq!(other.await.unwrap(), "hello\n");
    }
    assert_eq!(code.times_found(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_waits_for_a_load_past_the_deadline() {
    let engine = Engine::new(config()).unwrap();
    let code = Stored::new("hello");
    let hello = function(&engine, &code, "hello", long());
    code.gate.close();
    for _ in 0..2 {
        let outcome = invoke_until(&hello, Instant::now() + Duration::from_millis(20)).await;
        assert!(matches!(outcome, Outcome::Asleep), "{outcome:?}");
    }
    code.gate.open();
    assert_eq!(answer(&hello).await, "hello\n", "the load that they gave up is the one that serves the next");
    assert_eq!(code.times_found(), 1);
}

#[tokio::test]
async fn a_failed_load_is_told_to_those_who_come_soon_after_and_then_tried_again() {
    let engine = Engine::new(config()).unwrap();
    let code = Stored::new("hello");
    let hello = function(&engine, &code, "hello", long());
    *code.broken.lock().unwrap() = Some(LoadError::Remake("/secret/path: no such file".to_owned()));
    let Outcome::HostFault(fault) = invoke_until(&hello, far()).await else { panic!("no fault of the host") };
    assert_eq!(fault.kind, FaultKind::Host);
    assert!(fault.detail.contains("/secret/path") && !fault.public.contains("secret"), "{fault:?}");
    assert_eq!(hello.warmth(), Warmth::Disk);
    *code.broken.lock().unwrap() = None;
    loop {
        match invoke_until(&hello, far()).await {
            Outcome::Answered(_) => break,
            outcome => assert!(matches!(outcome, Outcome::HostFault(_)), "{outcome:?}"),
        }
    }
    assert_eq!(code.times_found(), 2, "those in between were told of the first failure");
}

#[tokio::test]
async fn code_that_is_damaged_or_gone_is_not_run_but_made_again() {
    let engine = Engine::new(config()).unwrap();
    let code = Stored::new("hello");
    let mut bytes = std::fs::read(code.path()).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(code.path(), bytes).unwrap();
    let hello = function(&engine, &code, "hello", long());
    assert_eq!(answer(&hello).await, "hello\n");
    assert_eq!(code.remade.load(Ordering::SeqCst), 1);
    std::fs::remove_file(code.path()).unwrap();
    let again = function(&engine, &code, "again", long());
    drop(hello);
    assert_eq!(answer(&again).await, "hello\n");
    assert_eq!(code.remade.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn functions_with_the_same_code_have_one_copy_of_it() {
    let engine = Engine::new(config()).unwrap();
    let (one, two) = (Stored::new("hello"), Stored::new("hello"));
    let functions = [("a", &one), ("b", &two), ("c", &one)].map(|(name, code)| function(&engine, code, name, long()));
    for hello in &functions {
        assert_eq!(answer(hello).await, "hello\n");
    }
    let stats = engine.stats();
    assert_eq!((stats.functions_awake, stats.components), (3, 1));
    drop(functions);
    until("it has gone with the last of them", || engine.stats().components == 0).await;
}
