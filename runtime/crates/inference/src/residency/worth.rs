//! Which model goes first when room is needed: a pure choice.
//!
//! What is kept should be what saves most: bytes that are used often, and loads that take long. So of two models the one
//! with the greater
//!
//! ```text
//! bytes × time since its last use ÷ time that its load took
//! ```
//!
//! goes first. Bytes × time is the space-time product of A. J. Smith, "Long term file migration" (CACM 24(8), 1981), which
//! frees a given room at the smallest loss of hits where sizes differ widely; dividing by the cost of getting it back is the
//! weight of GreedyDual-Size (P. Cao, S. Irani, USITS 1997). GreedyDual's own inflation value needs a write to shared state
//! at each use; the age needs one store to the model's own.

use std::time::Duration;

/// What is known of a model that might go.
#[derive(Clone, Copy, Debug)]
pub(super) struct Candidate<K> {
    pub(super) key: K,
    pub(super) bytes: u64,
    /// Since its last use.
    pub(super) age: Duration,
    /// What its last load took.
    pub(super) load_time: Duration,
}

impl<K> Candidate<K> {
    /// Greater goes first. A millisecond at least for both times, so that neither makes the other meaningless.
    fn score(&self) -> f64 {
        let at_least_1ms = |time: Duration| time.as_secs_f64().max(1e-3);
        self.bytes as f64 * at_least_1ms(self.age) / at_least_1ms(self.load_time)
    }
}

/// Those that have to go for `needed` bytes; `None` if all of them together are not enough, and then none should.
pub(super) fn victims<K>(mut candidates: Vec<Candidate<K>>, needed: u64) -> Option<Vec<K>> {
    candidates.sort_by(|a, b| b.score().total_cmp(&a.score()));
    let mut freed = 0_u64;
    let mut going = Vec::new();
    for candidate in candidates {
        if freed >= needed {
            break;
        }
        freed = freed.saturating_add(candidate.bytes);
        going.push(candidate);
    }
    if freed < needed {
        return None;
    }
    // A large one taken late may have made an earlier one unnecessary: that one stays. The least worth keeping is asked last.
    let mut spare = freed - needed;
    let mut kept = Vec::with_capacity(going.len());
    for candidate in going.into_iter().rev() {
        if candidate.bytes <= spare && candidate.bytes > 0 {
            spare -= candidate.bytes;
        } else {
            kept.push(candidate.key);
        }
    }
    kept.reverse();
    Some(kept)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn of(key: u32, bytes: u64, age_s: u64, load_ms: u64) -> Candidate<u32> {
        Candidate { key, bytes, age: Duration::from_secs(age_s), load_time: Duration::from_millis(load_ms) }
    }

    #[test]
    fn what_was_used_longest_ago_goes_first() {
        assert_eq!(victims(vec![of(1, 10, 5, 100), of(2, 10, 50, 100), of(3, 10, 1, 100)], 15), Some(vec![2, 1]));
    }

    #[test]
    fn what_takes_long_to_load_stays_longer() {
        assert_eq!(victims(vec![of(1, 10, 20, 4000), of(2, 10, 10, 100)], 10), Some(vec![2]));
    }

    #[test]
    fn nothing_goes_for_a_room_that_cannot_be_made() {
        assert_eq!(victims(vec![of(1, 10, 1, 1), of(2, 10, 1, 1)], 21), None);
        assert_eq!(victims(vec![of(1, 10, 1, 1)], 0), Some(vec![]));
    }

    #[test]
    fn a_small_one_stays_if_a_large_one_has_to_go_anyway() {
        assert_eq!(victims(vec![of(1, 1, 1000, 1), of(2, 100, 5, 1)], 100), Some(vec![2]));
    }

    proptest! {
        #[test]
        fn room_is_enough_and_nobody_goes_for_nothing(
            all in proptest::collection::vec((1_u64..100, 0_u64..100, 0_u64..1000), 0..12), needed in 0_u64..600
        ) {
            let all: Vec<_> = (0..).zip(&all).map(|(key, (bytes, age, load))| of(key, *bytes, *age, *load)).collect();
            let total: u64 = all.iter().map(|one| one.bytes).sum();
            match victims(all.clone(), needed) {
                None => prop_assert!(total < needed),
                Some(going) => {
                    let bytes = |key: &u32| all.iter().find(|one| one.key == *key).unwrap().bytes;
                    let freed: u64 = going.iter().map(bytes).sum();
                    prop_assert!(freed >= needed);
                    prop_assert!(going.iter().all(|key| freed - bytes(key) < needed), "{going:?}");
                }
            }
        }
    }
}
