//! Makes the ids of invocations.
//!
//! An id names a request in answers and logs; it grants nothing, so it need not be secret. The random part comes from a
//! generator per thread (xoshiro256++), seeded from the operating system: a system call per request would cost more than
//! the rest of the gateway's script.

use std::cell::Cell;
use std::hash::{BuildHasher, RandomState};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use modelet_spec::InvocationId;

/// How long a reading of the time of day is added to: what the operating system corrects of it is seen this late.
const READING: Duration = Duration::from_secs(1);

thread_local! {
    static STATE: Cell<[u64; 4]> = Cell::new(seed());
    static CLOCK: Cell<Option<Clock>> = const { Cell::new(None) };
}

/// The time of day, and when it was read.
#[derive(Debug, Clone, Copy)]
struct Clock {
    read: Instant,
    unix: Duration,
}

/// An id that no other invocation has, sorted by time to the millisecond. `now` is the present.
pub(crate) fn next(now: Instant) -> InvocationId {
    let random = STATE.with(|cell| {
        let (state, high) = step(cell.get());
        let (state, low) = step(state);
        cell.set(state);
        (u128::from(high) << 64) | u128::from(low)
    });
    InvocationId::from_parts(unix_ms(now), random)
}

/// The time of day of `now`. A caller has read the one clock already, so the other is read once a second.
fn unix_ms(now: Instant) -> u64 {
    let known = CLOCK.get().and_then(|clock| Some((clock, now.checked_duration_since(clock.read)?)));
    let unix = match known {
        Some((clock, since)) if since < READING => clock.unix + since,
        _ => {
            let unix = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            CLOCK.set(Some(Clock { read: now, unix }));
            unix
        }
    };
    u64::try_from(unix.as_millis()).unwrap_or(u64::MAX)
}

/// Four words from the keys that the standard library drew from the operating system for this thread.
fn seed() -> [u64; 4] {
    let state = RandomState::new();
    let words = [0_u8, 1, 2, 3].map(|word| state.hash_one(word));
    // The generator's only bad state; the odds are one in 2^256, the guard is free.
    if words == [0; 4] { [1, 2, 3, 4] } else { words }
}

/// One step of xoshiro256++ (Blackman and Vigna).
fn step([s0, s1, s2, s3]: [u64; 4]) -> ([u64; 4], u64) {
    let random = s0.wrapping_add(s3).rotate_left(23).wrapping_add(s0);
    let (s2, s3) = (s2 ^ s0, s3 ^ s1);
    ([s0 ^ s3, s1 ^ s2, s2 ^ (s1 << 17), s3.rotate_left(45)], random)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn the_generator_is_xoshiro256_plus_plus() {
        // The first values of the reference implementation for the state 1, 2, 3, 4.
        let mut state = [1, 2, 3, 4];
        let mut values = Vec::new();
        for _ in 0..4 {
            let (next, value) = step(state);
            state = next;
            values.push(value);
        }
        assert_eq!(values, [41_943_041, 58_720_359, 3_588_806_011_781_223, 3_591_011_842_654_386]);
    }

    #[test]
    fn ids_of_all_threads_differ() {
        let threads: Vec<_> = (0..4)
            .map(|_| std::thread::spawn(|| (0..5_000).map(|_| next(Instant::now())).collect::<Vec<_>>()))
            .collect();
        let ids: HashSet<_> = threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect();
        assert_eq!(ids.len(), 20_000);
    }

    #[test]
    fn the_time_of_day_is_added_to_and_read_again_when_that_is_old() {
        let now = Instant::now();
        let first = unix_ms(now);
        let away = unix_ms(now + Duration::from_millis(500)) - first;
        assert!((499..=501).contains(&away), "{away}");
        let later = now + Duration::from_secs(2);
        unix_ms(later);
        assert_eq!(CLOCK.get().unwrap().read, later);
    }
}
