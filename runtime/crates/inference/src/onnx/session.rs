//! One loaded copy of a model, used by one runner at a time.

use std::sync::Arc;
use std::time::{Duration, Instant};

use ort::memory::MemoryInfo;
use ort::session::Session as OrtSession;
use ort::session::builder::{GraphOptimizationLevel, SessionBuilder};

use super::control::{Control, Stop};
use super::environment::Environment;
use super::ffi::{InputValue, Names, OutputValue, PortKind, RawPort, SessionHandle};
use super::message;
use crate::admission::{self, AdmissionLimits};
use crate::buffer::AlignedBuf;
use crate::description::{Description, Dim, Port};
use crate::element::ElementType;
use crate::error::{LoadError, RunError, TensorError};
use crate::tensor::Tensor;

/// How a session is made.
#[derive(Clone, Debug)]
pub(crate) struct SessionSettings {
    /// Threads inside one operator; 1 means the runner's own thread only.
    pub(crate) intra_threads: usize,
    /// Rewrite the graph for speed while loading.
    pub(crate) optimise: bool,
    /// Bytes that one folded constant may have.
    folded_bytes_max: u64,
}

/// A session and what it needs to run.
pub(crate) struct Session {
    handle: SessionHandle,
    ports: Arc<Ports>,
    control: Arc<Control>,
    memory: Arc<MemoryInfo<'static>>,
    arena_max: u64,
}

/// What all sessions of a model share.
struct Ports {
    inputs: Names,
    outputs: Names,
    output_names: Vec<Arc<str>>,
}

/// A finished run.
pub(crate) struct Ran {
    pub(crate) result: Result<Vec<(Arc<str>, Tensor)>, RunError>,
    /// Whether it had been told to stop; it may have finished all the same.
    pub(crate) stopped: Option<Stop>,
    pub(crate) took: Duration,
    /// Outputs that had to be copied.
    pub(crate) copied: u64,
}

/// Checks a model's file, loads a first session of it, and describes it.
pub(crate) fn load(
    environment: &Environment,
    model: &[u8],
    intra_threads: usize,
    optimise: bool,
) -> Result<(Session, SessionSettings, Description), LoadError> {
    let limits = AdmissionLimits::default();
    let limits = AdmissionLimits { made_bytes: limits.made_bytes.min(environment.arena_max), ..limits };
    let admission = admission::admit(model, &limits)?;
    let folded_bytes_max = folded_bytes_max(environment.arena_max, admission.outline.nodes);
    let settings = SessionSettings { intra_threads, optimise, folded_bytes_max };
    let session = Session::load(environment, model, &settings)?;
    let inputs = ports("input", session.handle.inputs().map_err(refuse)?)?;
    let outputs = ports("output", session.handle.outputs().map_err(refuse)?)?;
    let (metadata, opsets) = (admission.outline.metadata.clone(), admission.outline.opsets.clone());
    let description = Description { inputs, outputs, metadata, opsets, admission: Arc::new(admission) };
    Ok((session, settings, description))
}

/// What one folded constant may take, so that all nodes together cannot fold more than the arena holds.
///
/// Folding is outside the arena, hence this bound of its own. The ends: 64 KiB folds all that matters for shapes,
/// 64 MiB unfolds the largest embedding table met so far.
fn folded_bytes_max(arena_max: u64, nodes: u64) -> u64 {
    (arena_max / nodes.max(1)).clamp(64 << 10, 64 << 20)
}

impl Session {
    /// Loads one more session of a model that `load` has accepted. Takes from a millisecond to seconds.
    pub(crate) fn load(environment: &Environment, model: &[u8], settings: &SessionSettings) -> Result<Self, LoadError> {
        // TODO-hardening: a load has no time limit yet; ONNX Runtime's load canceller gives one.
        let options = options(environment, settings).map_err(refuse)?;
        let handle = SessionHandle::load(environment.ort(), &options, model).map_err(refuse)?;
        environment.note_arena(&handle);
        let (inputs, outputs) = (handle.inputs().map_err(refuse)?, handle.outputs().map_err(refuse)?);
        let ports = Ports {
            output_names: outputs.iter().map(|port| port.name.to_string_lossy().into()).collect(),
            inputs: Names::new(inputs.into_iter().map(|port| port.name).collect()),
            outputs: Names::new(outputs.into_iter().map(|port| port.name).collect()),
        };
        Ok(Self {
            handle,
            ports: Arc::new(ports),
            control: Arc::new(Control::new().map_err(refuse)?),
            memory: Arc::clone(&environment.memory),
            arena_max: environment.arena_max,
        })
    }

    /// The switch that stops this session's runs.
    pub(crate) fn control(&self) -> &Arc<Control> {
        &self.control
    }

    /// Runs the model on `feeds`, which `Description::feeds` has checked and ordered. The caller has called
    /// `Control::begin` at `began`; the end is recorded here.
    pub(crate) fn run(&mut self, feeds: &[Tensor], began: Instant) -> Ran {
        let mut copied = 0;
        let result = self.run_checked(feeds, &mut copied);
        let took = began.elapsed();
        let stopped = self.control.end();
        Ran { result, stopped, took, copied }
    }

    /// Nothing but ONNX Runtime's own call, for the test that measures what all else costs.
    #[cfg(test)]
    pub(crate) fn into_bare(mut self, input: InputValue<'_>) -> impl FnMut() -> ort::Result<()> {
        let inputs = [input];
        move || {
            let ports = &self.ports;
            self.handle.run(self.control.options(), (&ports.inputs, &inputs), &ports.outputs).map(drop)
        }
    }

    fn run_checked(&mut self, feeds: &[Tensor], copied: &mut u64) -> Result<Vec<(Arc<str>, Tensor)>, RunError> {
        let inputs: ort::Result<Vec<InputValue<'_>>> = feeds.iter().map(|feed| input(&self.memory, feed)).collect();
        let inputs = inputs.map_err(fail)?;
        let ports = &self.ports;
        let outputs =
            self.handle.run(self.control.options(), (&ports.inputs, &inputs), &ports.outputs).map_err(fail)?;
        let named = ports.output_names.iter().zip(outputs);
        named.map(|(name, value)| Ok((Arc::clone(name), self.output(name, value, feeds, copied)?))).collect()
    }

    fn output(
        &self,
        name: &str,
        mut value: OutputValue,
        feeds: &[Tensor],
        copied: &mut u64,
    ) -> Result<Tensor, RunError> {
        let Some((element, shape)) = value.describe().map_err(fail)? else {
            return Err(RunError::Failed(format!("output `{name}` is no tensor of a known type")));
        };
        let made = if element == ElementType::String {
            let strings = value.strings(shape.elements(), self.arena_max).map_err(fail)?;
            let strings = strings.ok_or_else(|| {
                RunError::TooLarge(format!("output `{name}` has more text than the inference memory"))
            })?;
            Tensor::strings(shape, strings)
        } else if feeds.iter().any(|feed| overlap(feed.bytes(), value.bytes())) {
            // The model passes an input through: the value does not own those bytes, so they are copied.
            *copied += 1;
            Tensor::new(element, shape, AlignedBuf::copy_of(value.bytes()))
        } else {
            Ok(Tensor::of_output(element, shape, value))
        };
        made.map_err(|error: TensorError| RunError::Failed(error.to_string()))
    }
}

fn input<'a>(memory: &MemoryInfo<'_>, feed: &'a Tensor) -> ort::Result<InputValue<'a>> {
    match feed.as_strings() {
        Some(strings) => InputValue::of_strings(feed.shape(), strings),
        None => InputValue::over_bytes(memory, feed.element_type(), feed.shape(), feed.bytes()),
    }
}

fn overlap(a: &[u8], b: &[u8]) -> bool {
    let (a, b) = (a.as_ptr_range(), b.as_ptr_range());
    a.start < b.end && b.start < a.end
}

fn options(environment: &Environment, settings: &SessionSettings) -> ort::Result<SessionBuilder> {
    let level = if settings.optimise { GraphOptimizationLevel::All } else { GraphOptimizationLevel::Disable };
    let builder = OrtSession::builder(environment.ort())?
        .with_intra_threads(settings.intra_threads)?
        .with_inter_threads(1)?
        // Spinning threads would burn the cores of every other model and guest.
        .with_intra_op_spinning(false)?
        .with_inter_op_spinning(false)?
        // Patterns are kept for every input shape ever seen, without a limit: a caller could fill the memory.
        .with_memory_pattern(false)?
        .with_optimization_level(level)?
        .with_env_allocators()?
        // The bytes are checked as ONNX; the other format is not.
        .with_config_entry("session.load_model_format", "ONNX")?
        // No weights in other files (`admission` refuses them first): no file is below this one.
        .with_config_entry("session.model_external_initializers_file_folder_path", "/dev/null")?
        .with_config_entry(
            "optimization.constant_folding_max_output_size_in_bytes",
            settings.folded_bytes_max.to_string(),
        )?;
    Ok(builder)
}

fn ports(side: &str, raw: Vec<RawPort>) -> Result<Vec<Port>, LoadError> {
    raw.into_iter().map(|raw| port(side, &raw)).collect()
}

fn port(side: &str, raw: &RawPort) -> Result<Port, LoadError> {
    let name = raw.name.to_string_lossy();
    match &raw.kind {
        PortKind::Tensor { element, dims } => {
            let element_type = ElementType::from_onnx(*element).ok_or_else(|| {
                LoadError::Unsupported(format!("{side} `{name}` has elements of ONNX type {element}, unknown here"))
            })?;
            let dims = dims.as_ref().map(|dims| dims.iter().map(dim).collect());
            Ok(Port { name: name.into(), element_type, dims })
        }
        PortKind::Other(kind) => {
            let kind = match kind {
                2 => "a sequence",
                3 => "a map (for scikit-learn models: export with `zipmap=False`)",
                5 => "a sparse tensor",
                6 => "an optional value",
                _ => "not a tensor",
            };
            Err(LoadError::Unsupported(format!("{side} `{name}` is {kind}; only tensors can be passed")))
        }
    }
}

fn dim((size, symbol): &(i64, String)) -> Dim {
    match u64::try_from(*size) {
        Ok(size) => Dim::Fixed(size),
        Err(_) => Dim::Dynamic((!symbol.is_empty()).then(|| symbol.clone())),
    }
}

fn refuse<R>(error: ort::Error<R>) -> LoadError {
    let public = message::public(error.message());
    match error.code() {
        _ if message::is_memory(error.message()) => LoadError::TooLarge(public),
        ort::ErrorCode::NotImplemented => LoadError::Unsupported(public),
        _ => LoadError::Invalid(public),
    }
}

fn fail(error: ort::Error) -> RunError {
    let public = message::public(error.message());
    match error.code() {
        _ if message::is_memory(error.message()) => RunError::TooLarge(public),
        ort::ErrorCode::InvalidArgument => RunError::InvalidArgument(public),
        _ => RunError::Failed(public),
    }
}
