//! A new session's first run, made before anybody waits for it: ONNX Runtime sets up buffers and threads in it.

use std::time::{Duration, Instant};

use crate::description::Description;
use crate::onnx::Session;
use crate::options::ModelOptions;
use crate::runtime::Shared;
use crate::tensor::Tensor;

/// The call that new sessions of a model begin with.
pub(crate) struct WarmUp {
    feeds: Vec<Tensor>,
    run_max: Duration,
}

impl WarmUp {
    /// The call that the options name, if it fits the model.
    pub(crate) fn of(description: &Description, options: &ModelOptions) -> Option<Self> {
        let feeds = description.feeds(options.warm_up.clone()?);
        let feeds =
            feeds.inspect_err(|error| tracing::warn!(model = %options.name, %error, "a warm-up does not fit")).ok()?;
        Some(Self { feeds, run_max: options.run_max })
    }

    /// Makes the call on a session that is under the watchdog's eyes. It is no run of the model's: nothing is counted.
    pub(crate) fn run(&self, session: &mut Session, name: &str, shared: &Shared) {
        let began = Instant::now();
        session.control().begin(began, false, self.run_max);
        shared.watchdog.run_began();
        let ran = session.run(&self.feeds, began);
        match ran.result {
            Ok(_) => tracing::debug!(model = name, seconds = ran.took.as_secs_f64(), "a session is warm"),
            Err(error) => tracing::warn!(model = name, %error, "a warm-up failed; calls are served nevertheless"),
        }
    }
}
