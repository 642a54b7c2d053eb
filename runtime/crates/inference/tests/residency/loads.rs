//! One load for all who wait, what happens when they leave, and what a failure costs.

use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

use modelet_inference::LoadError;
use modelet_spec::Device;

use crate::staged::Staged;
use crate::support::{f32s, flow, named, until};
use crate::{Host, block_on, key};

fn digits() -> Vec<(String, modelet_inference::Tensor)> {
    named(vec![("X", f32s(&[1, 64], &[0.0; 64]))])
}

#[test]
fn a_model_is_loaded_once_for_all_who_ask() {
    let host = Host::new(|_| {});
    let loader = Staged::of(&host.runtime, "digits.onnx");
    loader.shut();
    let (one, two) = (host.handle("digits", &loader), host.handle("digits", &loader));
    block_on(async {
        let calls = [&one, &one, &two, &one, &two].map(|handle| {
            let handle = handle.clone();
            tokio::spawn(async move { handle.get().await.map(drop) })
        });
        until("the load", || loader.loads() == 1).await;
        loader.open();
        for call in calls {
            call.await.unwrap().unwrap();
        }
        for handle in [&one, &two] {
            handle.get().await.unwrap().run(flow(), digits()).await.unwrap();
        }
    });
    assert_eq!((loader.loads(), host.models(), host.residency.stats().loads), (1, 1, 1));
    let footprint = block_on(async { one.get().await.unwrap().footprint() });
    assert!(footprint.is_exact && footprint.first > 0, "{footprint:?}");
    assert_eq!(host.bytes(), footprint.total());
}

#[test]
fn scopes_and_devices_are_apart() {
    let host = Host::new(|config| config.budgets.push((Device::Cuda(0), 256 << 20)));
    let loader = Staged::of(&host.runtime, "digits.onnx");
    let keys = [key("digits"), key("digits").scoped("acme"), key("digits").on(Device::Cuda(0))];
    let handles = keys.map(|key| host.residency.handle(key, loader.clone()));
    for handle in &handles {
        block_on(handle.get()).unwrap();
    }
    assert_eq!(loader.loads(), 3);
    let stats = host.residency.stats();
    assert_eq!((stats.devices[&Device::Cpu].models, stats.devices[&Device::Cuda(0)].models), (2, 1));
    let nowhere = host.residency.handle(key("digits").on(Device::Cuda(1)), loader.clone());
    assert!(matches!(block_on(nowhere.get()), Err(LoadError::Device { device: Device::Cuda(1), .. })));
}

#[test]
fn a_caller_who_leaves_does_not_stop_the_load_of_others() {
    let host = Host::new(|_| {});
    let loader = Staged::of(&host.runtime, "digits.onnx");
    loader.shut();
    let handle = host.handle("digits", &loader);
    block_on(async {
        let stays = tokio::spawn({
            let handle = handle.clone();
            async move { handle.get().await.map(drop) }
        });
        until("the load", || loader.loads() == 1).await;
        let leaves = tokio::time::timeout(Duration::from_millis(1), handle.get()).await;
        assert!(leaves.is_err());
        loader.open();
        stays.await.unwrap().unwrap();
    });
    assert_eq!((loader.loads(), loader.told.load(SeqCst)), (1, 0));
}

#[test]
fn a_load_that_nobody_waits_for_is_not_begun_or_told_to_stop() {
    let host = Host::new(|config| config.loads_max = 1);
    let (first, second) = (Staged::of(&host.runtime, "digits.onnx"), Staged::of(&host.runtime, "dynamic_batch.onnx"));
    first.shut();
    let (one, two) = (host.handle("one", &first), host.handle("two", &second));
    block_on(async {
        let mut waits = Box::pin(one.get());
        assert!(tokio::time::timeout(Duration::from_millis(1), &mut waits).await.is_err());
        until("the first load", || first.loads() == 1).await;
        // The only thread is taken: this one waits behind, and leaves.
        assert!(tokio::time::timeout(Duration::from_millis(1), two.get()).await.is_err());
        drop(waits);
        until("the first load is told", || first.told.load(SeqCst) == 1).await;
        // Whoever comes now waits for the first to stop, and for a load of its own.
        first.open();
        drop(one.get().await.unwrap());
    });
    assert_eq!((first.loads(), second.loads()), (2, 0));
    assert_eq!((host.models(), host.residency.stats().failed), (1, 0));
}

#[test]
fn a_load_that_cannot_stop_is_not_in_vain() {
    let host = Host::new(|_| {});
    let loader = Staged::of(&host.runtime, "digits.onnx");
    loader.shut();
    loader.obeys.store(false, SeqCst);
    let handle = host.handle("digits", &loader);
    block_on(async {
        assert!(tokio::time::timeout(Duration::from_millis(1), handle.get()).await.is_err());
        until("it is told, or was never begun", || loader.told.load(SeqCst) == loader.loads()).await;
        loader.open();
        drop(handle.get().await.unwrap());
    });
    assert!(loader.loads() <= 1, "{}", loader.loads());
}

#[test]
fn a_failure_is_told_to_all_and_a_storm_loads_once_per_back_off() {
    let long = Duration::from_secs(3600);
    let host = Host::new(|config| (config.back_off, config.back_off_max) = (long, long));
    let loader = Staged::of(&host.runtime, "digits.onnx");
    loader.fail(Some(LoadError::Invalid("no model".to_owned())));
    let handle = host.handle("digits", &loader);
    for _ in 0..100 {
        let error = block_on(handle.get()).err().unwrap();
        assert_eq!(error, LoadError::Invalid("no model".to_owned()));
    }
    assert_eq!((loader.loads(), host.residency.stats().failed, host.bytes()), (1, 1, 0));
}

#[test]
fn after_the_back_off_a_load_is_tried_again() {
    let host = Host::new(|config| config.back_off = Duration::ZERO);
    let loader = Staged::of(&host.runtime, "digits.onnx");
    loader.fail(Some(LoadError::Unavailable("the disk is gone".to_owned())));
    let handle = host.handle("digits", &loader);
    for _ in 0..3 {
        assert!(matches!(block_on(handle.get()), Err(LoadError::Unavailable(_))));
    }
    loader.fail(None);
    block_on(handle.get()).unwrap();
    assert_eq!((loader.loads(), host.models()), (4, 1));
}
