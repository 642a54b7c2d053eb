//! Several devices: each has its own account. Those here are pretended, with real models behind them; what differs is only
//! whose account they are on.

use modelet_inference::{LoadError, ModelHandle, ModelKey};
use modelet_spec::{Device, DeviceWish};
use prometheus_client::registry::Registry;

use crate::staged::Staged;
use crate::{Host, block_on, key};

const CPU: Device = Device::Cpu;
const FIRST: Device = Device::Cuda(0);
const SECOND: Device = Device::Cuda(1);

/// What `digits.onnx` takes, measured.
fn one_model() -> u64 {
    let host = Host::new(|_| {});
    block_on(host.handle("digits", &Staged::of(&host.runtime, "digits.onnx")).get()).unwrap();
    host.bytes()
}

/// A server with these devices, which have room for so many models each.
fn host(one: u64, devices: &[(Device, f64)]) -> Host {
    let budget = |(device, models): &(Device, f64)| (*device, (one as f64 * models) as u64);
    Host::new(|config| config.budgets = devices.iter().map(budget).collect())
}

fn digits(host: &Host, key: ModelKey, bytes: u64) -> ModelHandle {
    host.residency.handle(key, Staged::of(&host.runtime, "digits.onnx").expecting(bytes))
}

fn load(handle: &ModelHandle) -> Result<(), LoadError> {
    block_on(handle.get()).map(drop)
}

/// Models and bytes on a device's account.
fn on(host: &Host, device: Device) -> (usize, u64) {
    let stats = host.residency.stats().devices[&device];
    (stats.models, stats.bytes)
}

fn wish(device: Device) -> Option<DeviceWish> {
    Some(DeviceWish { device, is_demanded: false })
}

#[test]
fn a_model_on_a_device_is_on_that_devices_account_alone() {
    let one = one_model();
    let host = host(one, &[(FIRST, 4.0), (CPU, 4.0)]);
    let handle = digits(&host, key("digits"), one);
    load(&handle).unwrap();
    let footprint = block_on(async { handle.get().await.unwrap().footprint() });
    assert_eq!((on(&host, FIRST), on(&host, CPU)), ((1, footprint.total()), (0, 0)));
    assert_eq!((handle.seen().device, handle.seen().is_resident), (Some(FIRST), true));
    let mut registry = Registry::default();
    host.residency.register(&mut registry);
    let mut metrics = String::new();
    prometheus_client::encoding::text::encode(&mut metrics, &registry).unwrap();
    for line in [
        "modelet_device_models{device=\"cuda:0\"} 1".to_owned(),
        "modelet_device_models{device=\"cpu\"} 0".to_owned(),
        format!("modelet_device_bytes{{device=\"cuda:0\",state=\"taken\"}} {}", footprint.total()),
        "modelet_device_bytes{device=\"cpu\",state=\"taken\"} 0".to_owned(),
        format!("modelet_device_bytes{{device=\"cuda:0\",state=\"budget\"}} {}", one * 4),
    ] {
        assert!(metrics.contains(&line), "no `{line}` in\n{metrics}");
    }
    assert_eq!(handle.unload(false), modelet_inference::Unload::Done);
    assert_eq!((on(&host, FIRST), on(&host, CPU)), ((0, 0), (0, 0)));
}

#[test]
fn a_full_device_is_passed_over_and_nothing_goes_for_a_model_that_another_has_room_for() {
    let one = one_model();
    let host = host(one, &[(FIRST, 1.5), (SECOND, 1.5), (CPU, 1.5)]);
    let handles: Vec<ModelHandle> = (0..3).map(|n| digits(&host, key(&format!("model {n}")), one)).collect();
    handles.iter().for_each(|handle| load(handle).unwrap());
    assert_eq!([FIRST, SECOND, CPU].map(|device| on(&host, device).0), [1, 1, 1]);
    assert_eq!(handles.iter().map(|handle| handle.seen().device).collect::<Vec<_>>(), [FIRST, SECOND, CPU].map(Some));
    assert_eq!(host.residency.stats().evicted, 0);
    // Wherever it went, it may go elsewhere the next time.
    assert_eq!(handles[2].unload(false), modelet_inference::Unload::Done);
    assert_eq!(handles[0].unload(false), modelet_inference::Unload::Done);
    load(&handles[2]).unwrap();
    assert_eq!((handles[2].seen().device, handles[2].seen().loads, on(&host, CPU)), (Some(FIRST), 2, (0, 0)));
}

#[test]
fn a_demanded_device_makes_room_among_its_own_models_only() {
    let one = one_model();
    let host = host(one, &[(FIRST, 1.5), (CPU, 1.5)]);
    let (card, cpu) = (digits(&host, key("card").on(FIRST), one), digits(&host, key("cpu").on(CPU), one));
    load(&card).unwrap();
    load(&cpu).unwrap();
    let other = digits(&host, key("other").on(FIRST), one);
    load(&other).unwrap();
    assert!(!card.seen().is_resident && cpu.seen().is_resident && other.seen().is_resident);
    other.pin(true);
    let error = load(&card).unwrap_err();
    assert!(
        matches!(&error, LoadError::TooLarge(why) if why.contains("`cuda:0`") && why.contains("device_memory")),
        "{error}"
    );
    assert_eq!((on(&host, FIRST).0, on(&host, CPU).0, host.residency.stats().too_large), (1, 1, 1));
    // What is only wished for there goes where there is room.
    assert_eq!(cpu.unload(false), modelet_inference::Unload::Done);
    let wishing = digits(&host, key("wishing").wishing(wish(FIRST)), one);
    load(&wishing).unwrap();
    assert_eq!(wishing.seen().device, Some(CPU));
}

#[test]
fn a_pinned_model_takes_nothing_of_another_device() {
    let one = one_model();
    let host = host(one, &[(FIRST, 1.5), (CPU, 1.5)]);
    let pinned = digits(&host, key("pinned").on(FIRST), one);
    pinned.pin(true);
    load(&pinned).unwrap();
    let handles: Vec<ModelHandle> = (0..2).map(|n| digits(&host, key(&format!("model {n}")).on(CPU), one)).collect();
    handles.iter().for_each(|handle| load(handle).unwrap());
    assert_eq!((pinned.seen().is_resident, on(&host, CPU).0, host.residency.stats().evicted), (true, 1, 1));
}

#[test]
fn where_a_model_does_not_run_it_leaves_nothing_on_the_account_and_the_next_device_is_tried() {
    let one = one_model();
    let host = host(one, &[(FIRST, 4.0), (SECOND, 4.0), (CPU, 4.0)]);
    let loader = Staged::of(&host.runtime, "digits.onnx").expecting(one).unfit_for(&[FIRST, SECOND]);
    let handle = host.residency.handle(key("unfit"), loader.clone());
    load(&handle).unwrap();
    assert_eq!((handle.seen().device, loader.asked(), loader.loads()), (Some(CPU), vec![CPU], 3));
    assert_eq!((on(&host, FIRST), on(&host, SECOND), host.residency.stats().failed), ((0, 0), (0, 0), 0));
    let demanding = host.residency.handle(key("unfit").on(SECOND), loader);
    let error = load(&demanding).unwrap_err();
    assert!(matches!(error, LoadError::Device { device: SECOND, .. }), "{error}");
    assert_eq!((on(&host, SECOND), host.residency.stats().failed), ((0, 0), 1));
}

#[test]
fn further_sessions_are_on_the_same_account() {
    use crate::support::{flow, i64s, named, until};
    let host = Host::new(|config| config.budgets = vec![(FIRST, 256 << 20), (CPU, 256 << 20)]);
    let handle = host.residency.handle(key("slow"), Staged::of(&host.runtime, "slow_loop.onnx"));
    let slow = || named(vec![("n", i64s(&[1], &[200_000]))]);
    let (first, all) = block_on(async {
        let model = handle.get().await.unwrap();
        let first = on(&host, FIRST).1;
        let (one, two) = tokio::join!(model.run(flow(), slow()), model.run(flow(), slow()));
        one.unwrap();
        two.unwrap();
        until("two sessions", || model.sessions() == 2 && model.sessions_busy() == 0).await;
        (first, model.footprint().total())
    });
    assert!(all > first, "{all} {first}");
    assert_eq!((on(&host, FIRST), on(&host, CPU)), ((1, all), (0, 0)));
}
