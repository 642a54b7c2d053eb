//! A bare `ort` call of a model: one session, one thread, nothing around it. Each question asks for that many calls and
//! gets their mean in microseconds.

use std::path::Path;
use std::time::Instant;

use anyhow::{Result, anyhow, bail};
use ort::ep::CUDA;
use ort::session::builder::GraphOptimizationLevel;
use ort::session::{Session, SessionInputValue, SessionOutputs};
use ort::value::{DynValue, TensorRef};
use serde::{Deserialize, Serialize};

use crate::support::asked::{self, Asked};
use crate::support::child::Cores;
use crate::support::frame::{Kind, Part};
use crate::support::places;
use crate::support::sample::Sample;

/// Asks a child of [`serve`] for so many calls; it tells their mean in microseconds.
pub(crate) type Bare = Asked<u32, f64>;

/// Starts the child on the servers' core.
///
/// # Errors
/// When it does not start.
pub(crate) fn start(sample: Sample) -> Result<Bare> {
    Asked::start(&["serve", "ort", &serde_json::to_string(&sample)?], Cores::One)
}

/// The same on the first card, by the CUDA provider.
///
/// # Errors
/// When it does not start.
pub(crate) fn start_on_cuda(sample: Sample) -> Result<Bare> {
    Asked::start(&["serve", "ort-cuda", &serde_json::to_string(&sample)?], Cores::One)
}

/// Runs until stdin ends.
///
/// # Errors
/// When the library or the model cannot be loaded or run.
pub(crate) fn serve(sample: Sample) -> Result<()> {
    serve_with(load(&places::onnxruntime()?, &sample.file()?, Threads::One)?, sample)
}

/// The same on the first card.
///
/// # Errors
/// When the library or the model cannot be loaded or run, or there is no card.
pub(crate) fn serve_on_cuda(sample: Sample) -> Result<()> {
    let load = || -> Result<Session, Box<dyn std::error::Error>> {
        let environment =
            ort::init_from(places::onnxruntime_gpu()?)?.with_name("bench").with_telemetry(false).build()?;
        let builder = Session::builder(&environment)?.with_optimization_level(GraphOptimizationLevel::All)?;
        let builder = builder.with_intra_threads(1)?.with_inter_threads(1)?.with_intra_op_spinning(false)?;
        let mut builder = builder.with_execution_providers([CUDA::default().build().error_on_failure()])?;
        Ok(builder.commit_from_file(sample.file()?)?)
    };
    serve_with(load().map_err(|error| anyhow!("{error}"))?, sample)
}

fn serve_with(mut session: Session, sample: Sample) -> Result<()> {
    let inputs: Vec<Input> = sample.inputs().iter().map(Input::of).collect::<Result<_>>()?;
    asked::answer(|calls: u32| {
        let begun = Instant::now();
        for _ in 0..calls {
            call(&mut session, &inputs, sample).map_err(|error| anyhow!("{error}"))?;
        }
        Ok(begun.elapsed().as_secs_f64() * 1e6 / f64::from(calls))
    })
}

/// The threads of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Threads {
    /// The caller's alone, as ours has it.
    One,
    /// What ONNX Runtime does when nobody says anything: all cores, spinning between runs.
    Default,
}

/// A session on all optimisations.
///
/// # Errors
/// When the library or the model cannot be loaded.
pub(super) fn load(library: &Path, model: &Path, threads: Threads) -> Result<Session> {
    let load = || -> Result<Session, Box<dyn std::error::Error>> {
        let environment = ort::init_from(library)?.with_name("bench").with_telemetry(false).build()?;
        let mut builder = Session::builder(&environment)?.with_optimization_level(GraphOptimizationLevel::All)?;
        if threads == Threads::One {
            builder = builder.with_intra_threads(1)?.with_inter_threads(1)?.with_intra_op_spinning(false)?;
        }
        Ok(builder.commit_from_file(model)?)
    };
    load().map_err(|error| anyhow!("{error}"))
}

/// An input's values, typed once: a guest makes its tensors of bytes that it has, too.
struct Input {
    name: String,
    dims: Vec<i64>,
    values: Values,
}

enum Values {
    Floats(Vec<f32>),
    Whole(Vec<i64>),
}

impl Input {
    fn of(part: &Part<'_>) -> Result<Self> {
        let values = match part.kind {
            Kind::Fp32 => {
                Values::Floats(part.data.as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect())
            }
            Kind::I64 => {
                Values::Whole(part.data.as_chunks().0.iter().map(|bytes| i64::from_le_bytes(*bytes)).collect())
            }
            other => bail!("no bare call takes {other:?}"),
        };
        Ok(Self { name: part.name.clone(), dims: part.dims.iter().copied().map(i64::from).collect(), values })
    }

    fn tensor(&self) -> ort::Result<SessionInputValue<'_>> {
        Ok(match &self.values {
            Values::Floats(values) => TensorRef::from_array_view((&*self.dims, &**values))?.into(),
            Values::Whole(values) => TensorRef::from_array_view((&*self.dims, &**values))?.into(),
        })
    }
}

/// One call, with its inputs made and its outputs read.
fn call(session: &mut Session, inputs: &[Input], sample: Sample) -> ort::Result<()> {
    let mut named_inputs = Vec::with_capacity(inputs.len());
    for input in inputs {
        named_inputs.push((&*input.name, input.tensor()?));
    }
    let outputs = session.run(named_inputs)?;
    for (name, kind) in sample.outputs() {
        let output = named(&outputs, name)?;
        match kind {
            Kind::I64 => _ = std::hint::black_box(output.try_extract_tensor::<i64>()?.1.first()),
            _ => _ = std::hint::black_box(output.try_extract_tensor::<f32>()?.1.first()),
        }
    }
    Ok(())
}

fn named<'a>(outputs: &'a SessionOutputs<'_>, name: &str) -> ort::Result<&'a DynValue> {
    outputs.get(name).ok_or_else(|| ort::Error::new(format!("the model has no output `{name}`")))
}
