//! Files that are there whole or not at all, whenever the power goes.

use crate::data_dir::make;
use crate::error::{StoreError, io_at};
use modelet_spec::Digest;
use std::fs::{File, OpenOptions};
use std::io::Read;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// How much is read at once for a digest.
const PIECE: usize = 1 << 20;

/// Numbers the files in `tmp`; a restart empties that folder first, so numbers may start again.
static NEXT: AtomicU64 = AtomicU64::new(0);

/// A file that is being written aside. Dropped before [`Aside::keep`], it is removed.
#[derive(Debug)]
pub(crate) struct Aside {
    pub(crate) file: File,
    path: PathBuf,
    is_kept: bool,
}

impl Aside {
    /// Begins a file in the data directory's `tmp`, which is on the same file system as its place.
    pub(crate) fn begin(data_dir: &Path) -> Result<Self, StoreError> {
        let path = aside_path(data_dir);
        let opened = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path);
        Ok(Self { file: opened.map_err(io_at("make", &path))?, path, is_kept: false })
    }

    /// Where it lies until it is kept.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Puts the file in its place: its bytes to the disk first, then the name, then the folder. A file there is replaced.
    pub(crate) fn keep(mut self, place: &Path) -> Result<(), StoreError> {
        let folder = place.parent().unwrap_or(Path::new("/"));
        make_durably(folder)?;
        self.file.sync_all().map_err(io_at("write to the disk", &self.path))?;
        std::fs::rename(&self.path, place).map_err(io_at("put in its place", place))?;
        self.is_kept = true;
        sync(folder)
    }
}

impl Drop for Aside {
    fn drop(&mut self) {
        if !self.is_kept {
            // Nothing depends on it: what stays is removed at the next start.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

/// Gives a file a second name; a file there is replaced. Where the file system knows no hard links, it is copied.
pub(crate) fn link(data_dir: &Path, file: &Path, place: &Path) -> Result<(), StoreError> {
    let aside = aside_path(data_dir);
    if std::fs::hard_link(file, &aside).is_err() {
        std::fs::copy(file, &aside).map_err(io_at("copy", file))?;
    }
    let renamed = std::fs::rename(&aside, place).map_err(io_at("put in its place", place));
    // A name of the same file is not replaced (POSIX): then the one aside is left.
    let _ = std::fs::remove_file(&aside);
    renamed
}

/// Copies a file to another place, to the disk before it has that name.
pub(crate) fn copy(data_dir: &Path, file: &Path, place: &Path) -> Result<(), StoreError> {
    let mut aside = Aside::begin(data_dir)?;
    let mut from = File::open(file).map_err(io_at("read", file))?;
    std::io::copy(&mut from, &mut aside.file).map_err(io_at("copy", file))?;
    aside.keep(place)
}

fn aside_path(data_dir: &Path) -> PathBuf {
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    data_dir.join("tmp").join(format!("{}-{number}", std::process::id()))
}

/// The content of a file; `None` if there is none.
pub(crate) fn read(path: &Path) -> Result<Option<Vec<u8>>, StoreError> {
    match std::fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(io_at("read", path)(error)),
    }
}

/// The digest and the length of what is left of a file to read.
pub(crate) fn digest(file: &mut File, path: &Path) -> Result<(Digest, u64), StoreError> {
    let (mut hasher, mut bytes, mut piece) = (Digest::hasher(), 0, vec![0; PIECE]);
    loop {
        let count = file.read(&mut piece).map_err(io_at("read", path))?;
        if count == 0 {
            return Ok((hasher.finish(), bytes));
        }
        hasher.update(piece.get(..count).unwrap_or_default());
        bytes += count as u64;
    }
}

/// The digest and the length of a file; `None` if it is not there.
pub(crate) fn digest_of(path: &Path) -> Result<Option<(Digest, u64)>, StoreError> {
    let mut file = match File::open(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        opened => opened.map_err(io_at("read", path))?,
    };
    digest(&mut file, path).map(Some)
}

/// Makes a folder, and those around it that are missing, for its owner alone; on the disk when it returns.
pub(crate) fn make_durably(folder: &Path) -> Result<(), StoreError> {
    if folder.is_dir() {
        return Ok(());
    }
    let around = folder.parent().unwrap_or(Path::new("/"));
    make_durably(around)?;
    make(folder, false)?;
    sync(around)
}

fn sync(folder: &Path) -> Result<(), StoreError> {
    let opened = File::open(folder).and_then(|folder| folder.sync_all());
    opened.map_err(io_at("write to the disk", folder))
}
