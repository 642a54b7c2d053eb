//! Loading a model: where it runs, how it is made, what it took.

use std::path::PathBuf;
use std::sync::Arc;

use modelet_spec::Device;

use crate::device::{Bind, Place};
use crate::error::LoadError;
use crate::gauge::Gauge;
use crate::model::Model;
use crate::model_file::ModelFile;
use crate::onnx::{self, SessionPlace, Target, Wish, engines};
use crate::options::ModelOptions;
use crate::runtime::{Runtime, Shared};
use crate::stop::LoadStop;
use crate::threads::{Asked, ThreadRule};

impl Runtime {
    /// Loads a model. Blocks for as long as it takes, from a millisecond to seconds: not for an
    /// executor's thread.
    ///
    /// # Errors
    /// See [`LoadError`]: the file is no model, it needs what is not offered, or more memory than there is.
    pub fn load(&self, file: impl Into<ModelFile>, options: ModelOptions) -> Result<Arc<Model>, LoadError> {
        self.load_until(file, options, &LoadStop::default())
    }

    /// Loads a model, unless `stop` ends it before. Blocks like [`Runtime::load`].
    ///
    /// # Errors
    /// See [`LoadError`].
    pub fn load_until(
        &self,
        file: impl Into<ModelFile>,
        options: ModelOptions,
        stop: &LoadStop,
    ) -> Result<Arc<Model>, LoadError> {
        self.load_writing(file.into(), options, stop, None)
    }

    pub(crate) fn load_writing(
        &self,
        file: ModelFile,
        options: ModelOptions,
        stop: &LoadStop,
        optimised_to: Option<PathBuf>,
    ) -> Result<Arc<Model>, LoadError> {
        let shared = &self.shared;
        let bytes = file.bytes().len() as u64;
        let room = (bytes, shared.environment.arena_in_use().unwrap_or_default());
        let ((loaded, known, options), reservation) = shared.devices.load_on(options.device, room, |place| {
            let options = options.clone().on(place.device);
            let rule = shared.thread_rule(bytes, &options, place.device);
            let wish = Wish {
                intra_threads: rule.threads_at_first(),
                optimise: options.optimise,
                prepack: options.prepack,
                optimised_to: optimised_to.clone(),
                place: shared.session_place(place, file.bytes(), options.fp16),
            };
            let gauge = Gauge::read(shared);
            let limited = shared.limit_load(stop);
            let loaded = onnx::load(&shared.environment, file.clone(), wish, stop)?;
            drop(limited);
            let part = gauge.measure(place.device, bytes);
            Ok((loaded, (rule, part), options))
        })?;
        let model = Arc::new(Model::new(options, loaded, known, reservation, Arc::clone(shared)));
        shared.remember(&model);
        Ok(model)
    }
}

impl Shared {
    /// What decides a model's sessions and threads.
    fn thread_rule(&self, file_bytes: u64, options: &ModelOptions, device: Device) -> ThreadRule {
        let config = &self.config;
        let threads = match options.intra_threads.or(config.intra_threads) {
            _ if config.shared_threads => Some(1),
            // Its operators run elsewhere.
            None if !device.is_cpu() => Some(1),
            asked => asked,
        };
        let asked = Asked { sessions: options.sessions_max.or(config.sessions_max), threads };
        ThreadRule::new(config.workers, (file_bytes, config.arena_max_bytes), asked)
    }

    /// How a model's sessions are told where to run.
    fn session_place(&self, place: &Place, model: &[u8], fp16: bool) -> SessionPlace {
        let mut target = Target { fp16, ..Target::of(place.device, place.memory_max) };
        if let (Device::TensorRt(_), Some(cache)) = (place.device, &self.config.engine_cache) {
            target.engines = engines::folder(cache, model, &target);
        }
        let binds = place.memory.is_some() || self.config.bind == Bind::Always;
        SessionPlace { target, memory: place.memory.clone(), binds }
    }
}
