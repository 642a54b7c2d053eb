//! A new session's first runs, made before anybody waits for it: ONNX Runtime sets up buffers and threads in them.

use std::time::{Duration, Instant};

use crate::description::Description;
use crate::onnx::Session;
use crate::options::ModelOptions;
use crate::runtime::Shared;
use crate::tensor::Tensor;

/// No further run begins when those before took as long as this: somebody waits for the session.
const TIME_MAX: Duration = Duration::from_secs(1);

/// The calls that new sessions of a model begin with.
pub(crate) struct WarmUp {
    calls: Vec<Vec<Tensor>>,
    run_max: Duration,
}

impl WarmUp {
    /// The calls that the options name, those of them that fit the model.
    pub(crate) fn of(description: &Description, options: &ModelOptions) -> Self {
        let fit = |inputs| {
            let feeds = description.feeds(inputs);
            feeds.inspect_err(|error| tracing::warn!(model = %options.name, %error, "a warm-up does not fit")).ok()
        };
        Self { calls: options.warm_up.iter().cloned().filter_map(fit).collect(), run_max: options.run_max }
    }

    /// Makes the calls on a session that is under the watchdog's eyes. They are no runs of the model's: nothing is counted.
    pub(crate) fn run(&self, session: &mut Session, name: &str, shared: &Shared) {
        let until = Instant::now() + TIME_MAX;
        for feeds in &self.calls {
            let began = Instant::now();
            if began >= until {
                return;
            }
            session.control().begin(began, false, self.run_max);
            shared.watchdog.run_began();
            let ran = session.run(feeds, began);
            match ran.result {
                Ok(_) => tracing::debug!(model = name, seconds = ran.took.as_secs_f64(), "a session is warm"),
                Err(error) => tracing::warn!(model = name, %error, "a warm-up failed; calls are served nevertheless"),
            }
        }
    }
}
