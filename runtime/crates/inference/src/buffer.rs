//! Bytes at an address that any kernel may read with its widest load.

use std::ops::{Deref, DerefMut};

use crate::error::TensorError;

/// What ONNX Runtime's own allocator gives: a cache line, and one AVX-512 register.
const ALIGN: usize = 64;

/// Owned bytes whose first one lies on a 64-byte boundary.
///
/// A `Vec` with room for the slack, and where the boundary is in it: no `unsafe`, at the cost of 63 bytes.
#[derive(Debug)]
pub struct AlignedBuf {
    storage: Vec<u8>,
    start: usize,
}

impl AlignedBuf {
    /// One copy of `bytes`.
    #[must_use]
    pub fn copy_of(bytes: &[u8]) -> Self {
        let mut storage = Vec::with_capacity(bytes.len() + ALIGN);
        let start = boundary(&storage);
        storage.resize(start, 0);
        storage.extend_from_slice(bytes);
        Self { storage, start }
    }

    /// One copy of `parts`, one after the other.
    pub(crate) fn joined(parts: &[&[u8]]) -> Result<Self, TensorError> {
        let len = parts.iter().fold(0usize, |sum, part| sum.saturating_add(part.len()));
        let mut storage = Vec::new();
        let full = len.saturating_add(ALIGN);
        storage.try_reserve_exact(full).map_err(|_| TensorError::Memory { bytes: len })?;
        let start = boundary(&storage);
        storage.resize(start, 0);
        parts.iter().for_each(|part| storage.extend_from_slice(part));
        Ok(Self { storage, start })
    }

    /// `len` zero bytes, to be written through `DerefMut`.
    ///
    /// # Errors
    /// The machine has no room for `len` bytes.
    pub fn zeroed(len: usize) -> Result<Self, TensorError> {
        let full = len.checked_add(ALIGN).ok_or(TensorError::Memory { bytes: len })?;
        let mut storage = Vec::new();
        storage.try_reserve_exact(full).map_err(|_| TensorError::Memory { bytes: len })?;
        let start = boundary(&storage);
        storage.resize(start + len, 0);
        Ok(Self { storage, start })
    }
}

/// How far the next boundary is from the start of `storage`'s memory; always less than [`ALIGN`].
fn boundary(storage: &[u8]) -> usize {
    (ALIGN - storage.as_ptr().addr() % ALIGN) % ALIGN
}

impl Deref for AlignedBuf {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.storage.get(self.start..).unwrap_or_default()
    }
}

impl DerefMut for AlignedBuf {
    fn deref_mut(&mut self) -> &mut [u8] {
        self.storage.get_mut(self.start..).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_start_on_the_boundary() {
        for len in [0, 1, 63, 64, 65, 4096] {
            let bytes: Vec<u8> = (0..len).map(|i| i as u8).collect();
            let copy = AlignedBuf::copy_of(&bytes);
            assert_eq!(&*copy, &bytes[..]);
            assert_eq!(copy.as_ptr().addr() % 64, 0);
            let joined = AlignedBuf::joined(&[&bytes, &[7], &bytes]).unwrap();
            assert_eq!(&*joined, &[&bytes[..], &[7], &bytes].concat()[..]);
            assert_eq!(joined.as_ptr().addr() % 64, 0);
            let mut zeroed = AlignedBuf::zeroed(len).unwrap();
            assert_eq!(zeroed.len(), len);
            assert_eq!(zeroed.as_ptr().addr() % 64, 0);
            zeroed.fill(7);
        }
    }

    #[test]
    fn an_impossible_length_is_an_error() {
        assert!(matches!(AlignedBuf::zeroed(usize::MAX), Err(TensorError::Memory { .. })));
        assert!(matches!(AlignedBuf::zeroed(usize::MAX / 2 + 1), Err(TensorError::Memory { .. })));
    }
}
