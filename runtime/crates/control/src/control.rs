//! The control plane of one server: what it holds, and how it starts.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use arc_swap::ArcSwap;
use modelet_catalog::{Catalog, CatalogBuilder, Entry, KeyHasher, KeyRing, Usage};
use modelet_engine::{Engine, Function};
use modelet_spec::{FunctionName, ServerLimits, TenantName};
use modelet_store::{Actor, FunctionVersion, Store};
use prometheus_client::registry::Registry;
use tokio::sync::{Mutex, Semaphore};

use crate::api::once::UnderWay;
use crate::both::Both;
use crate::code::Codes;
use crate::compile::{CompileConfig, Compiles};
use crate::error::ControlError;
use crate::failed::FailedFunctions;
use crate::forms::Forms;
use crate::jwt::{FetchJwks, Issuers, JwtIssuer};
use crate::logs::LogShelf;
use crate::models::{Inference, ModelShelf};
use crate::refusals::Refusals;
use crate::scrub::Damaged;
use crate::secrets::Vault;
use crate::tenants::Book;
use crate::trial::{TrialConfig, Trials};
use crate::usage::Books;
use crate::{keys, metrics, model_metrics};

/// What serves: the gateway reads it, control writes it.
pub type FunctionCatalog = Catalog<Arc<Function>>;
/// One function that serves.
pub(crate) type FunctionEntry = Entry<Arc<Function>>;

/// What control is made with.
#[derive(Debug, Clone)]
pub struct ControlConfig {
    /// Where the admin key's file goes.
    pub data_dir: PathBuf,
    /// The file with the key that secrets are sealed with.
    pub secret_key_file: PathBuf,
    /// Whose tokens are taken in the place of keys.
    pub jwt: Vec<JwtIssuer>,
    /// Where functions are served, for who asks.
    pub data_url: String,
    /// Whether the data plane can only be reached from this machine: then the default tenant's routes need no key,
    /// unless they ask for one.
    pub data_is_loopback: bool,
    /// Whether the admin API can only be reached from this machine: then its figures, and what keeps it from being ready, need no key.
    pub admin_is_loopback: bool,
    /// What no tenant and no function may exceed.
    pub limits: ServerLimits,
    /// How long a model stays in memory after its last use.
    pub model_idle: Duration,
    /// How far back it can be asked what served, and gone back to; so long what was removed stays on the disk.
    pub history: Duration,
    /// How long requests may take to end whose tenant is removed.
    pub drain: Duration,
    /// Modelet's version.
    pub version: &'static str,
}

/// What control works with; made by the assembly.
pub struct Parts {
    /// Where artifacts and desired state live.
    pub store: Arc<Store>,
    /// Links functions.
    pub engine: Engine,
    /// Loads models.
    pub inference: Inference,
    /// How models are tried.
    pub trial: TrialConfig,
    /// How components are compiled.
    pub compile: CompileConfig,
    /// Fetches the keys of issuers of tokens.
    pub jwks: Arc<dyn FetchJwks>,
    /// What the gateway reads.
    pub catalog: Arc<ArcSwap<FunctionCatalog>>,
    /// Where the gateway counts what functions use.
    pub usage: Arc<Usage>,
    /// What secrets of keys are hashed with: [`open_hasher`](crate::open_hasher).
    pub hasher: KeyHasher,
}

/// The control plane of one server.
pub struct Control {
    pub(crate) config: ControlConfig,
    pub(crate) store: Arc<Store>,
    pub(crate) engine: Engine,
    pub(crate) codes: Arc<Codes>,
    pub(crate) inference: Inference,
    pub(crate) models: Arc<ModelShelf>,
    pub(crate) forms: Arc<Forms>,
    pub(crate) catalog: Arc<ArcSwap<FunctionCatalog>>,
    pub(crate) logs: Arc<LogShelf>,
    pub(crate) books: Arc<Books>,
    /// Deploys wait here for their turn to compile, where waiting takes no thread.
    pub(crate) compiling: Semaphore,
    /// Held from the first look at the catalog to the swap of the next one.
    pub(crate) publishing: Mutex<()>,
    /// What the store has and what serves: taken to write from a change of the one to the swap of the other, and to read by whoever tells
    /// of both, so that nobody is told a revision with what was before it.
    pub(crate) both: Both,
    /// Requests that are to be done once, and are being done.
    pub(crate) under_way: UnderWay,
    /// Whether all functions of the store were looked at.
    pub(crate) is_loaded: AtomicBool,
    pub(crate) failed: FailedFunctions,
    pub(crate) damaged: Damaged,
    /// Changed under `publishing` alone.
    pub(crate) tenants: Arc<ArcSwap<Book>>,
    pub(crate) keys: Arc<KeyRing>,
    pub(crate) key_changes: keys::Changing,
    pub(crate) hasher: KeyHasher,
    pub(crate) secrets: Vault,
    /// Requests to the admin API that had no right.
    pub(crate) refusals: Refusals,
    issuers: Option<Arc<Issuers>>,
}

impl Control {
    /// Makes sure that there is an admin key and publishes the keys; no function serves before [`Control::load`].
    ///
    /// # Errors
    /// When the store or the key's file cannot be read or written.
    pub fn open(config: ControlConfig, parts: Parts, registry: &mut Registry) -> Result<Arc<Self>, ControlError> {
        let hasher = parts.hasher;
        keys::ensure_admin_key(&parts.store, &config.data_dir, &hasher)?;
        let secrets = Vault::start(Arc::clone(&parts.store), config.secret_key_file.clone())?;
        let tenants = Arc::new(ArcSwap::from_pointee(Book::read(&parts.store)?));
        let issuers = Issuers::open(&config.jwt, &tenants, &hasher, parts.jwks, registry)?;
        let ring = keys::open_ring(&parts.store, &hasher, issuers.as_ref())?;
        let trials = Trials::new(parts.trial);
        trials.register(registry);
        let forms = Arc::new(Forms::new(Arc::clone(&parts.store), trials));
        let idle = config.model_idle;
        let books = Arc::new(Books::open(parts.usage, (&parts.store, &tenants.load()), registry)?);
        let (store, shared) = (Arc::clone(&parts.store), Arc::clone(&books));
        let models = ModelShelf::new(store, &parts.inference, Arc::clone(&forms), (idle, shared))?;
        let models = Arc::new(models);
        models.register(registry);
        model_metrics::register(registry, Arc::clone(&models));
        let logs = Arc::<LogShelf>::default();
        metrics::register(registry, Arc::clone(&parts.catalog), parts.engine.clone(), Arc::clone(&logs));
        let component_max = config.limits.component_bytes.0;
        let (store, engine) = (Arc::clone(&parts.store), parts.engine.clone());
        let compiles = Compiles::new(parts.compile, Arc::clone(&store), engine.id().to_owned(), registry);
        let codes = Arc::new(Codes::new(store, engine, compiles, component_max));
        let control = Arc::new(Self {
            config,
            codes,
            store: parts.store,
            engine: parts.engine,
            inference: parts.inference,
            models,
            forms,
            catalog: parts.catalog,
            logs,
            books,
            compiling: Semaphore::new(1),
            publishing: Mutex::new(()),
            both: Both::default(),
            under_way: UnderWay::default(),
            is_loaded: AtomicBool::new(false),
            failed: FailedFunctions::default(),
            damaged: Damaged::default(),
            tenants,
            keys: ring,
            key_changes: keys::Changing::default(),
            hasher,
            secrets,
            refusals: Refusals::new(registry),
            issuers,
        });
        let version = control.config.version;
        control.store.by(&Actor::Server).note("server.start", &TenantName::default_tenant(), "server", version)?;
        control.catalog.store(Arc::new(control.catalog_builder().build()));
        Ok(control)
    }

    /// Has the keys of issuers of tokens fetched that are in no file.
    pub(crate) fn start_issuers(&self) {
        if let Some(issuers) = &self.issuers {
            issuers.start();
        }
    }

    /// Reads the keys of issuers of tokens again. Blocks.
    pub fn reload_issuers(&self) {
        if let Some(issuers) = &self.issuers {
            issuers.reload();
        }
    }

    /// A builder with the keys, what tenants may claim, and no function.
    pub(crate) fn catalog_builder(&self) -> CatalogBuilder<Arc<Function>> {
        CatalogBuilder::new().claimed(self.tenants.load().claimed()).keys(Arc::clone(&self.keys))
    }

    /// The live version of a function, as it is stored. Blocks.
    ///
    /// # Errors
    /// There is no such function, or the store cannot be read.
    pub(crate) fn stored(&self, tenant: &TenantName, name: &FunctionName) -> Result<FunctionVersion, ControlError> {
        self.store.function(tenant, name)?.ok_or_else(|| ControlError::NoFunction(name.to_string()))
    }

    /// The entry of a function in the catalog that serves now.
    pub(crate) fn serving(&self, tenant: &TenantName, name: &FunctionName) -> Option<Arc<FunctionEntry>> {
        self.catalog.load().function(tenant, name).cloned()
    }
}

/// Runs what blocks (the disk, the compiler, a model's load) where that is allowed.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, ControlError> + Send + 'static,
) -> Result<T, ControlError> {
    tokio::task::spawn_blocking(work).await?
}
