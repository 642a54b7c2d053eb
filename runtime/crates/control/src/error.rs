//! Why the control plane did not do what it was asked. `api/respond` alone turns these into status codes.

mod asked;
mod store;
mod words;

use std::path::PathBuf;

use modelet_catalog::Scope;
use modelet_spec::traffic::TrafficError;
use modelet_spec::{ByteSize, Digest, FunctionName, ModelName, ModelRef, SecretName, TenantName, Timestamp, Version};
use modelet_store::StoreError;

use crate::child::Death;
use crate::compile::reason;
pub use asked::AskedError;
use words::{has, names, serves};

/// A request that was refused, or that failed. The text is what the caller reads: what, why, what to do.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// No key, or none that is known.
    #[error(
        "the admin API needs its key: send `Authorization: Bearer KEY` (the CLI reads it from `admin.key` in the data directory, or from MODELET_KEY)"
    )]
    Unauthorised,
    /// The key is known and may not do this.
    #[error("this key has not the scope `{scope}` that this needs")]
    Forbidden {
        /// The scope that is missing.
        scope: Scope,
    },
    /// The key is bound, and not to this.
    #[error("this key is bound to functions or models, and {0} is not among them")]
    Bound(String),
    /// The key is a tenant's, and this is for the operator.
    #[error("this is for the operator: it needs an admin key of the tenant `default`")]
    NotTheOperator,
    /// The key is a tenant's, and this tells of all tenants.
    #[error("this tells of all tenants: it needs a key of the tenant `default` with the scope `read`")]
    NotOfDefault,
    /// The admin API has no such path.
    #[error("the admin API has no path `{0}`; see /openapi.json")]
    UnknownPath(String),
    /// The path is there, for other methods.
    #[error("`{path}` does not take {method}; see /openapi.json")]
    Method {
        /// The path.
        path: String,
        /// The method it does not take.
        method: String,
    },
    /// The query, the path or the JSON is not what the API describes.
    #[error("{0}")]
    BadRequest(String),
    /// The body broke off, or its sender stopped sending.
    #[error("the request's body could not be read: {0}")]
    Body(String),
    /// More bytes than this upload may have.
    #[error("the {what} is over the limit of {limit} bytes (server limit `{key}`)")]
    TooLarge {
        /// What was uploaded.
        what: &'static str,
        /// The limit in bytes.
        limit: u64,
        /// The key of the configuration that sets it.
        key: &'static str,
    },
    /// No such tenant.
    #[error("there is no tenant `{0}`; `modelet tenant list` lists them")]
    NoTenant(TenantName),
    /// No such grant.
    #[error("the model is not granted to the tenant `{0}`")]
    NoGrant(TenantName),
    /// No such key.
    #[error("there is no key `{0}`; `modelet key list` lists them")]
    NoKey(String),
    /// The key of the data directory was to be revoked.
    #[error(
        "the key `admin` is that of the data directory: rotate it, or remove its file `admin.key` and restart the server"
    )]
    AdminKey,
    /// No such secret.
    #[error("there is no secret `{0}`; `modelet secret list` lists them")]
    NoSecret(SecretName),
    /// A manifest names a secret that is not there.
    #[error(
        "config.{key} is the secret `{secret}`, and there is none of that name: set it first with `modelet secret set {secret}`"
    )]
    NoSuchSecret {
        /// The key of `[config]`.
        key: String,
        /// The secret.
        secret: SecretName,
    },
    /// A secret that functions name was to be removed.
    #[error(
        "`{secret}` is named by the functions {}: deploy them without it first, or remove it with --force, and they find it no longer",
        names(functions)
    )]
    SecretInUse {
        /// The secret.
        secret: SecretName,
        /// The functions.
        functions: Vec<FunctionName>,
    },
    /// A secret cannot be opened.
    #[error(
        "the secret `{0}` cannot be opened: set it anew, or the operator restores the key that it was sealed with (the server's log says more)"
    )]
    SealedSecret(SecretName),
    /// The key that secrets are sealed with cannot be used.
    #[error("the server's key for secrets cannot be used; its log says why, and the operator has to see to it")]
    SecretKey,
    /// A tenant of this name is or was there.
    #[error("{0}")]
    NoNewTenant(String),
    /// A tenant cannot be given something.
    #[error("`{claim}` cannot be given: {why}")]
    Claim {
        /// The host or path.
        claim: String,
        /// What is against it.
        why: &'static str,
    },
    /// A claim was to be taken back that the tenant has not.
    #[error("the tenant has no claim `{0}`; `modelet tenant show` says which it has")]
    NoClaim(String),
    /// A claim was to be taken back that functions need.
    #[error(
        "the functions {} would have routes outside of what is left: deploy them with other routes or remove them first",
        names(.0)
    )]
    ClaimInUse(Vec<FunctionName>),
    /// A tenant's limits cannot be as asked.
    #[error("limits: {0}")]
    Limits(String),
    /// The tenant that is always there was to be removed.
    #[error("the tenant `default` cannot be removed")]
    DefaultTenant,
    /// A tenant that has something was to be removed.
    #[error(
        "the tenant `{tenant}` has {}: remove them first, or remove it with --force, and they go with it",
        has(functions, models)
    )]
    TenantInUse {
        /// The tenant.
        tenant: TenantName,
        /// Its functions.
        functions: Vec<FunctionName>,
        /// Its models.
        models: Vec<ModelName>,
    },
    /// The tenant would have more of something than it may.
    #[error(
        "the tenant may have {max} {what}, and has {used}: remove one first, or the operator raises the limit `{what}`"
    )]
    Count {
        /// Of what.
        what: &'static str,
        /// How many it may have.
        max: u32,
        /// How many it has.
        used: u32,
    },
    /// No such function.
    #[error("there is no function `{0}`; `modelet function list` lists them")]
    NoFunction(String),
    /// No such version of a function.
    #[error("there is no version {version} of `{function}`; `modelet function versions {function}` lists them")]
    NoVersion {
        /// The function.
        function: String,
        /// The version.
        version: Version,
    },
    /// There is nothing to go back to.
    #[error(
        "`{function}` has no version before {live}, which is live; `modelet function versions {function}` lists them"
    )]
    NothingBefore {
        /// The function.
        function: String,
        /// The version that is live.
        live: Version,
    },
    /// A version that requests can reach was to be removed.
    #[error("{}", serves(version, *live))]
    FunctionServes {
        /// The version, as `NAME@N`.
        version: String,
        /// Whether it is live; else it has a part of the requests, or copies of them.
        live: bool,
    },
    /// A function that answers requests was to be removed.
    #[error(
        "`{function}` answers {busy} requests now: remove it when it rests, or with --force, and it answers those that it has and no more"
    )]
    FunctionBusy {
        /// The function.
        function: String,
        /// Requests that it answers.
        busy: u64,
    },
    /// A version was to serve that needs a model which is not there for it.
    #[error(
        "version {version} of `{function}` needs the model `{model}`, which was removed or is not granted any more: push that model and deploy the function again, or take another version (`modelet function versions {function}`)"
    )]
    ModelGone {
        /// The function.
        function: String,
        /// The version.
        version: Version,
        /// The model, as the function's tenant writes it.
        model: String,
    },
    /// Requests cannot be shared out like that.
    #[error(transparent)]
    Traffic(#[from] TrafficError),
    /// The manifest's own cases are not answered as it says.
    #[error("nothing has changed, because the function does not answer as its [[case]]s say: {}", .0.join("; "))]
    Cases(Vec<String>),
    /// A case of the manifest sends a file that the deploy did not bring.
    #[error("a [[case]] sends the file {}, and the deploy brought no bytes for it: deploy with `modelet deploy`, or push it as a blob and name its digest under `files`", .0.display())]
    NoCaseFile(PathBuf),
    /// A moment before all that is known.
    #[error("{at} is longer ago than the history goes back: to {begins} (`[server] history`)")]
    BeforeHistory {
        /// The moment.
        at: Timestamp,
        /// The first that is known.
        begins: Timestamp,
    },
    /// No such model.
    #[error(
        "there is no model `{0}`; `modelet model list` lists them, `modelet model push FILE.onnx --name NAME` adds one"
    )]
    NoModel(String),
    /// A file that no export writes, or one that is damaged.
    #[error("nothing has changed, because the archive is refused: {0}")]
    Archive(String),
    /// An archive has secrets, and nobody said what becomes of them.
    #[error(
        "nothing has changed, because the archive has {0} secrets under a passphrase: give it with --passphrase-file FILE, or leave them out with --without-secrets"
    )]
    NoPassphrase(usize),
    /// It does not open the secrets of the archive.
    #[error(
        "nothing has changed, because the passphrase is not that of the archive, or what it says of its secrets was changed"
    )]
    WrongPassphrase,
    /// An import would change what is here.
    #[error(
        "nothing has changed, because these are here and are others in the archive: {}; with --replace, they are served as the archive has them, and their versions here stay",
        .0.join(", ")
    )]
    ImportConflicts(Vec<String>),
    /// Asked on a condition that does not hold, or a second time.
    #[error(transparent)]
    Asked(#[from] AskedError),
    /// What was planned with has changed.
    #[error("nothing has changed, because what is here was changed meanwhile: do it again")]
    ChangedMeanwhile,
    /// A blob that was not pushed.
    #[error("the bytes {0} are not here: push them first with POST /v1/blobs")]
    NoBlob(Digest),
    /// The manifest asks for what cannot be.
    #[error("function.toml: {0}")]
    Manifest(String),
    /// A model of the manifest is a file, and the deploy did not bring it.
    #[error("the model `{alias}` is the file {}, and the deploy brought no bytes for it: deploy with `modelet deploy`, or push it as a blob and name its digest under `models`", file.display())]
    NoModelFile {
        /// The function's name for it.
        alias: String,
        /// The file in the manifest.
        file: PathBuf,
    },
    /// The deploy brought a model that the manifest does not name.
    #[error("the deploy brings a model `{0}` that function.toml does not list under [models]")]
    StrayModel(String),
    /// A model of the manifest leads nowhere.
    #[error("the model `{alias}` is `{reference}`, and there is no such model: push it with `modelet model push FILE.onnx --name {}`", reference.name)]
    NoSuchModel {
        /// The function's name for it.
        alias: String,
        /// Where it should lead.
        reference: ModelRef,
    },
    /// The bytes are no model that ONNX Runtime loads.
    #[error("the model was refused: {0}")]
    Model(String),
    /// The files of a push do not make a model.
    #[error("the files are not a model: {0}")]
    Files(String),
    /// The tenant would have more than it may.
    #[error("the tenant's quota of {} does not hold this: {} are in use, and with it they would be at least {}; `modelet model remove` makes room, or the operator raises `tenant_model_bytes`", ByteSize(*quota), ByteSize(*used), ByteSize(*wanted))]
    Quota {
        /// What the tenant may have, in bytes.
        quota: u64,
        /// What it has.
        used: u64,
        /// What it would have, as far as the bytes were counted.
        wanted: u64,
    },
    /// Functions use the model that was to be removed.
    #[error(
        "`{model}` is used by the functions {}: deploy them with another model first, or remove it with --force, and they find it no longer",
        names(functions)
    )]
    ModelInUse {
        /// The model, with the version if one was named.
        model: String,
        /// The functions.
        functions: Vec<FunctionName>,
    },
    /// A label was to be taken from where it does not stand.
    #[error("the label `{label}` does not stand at `{model}`; `modelet model versions` says where it stands")]
    NoLabel {
        /// The model, with the version if one was named.
        model: String,
        /// The label.
        label: String,
    },
    /// The model cannot be rewritten.
    #[error("{0}")]
    NotOptimised(String),
    /// The rewritten model's answers are too far from the old one's.
    #[error(
        "no new version: the answers drift too far. The worst row of output `{}` has cosine {cosine:.5}, and {min} is asked for \
         (compared on {on}). Keep the nodes that matter most with --keep NODE, or allow more with --min-cosine", output.escape_debug()
    )]
    Drift {
        /// The output.
        output: String,
        /// Its worst row's cosine.
        cosine: f64,
        /// What was asked for.
        min: f64,
        /// What the answers were compared on.
        on: &'static str,
    },
    /// The component was refused.
    #[error(transparent)]
    Component(#[from] modelet_engine::CompileError),
    /// The process that was to compile the component ended without an answer.
    #[error("the component was not compiled: {}", reason(.0))]
    NotCompiled(Death),
    /// The component does not fit what the host links, or its limits.
    #[error(transparent)]
    Link(#[from] modelet_engine::LoadError),
    /// Instances are not kept warm as they were asked for.
    #[error(transparent)]
    Scale(#[from] modelet_engine::ScaleError),
    /// The new version can do more than the one before.
    #[error("the new version has capabilities that the one before had not: {}; deploy with --allow-new-capabilities if that is meant", .0.join(", "))]
    NewCapabilities(Vec<String>),
    /// A route cannot be served beside the others.
    #[error("{0}")]
    Route(#[from] modelet_catalog::CatalogError),
    /// A model that is pinned is not unloaded.
    #[error("the model `{0}` is pinned: take the pin back with `modelet model pin {0} --off`, or unload with --force")]
    Pinned(String),
    /// A model could not be brought into memory.
    #[error("the model is not in memory: {0}")]
    NoMemory(modelet_inference::LoadError),
    /// Something that this needs is not there.
    #[error("{0}")]
    Unavailable(String),
    /// There is no room on the server's disk.
    #[error(
        "the server's disk is full, so this was not done: free some space where its data directory is, and try again; what was there is as it was"
    )]
    DiskFull(#[source] StoreError),
    /// The server may not write to its data directory.
    #[error(
        "the server cannot write to its data directory, so this was not done: make it writable for the server's user, and try again (its log has the file); what was there is as it was"
    )]
    ReadOnly(#[source] StoreError),
    /// The store failed. What it says is for the operator.
    #[error("the server could not read or write its data directory; its log says more")]
    Store(#[source] StoreError),
    /// A key's file failed.
    #[error("the key file {} {message}", path.display())]
    Key {
        /// The file.
        path: PathBuf,
        /// What is wrong, and what to do.
        message: String,
    },
    /// A fault of the server itself. The text is for the operator.
    #[error("the server failed inside; its log says more")]
    Internal(String),
}

/// A blocking task that ended without a result: it panicked, or the server is stopping.
impl From<tokio::task::JoinError> for ControlError {
    fn from(error: tokio::task::JoinError) -> Self {
        Self::Internal(format!("a task of the control plane ended early: {error}"))
    }
}
