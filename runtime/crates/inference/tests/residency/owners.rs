//! What each owner of a shared copy sees: its own uses, and nothing of the others.

use std::time::Duration;

use modelet_inference::{ModelHandle, Unload};

use crate::staged::Staged;
use crate::support::until;
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
