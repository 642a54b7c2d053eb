//! What a model is loaded from: its optimised form, which a trial has written; its own file where there is none.

use std::path::PathBuf;
use std::sync::Arc;

use modelet_inference::{CallShape, Facts, LoadError, LoadStop, Model, ModelFile, OptimisedFile, Runtime};
use modelet_spec::card::{CardBatch, CardRun};
use modelet_spec::{Device, DeviceWish, Digest, ModelCard, TenantName};
use modelet_store::{OptimisedRecord, Store};

use crate::error::ControlError;
use crate::options::options;
use crate::sample;
use crate::trial::{RewriteJob, Rewritten, TrialJob, TrialSample, Trials};

/// A model's files.
#[derive(Clone, Debug)]
pub(crate) struct Source {
    /// For messages.
    pub(crate) name: String,
    /// What it is called by its content.
    pub(crate) content: Digest,
    /// Its ONNX file, and the digest of that.
    pub(crate) main: (PathBuf, Digest),
    /// Where the files with its weights lie, if it has any.
    pub(crate) folder: Option<PathBuf>,
    /// Calls that it has to answer.
    pub(crate) samples: Vec<TrialSample>,
    /// What its owner says of it.
    pub(crate) card: ModelCard,
    /// Whose alone its form is, if tenants share nothing.
    pub(crate) apart: Option<TenantName>,
}

impl Source {
    /// A model of one file, without a card.
    pub(crate) fn of_file(name: String, digest: Digest, path: PathBuf) -> Self {
        let (samples, card) = (Vec::new(), ModelCard::default());
        Self { name, content: digest, main: (path, digest), folder: None, samples, card, apart: None }
    }

    /// What its optimised form and its facts depend on beside its content: the machine, and a card that says how it is run.
    fn key(&self, runtime: &Runtime) -> String {
        let own = (&self.card.batch, &self.card.run);
        let machine = match &self.apart {
            Some(tenant) => format!("{}, tenant {tenant}", runtime.form_key()),
            None => runtime.form_key(),
        };
        if own == (&CardBatch::default(), &CardRun::default()) {
            return machine;
        }
        let text = serde_json::to_vec(&own).unwrap_or_default();
        format!("{machine}, card {}", Digest::of(&text))
    }
}

/// The optimised forms of all models.
pub(crate) struct Forms {
    store: Arc<Store>,
    trials: Trials,
}

impl Forms {
    pub(crate) fn new(store: Arc<Store>, trials: Trials) -> Self {
        Self { store, trials }
    }

    /// Tries a model and keeps what came out, whatever there was: what it is loaded from, from now on.
    ///
    /// # Errors
    /// [`ControlError::Model`]: it did not stand its trial. Or the store failed.
    pub(crate) async fn make(
        &self,
        runtime: &Runtime,
        source: &Source,
    ) -> Result<(Facts, OptimisedRecord), ControlError> {
        // Nobody need try what has nowhere to run.
        runtime.check_device(source.card.run.device).map_err(|error| ControlError::Model(error.to_string()))?;
        let writer = self.store.begin_output()?;
        let job = TrialJob { optimised_to: Some(writer.path().to_owned()), ..self.job(runtime, source) };
        let facts = self.trials.run(job).await?;
        let json =
            serde_json::to_string(&facts).map_err(|e| ControlError::Internal(format!("a trial's facts: {e}")))?;
        let written = facts.no_optimised_form.is_none().then_some(writer);
        let record = self.store.keep_optimised(&source.content, &source.key(runtime), written, &json)?;
        Ok((facts, record))
    }

    /// Makes a smaller model of one, in a process like that of a trial; the new file is where `wish` says.
    ///
    /// # Errors
    /// See [`Trials::rewrite`].
    pub(crate) async fn rewrite(
        &self,
        runtime: &Runtime,
        source: &Source,
        wish: RewriteJob,
    ) -> Result<Rewritten, ControlError> {
        self.store.compare_blob(&source.main.0, &source.main.1)?;
        self.trials.rewrite(TrialJob { rewrite: Some(wish), ..self.job(runtime, source) }).await
    }

    fn job(&self, runtime: &Runtime, source: &Source) -> TrialJob {
        TrialJob {
            name: source.name.clone(),
            library: runtime.library().to_owned(),
            model: source.main.0.clone(),
            folder: source.folder.clone(),
            optimised_to: None,
            samples: source.samples.clone(),
            card: source.card.clone(),
            limits: self.trials.limits(),
            arena_max_bytes: self.trials.arena_max_bytes(),
            rewrite: None,
        }
    }

    /// Loads a model for serving on `device` and no other, warmed with `recorded` calls. Blocks, for a loader's thread; a form that is missing or damaged, or was made for another
    /// machine or library, is made again first.
    ///
    /// # Errors
    /// See [`LoadError`].
    pub(crate) fn load(
        &self,
        runtime: &Runtime,
        source: &Source,
        device: Device,
        (recorded, stop): (&[CallShape], &LoadStop),
    ) -> Result<Arc<Model>, LoadError> {
        let kept =
            self.store.optimised(&source.content, &source.key(runtime)).map_err(|error| failed(source, &error))?;
        if let Some(record) = kept
            && let Some(found) = file(source, device, &record)
        {
            match load_found(runtime, source, device, found, (recorded, stop)) {
                // Nobody wants it, or it takes too much: another form would change nothing.
                Err(
                    error @ (LoadError::Cancelled
                    | LoadError::TimedOut(_)
                    | LoadError::TooLarge(_)
                    | LoadError::Device { .. }),
                ) => return Err(error),
                Err(error) => tracing::warn!(model = %source.name, %error, "an optimised form does not load"),
                loaded => return loaded,
            }
        }
        tracing::info!(model = %source.name, key = source.key(runtime), "no usable optimised form: trying the model again");
        // The process that tries it reads the file as it is: a damaged one would become a form that counts.
        self.store.compare_blob(&source.main.0, &source.main.1).map_err(|error| failed(source, &error))?;
        let executor = tokio::runtime::Builder::new_current_thread().enable_time().build();
        let executor = executor.map_err(|error| failed(source, &error))?;
        let made = executor.block_on(self.make(runtime, source));
        let (_, record) = made.map_err(|error| match error {
            ControlError::Model(why) => LoadError::Invalid(why),
            error => failed(source, &error),
        })?;
        let found =
            file(source, device, &record).ok_or_else(|| failed(source, &"what the trial wrote cannot be read"))?;
        load_found(runtime, source, device, found, (recorded, stop))
    }

    /// Bytes that loading a model will take, as its trial measured them; twice its file, as long as there was none here.
    pub(crate) fn expected_bytes(&self, runtime: &Runtime, source: &Source) -> u64 {
        let kept = self.store.optimised(&source.content, &source.key(runtime)).ok().flatten();
        let facts = kept.and_then(|record| serde_json::from_str::<Facts>(&record.facts_json).ok());
        match facts {
            Some(Facts { memory, .. }) => memory.shared_bytes.saturating_add(memory.session_bytes),
            None => std::fs::metadata(&source.main.0).map_or(0, |file| file.len().saturating_mul(2)),
        }
    }
}

fn load_found(
    runtime: &Runtime,
    source: &Source,
    device: Device,
    (file, facts): (ModelFile, Facts),
    (recorded, stop): (&[CallShape], &LoadStop),
) -> Result<Arc<Model>, LoadError> {
    let form = if matches!(file, ModelFile::Optimised(_)) { "optimised" } else { "onnx" };
    let began = std::time::Instant::now();
    let mut options = options(&source.name, &source.card, Some(&facts));
    // Its owner's own calls go the way that calls go; made-up ones are for models that came with none.
    let given = source.samples.first().and_then(|given| sample::parse(given.json.as_bytes()).ok());
    let replayed = recorded.iter().filter_map(|call| call.made_up().ok());
    let own: Vec<_> = given.into_iter().chain(replayed).collect();
    if !own.is_empty() {
        options.warm_up = own;
    }
    // Its room is there and nowhere else.
    options.device = Some(DeviceWish { device, is_demanded: true });
    let model = runtime.load_until(file, options, stop)?;
    let (recorded, seconds) = (recorded.len(), began.elapsed().as_secs_f64());
    tracing::info!(model = %source.name, form, recorded, seconds, "loaded a model");
    Ok(model)
}

/// What a record leads to; `None`, with a line in the log: it is not what was recorded, or another version wrote it.
fn file(source: &Source, device: Device, record: &OptimisedRecord) -> Option<(ModelFile, Facts)> {
    let unusable = |why: String| tracing::warn!(model = %source.name, %why, "an optimised form cannot be used");
    let facts: Facts = serde_json::from_str(&record.facts_json).map_err(|e| unusable(e.to_string())).ok()?;
    // The form was made for the CPU; other devices optimise the model's own file for themselves.
    match record.file.as_ref().filter(|_| device.is_cpu()) {
        Some((path, digest)) => {
            let file = OptimisedFile::open(path, digest, facts.clone()).map_err(|e| unusable(e.to_string())).ok()?;
            Some((file.into(), facts))
        }
        None => {
            let (path, digest) = &source.main;
            let bytes = std::fs::read(path).map_err(|e| unusable(e.to_string())).ok()?;
            if Digest::of(&bytes) != *digest {
                unusable("the model's file is damaged".to_owned());
                return None;
            }
            Some((ModelFile::Onnx { bytes: bytes.into(), folder: source.folder.clone() }, facts))
        }
    }
}

/// A failure that is not the model's: for the operator's log, and no path of it for anybody else.
fn failed(source: &Source, error: &dyn std::fmt::Display) -> LoadError {
    tracing::error!(model = %source.name, %error, "a model cannot be loaded");
    LoadError::Unavailable("the server could not read what it is loaded from; its log says more".to_owned())
}
