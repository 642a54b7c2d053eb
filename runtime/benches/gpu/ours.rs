//! Our inference on one device, as a child: each question asks for that many calls and gets their mean in microseconds.

use std::time::Instant;

use anyhow::{Result, anyhow};
use modelet_inference::{
    AlignedBuf, DeviceSettings, ElementType, LibrarySource, ModelOptions, Runtime, RuntimeConfig, Shape, Tensor,
};
use modelet_spec::{Device, DeviceWish, Flow};

use crate::support::asked::{self, Asked};
use crate::support::child::Cores;
use crate::support::frame::{Kind, Part};
use crate::support::places;
use crate::support::sample::Sample;

/// What a card may give.
const MEMORY_MAX: u64 = 4 << 30;

/// Starts a child whose models run on `device` or not at all.
///
/// # Errors
/// When it does not start.
pub(crate) fn start(sample: Sample, device: Device) -> Result<Asked<u32, f64>> {
    Asked::start(&["gpu-ours", &serde_json::to_string(&sample)?, &device.to_string()], Cores::One)
}

/// Runs as the child when the arguments say so.
pub(crate) fn run(arguments: &[String]) -> Option<Result<()>> {
    match arguments {
        [first, sample, device] if first == "gpu-ours" => Some(serve(sample, device)),
        _ => None,
    }
}

fn serve(sample: &str, device: &str) -> Result<()> {
    let sample: Sample = serde_json::from_str(sample)?;
    let wish = DeviceWish { device: device.parse()?, is_demanded: true };
    let library = LibrarySource { configured: Some(places::onnxruntime_gpu()?), ..LibrarySource::default() };
    let devices = vec![DeviceSettings { wish, memory_max: MEMORY_MAX }];
    let runtime = Runtime::open(&RuntimeConfig { library, devices, ..RuntimeConfig::default() })?;
    let options = ModelOptions { device: Some(wish), ..ModelOptions::named(sample.name()) };
    let model = runtime.load(std::fs::read(sample.file()?)?, options)?;
    let executor = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let inputs = sample.inputs();
    asked::answer(|calls: u32| {
        let begun = Instant::now();
        for _ in 0..calls {
            let tensors = inputs.iter().map(|part| Ok((part.name.clone(), tensor(part)?))).collect::<Result<_>>()?;
            let outputs = executor.block_on(model.run(Flow::new(1, 1), tensors))?;
            for (_, output) in &outputs {
                // What a caller reads has to come from the card.
                std::hint::black_box(output.host_bytes()?.first());
            }
        }
        Ok(begun.elapsed().as_secs_f64() * 1e6 / f64::from(calls))
    })
}

fn tensor(part: &Part<'_>) -> Result<Tensor> {
    let element = match part.kind {
        Kind::Fp32 => ElementType::F32,
        Kind::I64 => ElementType::I64,
        other => return Err(anyhow!("no sample has {other:?}")),
    };
    let dims: Vec<u64> = part.dims.iter().copied().map(u64::from).collect();
    Ok(Tensor::new(element, Shape::new(&dims)?, AlignedBuf::copy_of(&part.data))?)
}
