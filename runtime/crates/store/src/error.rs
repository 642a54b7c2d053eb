//! What can go wrong with a data directory. For the operator: the messages name paths.

use crate::things::{Revision, Thing};
use modelet_spec::{Digest, FunctionName, Label, ModelName, SecretName, TenantName, Version};
use rusqlite::ErrorCode;
use std::io;
use std::path::{Path, PathBuf};
use thiserror::Error;

/// Why the store refused or failed.
#[derive(Debug, Error)]
pub enum StoreError {
    /// The path is something else.
    #[error("the data directory {} is not a directory; choose another with --data-dir", .0.display())]
    NotADirectory(PathBuf),
    /// Another user owns it, and could change what is mapped and run.
    #[error(
        "the data directory {} belongs to the user {owner}, and this process runs as {caller}; \
         choose another with --data-dir, or run as its owner", path.display()
    )]
    ForeignOwner {
        /// The data directory.
        path: PathBuf,
        /// The owner's user id.
        owner: u32,
        /// The caller's user id.
        caller: u32,
    },
    /// Others may read or write it.
    #[error(
        "the data directory {} is open to others (mode {mode:03o}); run: chmod 700 {}", path.display(), path.display()
    )]
    OpenToOthers {
        /// The data directory.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// Another server uses it.
    #[error(
        "the data directory {} is in use by {}; stop that server, or choose another with --data-dir",
        path.display(), who(*pid)
    )]
    Locked {
        /// The data directory.
        path: PathBuf,
        /// The process that wrote its id into the lock file.
        pid: Option<u32>,
    },
    /// A newer Modelet has been here.
    #[error(
        "{} has the schema {found}, and this modelet knows up to {known}; run the newer modelet that wrote it, \
         or choose another data directory", path.display()
    )]
    NewerSchema {
        /// The database.
        path: PathBuf,
        /// Its schema's number.
        found: i64,
        /// The newest number that is known here.
        known: i64,
    },
    /// A database that Modelet did not make.
    #[error("{} is not a database of modelet: {reason}; choose another data directory, or restore a backup", path.display())]
    ForeignDatabase {
        /// The database.
        path: PathBuf,
        /// What is different.
        reason: String,
    },
    /// The metadata is not there, and what it named is.
    #[error(
        "{} is missing or empty, and {} has contents: without it nothing says what they are, and they would be removed; \
         restore the database from a backup, or choose another data directory", path.display(), blobs.display()
    )]
    DatabaseGone {
        /// The database.
        path: PathBuf,
        /// The folder with the contents.
        blobs: PathBuf,
    },
    /// SQLite finds a database damaged.
    #[error("the database {} is damaged; restore a backup of it (`modelet doctor --verify` says what is whole)", path.display())]
    DamagedDatabase {
        /// The database.
        path: PathBuf,
        /// What SQLite says.
        source: rusqlite::Error,
    },
    /// A database ends too soon.
    #[error("the database {} is damaged: it has {found} bytes of {wanted}; restore a backup of it", path.display())]
    ShortDatabase {
        /// The database.
        path: PathBuf,
        /// The bytes of its file.
        found: u64,
        /// What its first page says.
        wanted: u64,
    },
    /// SQLite does not open a database: there is no room for what it writes beside it, or it may not.
    #[error("the database {} cannot be opened{}", path.display(), hint(source))]
    Unopened {
        /// The database.
        path: PathBuf,
        /// What SQLite says.
        source: rusqlite::Error,
    },
    /// The content is not there.
    #[error("the content {0} is not in the store; upload it first")]
    NoBlob(Digest),
    /// The file's bytes are no longer what its name says.
    #[error("the file {} is damaged: its content has the digest {found}; restore it, or push it again", path.display())]
    DamagedBlob {
        /// The file.
        path: PathBuf,
        /// The digest of the bytes in it.
        found: Digest,
    },
    /// A content is not the one that was announced.
    #[error("the bytes that came for {expected} have the digest {found}")]
    OtherDigest {
        /// What was announced.
        expected: Digest,
        /// What came.
        found: Digest,
    },
    /// A number that a version has or had was to be used for another.
    #[error("the number of {0} is used already")]
    Taken(String),
    /// A thing is not as whoever changes it expects.
    #[error("what was to be changed is another than expected, or not there")]
    Unexpected {
        /// What was to be changed; `None`: nothing that has a revision.
        thing: Option<Thing>,
        /// Its revision; `None`: it is not there.
        now: Option<Revision>,
    },
    /// A tenant that does not exist was named.
    #[error("there is no tenant {0}")]
    NoTenant(TenantName),
    /// The model is not granted to this tenant.
    #[error("the model is not granted to {0}")]
    NoGrant(TenantName),
    /// The tenant has no such key.
    #[error("there is no key {0}")]
    NoKey(String),
    /// The tenant has no such secret.
    #[error("there is no secret {0}")]
    NoSecret(SecretName),
    /// Whoever keeps a secret could not seal it.
    #[error("the secret could not be sealed")]
    NotSealed,
    /// A tenant of this name exists.
    #[error("the tenant {0} exists already: `modelet tenant claims` and `limits` change it")]
    TenantExists(TenantName),
    /// There was a tenant of this name.
    #[error("the name {0} was a tenant's that was removed; choose another")]
    TenantRemoved(TenantName),
    /// The tenant that is always there was to be removed.
    #[error("the tenant default is always there")]
    DefaultTenant,
    /// A tenant that has something was to be removed.
    #[error("the tenant {tenant} has functions or models")]
    TenantInUse {
        /// The tenant.
        tenant: TenantName,
        /// Its functions, sorted.
        functions: Vec<FunctionName>,
        /// Its models, sorted.
        models: Vec<ModelName>,
    },
    /// A tenant would have more of something than it may.
    #[error("the tenant may have {max} {what}, and has {used}")]
    Count {
        /// Of what.
        what: &'static str,
        /// How many it may have.
        max: u32,
        /// How many it has.
        used: u32,
    },
    /// A value could not be written as JSON.
    #[error("{0} cannot be written as JSON")]
    Json(&'static str, #[source] serde_json::Error),
    /// A function names a version of a model that does not exist, or has another content.
    #[error("there is no version {version} of the model {name} with the content {digest}")]
    NoModel {
        /// The model.
        name: ModelName,
        /// Its version.
        version: Version,
        /// The content that it should have.
        digest: Digest,
    },
    /// A tenant would have more than it may.
    #[error("the quota of {quota_bytes} bytes does not hold {wanted_bytes}; {used_bytes} are in use")]
    Quota {
        /// What the tenant may have.
        quota_bytes: u64,
        /// What it has.
        used_bytes: u64,
        /// What it would have, as far as it was counted.
        wanted_bytes: u64,
    },
    /// A version of a model that is not there was named.
    #[error("there is no model {0}")]
    ModelMissing(String),
    /// A model that live functions use was to be removed.
    #[error("the functions {} use {model}", names(functions))]
    ModelInUse {
        /// The model, with the version if one was named.
        model: String,
        /// The functions, sorted.
        functions: Vec<FunctionName>,
    },
    /// A version of a function that is not there was named.
    #[error("there is no function {0}")]
    FunctionMissing(String),
    /// The version of a function that routes use was to be removed.
    #[error("{0} is live")]
    FunctionLive(String),
    /// A label that does not stand there was to be removed.
    #[error("the label {label} does not stand at {model}")]
    LabelMissing {
        /// The model, with the version if one was named.
        model: String,
        /// The label.
        label: Label,
    },
    /// The operating system refused.
    #[error("cannot {doing} {}", path.display())]
    Io {
        /// What was tried.
        doing: &'static str,
        /// With which file or directory.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// SQLite refused.
    #[error("a database in the data directory cannot be read or written")]
    Database(#[from] rusqlite::Error),
    /// What the audit is chained with cannot be read.
    #[error(
        "{} is not 64 hex digits: restore it from the backup, or remove it and start once with --renew-lost-keys; \
         then the audit until now can no longer be verified", .0.display()
    )]
    AuditKey(PathBuf),
    /// What the audit is chained with is not there.
    #[error(
        "{} is missing, and the audit is chained with it: restore it from the backup, or start once with --renew-lost-keys; \
         then the audit until now can no longer be verified", .0.display()
    )]
    AuditKeyLost(PathBuf),
    /// A number does not fit the database's.
    #[error("{0} is too large to be kept")]
    TooLarge(&'static str),
}

impl StoreError {
    /// Whether there was no room on the disk for what was to be written. What was there is as it was.
    #[must_use]
    pub fn is_full(&self) -> bool {
        match self {
            Self::Io { source, .. } => {
                matches!(source.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
            }
            Self::Database(error) | Self::Unopened { source: error, .. } => is_full(error),
            _ => false,
        }
    }

    /// Whether the data directory cannot be written to. What was there is as it was.
    #[must_use]
    pub fn is_read_only(&self) -> bool {
        match self {
            Self::Io { source, .. } => {
                matches!(source.kind(), io::ErrorKind::ReadOnlyFilesystem | io::ErrorKind::PermissionDenied)
            }
            Self::Database(error) | Self::Unopened { source: error, .. } => is_read_only(error),
            _ => false,
        }
    }

    /// The same with the database's name, where SQLite finds it damaged.
    pub(crate) fn in_database(self, path: &Path) -> Self {
        match self {
            Self::Database(source) if is_damaged(&source) => Self::DamagedDatabase { path: path.to_owned(), source },
            other => other,
        }
    }

    /// The same with the database's name, while it is opened.
    pub(crate) fn opening(self, path: &Path) -> Self {
        match self.in_database(path) {
            Self::Database(source) => Self::Unopened { path: path.to_owned(), source },
            other => other,
        }
    }
}

fn is_full(error: &rusqlite::Error) -> bool {
    // Its shared memory is a file, too.
    let no_shared_memory = error.sqlite_error().is_some_and(|e| e.extended_code == rusqlite::ffi::SQLITE_IOERR_SHMSIZE);
    no_shared_memory || error.sqlite_error_code() == Some(ErrorCode::DiskFull)
}

fn is_read_only(error: &rusqlite::Error) -> bool {
    let code = error.sqlite_error_code();
    matches!(code, Some(ErrorCode::ReadOnly | ErrorCode::CannotOpen | ErrorCode::PermissionDenied))
}

fn is_damaged(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase))
}

/// What an operator does about a database that cannot be opened.
fn hint(error: &rusqlite::Error) -> &'static str {
    match error {
        full if is_full(full) => ", because its disk is full: free some space",
        refused if is_read_only(refused) => ": make it and its folder writable for this user",
        _ => "",
    }
}

/// Names the action and the path of a failed system call.
pub(crate) fn io_at(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> StoreError {
    move |source| StoreError::Io { doing, path: path.to_owned(), source }
}

fn who(pid: Option<u32>) -> String {
    pid.map_or_else(|| "another process".to_owned(), |pid| format!("the process {pid}"))
}

fn names(functions: &[FunctionName]) -> String {
    functions.iter().map(FunctionName::as_str).collect::<Vec<_>>().join(", ")
}
