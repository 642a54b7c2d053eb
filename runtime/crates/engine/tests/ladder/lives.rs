//! How instances live: reused or not, how often, how long, and how many are there when nobody asks.

use std::time::Duration;

use modelet_engine::{Engine, ScaleError, Warmth};
use modelet_spec::manifest::{Instances, Reuse};

use crate::support::{Stored, answer, config, function, long, until};

#[tokio::test]
async fn an_instance_is_replaced_after_its_requests_and_after_its_time() {
    let engine = Engine::new(config()).unwrap();
    let code = Stored::new("count");
    let often = function(&engine, &code, "often", Instances { max_requests: 2, ..long() });
    let mut answers = Vec::new();
    for _ in 0..4 {
        answers.push(answer(&often).await);
    }
    assert_eq!(answers, ["1\n", "2\n", "1\n", "2\n"]);
    let aged = function(&engine, &code, "aged", Instances { max_age: Duration::from_millis(100), ..long() });
    assert_eq!(answer(&aged).await, "1\n");
    until("the keeper lets the old one go", || aged.instances().1 == 0).await;
    assert_eq!(answer(&aged).await, "1\n");
}

#[tokio::test]
async fn each_request_has_a_fresh_sandbox_made_before_it_comes() {
    let engine = Engine::new(config()).unwrap();
    let fresh = function(&engine, &Stored::new("count"), "fresh", Instances { reuse: Reuse::Request, ..long() });
    for _ in 0..5 {
        assert_eq!(answer(&fresh).await, "1\n");
        until("the next one is ready", || fresh.instances() == (0, 1)).await;
    }
    let stats = engine.stats();
    assert_eq!((stats.instances_made, stats.instances_idle), (6, 1));
}

#[tokio::test]
async fn a_function_steps_down_by_itself() {
    let mut config = config();
    config.component_idle = Duration::from_millis(500);
    let engine = Engine::new(config).unwrap();
    let code = Stored::new("hello");
    let hello = function(&engine, &code, "hello", Instances { idle: Duration::from_millis(50), ..long() });
    for loads in 1..=2 {
        assert_eq!(answer(&hello).await, "hello\n");
        assert_eq!(code.times_found(), loads);
        until("its instance goes", || hello.warmth() <= Warmth::Component).await;
        until("its component goes", || hello.warmth() == Warmth::Disk).await;
        let gone = || (engine.stats().components, engine.stats().gone_idle) == (0, loads as u64);
        until("its memory has gone", gone).await;
    }
}

#[tokio::test]
async fn a_component_stays_as_long_as_an_instance_of_it_is_warm() {
    let mut config = config();
    config.component_idle = Duration::from_millis(500);
    let engine = Engine::new(config).unwrap();
    let short = function(&engine, &Stored::new("hello"), "short", Instances { idle: Duration::ZERO, ..long() });
    let warm = function(&engine, &Stored::new("count"), "warm", long());
    assert_eq!(answer(&warm).await, "1\n");
    assert_eq!(answer(&short).await, "hello\n");
    // Twice what a component alone would stay.
    for _ in 0..2 {
        until("the other one has gone", || short.warmth() == Warmth::Disk).await;
        assert_eq!(answer(&short).await, "hello\n");
    }
    assert_eq!(answer(&warm).await, "2\n");
}

#[tokio::test]
async fn instances_that_are_kept_are_there_whoever_calls() {
    let engine = Engine::new(config()).unwrap();
    let code = Stored::new("count");
    let kept = function(&engine, &code, "kept", Instances { idle: Duration::ZERO, max_requests: 1, ..long() });
    kept.scale(2).await.unwrap();
    assert_eq!((kept.instances(), kept.kept()), ((0, 2), 2));
    engine.sweep();
    assert_eq!(kept.instances(), (0, 2), "their idle time is over, and they stay");
    assert_eq!(answer(&kept).await, "1\n");
    until("the one that is used up is replaced", || kept.instances() == (0, 2)).await;
    kept.scale(0).await.unwrap();
    until("nothing keeps them any more", || kept.instances() == (0, 0)).await;
}

#[tokio::test]
async fn no_more_are_kept_than_can_be() {
    let engine = Engine::new(config()).unwrap();
    let code = Stored::new("hello");
    let (one, two) = (function(&engine, &code, "one", long()), function(&engine, &code, "two", long()));
    let refused = one.scale(5).await.unwrap_err();
    assert!(matches!(refused, ScaleError::OverConcurrency { min: 5, concurrency: 4 }), "{refused}");
    one.scale(3).await.unwrap();
    let refused = two.scale(2).await.unwrap_err();
    assert!(matches!(refused, ScaleError::OverTotal { min: 2, sum: 5, limit: 4 }), "{refused}");
    assert_eq!(two.kept(), 0);
    one.scale(2).await.unwrap();
    two.scale(2).await.unwrap();
    drop(one);
    // The keeper may be looking at it just now, and holds it as long as that takes.
    let gone = async {
        while let Err(refused) = two.scale(4).await {
            assert!(matches!(refused, ScaleError::OverTotal { min: 4, sum: 6, limit: 4 }), "{refused}");
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), gone).await.expect("the first one counts no longer");
    assert_eq!(two.instances(), (0, 4));
}
