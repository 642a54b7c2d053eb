//! The data directory: whose it is, who may look, and that one server uses it.

use crate::error::{StoreError, io_at};
use rustix::fs::{FileType, FlockOperation, Mode, OFlags, flock, fstat, open};
use std::fs::{DirBuilder, File};
use std::io::{Read, Seek, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

/// The lock file's name.
const LOCK: &str = "lock";

/// A checked and locked data directory; dropping it gives the lock back.
#[derive(Debug)]
pub(crate) struct DataDir {
    path: PathBuf,
    _lock: File,
}

impl DataDir {
    /// Makes the directory if there is none, checks it, and locks it.
    pub(crate) fn open(path: &Path) -> Result<Self, StoreError> {
        make(path, true)?;
        check(path)?;
        // Absolute, so that a change of the working directory later does not lead elsewhere.
        let path = path.canonicalize().map_err(io_at("resolve", path))?;
        let lock = lock(&path)?;
        let dir = Self { path, _lock: lock };
        for part in ["blobs", "compiled", "folders", "optimised", "tmp"] {
            make(&dir.path.join(part), false)?;
        }
        dir.clear_tmp()?;
        Ok(dir)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Refuses to begin with nothing where contents are: nothing would name them, and a sweep would take them away.
    pub(crate) fn check_metadata(&self, database: &Path) -> Result<(), StoreError> {
        if std::fs::metadata(database).is_ok_and(|file| file.len() > 0) {
            return Ok(());
        }
        // What it wrote last may be in its log alone.
        let log = database.with_extension("db-wal");
        let blobs = self.path.join("blobs");
        let mut contents = std::fs::read_dir(&blobs).map_err(io_at("list", &blobs))?;
        if contents.next().is_none() || std::fs::metadata(log).is_ok_and(|file| file.len() > 0) {
            return Ok(());
        }
        Err(StoreError::DatabaseGone { path: database.to_owned(), blobs })
    }

    /// Removes what a killed server was still writing. The lock is held, so nobody is writing now.
    fn clear_tmp(&self) -> Result<(), StoreError> {
        let tmp = self.path.join("tmp");
        for left in std::fs::read_dir(&tmp).map_err(io_at("list", &tmp))? {
            let left = left.map_err(io_at("list", &tmp))?.path();
            std::fs::remove_file(&left).map_err(io_at("remove", &left))?;
        }
        Ok(())
    }
}

/// Makes a directory that only its owner may enter; one that exists stays as it is.
pub(crate) fn make(path: &Path, with_parents: bool) -> Result<(), StoreError> {
    let made = DirBuilder::new().recursive(with_parents).mode(0o700).create(path);
    match made {
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists && !with_parents => Ok(()),
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
            Err(StoreError::NotADirectory(path.to_owned()))
        }
        made => made.map_err(io_at("make the directory", path)),
    }
}

fn check(path: &Path) -> Result<(), StoreError> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let dir = open(path, flags, Mode::empty()).map_err(|error| io_at("open", path)(error.into()))?;
    let stat = fstat(&dir).map_err(|error| io_at("look at", path)(error.into()))?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::Directory {
        return Err(StoreError::NotADirectory(path.to_owned()));
    }
    let caller = rustix::process::geteuid().as_raw();
    if stat.st_uid != caller {
        return Err(StoreError::ForeignOwner { path: path.to_owned(), owner: stat.st_uid, caller });
    }
    let mode = stat.st_mode & 0o777;
    if mode & 0o077 != 0 {
        return Err(StoreError::OpenToOthers { path: path.to_owned(), mode });
    }
    Ok(())
}

fn lock(dir: &Path) -> Result<File, StoreError> {
    let path = dir.join(LOCK);
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let opened = open(&path, flags, Mode::RUSR | Mode::WUSR);
    let mut file = File::from(opened.map_err(|error| io_at("open", &path)(error.into()))?);
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => {}
        Err(rustix::io::Errno::WOULDBLOCK) => {
            return Err(StoreError::Locked { path: dir.to_owned(), pid: pid_in(&mut file) });
        }
        Err(error) => return Err(io_at("lock", &path)(error.into())),
    }
    // For whoever finds it locked; on a full disk the server starts without.
    let _ = write_pid(&mut file);
    Ok(file)
}

fn write_pid(file: &mut File) -> std::io::Result<()> {
    file.set_len(0)?;
    file.rewind()?;
    writeln!(file, "{}", std::process::id())
}

fn pid_in(file: &mut File) -> Option<u32> {
    let mut text = String::new();
    // A pid has at most ten digits; the file may be anything.
    file.take(16).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}
