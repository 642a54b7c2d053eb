//! What a caller may choose when loading a model.

use std::collections::BTreeMap;
use std::time::Duration;

use modelet_spec::card::PadRule;
use modelet_spec::{Device, DeviceWish};

use crate::batch::Batchable;
use crate::sample::Inputs;

/// Long enough for every model that answers a request, short enough to get a session back from an endless loop.
const RUN_MAX: Duration = Duration::from_secs(60);

/// How a model is loaded and run.
#[derive(Clone, Debug)]
pub struct ModelOptions {
    /// For logs and metrics; nothing else depends on it.
    pub name: String,
    /// How many runs may be in progress at once, each in a copy of the model. `None`: the cores, as far as memory goes.
    pub sessions_max: Option<usize>,
    /// Threads of one run. `None`: what `RuntimeConfig` says, or else what is measured.
    pub intra_threads: Option<usize>,
    /// Keep rearranged copies of weights in each session: runs are faster (a third on a transformer of 90 MB) and sessions
    /// larger (by half of its file). Models whose kernels need them keep them in any case.
    pub prepack: bool,
    /// Let ONNX Runtime rewrite the graph for speed while loading.
    pub optimise: bool,
    /// A run that takes longer is stopped, whoever waits for it.
    pub run_max: Duration,
    /// A call that is made once on each new session before it is handed out, so that no caller pays for what a first run
    /// sets up. One that fails is a line in the log.
    pub warm_up: Vec<Inputs>,
    /// What is known of its first dimension beside its description.
    pub batchable: Batchable,
    /// Rows of one run influence each other's answers: they are never joined across groups, nor at all unless
    /// `allow_row_mixing` is set. `None`: as admission finds, which takes what it does not know for mixing.
    pub mixes_rows: Option<bool>,
    /// The model's card says that joining rows that influence each other is meant.
    pub allow_row_mixing: bool,
    /// Batch sizes that run best; a batch that could be larger is cut to the largest of them. Empty: none is better.
    pub preferred_rows: Vec<u32>,
    /// How inputs of a sequence model are filled up, by their names, so that calls of different lengths can be joined.
    /// Rules that the model's description does not bear out join nothing; see `Model::reason_against_padding`.
    pub padding: BTreeMap<String, PadRule>,
    /// Where it should run. `None`: on the first device with room, in the runtime's order of preference.
    pub device: Option<DeviceWish>,
    /// On TensorRT, compute in 16 bits where that is quicker.
    pub fp16: bool,
}

impl ModelOptions {
    /// The defaults, under a name for logs and metrics: a run may take a minute, the description says whether calls
    /// can be joined.
    #[must_use]
    pub fn named(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            sessions_max: None,
            intra_threads: None,
            prepack: true,
            warm_up: Vec::new(),
            optimise: true,
            run_max: RUN_MAX,
            batchable: Batchable::Yes,
            mixes_rows: None,
            allow_row_mixing: false,
            preferred_rows: Vec::new(),
            padding: BTreeMap::new(),
            device: None,
            fp16: false,
        }
    }

    /// The same for a model that runs on `device`.
    #[must_use]
    pub(crate) fn on(mut self, device: Device) -> Self {
        if !device.is_cpu() {
            // Each one is a copy of the weights in the device's memory, and the device runs one thing at a time.
            self.sessions_max.get_or_insert(1);
            self.intra_threads.get_or_insert(1);
        }
        self
    }
}
