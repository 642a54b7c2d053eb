//! How many sessions a model may have, and how many threads each of them runs on.
//!
//! One thread each and a session per core is what serves most calls per second: nothing is handed between threads, and no
//! core waits for another. More threads in one run answer a lone caller sooner, if the model's operators are large enough,
//! and use cores that too few sessions leave idle. So a model begins with one thread; when its runs are long, and
//! the machine has cores to spare, both ways are tried on the inputs that it was just given (`tuning.rs`), and this rule
//! decides. The reasons and figures are in `runtime/docs/decisions/0011-sessions-and-threads.md`.

use std::time::Duration;

/// Shorter runs stay on one thread: waking others for each operator costs 10 to 50 µs, and a caller does not feel the rest.
pub(crate) const LONG_RUN: Duration = Duration::from_millis(4);

/// More threads than this in one run have never paid on CPUs: operators of one request are not that large.
const THREADS_MAX: usize = 8;

/// All sessions of a model may take this fraction of the models' memory, going by the size of its file; the first is free.
const MEMORY_PART: u64 = 4;

/// To be chosen, more threads must answer in at most 4/5 of the time, and serve at least 3/4 of the calls per second.
const CHOSEN: Terms = Terms { faster: 1.25, throughput: 0.75 };

/// To stay chosen, when it is measured again, less will do: a choice on the edge must not go to and fro.
const KEPT: Terms = Terms { faster: 1.1, throughput: 0.6 };

struct Terms {
    faster: f64,
    throughput: f64,
}

/// What is known of a model and its machine.
#[derive(Clone, Debug)]
pub(crate) struct ThreadRule {
    /// Cores that all models' runs may use together.
    cores: usize,
    /// Sessions for which there is memory.
    fits: usize,
    /// What the operator or the card says.
    asked: Asked,
}

/// What need not be found out.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Asked {
    pub(crate) sessions: Option<usize>,
    pub(crate) threads: Option<usize>,
}

/// What one run took with each of two numbers of threads, on the same inputs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Compared {
    /// With one thread.
    pub(crate) one: Duration,
    /// With more.
    pub(crate) more: Duration,
}

impl ThreadRule {
    /// For a model whose file has `file_bytes`, where all models may take `memory` bytes.
    pub(crate) fn new(cores: usize, (file_bytes, memory): (u64, u64), asked: Asked) -> Self {
        let fits = memory / MEMORY_PART / file_bytes.max(1);
        Self { cores: cores.max(1), fits: usize::try_from(fits).unwrap_or(usize::MAX).max(1), asked }
    }

    /// Threads of a session as long as nothing is measured.
    pub(crate) fn threads_at_first(&self) -> usize {
        self.asked.threads.unwrap_or(1).clamp(1, self.cores)
    }

    /// Sessions that a model with `threads` threads each may have: together they fill the cores and the memory, no more.
    pub(crate) fn sessions_max(&self, threads: usize) -> usize {
        let own = (self.cores / threads.max(1)).min(self.fits);
        self.asked.sessions.unwrap_or(own).max(1)
    }

    /// Whether a run that took `took` is a reason to compare.
    pub(crate) fn is_open(&self, took: Duration) -> bool {
        self.asked.threads.is_none() && self.cores > 1 && took >= LONG_RUN
    }

    /// The number of threads to run on, by comparing one thread with two, four and so on until more do not pay. `now` is
    /// what it runs on. `None`: it could not be compared.
    pub(crate) fn choose(&self, now: usize, mut compare: impl FnMut(usize) -> Option<Compared>) -> Option<usize> {
        let (mut chosen, mut faster) = (1, 1.0);
        let mut threads = 2;
        while threads <= self.cores.min(THREADS_MAX) {
            let Some(compared) = compare(threads) else { return (chosen > 1).then_some(chosen) };
            let terms = if threads <= now { &KEPT } else { &CHOSEN };
            if !self.pays(threads, compared, terms) || compared.faster() < faster * KEPT.faster {
                break;
            }
            (chosen, faster) = (threads, compared.faster());
            threads *= 2;
        }
        Some(chosen)
    }

    fn pays(&self, threads: usize, compared: Compared, terms: &Terms) -> bool {
        let faster = compared.faster();
        // Runs at a time: as many as there are sessions, and cores for them.
        let at_a_time = |threads: usize| self.sessions_max(threads).min((self.cores / threads).max(1)) as f64;
        let throughput = faster * at_a_time(threads) / at_a_time(1);
        compared.one >= LONG_RUN && faster >= terms.faster && throughput >= terms.throughput
    }
}

impl Compared {
    /// How many times as fast.
    fn faster(&self) -> f64 {
        self.one.as_secs_f64() / self.more.as_secs_f64().max(1e-9)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GIB: u64 = 1 << 30;

    fn rule(cores: usize, file_bytes: u64) -> ThreadRule {
        ThreadRule::new(cores, (file_bytes, 2 * GIB), Asked::default())
    }

    /// A model whose run of 20 ms is `speed(threads)` times as fast.
    fn scaling(speed: impl Fn(usize) -> f64) -> impl FnMut(usize) -> Option<Compared> {
        let one = Duration::from_millis(20);
        move |threads| Some(Compared { one, more: one.div_f64(speed(threads)) })
    }

    #[test]
    fn sessions_times_threads_never_exceed_the_cores() {
        for cores in [1, 2, 3, 4, 64] {
            for file_bytes in [1 << 10, 90 << 20, 4 * GIB] {
                let rule = rule(cores, file_bytes);
                for threads in 1..=cores {
                    let sessions = rule.sessions_max(threads);
                    assert!(sessions >= 1 && sessions * threads <= cores, "{cores} {threads} {sessions}");
                }
            }
        }
    }

    #[test]
    fn a_small_model_gets_a_session_for_each_core_and_a_large_one_what_memory_has() {
        let sessions = |cores, file_bytes| rule(cores, file_bytes).sessions_max(1);
        assert_eq!((sessions(2, 1 << 20), sessions(64, 1 << 20)), (2, 64));
        assert_eq!((sessions(2, 90 << 20), sessions(64, 90 << 20)), (2, 5));
        assert_eq!(sessions(64, 4 * GIB), 1);
    }

    #[test]
    fn what_is_asked_for_is_not_measured() {
        let asked = |cores, sessions, threads| ThreadRule::new(cores, (1, GIB), Asked { sessions, threads });
        let own = asked(64, Some(3), Some(4));
        assert_eq!((own.threads_at_first(), own.sessions_max(4)), (4, 3));
        assert!(!own.is_open(Duration::from_secs(1)));
        assert_eq!(asked(2, None, Some(8)).threads_at_first(), 2, "more threads than cores only wait for each other");
        assert!(rule(2, 1).is_open(LONG_RUN) && !rule(2, 1).is_open(LONG_RUN / 2) && !rule(1, 1).is_open(LONG_RUN));
    }

    #[test]
    fn threads_are_added_while_they_pay() {
        // Nearly as many times as fast: on two cores both, on 64 up to the most.
        let well = || scaling(|threads| threads as f64 * 0.9);
        assert_eq!(rule(2, 1).choose(1, well()), Some(2));
        assert_eq!(rule(64, 1).choose(1, well()), Some(8));
        assert_eq!(rule(1, 1).choose(1, well()), Some(1));
        // 1.4 times with two threads, and no more with four: each core serves less than alone.
        let badly = || scaling(|threads| if threads == 2 { 1.4 } else { 1.5 });
        assert_eq!(rule(2, 1).choose(1, badly()), Some(1));
        assert_eq!(rule(64, 1).choose(1, badly()), Some(1));
        // There is memory for one session only, so that 63 cores would idle: whatever is faster pays.
        assert_eq!(rule(64, 4 * GIB).choose(1, badly()), Some(2));
        let slower = scaling(|threads| 1.0 / threads as f64);
        assert_eq!(rule(64, 4 * GIB).choose(1, slower), Some(1));
    }

    #[test]
    fn a_choice_on_the_edge_stays() {
        let edge = || scaling(|_| 1.4);
        assert_eq!(rule(2, 1).choose(1, edge()), Some(1), "not chosen");
        assert_eq!(rule(2, 1).choose(2, edge()), Some(2), "nor given up");
        assert_eq!(rule(2, 1).choose(2, scaling(|_| 1.1)), Some(1));
    }

    #[test]
    fn short_runs_and_failed_comparisons_change_nothing() {
        let short = |_| Some(Compared { one: Duration::from_millis(1), more: Duration::from_micros(400) });
        assert_eq!(rule(2, 1).choose(1, short), Some(1));
        assert_eq!(rule(2, 1).choose(1, |_| None), None);
        let well = |threads: usize| (threads < 4).then(|| scaling(|threads| threads as f64)(threads))?;
        assert_eq!(rule(64, 1).choose(1, well), Some(2), "what has been found out counts");
    }
}
