//! Devices that are named and not there. A process of its own for each, because a process opens ONNX Runtime once.
//!
//! They hold with the library for the CPU (nothing is built in) and, without CUDA, with the one for GPUs (CUDA's own
//! libraries are missing): either says why.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test says so by panicking, in its helpers too"
)]

#[path = "support/mod.rs"]
mod support;

use modelet_inference::{DeviceSettings, LoadError, ModelOptions, Runtime, RuntimeConfig, Trial};
use modelet_spec::Device;
use prometheus_client::registry::Registry;
use support::{f32s, flow, model_bytes, named};

fn config(wishes: &[&str]) -> RuntimeConfig {
    let settings = |wish: &&str| DeviceSettings { wish: wish.parse().unwrap(), memory_max: 1 << 30 };
    let devices = wishes.iter().map(settings).collect();
    RuntimeConfig { library: support::library(), devices, ..RuntimeConfig::default() }
}

/// What a library says that cannot reach a card.
fn assert_says_why(why: &str) {
    let known = ["not enabled in this build", "cannot open shared object file"];
    assert!(known.iter().any(|words| why.contains(words)), "{why}");
}

#[tokio::test]
async fn what_is_not_there_is_left_out_and_models_are_told() {
    let runtime = support::open(&config(&["cuda:0", "tensorrt:0", "cpu"]));
    let there: Vec<Device> = runtime.devices().iter().map(|device| device.device).collect();
    assert_eq!(there, [Device::Cpu]);
    let absent = runtime.absent_devices();
    assert_eq!(absent.iter().map(|one| one.device).collect::<Vec<_>>(), [Device::Cuda(0), Device::TensorRt(0)]);
    absent.iter().for_each(|one| assert_says_why(&one.why));
    assert!(runtime.built_in_providers().contains(&"CPUExecutionProvider".to_owned()));
    assert_says_why(&runtime.try_device(Device::Cuda(0)).unwrap_err());
    assert_eq!(runtime.try_device(Device::Cpu), Ok(()));

    let wish = |text: &str| Some(text.parse().unwrap());
    let load =
        |device| runtime.load(model_bytes("digits.onnx"), ModelOptions { device, ..ModelOptions::named("digits") });
    match load(wish("cuda:0!")).err().unwrap() {
        LoadError::Device { device, why } => {
            assert_eq!(device, Device::Cuda(0));
            assert_says_why(&why);
        }
        other => panic!("{other:?}"),
    }
    assert!(matches!(runtime.check_device(wish("cuda:5!")), Err(LoadError::Device { device: Device::Cuda(5), .. })));
    runtime.check_device(wish("cuda:5")).unwrap();
    for asked in [None, wish("cuda:0"), wish("cpu!")] {
        let model = load(asked).unwrap();
        assert_eq!(model.device(), Device::Cpu, "{asked:?}");
        model.run(flow(), named(vec![("X", f32s(&[1, 64], &[0.0; 64]))])).await.unwrap();
    }
}

#[tokio::test]
async fn a_trial_is_on_the_cpu_whatever_the_model_demands() {
    let runtime = support::open(&config(&["cpu"]));
    let device = Some("cuda:0!".parse().unwrap());
    let options = ModelOptions { device, ..ModelOptions::named("digits") };
    let file = model_bytes("digits.onnx").into();
    let facts = runtime.trial(Trial { file, options, samples: Vec::new(), optimised_to: None }).await.unwrap();
    assert_eq!(facts.description.inputs.len(), 1);
}

#[test]
fn what_is_demanded_and_not_there_keeps_the_runtime_shut() {
    let error = Runtime::open(&config(&["cuda:0!", "cpu"])).err().unwrap().to_string();
    assert!(error.starts_with("cuda:0 is demanded and not really there: "), "{error}");
    assert_says_why(&error);
    assert!(error.contains("setup --gpu") || error.contains("CUDA 13"), "the fix: {error}");
}

#[test]
fn without_any_device_the_runtime_stays_shut() {
    let error = Runtime::open(&config(&["cuda:0", "cuda:1"])).err().unwrap().to_string();
    assert!(error.starts_with("no device is there: cuda:0 (") && error.contains("cuda:1 ("), "{error}");
    assert!(error.contains("add `cpu`"), "{error}");
    let none = Runtime::open(&config(&[])).err().unwrap().to_string();
    assert!(none.contains("at least one device"), "{none}");
}

#[test]
fn sessions_tell_their_device_to_prometheus() {
    let runtime = support::open(&config(&["cpu!"]));
    let _model = support::load(&runtime, "digits.onnx");
    let mut registry = Registry::default();
    runtime.register(&mut registry);
    let mut text = String::new();
    prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
    assert!(text.contains("modelet_device_sessions{device=\"cpu\"} 1"), "{text}");
}
