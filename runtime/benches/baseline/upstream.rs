//! What `wasmtime-wasi-nn` 48 does for a guest that calls a model, rebuilt: one session per model behind a mutex, held while
//! it runs on the executor's own thread; each input's bytes copied twice and then made numbers one by one; each output
//! copied, made bytes one by one, and copied again. It knows `f32` alone, so only such outputs are read here; it would
//! refuse the digits model for its other one.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use ort::session::{Session, SessionInputValue};
use ort::value::Tensor;
use serde::{Deserialize, Serialize};

use super::ort::Threads;
use crate::support::asked::{self, Asked};
use crate::support::callers::{self, Heard};
use crate::support::child::Cores;
use crate::support::frame::Kind;
use crate::support::places;
use crate::support::sample::Sample;

/// So many callers, for so long.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Question {
    /// At once.
    pub(crate) callers: usize,
    /// In milliseconds.
    pub(crate) span_ms: u64,
}

/// Asks a child of [`serve`].
pub(crate) type Upstream = Asked<Question, Heard>;

/// Starts the child.
///
/// # Errors
/// When it does not start.
pub(crate) fn start(sample: Sample, threads: Threads) -> Result<Upstream> {
    let [sample, threads] = [serde_json::to_string(&sample)?, serde_json::to_string(&threads)?];
    Asked::start(&["serve", "upstream", &sample, &threads], Cores::All)
}

/// Runs until stdin ends.
///
/// # Errors
/// When the library or the model cannot be loaded or run.
pub(crate) fn serve(sample: Sample, threads: Threads) -> Result<()> {
    let executor = callers::executor()?;
    let session = super::ort::load(&places::onnxruntime()?, &sample.file()?, threads)?;
    let graph = Arc::new(Graph { session: Mutex::new(session), sample });
    asked::answer(|Question { callers, span_ms }| {
        let graph = Arc::clone(&graph);
        let call = move |_| {
            let graph = Arc::clone(&graph);
            async move { graph.compute() }
        };
        executor.block_on(callers::run(callers, Duration::from_millis(span_ms), call))
    })
}

struct Graph {
    session: Mutex<Session>,
    sample: Sample,
}

impl Graph {
    fn compute(&self) -> Result<()> {
        let mut inputs = Vec::new();
        for part in self.sample.inputs() {
            // The guest's bytes as lifted, the context's own, and those that are made numbers.
            let kept = part.data.to_vec();
            let numbers = numbers(kept.clone());
            let dims: Vec<i64> = part.dims.iter().copied().map(i64::from).collect();
            let tensor = Tensor::from_array((dims, numbers.into_boxed_slice())).map_err(failed)?;
            inputs.push((part.name, SessionInputValue::from(tensor)));
        }
        let mut session = self.session.lock().unwrap_or_else(PoisonError::into_inner);
        let outputs = session.run(inputs).map_err(failed)?;
        for (name, _) in self.sample.outputs().iter().filter(|(_, kind)| *kind == Kind::Fp32) {
            let output = outputs.get(name).with_context(|| format!("no output `{name}`"))?;
            let (_, numbers) = output.try_extract_tensor::<f32>().map_err(failed)?;
            let kept = bytes(numbers.to_vec());
            std::hint::black_box((kept.clone(), kept));
        }
        Ok(())
    }
}

fn numbers(bytes: Vec<u8>) -> Vec<f32> {
    bytes.as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect()
}

fn bytes(numbers: Vec<f32>) -> Vec<u8> {
    let each: Vec<[u8; 4]> = numbers.into_iter().map(f32::to_le_bytes).collect();
    each.iter().flatten().copied().collect()
}

fn failed(error: ort::Error) -> anyhow::Error {
    anyhow!("{error}")
}
