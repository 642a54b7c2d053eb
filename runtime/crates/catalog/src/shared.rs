//! A map of which a copy costs little, and shares with the first what is the same in both: a catalog with one function changed is made of
//! the one before.
//!
//! Entries lie in small parts, found by the first bits of their hash. A copy copies one pointer for each part, a change the part that it is in,
//! so with ten thousand entries a change after a copy costs some microseconds; all of them anew cost milliseconds.

use std::borrow::Borrow;
use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hash};
use std::sync::Arc;

/// Entries of a part, on the average, when it is split: a look-up compares their hashes one by one.
const PART: usize = 4;

/// A map whose copies share what is the same.
#[derive(Debug)]
pub(crate) struct Shared<K, V> {
    /// None, or a power of two.
    parts: Vec<Arc<[Slot<K, V>]>>,
    length: usize,
    hasher: RandomState,
}

#[derive(Debug)]
struct Slot<K, V> {
    hash: u64,
    pair: Arc<(K, V)>,
}

impl<K: Hash + Eq, V> Shared<K, V> {
    /// What lies under a key.
    pub(crate) fn get<Q: Hash + Eq + ?Sized>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        if self.length == 0 {
            return None;
        }
        let hash = self.hasher.hash_one(key);
        let part = self.parts.get(self.part(hash))?;
        let slot = part.iter().find(|slot| slot.hash == hash && key.eq(slot.pair.0.borrow()))?;
        Some(&slot.pair.1)
    }

    /// Takes out what lies under a key. Returns whether there was something.
    pub(crate) fn remove<Q: Hash + Eq + ?Sized>(&mut self, key: &Q) -> bool
    where
        K: Borrow<Q>,
    {
        let hash = self.hasher.hash_one(key);
        let at = self.part(hash);
        let Some(part) = self.parts.get_mut(at) else { return false };
        let is_it = |slot: &Slot<K, V>| slot.hash == hash && key.eq(slot.pair.0.borrow());
        if !part.iter().any(is_it) {
            return false;
        }
        *part = part.iter().filter(|slot| !is_it(slot)).cloned().collect();
        self.length -= 1;
        true
    }

    /// Puts a value under a key, in the place of what was there.
    pub(crate) fn insert(&mut self, key: K, value: V) {
        self.remove(&key);
        if self.length >= self.parts.len() * PART {
            self.split();
        }
        let hash = self.hasher.hash_one(&key);
        let at = self.part(hash);
        if let Some(part) = self.parts.get_mut(at) {
            let new = Slot { hash, pair: Arc::new((key, value)) };
            *part = part.iter().cloned().chain([new]).collect();
            self.length += 1;
        }
    }

    /// All pairs, in no order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        self.parts.iter().flat_map(|part| part.iter()).map(|slot| (&slot.pair.0, &slot.pair.1))
    }

    /// Whether there is nothing.
    pub(crate) fn is_empty(&self) -> bool {
        self.length == 0
    }

    #[cfg(test)]
    fn len(&self) -> usize {
        self.length
    }

    fn part(&self, hash: u64) -> usize {
        usize::try_from(hash).unwrap_or(0) & self.parts.len().saturating_sub(1)
    }

    /// Makes room for as many more.
    fn split(&mut self) {
        let count = (self.parts.len() * 2).max(1);
        let mut slots: Vec<Vec<Slot<K, V>>> = std::iter::repeat_with(Vec::new).take(count).collect();
        for slot in self.parts.iter().flat_map(|part| part.iter()) {
            let at = usize::try_from(slot.hash).unwrap_or(0) & (count - 1);
            if let Some(part) = slots.get_mut(at) {
                part.push(slot.clone());
            }
        }
        self.parts = slots.into_iter().map(Arc::from).collect();
    }
}

impl<K: Hash + Eq + Clone, V: Clone + Default> Shared<K, V> {
    /// The value under a key, to be changed; made where it is missing. A copy that has it keeps what it has.
    pub(crate) fn entry<Q: Hash + Eq + ?Sized>(&mut self, key: &Q, own: impl FnOnce() -> K) -> Option<&mut V>
    where
        K: Borrow<Q>,
    {
        if self.get(key).is_none() {
            self.insert(own(), V::default());
        }
        let hash = self.hasher.hash_one(key);
        let at = self.part(hash);
        let part = Arc::make_mut(self.parts.get_mut(at)?);
        let slot = part.iter_mut().find(|slot| slot.hash == hash && key.eq(slot.pair.0.borrow()))?;
        Some(&mut Arc::make_mut(&mut slot.pair).1)
    }
}

impl<K, V> Default for Shared<K, V> {
    fn default() -> Self {
        Self { parts: Vec::new(), length: 0, hasher: RandomState::new() }
    }
}

impl<K, V> Clone for Shared<K, V> {
    fn clone(&self) -> Self {
        Self { parts: self.parts.clone(), length: self.length, hasher: self.hasher.clone() }
    }
}

impl<K, V> Clone for Slot<K, V> {
    fn clone(&self) -> Self {
        Self { hash: self.hash, pair: Arc::clone(&self.pair) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    proptest! {
        #[test]
        fn it_has_what_a_map_has_and_copies_stay_what_they_were(
            changes in proptest::collection::vec((0_u8..40, proptest::option::of(0_u32..9)), 0..200),
        ) {
            let (mut map, mut simple) = (Shared::<u8, u32>::default(), BTreeMap::new());
            let mut copies = Vec::new();
            for (key, value) in changes {
                copies.push((map.clone(), simple.clone()));
                match value {
                    Some(0) => {
                        *map.entry(&key, || key).unwrap() += 100;
                        *simple.entry(key).or_default() += 100;
                    }
                    Some(value) => {
                        map.insert(key, value);
                        simple.insert(key, value);
                    }
                    None => prop_assert_eq!(map.remove(&key), simple.remove(&key).is_some()),
                }
            }
            copies.push((map, simple));
            for (map, simple) in &copies {
                let found: BTreeMap<u8, u32> = map.iter().map(|(key, value)| (*key, *value)).collect();
                prop_assert_eq!((&found, map.len()), (simple, simple.len()));
                prop_assert!((0..40).all(|key| map.get(&key) == simple.get(&key)));
            }
        }
    }

    #[test]
    fn a_change_after_a_copy_copies_next_to_nothing() {
        let mut map = Shared::<u32, u32>::default();
        (0..10_000).for_each(|key| map.insert(key, key));
        let before = map.clone();
        map.insert(17, 0);
        map.remove(&4711);
        let others = map.parts.iter().zip(&before.parts).filter(|(one, other)| !Arc::ptr_eq(one, other)).count();
        assert!(others <= 2 && map.parts.len() > 1000, "{others} of {} parts", map.parts.len());
    }
}
