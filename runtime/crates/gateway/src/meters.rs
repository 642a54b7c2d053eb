//! Finds the counters of a function without a lock and without hashing a name.
//!
//! The key is the address of the function's handle. A weak handle is kept beside it, so the address cannot be given to
//! another function while the key is there. A function that is seen for the first time makes a new map, which is also when
//! those that are gone leave.

use std::any::Any;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use arc_swap::ArcSwap;

use crate::meter::Meter;
use crate::metrics::{Families, FunctionLabels};

type Handle = Weak<dyn Any + Send + Sync>;
type Map = HashMap<usize, (Handle, Arc<Meter>)>;

/// The counters of all functions that were called.
#[derive(Debug)]
pub(crate) struct Meters {
    map: ArcSwap<Map>,
    /// Held while a new map is made: once per deploy, never by a request for a known function.
    writing: Mutex<()>,
    families: Families,
}

impl Meters {
    /// No function has been called.
    pub(crate) fn new(families: Families) -> Self {
        Self { map: ArcSwap::from_pointee(Map::new()), writing: Mutex::default(), families }
    }

    /// The counters of `function`; two handles with the same labels share them.
    pub(crate) fn of<F>(&self, function: &Arc<F>, labels: impl FnOnce() -> FunctionLabels) -> Arc<Meter>
    where
        F: Send + Sync + 'static,
    {
        let key = Arc::as_ptr(function).addr();
        if let Some((_, meter)) = self.map.load().get(&key) {
            return meter.clone();
        }
        let _writing = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let old = self.map.load_full();
        if let Some((_, meter)) = old.get(&key) {
            return meter.clone();
        }
        let labels = labels();
        let known = old.values().find(|(_, meter)| *meter.labels() == labels).map(|(_, meter)| meter.clone());
        let meter = known.unwrap_or_else(|| Arc::new(Meter::new(labels, self.families.clone())));
        let function: Arc<dyn Any + Send + Sync> = function.clone();
        let mut new: Map = old
            .iter()
            .filter(|(_, (handle, _))| handle.strong_count() > 0)
            .map(|(key, entry)| (*key, entry.clone()))
            .collect();
        new.insert(key, (Arc::downgrade(&function), meter.clone()));
        remove_series(&old, &new);
        self.map.store(Arc::new(new));
        meter
    }
}

/// Removes from the registry what is in `old` and under no handle in `new`.
fn remove_series(old: &Map, new: &Map) {
    for (_, meter) in old.values() {
        if new.values().any(|(_, kept)| Arc::ptr_eq(kept, meter)) {
            continue;
        }
        let function = &meter.labels().function;
        meter.remove_series(!new.values().any(|(_, kept)| kept.labels().function == *function));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(version: &str) -> impl FnOnce() -> FunctionLabels + use<> {
        let version = version.to_owned();
        move || FunctionLabels { tenant: "t".into(), function: "f".into(), version }
    }

    #[test]
    fn a_function_keeps_its_counters_and_a_new_handle_of_the_same_version_shares_them() {
        let meters = Meters::new(Families::default());
        let (one, again, two) = (Arc::new(1), Arc::new(1), Arc::new(2));
        let first = meters.of(&one, labels("1"));
        assert!(Arc::ptr_eq(&first, &meters.of(&one, || panic!("the labels are known"))));
        assert!(Arc::ptr_eq(&first, &meters.of(&again, labels("1"))));
        assert!(!Arc::ptr_eq(&first, &meters.of(&two, labels("2"))));
    }

    #[test]
    fn a_function_that_is_gone_leaves_when_the_next_comes() {
        let families = Families::default();
        let meters = Meters::new(families.clone());
        let (one, two) = (Arc::new(1), Arc::new(2));
        meters.of(&one, labels("1"));
        assert!(families.seconds.get(&labels("1")()).is_some());
        drop(one);
        meters.of(&two, labels("2"));
        assert_eq!(meters.map.load().len(), 1);
        assert!(families.seconds.get(&labels("1")()).is_none());
        assert!(families.seconds.get(&labels("2")()).is_some());
    }
}
