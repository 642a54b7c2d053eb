//! One loaded copy of a model, used by one runner at a time.

use std::sync::Arc;
use std::time::{Duration, Instant};

use ort::memory::MemoryInfo;

use super::bound::Bound;
use super::control::{Control, Stop};
use super::environment::Environment;
use super::ffi::{InputValue, Names, OutputValue, SessionHandle};
use super::message;
use super::options::{SessionSettings, options};
use super::ports::ports;
use super::provider::{self, Target};
use crate::buffer::AlignedBuf;
use crate::description::Port;
use crate::element::ElementType;
use crate::error::{LoadError, RunError, TensorError};
use crate::footprint::Share;
use crate::model_file::ModelFile;
use crate::stop::LoadStop;
use crate::tensor::Tensor;

/// A session and what it needs to run.
pub(crate) struct Session {
    handle: SessionHandle,
    ports: Arc<Ports>,
    control: Arc<Control>,
    memory: Arc<MemoryInfo<'static>>,
    /// How it runs by binding; `None`: it runs by plain calls.
    bound: Option<Bound>,
    arena_max: u64,
    threads: usize,
    /// Its bytes on its model's account; after the handle, so that they are given back when it is gone.
    _share: Option<Share>,
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

impl Session {
    /// Loads one more session of a model that `load` has accepted. Takes from a millisecond to seconds; `stop` ends it
    /// early.
    pub(crate) fn load(
        environment: &Environment,
        file: &ModelFile,
        settings: &SessionSettings,
        stop: &LoadStop,
    ) -> Result<Self, LoadError> {
        let options = options(environment, file, settings).map_err(|error| refuse_on(&settings.place.target, error))?;
        stop.begin(&options);
        let loaded = match file.mapping() {
            Some(mapping) => SessionHandle::load_in_place(environment.ort(), &options, mapping),
            None => SessionHandle::load(environment.ort(), &options, file.bytes()),
        };
        let told_to_end = stop.finish();
        let handle = loaded.map_err(|error| told_to_end.unwrap_or_else(|| refuse(error)))?;
        provider::verify(&handle, &settings.place.target)?;
        environment.note_arena(&handle);
        let (inputs, outputs) = (handle.inputs().map_err(refuse)?, handle.outputs().map_err(refuse)?);
        let place = &settings.place;
        let bound = place.binds.then(|| {
            let elements = outputs.iter().map(|port| port.kind.element());
            Bound::new(environment, &handle, place.memory.clone(), elements)
        });
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
            bound,
            arena_max: environment.arena_max,
            threads: settings.intra_threads,
            _share: None,
        })
    }

    /// A session whose runs shrink the arena: the one that allocates from the arena itself, and not from its thread's cache of it.
    pub(super) fn load_shrinking(
        environment: &Environment,
        file: &ModelFile,
        settings: &SessionSettings,
    ) -> Result<Self, LoadError> {
        let control = Arc::new(Control::shrinking().map_err(refuse)?);
        let session = Self::load(environment, file, settings, &LoadStop::default())?;
        environment.cache_arena(&session.handle).map_err(refuse)?;
        Ok(Self { control, ..session })
    }

    /// The same, with its bytes on an account.
    pub(crate) fn on(self, share: Share) -> Self {
        Self { _share: Some(share), ..self }
    }

    /// What the model takes, and what it gives.
    pub(crate) fn ports(&self) -> Result<(Vec<Port>, Vec<Port>), LoadError> {
        let inputs = ports("input", self.handle.inputs().map_err(refuse)?)?;
        let outputs = ports("output", self.handle.outputs().map_err(refuse)?)?;
        Ok((inputs, outputs))
    }

    /// Threads inside one operator, the runner's own among them.
    pub(crate) fn threads(&self) -> usize {
        self.threads
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
        let outputs = self.call(feeds, copied).map_err(fail)?;
        let ports = &self.ports;
        let named = ports.output_names.iter().zip(outputs).enumerate();
        named
            .map(|(index, (name, value))| Ok((Arc::clone(name), self.output((index, name), value, feeds, copied)?)))
            .collect()
    }

    /// ONNX Runtime's own call, by binding or plainly.
    fn call(&mut self, feeds: &[Tensor], copied: &mut u64) -> ort::Result<Vec<OutputValue>> {
        let (ports, options) = (&self.ports, self.control.options());
        let Some(bound) = &self.bound else {
            let inputs: Vec<InputValue<'_>> =
                feeds.iter().map(|feed| input(&self.memory, feed)).collect::<ort::Result<_>>()?;
            return self.handle.run(options, (&ports.inputs, &inputs), &ports.outputs);
        };
        let inputs: Vec<InputValue<'_>> =
            feeds.iter().map(|feed| bound.input(feed, copied)).collect::<ort::Result<_>>()?;
        self.handle.run_bound(options, (&ports.inputs, &inputs), (&ports.outputs, &bound.memories()))
    }

    fn output(
        &self,
        (index, name): (usize, &str),
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
        } else if let Some(feed) = feeds.iter().find(|feed| is_handed_through(feed, element, &value)) {
            // The value does not own those bytes, the feed does.
            feed.with_shape(shape)
        } else {
            let memory = self.bound.as_ref().and_then(|bound| bound.left(index, &value));
            let is_fed = self.borrows(&value, feeds);
            match (memory, is_fed) {
                (None, false) => Ok(Tensor::of_output(element, shape, value)),
                (Some(memory), false) => Ok(Tensor::of_device(element, shape, value, memory)),
                // The value does not own its bytes, so they are copied.
                (memory, true) => {
                    *copied += 1;
                    let fetched =
                        memory.map(|memory| memory.to_host(element, &shape, &value)).transpose().map_err(fail)?;
                    let bytes = fetched.as_ref().unwrap_or(&value).bytes();
                    Tensor::new(element, shape, AlignedBuf::copy_of(bytes))
                }
            }
        };
        made.map_err(|error: TensorError| RunError::Failed(error.to_string()))
    }
}

impl Session {
    /// Whether an output's bytes are those of an input that the model passes through, or of a weight in a mapped file.
    fn borrows(&self, value: &OutputValue, feeds: &[Tensor]) -> bool {
        let file = self.handle.mapping().map(|mapping| (mapping.bytes().as_ptr(), mapping.bytes().len()));
        file.is_some_and(|file| overlap(file, value.address()))
            || feeds.iter().any(|feed| overlap(feed.address(), value.address()))
    }
}

/// A feed in main memory; one that lies on a device is brought there first.
pub(super) fn input<'a>(memory: &MemoryInfo<'_>, feed: &'a Tensor) -> ort::Result<InputValue<'a>> {
    if let Some(strings) = feed.as_strings() {
        return InputValue::of_strings(feed.shape(), strings);
    }
    let bytes = feed.host_bytes().map_err(|error| ort::Error::new(error.to_string()))?;
    InputValue::over_bytes(memory, feed.element_type(), feed.shape(), bytes)
}

/// Whether an output is one of the inputs as it was fed.
fn is_handed_through(feed: &Tensor, element: ElementType, output: &OutputValue) -> bool {
    let address = output.address();
    address.1 > 0 && feed.element_type() == element && feed.address() == address
}

/// Whether two pieces of memory have a byte in common. An address of a card is never one of main memory: CUDA gives both
/// out of one range.
fn overlap((a, a_len): (*const u8, usize), (b, b_len): (*const u8, usize)) -> bool {
    let (a, b) = (a.addr(), b.addr());
    a < b.saturating_add(b_len) && b < a.saturating_add(a_len)
}

/// What went wrong while a session was told where to run.
fn refuse_on(target: &Target, error: ort::Error) -> LoadError {
    match target.card() {
        None => refuse(error),
        Some(_) => LoadError::Device { device: target.device, why: message::public(error.message()) },
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
