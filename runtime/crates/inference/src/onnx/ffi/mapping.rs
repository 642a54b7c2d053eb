//! A file in memory: mapped, readable only, as long as anything uses it.

use std::fmt;
use std::fs::File;
use std::io;
use std::ptr::{self, NonNull};

use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};

/// A whole file, mapped. Its pages belong to the system's cache: they are there once for all who map the file, and go when
/// memory is needed elsewhere.
pub(crate) struct Mapping {
    start: NonNull<u8>,
    len: usize,
}

// SAFETY: a map belongs to no thread, and nobody writes through it: it is not writable.
unsafe impl Send for Mapping {}
// SAFETY: as above.
unsafe impl Sync for Mapping {}

impl Mapping {
    /// Maps the whole of a file that nobody changes while it is mapped: the store writes its files aside, renames them into
    /// their places and never opens them for writing again, in a folder that only the server's own user may enter.
    pub(crate) fn of(file: &File) -> io::Result<Self> {
        let invalid = |why| io::Error::new(io::ErrorKind::InvalidData, why);
        let len =
            usize::try_from(file.metadata()?.len()).map_err(|_| invalid("it is larger than the address space"))?;
        if len == 0 {
            return Err(invalid("it is empty"));
        }
        // SAFETY: without an address the system picks free space, so nothing that exists is mapped over; the result is
        // owned by the new value alone, and private: nobody can write to the file through it.
        let start = unsafe { mmap(ptr::null_mut(), len, ProtFlags::READ, MapFlags::PRIVATE, file, 0) }?;
        let start = NonNull::new(start.cast()).ok_or_else(|| invalid("it was mapped nowhere"))?;
        Ok(Self { start, len })
    }

    /// The file's content.
    pub(crate) fn bytes(&self) -> &[u8] {
        // SAFETY: `len` bytes from `start` are mapped readable until `self` is dropped, and do not change (see `of`).
        unsafe { std::slice::from_raw_parts(self.start.as_ptr(), self.len) }
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: mapped by `of` with this length, unmapped once, here; every borrow of the bytes has ended, and a session
        // that uses them in place holds an `Arc` of this value until it is released.
        let unmapped = unsafe { munmap(self.start.as_ptr().cast(), self.len) };
        debug_assert!(unmapped.is_ok(), "{unmapped:?}");
    }
}

impl fmt::Debug for Mapping {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Mapping({} bytes)", self.len)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::Arc;

    use super::*;

    #[test]
    fn a_map_outlives_its_file_and_is_readable_only() {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"weights").unwrap();
        let mapping = Arc::new(Mapping::of(&file).unwrap());
        drop(file);
        let other = Arc::clone(&mapping);
        drop(mapping);
        assert_eq!(other.bytes(), b"weights");
        let address = format!("{:x}-", other.bytes().as_ptr() as usize);
        let maps = || std::fs::read_to_string("/proc/self/maps").unwrap();
        let line = maps().lines().find(|line| line.starts_with(&address)).unwrap().to_owned();
        assert!(line.contains(" r--p "), "{line}");
        drop(other);
        assert!(!maps().lines().any(|line| line.starts_with(&address) && line.contains("deleted")));
    }

    #[test]
    fn an_empty_file_is_refused() {
        assert_eq!(Mapping::of(&tempfile::tempfile().unwrap()).unwrap_err().to_string(), "it is empty");
    }
}
