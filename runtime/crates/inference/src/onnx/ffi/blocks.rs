//! Free blocks of one thread, in lists by size.

use std::ptr::NonNull;

/// In front of what ONNX Runtime gets: as long as its strictest alignment, so that what follows is aligned when this is.
#[repr(C, align(64))]
pub(super) struct Head {
    /// Bytes of the whole block, this head among them.
    pub(super) bytes: usize,
    /// The list that the block belongs to when it is free.
    pub(super) class: Option<Class>,
    /// It has memory of its own, that is no region of the arena's.
    pub(super) is_reserved: bool,
    /// The next one in that list.
    next: Option<NonNull<Head>>,
}

impl Head {
    pub(super) const fn new(bytes: usize, class: Option<Class>, is_reserved: bool) -> Self {
        Self { bytes, class, is_reserved, next: None }
    }
}

/// A size that blocks are rounded up to, four in each power of two, so that at most a quarter of one is lost.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Class(usize);

/// What the arena rounds to.
const STEP: usize = 256;
/// Larger ones are not kept: their runs take so long that the arena's lock does not tell.
const BLOCK_MAX: usize = 1 << 20;
/// Of 256 bytes and less; then twelve powers of two with four steps each.
const CLASSES: usize = 1 + 12 * 4;
/// What one thread may keep: more than the outputs of a sentence encoder's run that are alive at once.
const KEPT_MAX: usize = 4 << 20;

impl Class {
    /// The class of a block of at least `bytes`, and the bytes that blocks of it have; `None`: too large to be kept.
    pub(super) fn of(bytes: usize) -> Option<(Self, usize)> {
        if bytes > BLOCK_MAX {
            return None;
        }
        let last = bytes.max(1).next_multiple_of(STEP) - 1;
        let Some(octave) = last.ilog2().checked_sub(STEP.ilog2()) else { return Some((Self(0), STEP)) };
        let shift = octave + STEP.ilog2() - 2;
        // From 4 to 7: which quarter of its power of two the block ends in.
        let quarter = last >> shift;
        Some((Self(octave as usize * 4 + quarter - 3), (quarter + 1) << shift))
    }
}

/// The lists. They own their blocks, and whoever drops them loses those: empty them first.
pub(super) struct Blocks {
    firsts: [Option<NonNull<Head>>; CLASSES],
    bytes: usize,
}

// SAFETY: the blocks are plain memory that belongs to no thread; only these lists point to them.
unsafe impl Send for Blocks {}

impl Blocks {
    pub(super) const EMPTY: Self = Self { firsts: [None; CLASSES], bytes: 0 };

    /// One of that size, if there is one.
    pub(super) fn take(&mut self, Class(class): Class) -> Option<NonNull<Head>> {
        let first = self.firsts.get_mut(class)?;
        let block = (*first)?;
        // SAFETY: a block in a list has a head that `put` was given, and nobody else has it.
        let Head { bytes, next, .. } = *unsafe { block.as_ref() };
        *first = next;
        self.bytes -= bytes;
        Some(block)
    }

    /// Keeps a block, or says that there is no place.
    ///
    /// # Safety
    /// `block` has a valid head of a class, and the caller gives up the whole block.
    pub(super) unsafe fn put(&mut self, mut block: NonNull<Head>) -> bool {
        // SAFETY: the caller promises that it is valid and nobody else's.
        let head = unsafe { block.as_mut() };
        let Some(first) = head.class.and_then(|Class(class)| self.firsts.get_mut(class)) else { return false };
        if self.bytes + head.bytes > KEPT_MAX {
            return false;
        }
        self.bytes += head.bytes;
        head.next = first.replace(block);
        true
    }

    /// All of them, each out of its list.
    pub(super) fn drain(&mut self) -> impl Iterator<Item = NonNull<Head>> {
        let mut class = 0;
        std::iter::from_fn(move || {
            while class < CLASSES {
                match self.take(Class(class)) {
                    None => class += 1,
                    block => return block,
                }
            }
            None
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_class_holds_what_it_is_asked_for_and_wastes_little() {
        let mut before = (Class(0), STEP);
        for bytes in 1..=BLOCK_MAX {
            let (class, size) = Class::of(bytes).unwrap();
            assert!(class.0 < CLASSES && size >= bytes && size.is_multiple_of(STEP), "{bytes}: {class:?} of {size}");
            assert!(size - bytes < STEP.max(bytes / 4 + 1), "{bytes}: {size}");
            assert!((class == before.0) == (size == before.1), "{bytes}: a class has one size");
            before = (class, size);
        }
        assert_eq!(Class::of(BLOCK_MAX + 1), None);
        assert_eq!(Class::of(usize::MAX), None);
    }

    #[test]
    fn blocks_come_back_last_in_first_out_and_are_bounded() {
        let sizes = [300, 1000, 300, 200_000];
        let mut memory: Vec<Box<Head>> = sizes
            .map(|size| {
                let (class, bytes) = Class::of(size).unwrap();
                Box::new(Head::new(bytes, Some(class), false))
            })
            .into();
        let heads: Vec<NonNull<Head>> = memory.iter_mut().map(|head| NonNull::from(&mut **head)).collect();
        let mut blocks = Blocks::EMPTY;
        // SAFETY: the heads are valid until `memory` goes, and nobody else uses them.
        assert!(heads.iter().all(|head| unsafe { blocks.put(*head) }));
        assert_eq!(blocks.take(Class::of(310).unwrap().0), Some(heads[2]));
        assert_eq!(blocks.take(Class::of(310).unwrap().0), Some(heads[0]));
        assert_eq!(blocks.take(Class::of(310).unwrap().0), None);
        let left: Vec<_> = blocks.drain().collect();
        assert_eq!(left, [heads[1], heads[3]]);
        assert_eq!(blocks.bytes, 0);
        blocks.bytes = KEPT_MAX - 100;
        // SAFETY: as above.
        assert!(!unsafe { blocks.put(heads[0]) }, "there is no place");
        blocks.bytes = 0;
        assert_eq!(blocks.drain().count(), 0);
    }
}
