//! The machine code of stored functions: where it lies, and how it is made again.

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use modelet_engine::ports::{Code, CodeImage};
use modelet_engine::{Engine, LoadError};
use modelet_spec::{Digest, FunctionName, TenantName, Version};
use modelet_store::{Actor, CompiledRecord, FunctionVersion, OutputFile, Store};

use crate::api::respond::with_sources;
use crate::compile::{Compiles, Fresh, Image, Took, Wanted};
use crate::error::ControlError;

/// What the codes of all functions need.
pub(crate) struct Codes {
    store: Arc<Store>,
    engine: Engine,
    compiles: Compiles,
    component_max: u64,
}

/// The code of a component that is being deployed.
pub(crate) struct Made {
    /// It counts once a version records it.
    pub(crate) record: CompiledRecord,
    /// How long it took to compile; `None`: an earlier deploy of the same bytes left it.
    pub(crate) took: Option<Took>,
    /// Where it has an image: the code without and its digest, to be compared with, and used where the image does not work.
    pub(crate) plain: Option<(OutputFile, Digest)>,
}

impl Codes {
    pub(crate) fn new(store: Arc<Store>, engine: Engine, compiles: Compiles, component_max: u64) -> Self {
        Self { store, engine, compiles, component_max }
    }

    /// The code of a component that is about to be deployed, which was found fit to be compiled. Blocks.
    pub(crate) fn make(&self, tenant: &TenantName, component: Digest, wanted: Wanted) -> Result<Made, ControlError> {
        let _turn = self.compiles.turn();
        if let Some(record) = self.store.compiled(&component, self.engine.id())? {
            return Ok(Made { record, took: None, plain: None });
        }
        let file = self.store.blob_path(tenant, &component);
        let Fresh { code, image, took } = self.compiles.compile(&file, component, wanted)?;
        let (code, image, plain) = match image {
            Some(Ok(with)) => {
                let digest = code.digest()?;
                (with, Some(Image::Made { first: None }), Some((code, digest)))
            }
            Some(Err(why)) => (code, Some(Image::None { why }), None),
            None => (code, None, None),
        };
        Ok(Made { record: self.keep(&component, code, image.as_ref())?, took: Some(took), plain })
    }

    /// Puts code in its place, instead of what is there.
    pub(crate) fn keep(
        &self,
        component: &Digest,
        code: OutputFile,
        image: Option<&Image>,
    ) -> Result<CompiledRecord, ControlError> {
        let image = image.map(Image::json).transpose()?;
        Ok(self.store.keep_compiled(component, self.engine.id(), code, image)?)
    }

    /// The bytes of a component. Blocks.
    pub(crate) fn component(&self, tenant: &TenantName, digest: &Digest) -> Result<Vec<u8>, ControlError> {
        // The size first: a blob may be as large as a model, and would be read whole.
        let bytes = self.store.blob_bytes(tenant, digest).ok_or(ControlError::NoBlob(*digest))?;
        if bytes > self.component_max {
            return Err(ControlError::TooLarge {
                what: "component",
                limit: self.component_max,
                key: "component_bytes",
            });
        }
        Ok(self.store.blob(tenant, digest)?)
    }

    /// The code of a version that is about to be stored. It counts once a version records it.
    pub(crate) fn given(&self, component: Digest, record: &CompiledRecord) -> CodeImage {
        CodeImage::File { path: self.file(&component), digest: record.digest }
    }

    /// The code of a stored version, made again when there is none that can be used.
    pub(crate) fn stored(self: &Arc<Self>, of: Coded, record: &CompiledRecord) -> Arc<dyn Code> {
        let recorded = Mutex::new(record.digest);
        Arc::new(StoredCode { codes: Arc::clone(self), of, recorded })
    }

    /// Compiles what an update of the server has left without code, each component once, so that it fails at the start and not
    /// at the first request. Whether the bytes of a file are what was recorded is looked at when they are used.
    pub(crate) fn ensure(&self, of: &Coded, seen: &mut HashSet<Digest>) -> Result<(), ControlError> {
        if !seen.insert(of.component) || self.file(&of.component).is_file() {
            return Ok(());
        }
        self.again(of).map(drop)
    }

    fn file(&self, component: &Digest) -> PathBuf {
        self.store.compiled_file(component, self.engine.id())
    }

    /// Code that another version of the same component records, or new one; recorded for this version, too.
    fn again(&self, of: &Coded) -> Result<CompiledRecord, ControlError> {
        let _turn = self.compiles.turn();
        // Served by an earlier start of the server, with other settings, it may be one that is not served now.
        self.engine.check(&self.component(&of.tenant, &of.component)?)?;
        let record = match self.store.compiled(&of.component, self.engine.id())? {
            Some(record) => record,
            None => self.compile(of)?,
        };
        self.store.by(&Actor::Server).set_compiled(&of.tenant, &of.name, of.version, &record)?;
        Ok(record)
    }

    /// Compiles the component of a version again, with an image if that is how it was.
    fn compile(&self, of: &Coded) -> Result<CompiledRecord, ControlError> {
        tracing::info!(
            function = %of.name, version = %of.version, engine = self.engine.id(),
            "no usable compiled code: compiling again"
        );
        let before = self.image(of)?;
        let wanted = if matches!(before, Some(Image::Made { .. })) { Wanted::Image } else { Wanted::Code };
        let file = self.store.blob_path(&of.tenant, &of.component);
        let Fresh { code, image, .. } = self.compiles.compile(&file, of.component, wanted)?;
        match image {
            Some(Ok(with)) => self.keep(&of.component, with, before.as_ref()),
            Some(Err(why)) => {
                tracing::warn!(function = %of.name, version = %of.version, %why, "its warm-start image is gone");
                self.keep(&of.component, code, Some(&Image::None { why }))
            }
            None => self.keep(&of.component, code, before.as_ref()),
        }
    }

    /// What became of the `init` of a version when it was deployed.
    fn image(&self, of: &Coded) -> Result<Option<Image>, ControlError> {
        let versions = self.store.function_versions(&of.tenant, &of.name)?;
        let image = versions.into_iter().find(|version| version.version == of.version).and_then(|v| v.compiled.image);
        image.as_deref().map(Image::read).transpose()
    }
}

/// Whose code it is.
#[derive(Debug, Clone)]
pub(crate) struct Coded {
    pub(crate) tenant: TenantName,
    pub(crate) name: FunctionName,
    pub(crate) version: Version,
    pub(crate) component: Digest,
}

impl Coded {
    /// The code of a version as the store has it.
    pub(crate) fn of(version: &FunctionVersion) -> Self {
        let FunctionVersion { tenant, name, version, component, .. } = version;
        Self { tenant: tenant.clone(), name: name.clone(), version: *version, component: *component }
    }
}

/// The code of one stored version.
struct StoredCode {
    codes: Arc<Codes>,
    of: Coded,
    recorded: Mutex<Digest>,
}

impl StoredCode {
    fn recorded(&self) -> MutexGuard<'_, Digest> {
        self.recorded.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Code for StoredCode {
    fn find(&self) -> Result<CodeImage, LoadError> {
        Ok(CodeImage::File { path: self.codes.file(&self.of.component), digest: *self.recorded() })
    }

    fn remake(&self) -> Result<CodeImage, LoadError> {
        let record = self.codes.again(&self.of).map_err(|error| LoadError::Remake(with_sources(&error)))?;
        *self.recorded() = record.digest;
        Ok(self.codes.given(self.of.component, &record))
    }
}

/// Code that was just made: nothing makes it again.
pub(crate) struct NewCode(pub(crate) CodeImage);

impl Code for NewCode {
    fn find(&self) -> Result<CodeImage, LoadError> {
        Ok(self.0.clone())
    }

    fn remake(&self) -> Result<CodeImage, LoadError> {
        Err(LoadError::Remake("it was just made".to_owned()))
    }
}
