//! Our inference alone, as a child: no Wasm, no HTTP, the server's defaults.

use std::collections::BTreeMap;
use std::future::Future;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, ensure};
use modelet_inference::{
    AlignedBuf, ElementType, LibrarySource, LoadContext, LoadError, Loader, Model, ModelHandle, ModelKey, ModelOptions,
    Residency, ResidencyConfig, RunError, Runtime, RuntimeConfig, Shape, Tensor,
};
use modelet_spec::manifest::BatchRule;
use modelet_spec::{Device, Digest, Flow};
use serde::{Deserialize, Serialize};
use tokio::time::{MissedTickBehavior, interval};

use crate::forms;
use crate::support::asked::{self, Asked};
use crate::support::callers::{self, Heard};
use crate::support::child::{self, Cores};
use crate::support::frame::{Kind, Part};
use crate::support::places;
use crate::support::sample::Sample;

/// What the child is asked. Times are in milliseconds.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) enum Question {
    /// So many callers, for so long; runs of at most `rows_max` rows.
    Calls {
        callers: usize,
        rows_max: u32,
        span_ms: u64,
        /// Another model of 90 MB is loaded and unloaded meanwhile, over and over.
        beside: Option<Form>,
    },
    /// A caller of a steady rate, alone or beside another group that calls `times` as often, both with runs of at most
    /// `rows_max` rows.
    Victim { every_ms: u64, rows_max: u32, span_ms: u64, times: u32 },
    /// Runs of this many rows, one after the other.
    Run { rows: u32 },
    /// So many owners of the same other model of 90 MB, who call it in turn.
    Owners { owners: u32 },
    /// The trial of the other model: its optimised form is left there, and what was found out beside it.
    Optimise { to: PathBuf },
    /// One load of the other model, from its own file or from the optimised form that lies there.
    Load { optimised: Option<PathBuf> },
    /// The other model, loaded so, in as many sessions as calls come at once.
    Sessions { optimised: Option<PathBuf>, sessions: usize },
}

/// What the other model is loaded from.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) enum Form {
    /// Its ONNX file, read anew each time.
    Onnx,
    /// Its optimised form, as a server loads what was pushed to it.
    Optimised(PathBuf),
}

/// What it says; what was not asked for is 0.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub(crate) struct Told {
    pub(crate) heard: Heard,
    /// Loads of the other model that ended meanwhile.
    pub(crate) loads: u64,
    /// Memory that the process has gained.
    pub(crate) bytes: u64,
    /// What a load took.
    pub(crate) load_ms: f64,
    /// Calls of the other group that were turned away.
    pub(crate) shed: u64,
}

/// Asks a child.
pub(crate) type Ours = Asked<Question, Told>;

/// Starts a child on all cores.
///
/// # Errors
/// When it does not start.
pub(crate) fn start(sample: Sample) -> Result<Ours> {
    Asked::start(&["ours", &serde_json::to_string(&sample)?], Cores::All)
}

/// Runs as the child when the arguments say so.
pub(crate) fn run(arguments: &[String]) -> Option<Result<()>> {
    match arguments {
        [first, sample] if first == "ours" => Some(serve(sample)),
        _ => None,
    }
}

fn serve(sample: &str) -> Result<()> {
    let sample: Sample = serde_json::from_str(sample)?;
    let library = LibrarySource { configured: Some(places::onnxruntime()?), ..LibrarySource::default() };
    let runtime = Runtime::open(&RuntimeConfig { library, ..RuntimeConfig::default() })?;
    let model = runtime.load(std::fs::read(sample.file()?)?, ModelOptions::named(sample.name()))?;
    let (served, executor) = (Served { runtime, model, sample }, callers::executor()?);
    asked::answer(|question| executor.block_on(served.answer(question)))
}

struct Served {
    runtime: Runtime,
    model: Arc<Model>,
    sample: Sample,
}

impl Served {
    async fn answer(&self, question: Question) -> Result<Told> {
        match question {
            Question::Calls { callers, rows_max, span_ms, beside } => {
                let loads = beside.map(|form| Loads::start(&self.runtime, form)).transpose()?;
                let call = caller(&self.model, self.sample, rows_max);
                let heard = callers::run(callers, Duration::from_millis(span_ms), call).await?;
                let loads = loads.map_or(Ok(0), Loads::stop)?;
                Ok(Told { heard, loads, ..Told::default() })
            }
            Question::Victim { every_ms, rows_max, span_ms, times } => {
                let span = Duration::from_millis(span_ms);
                let every = Duration::from_millis(every_ms);
                let attack = Attack::start(&self.model, self.sample, rows_max, every, times);
                let heard = steadily(&self.model, self.sample, rows_max, every, span).await?;
                Ok(Told { heard, shed: attack.stop(), ..Told::default() })
            }
            Question::Run { rows } => {
                let whole = self.sample.with_rows(rows);
                let call = caller(&self.model, whole, 1);
                call(0).await?;
                let heard = callers::run(1, Duration::from_millis(1000), call).await?;
                Ok(Told { heard, ..Told::default() })
            }
            Question::Owners { owners } => self.owners(owners).await,
            Question::Optimise { to } => forms::optimise(&self.runtime, &to).await,
            Question::Load { optimised } => forms::load(&self.runtime, optimised.as_deref()),
            Question::Sessions { optimised, sessions } => {
                forms::sessions(&self.runtime, optimised.as_deref(), sessions).await
            }
        }
    }

    async fn owners(&self, owners: u32) -> Result<Told> {
        let residency = residency(&self.runtime)?;
        let other = Other::read(&self.runtime, Form::Onnx)?;
        let before = child::memory("self")?;
        let handles: Vec<ModelHandle> = (0..owners).map(|_| other.handle(&residency)).collect();
        // The same number of calls, whoever makes them: a model learns from its calls how many threads it is worth.
        for (owner, handle) in (0..OWNERS_CALLS).zip(handles.iter().cycle()) {
            let (model, owner) = (handle.get().await?, u64::from(owner % owners) + 1);
            call(&model, Flow::new(owner, owner), 1, &OTHER.inputs(), OTHER).await??;
        }
        let bytes = child::memory("self")?.saturating_sub(before);
        Ok(Told { loads: residency.stats().loads, bytes, ..Told::default() })
    }
}

/// Of all owners together.
const OWNERS_CALLS: u32 = 100;

fn residency(runtime: &Runtime) -> Result<Residency> {
    Ok(Residency::start(runtime, ResidencyConfig::with_budget(1 << 30))?)
}

/// Makes calls of one tenant's functions: tensors of bytes, a run, and the bytes of what is read.
pub(crate) fn caller(
    model: &Arc<Model>,
    sample: Sample,
    rows_max: u32,
) -> impl Fn(usize) -> std::pin::Pin<Box<dyn Future<Output = Result<()>> + Send>> + Send + Sync + 'static {
    let (model, inputs) = (Arc::clone(model), Arc::new(sample.inputs()));
    move |caller| {
        let (model, inputs) = (Arc::clone(&model), Arc::clone(&inputs));
        Box::pin(async move { Ok(call(&model, Flow::new(caller as u64, 1), rows_max, &inputs, sample).await??) })
    }
}

async fn call(
    model: &Arc<Model>,
    flow: Flow,
    rows_max: u32,
    inputs: &[Part<'static>],
    sample: Sample,
) -> Result<Result<(), RunError>> {
    let tensors: Result<Vec<_>> = inputs.iter().map(|part| Ok((part.name.clone(), tensor(part)?))).collect();
    let rule = BatchRule { max: rows_max, ..BatchRule::default() };
    let outputs = match model.run_with(flow, &rule, tensors?).await {
        Ok(outputs) => outputs,
        Err(error) => return Ok(Err(error)),
    };
    let by_name: BTreeMap<&str, &Tensor> = outputs.iter().map(|(name, tensor)| (&**name, tensor)).collect();
    for (name, _) in sample.outputs() {
        let output = by_name.get(name).with_context(|| format!("no output `{name}`"))?;
        ensure!(output.shape().dims().first() == Some(&i64::from(sample.rows())), "`{name}` has other rows");
        std::hint::black_box(output.bytes().to_vec());
    }
    Ok(Ok(()))
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

/// A caller that calls at fixed times, whether the last call has been answered or not: a slow answer must not make the next
/// call later. Answers after the span do not count.
async fn steadily(model: &Arc<Model>, sample: Sample, rows_max: u32, every: Duration, span: Duration) -> Result<Heard> {
    let inputs = Arc::new(sample.inputs());
    let begun = Instant::now();
    let mut ticks = interval(every);
    let mut calls = tokio::task::JoinSet::new();
    while begun.elapsed() < span {
        ticks.tick().await;
        let (model, inputs, asked) = (Arc::clone(model), Arc::clone(&inputs), Instant::now());
        calls.spawn(async move {
            call(&model, Flow::new(1, VICTIM), rows_max, &inputs, sample).await??;
            anyhow::Ok((asked.elapsed(), Instant::now()))
        });
    }
    let mut took = Vec::new();
    while let Some(answered) = calls.join_next().await {
        let (time, at) = answered??;
        if at - begun <= span {
            took.push(time);
        }
    }
    callers::hear(took, span)
}

const VICTIM: u64 = 1;
const AGGRESSOR: u64 = 2;

/// Another group's calls, many times as often.
struct Attack {
    over: Arc<AtomicBool>,
    shed: Arc<AtomicU64>,
}

impl Attack {
    /// Its calls come in bursts, a tenth of `every` apart.
    fn start(model: &Arc<Model>, sample: Sample, rows_max: u32, every: Duration, times: u32) -> Self {
        let (over, shed) = (Arc::new(AtomicBool::new(times == 0)), Arc::new(AtomicU64::new(0)));
        let attack = Self { over: Arc::clone(&over), shed: Arc::clone(&shed) };
        let (model, inputs) = (Arc::clone(model), Arc::new(sample.inputs()));
        tokio::spawn(async move {
            let mut ticks = interval(every / 10);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
            while !over.load(Relaxed) {
                ticks.tick().await;
                for flow in 0..times / 10 {
                    let (model, inputs, shed) = (Arc::clone(&model), Arc::clone(&inputs), Arc::clone(&shed));
                    tokio::spawn(async move {
                        let flow = Flow::new(u64::from(flow), AGGRESSOR);
                        if let Ok(Err(RunError::Busy { .. })) = call(&model, flow, rows_max, &inputs, sample).await {
                            shed.fetch_add(1, Relaxed);
                        }
                    });
                }
            }
        });
        attack
    }

    /// How many were turned away.
    fn stop(self) -> u64 {
        self.over.store(true, Relaxed);
        self.shed.load(Relaxed)
    }
}

/// A thread that loads and unloads another model of 90 MB, the way functions bring their models into memory.
struct Loads {
    over: Arc<AtomicBool>,
    thread: JoinHandle<Result<u64>>,
}

impl Loads {
    fn start(runtime: &Runtime, form: Form) -> Result<Self> {
        let residency = residency(runtime)?;
        let handle = Other::read(runtime, form)?.handle(&residency);
        let over = Arc::new(AtomicBool::new(false));
        let is_over = Arc::clone(&over);
        let thread = thread::spawn(move || {
            let executor = tokio::runtime::Builder::new_current_thread().build()?;
            while !is_over.load(Relaxed) {
                drop(executor.block_on(handle.get())?);
                let _ = handle.unload(true);
            }
            Ok(residency.stats().loads)
        });
        Ok(Self { over, thread })
    }

    fn stop(self) -> Result<u64> {
        self.over.store(true, Relaxed);
        self.thread.join().map_err(|_| anyhow!("the loading thread panicked"))?
    }
}

/// The other model, as a server's store has it.
struct Other {
    runtime: Runtime,
    form: Form,
    bytes: u64,
    digest: Digest,
}

pub(crate) const OTHER: Sample = Sample::MiniLm { rows: 1, words: 16 };

impl Other {
    fn read(runtime: &Runtime, form: Form) -> Result<Arc<Self>> {
        let file = std::fs::read(OTHER.file()?)?;
        let (bytes, digest) = (file.len() as u64, Digest::of(&file));
        Ok(Arc::new(Self { runtime: runtime.clone(), form, bytes, digest }))
    }

    fn handle(self: &Arc<Self>, residency: &Residency) -> ModelHandle {
        let loader: Arc<dyn Loader> = Arc::clone(self) as _;
        residency.handle(ModelKey::new(self.digest), loader)
    }
}

impl Loader for Other {
    fn bytes(&self) -> u64 {
        self.bytes.saturating_mul(2)
    }

    fn load(&self, _: Device, _: &LoadContext) -> Result<Arc<Model>, LoadError> {
        let optimised = match &self.form {
            Form::Onnx => None,
            Form::Optimised(path) => Some(path.as_path()),
        };
        let loaded = forms::bring(&self.runtime, optimised, ModelOptions::named("other"));
        loaded.map_err(|error| LoadError::Unavailable(format!("{error:#}")))
    }
}
