//! Down sooner: for others' room, and when the machine is short of memory.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use modelet_engine::ports::{Memory, Pressure};
use modelet_engine::{Engine, Warmth};
use modelet_spec::ByteSize;
use modelet_spec::manifest::Instances;

use crate::support::{Stored, answer, config, function, long, until};

#[tokio::test]
async fn what_was_used_longest_ago_goes_for_anothers_room() {
    let code = Stored::new("hello");
    let one = {
        let engine = Engine::new(config()).unwrap();
        let hello = function(&engine, &code, "hello", long());
        assert_eq!(answer(&hello).await, "hello\n");
        engine.sweep();
        engine.stats().warm_bytes
    };
    let mut config = config();
    config.limits.warm_memory = ByteSize(one * 5 / 2);
    let engine = Engine::new(config).unwrap();
    let [a, b, c] = ["a", "b", "c"].map(|name| function(&engine, &code, name, long()));
    for hello in [&a, &b, &a] {
        assert_eq!(answer(hello).await, "hello\n");
        // What the keeper does four times a second: the cache hears of each use, and of the weight.
        engine.sweep();
    }
    assert_eq!(answer(&c).await, "hello\n");
    until("there is room again", || {
        engine.sweep();
        engine.stats().gone_for_room == 1
    })
    .await;
    assert_eq!([a.warmth(), b.warmth(), c.warmth()], [Warmth::Warm, Warmth::Disk, Warmth::Warm]);
    assert!(engine.stats().warm_bytes <= engine.stats().warm_bytes_max);
    assert_eq!(answer(&b).await, "hello\n", "and comes back when it is called");
}

#[tokio::test]
async fn when_all_instances_are_taken_idle_ones_of_others_go() {
    let engine = Engine::new(config()).unwrap();
    let code = Stored::new("hello");
    let kept = function(&engine, &code, "kept", long());
    kept.scale(2).await.unwrap();
    let others: Vec<_> = (0..20).map(|number| function(&engine, &code, &format!("f{number}"), long())).collect();
    for hello in &others {
        assert_eq!(answer(hello).await, "hello\n");
    }
    assert!(engine.stats().instances_idle <= 8);
    assert_eq!(kept.instances(), (0, 2), "but for those that are kept");
}

/// A machine whose memory is as short as a test says.
#[derive(Default)]
struct Machine(AtomicU8);

impl Memory for Machine {
    fn pressure(&self) -> Pressure {
        match self.0.load(Ordering::SeqCst) {
            0 => Pressure::None,
            1 => Pressure::High,
            _ => Pressure::Critical,
        }
    }
}

#[tokio::test]
async fn when_memory_is_short_things_go_sooner_but_for_what_is_kept() {
    let machine = Arc::<Machine>::default();
    let mut config = config();
    config.memory = Some(machine.clone());
    let engine = Engine::new(config).unwrap();
    let code = Stored::new("hello");
    let (one, kept) = (function(&engine, &code, "one", long()), function(&engine, &code, "kept", long()));
    let soon = function(&engine, &code, "soon", Instances { idle: Duration::from_secs(5), ..long() });
    kept.scale(1).await.unwrap();
    for hello in [&one, &soon] {
        assert_eq!(answer(hello).await, "hello\n");
    }
    engine.sweep();
    assert_eq!([one.warmth(), soon.warmth()], [Warmth::Warm, Warmth::Warm]);
    machine.0.store(1, Ordering::SeqCst);
    until("a tenth of its time is over", || soon.warmth() == Warmth::Component).await;
    assert_eq!(one.warmth(), Warmth::Warm);
    machine.0.store(2, Ordering::SeqCst);
    until("all that nobody uses has gone", || [one.warmth(), soon.warmth()] == [Warmth::Disk, Warmth::Disk]).await;
    assert_eq!(engine.stats().gone_under_pressure, 2);
    assert_eq!((kept.warmth(), kept.instances()), (Warmth::Warm, (0, 1)));
    assert_eq!(answer(&one).await, "hello\n", "and whoever asks is answered");
}
