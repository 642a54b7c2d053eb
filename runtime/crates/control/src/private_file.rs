//! Files with what nobody else on the machine may read: keys.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Result, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// A file on the disk, beside its place: what can fail for want of room has been done. Dropped, it goes.
pub(crate) struct Staged {
    aside: PathBuf,
    path: PathBuf,
}

/// Writes a file aside and renames it, so that nobody reads half of it; for its owner alone from the first byte.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    stage(path, bytes)?.put()
}

/// Writes a file beside its place.
pub(crate) fn stage(path: &Path, bytes: &[u8]) -> Result<Staged> {
    let staged = Staged { aside: path.with_extension("key.new"), path: path.to_owned() };
    // What a server left that was killed: it may be open to others, or a link.
    match std::fs::remove_file(&staged.aside) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&staged.aside)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    Ok(staged)
}

impl Staged {
    /// Puts it in its place.
    pub(crate) fn put(self) -> Result<()> {
        std::fs::rename(&self.aside, &self.path)?;
        // The name as well: what is in the database counts on this very file.
        let folder = self.path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        File::open(folder)?.sync_all()
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        // Not there any more once it was put in its place.
        let _ = std::fs::remove_file(&self.aside);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_file_is_private_and_whole_and_what_was_left_beside_it_is_not_written_into() {
        let dir = tempfile::tempdir().unwrap();
        let (path, aside) = (dir.path().join("some.key"), dir.path().join("some.key.new"));
        std::fs::write(&aside, "left by a server that was killed").unwrap();
        let opened = File::open(&aside).unwrap();
        write(&path, b"secret").unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(std::fs::read(&path).unwrap(), b"secret");
        assert_eq!(opened.metadata().unwrap().len(), 32, "whoever has that one open sees nothing of it");
        drop(stage(&path, b"another").unwrap());
        assert!(!aside.exists() && std::fs::read(&path).unwrap() == b"secret");
    }
}
