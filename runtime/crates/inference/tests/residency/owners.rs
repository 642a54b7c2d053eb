//! What each owner of a shared copy sees: its own uses, and nothing of the others.

use std::future::Future;
use std::time::Duration;

use modelet_inference::{ModelHandle, Unload};
use modelet_spec::manifest::{BatchRule, Share};

use crate::staged::Staged;
use crate::support::{f32s, flow, i64s, named, until};
use crate::{Host, block_on};

fn use_once(handle: &ModelHandle) {
    block_on(handle.get()).unwrap();
}

#[test]
fn a_stranger_with_the_same_model_is_not_seen() {
    let host = Host::new(|_| {});
    let loader = Staged::of(&host.runtime, "digits.onnx");
    let (acme, beta) = (host.handle("digits", &loader), host.handle("digits", &loader));
    (0..3).for_each(|_| use_once(&acme));
    let before = beta.seen();
    assert_eq!((before.uses, before.loads, before.is_resident, before.bytes), (0, 0, false, 0));
    assert_eq!((before.last_use, before.load_time, before.sessions), (None, None, 0));
    use_once(&beta);
    let (acme_sees, beta_sees) = (acme.seen(), beta.seen());
    assert_eq!(loader.loads(), 1, "one copy for both");
    // As if it had been loaded for each.
    assert_eq!((beta_sees.uses, beta_sees.loads, beta_sees.is_resident), (1, 1, true));
    assert_eq!((acme_sees.uses, acme_sees.loads, acme_sees.is_resident), (3, 1, true));
    assert_eq!((acme_sees.bytes, acme_sees.sessions), (beta_sees.bytes, beta_sees.sessions));
    assert!(acme_sees.bytes > 0 && beta_sees.load_time.is_some());
}

#[test]
fn an_unload_is_the_owners_own() {
    let host = Host::new(|_| {});
    let loader = Staged::of(&host.runtime, "digits.onnx");
    let (acme, beta) = (host.handle("digits", &loader), host.handle("digits", &loader));
    use_once(&acme);
    assert_eq!(beta.unload(false), Unload::NotHere, "it never used it");
    use_once(&beta);
    assert_eq!((beta.unload(false), beta.seen().is_resident, acme.seen().is_resident), (Unload::Done, false, true));
    assert_eq!(host.models(), 1);
    use_once(&beta);
    assert_eq!((beta.seen().loads, acme.seen().loads, loader.loads()), (2, 1, 1));
    assert_eq!((acme.unload(false), beta.unload(false), host.models()), (Unload::Done, Unload::Done, 0));
}

#[test]
fn a_pin_is_the_owners_own_and_keeps_the_copy() {
    let host = Host::new(|config| config.idle = Duration::ZERO);
    let loader = Staged::of(&host.runtime, "digits.onnx");
    let (acme, beta) = (host.handle("digits", &loader), host.handle("digits", &loader));
    acme.pin(true);
    use_once(&acme);
    use_once(&beta);
    host.residency.sweep();
    assert_eq!((host.models(), acme.seen().is_pinned, beta.seen().is_pinned), (1, true, false));
    assert!(acme.seen().is_resident && !beta.seen().is_resident, "beta's idle time is over");
    acme.pin(false);
    host.residency.sweep();
    assert_eq!((host.models(), host.residency.stats().expired), (0, 1));
}

#[test]
fn an_idle_model_goes_by_itself_though_its_handles_stay_and_a_run_keeps_it() {
    let host = Host::new(|config| config.idle = Duration::from_millis(40));
    let loader = Staged::of(&host.runtime, "digits.onnx");
    let handle = host.handle("digits", &loader);
    block_on(async {
        let used = handle.get().await.unwrap();
        let seen_swept = || handle.seen().last_use.is_some_and(|age| age > Duration::from_millis(200));
        until("five idle times pass", seen_swept).await;
        assert_eq!(host.models(), 1, "it is in use");
        drop(used);
        until("it goes", || host.models() == 0 && host.bytes() == 0).await;
        drop(handle.get().await.unwrap());
    });
    assert_eq!(loader.loads(), 2);
}

#[test]
fn waits_and_rows_are_the_owners_own_though_they_share_queue_and_runs() {
    let host = Host::new(|_| {});
    let loader = Staged::of(&host.runtime, "slow_loop.onnx").one_at_a_time();
    let (acme, beta) = (host.handle("slow", &loader), host.handle("slow", &loader));
    let turns = |n: i64| named(vec![("n", i64s(&[1], &[n]))]);
    block_on(async {
        let (one, two) = (acme.get().await.unwrap(), beta.get().await.unwrap());
        let rule = BatchRule::default();
        // About a microsecond a turn: hours. It is stopped when its caller goes.
        let mut endless = Box::pin(one.run_with(flow(), &rule, turns(10_000_000_000)));
        let mut waits = Box::pin(two.run_with(flow(), &rule, turns(1)));
        assert!(is_pending(&mut endless).await);
        until("it runs", || one.sessions_busy() == 1 && acme.seen().waiting == 0).await;
        assert!(is_pending(&mut waits).await);
        assert_eq!((acme.seen().waiting, beta.seen().waiting), (0, 1));
        drop(waits);
        assert_eq!((acme.seen().waiting, beta.seen().waiting), (0, 0), "a caller who leaves waits no longer");
        drop(endless);
        until("it is stopped", || one.sessions_busy() == 0).await;
        two.run_with(flow(), &rule, turns(1)).await.unwrap();
    });
    assert_eq!((beta.seen().sizes.runs(), beta.seen().sizes.rows()), (1, 1));
}

#[test]
fn of_a_joined_run_an_owner_sees_its_own_rows() {
    let host = Host::new(|_| {});
    let loader = Staged::of(&host.runtime, "dynamic_batch.onnx");
    let (acme, beta) = (host.handle("batch", &loader), host.handle("batch", &loader));
    let rows = |count: u64| named(vec![("x", f32s(&[count, 4], &vec![1.0; 4 * count as usize]))]);
    let rule = BatchRule { max: 3, wait: Duration::from_secs(20), share: Share::All };
    block_on(async {
        let (one, two) = (acme.get().await.unwrap(), beta.get().await.unwrap());
        let (a, b) = tokio::join!(one.run_with(flow(), &rule, rows(2)), two.run_with(flow(), &rule, rows(1)));
        assert_eq!((a.unwrap().len(), b.unwrap().len()), (1, 1));
        assert_eq!(one.runs(), 1, "joined");
    });
    let sizes = |handle: &ModelHandle| (handle.seen().sizes.runs(), handle.seen().sizes.rows());
    assert_eq!((sizes(&acme), sizes(&beta)), ((1, 2), (1, 1)));
}

/// Looks at a future once; `true`: it has not ended.
async fn is_pending<F: Future + Unpin>(future: &mut F) -> bool {
    std::future::poll_fn(|context| std::task::Poll::Ready(std::pin::Pin::new(&mut *future).poll(context).is_pending()))
        .await
}
