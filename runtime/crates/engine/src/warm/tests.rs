//! Any sequence of requests, ends, pauses and removals against a simple model: each sandbox is in one place, never in the hands
//! of two requests, never over a limit, and none is lost.

use std::collections::BTreeMap;
use std::sync::atomic::AtomicUsize;

use proptest::prelude::*;

use super::*;
use crate::admit::Permits;

const TERMS: Terms = Terms { idle: Duration::from_millis(100), max_age: Duration::from_millis(500), max_requests: 4 };
const CONCURRENCY: u32 = 3;

/// A sandbox that knows whether somebody has it, and counts its end.
struct Fake {
    id: usize,
    made: Instant,
    served: u32,
    is_taken: Arc<AtomicBool>,
    ended: Arc<AtomicUsize>,
}

impl Keep for Fake {
    fn memory(&self) -> u64 {
        weight(self.id)
    }

    fn made(&self) -> Instant {
        self.made
    }

    fn served(&self) -> u32 {
        self.served
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        self.ended.fetch_add(1, Ordering::Relaxed);
    }
}

fn weight(id: usize) -> u64 {
    1 << (id % 16)
}

#[derive(Clone, Debug)]
enum Step {
    /// A request comes.
    Come,
    /// A request ends; `good`: its sandbox may be used again.
    End { which: usize, good: bool },
    /// Time passes.
    Pass(u64),
    /// The keeper goes round, with this part of the idle time.
    Sweep(u32),
    /// Others need room.
    Shed(usize),
    /// So many are to be kept.
    Keep(u32),
    /// The function leaves memory.
    Close,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => Just(Step::Come),
        8 => (0..8usize, prop::bool::weighted(0.8)).prop_map(|(which, good)| Step::End { which, good }),
        4 => (0..200u64).prop_map(Step::Pass),
        3 => (1..=10u32).prop_map(Step::Sweep),
        1 => (0..4usize).prop_map(Step::Shed),
        1 => (0..=CONCURRENCY).prop_map(Step::Keep),
        1 => Just(Step::Close),
    ]
}

/// The function's sandboxes beside what is known of them.
struct World {
    warm: Warm<Fake>,
    counters: Arc<Counters>,
    permits: Permits,
    now: Instant,
    made: usize,
    ended: Arc<AtomicUsize>,
    /// In the hands of requests.
    busy: Vec<(tokio::sync::OwnedSemaphorePermit, Fake)>,
    /// Idle, by number: since when.
    idle: BTreeMap<usize, Instant>,
    min: usize,
}

impl World {
    fn new() -> Self {
        let counters = Arc::<Counters>::default();
        Self {
            warm: Warm::new(TERMS, counters.clone()),
            counters,
            permits: Permits::new(CONCURRENCY, 0),
            now: Instant::now(),
            made: 0,
            ended: Arc::default(),
            busy: Vec::new(),
            idle: BTreeMap::new(),
            min: 0,
        }
    }

    async fn come(&mut self) -> Result<(), TestCaseError> {
        let Ok(permit) = self.permits.take(Instant::now()).await else {
            prop_assert_eq!(self.busy.len(), CONCURRENCY as usize, "refused with a place free");
            return Ok(());
        };
        prop_assert!(self.busy.len() < CONCURRENCY as usize, "over the limit");
        let one = match self.warm.take() {
            Some(one) => {
                let since = self.idle.remove(&one.id);
                prop_assert!(since.is_some(), "{} was not idle", one.id);
                prop_assert!(self.idle.values().all(|other| Some(*other) <= since), "the last used goes first");
                one
            }
            None => {
                prop_assert!(self.idle.is_empty(), "an idle one was not found");
                self.made += 1;
                let (is_taken, ended) = (Arc::default(), self.ended.clone());
                Fake { id: self.made, made: self.now, served: 0, is_taken, ended }
            }
        };
        prop_assert!(!one.is_taken.swap(true, Ordering::Relaxed), "{} has two requests", one.id);
        self.busy.push((permit, one));
        Ok(())
    }

    fn end(&mut self, which: usize, good: bool) -> Result<(), TestCaseError> {
        if self.busy.is_empty() {
            return Ok(());
        }
        let (_permit, mut one) = self.busy.remove(which % self.busy.len());
        one.served += 1;
        one.is_taken.store(false, Ordering::Relaxed);
        if good {
            let (id, is_over) = (one.id, self.is_over(&one));
            let kept = self.warm.put(one, self.now).is_ok();
            prop_assert_eq!(kept, !is_over && !self.warm.is_closed());
            if kept {
                self.idle.insert(id, self.now);
            }
        }
        Ok(())
    }

    fn is_over(&self, one: &Fake) -> bool {
        one.served >= TERMS.max_requests || self.now - one.made >= TERMS.max_age
    }

    /// Those that went are no longer idle.
    fn went(&mut self, gone: &[Fake]) -> Result<(), TestCaseError> {
        for one in gone {
            prop_assert!(self.idle.remove(&one.id).is_some(), "{} went and was not idle", one.id);
        }
        Ok(())
    }

    fn sweep(&mut self, part: u32) -> Result<(), TestCaseError> {
        let limit = TERMS.idle / part;
        let before = self.idle.clone();
        let gone = self.warm.sweep(self.now, limit);
        self.went(&gone)?;
        for one in &gone {
            let was_idle = self.now - before[&one.id] >= limit;
            prop_assert!(was_idle || self.is_over(one), "{} went too early", one.id);
        }
        let stays = self.idle.values().any(|since| self.now - *since >= limit);
        prop_assert!(!stays || self.idle.len() <= self.min, "one that is idle for too long stays");
        let by_idleness = gone.iter().any(|one| !self.is_over(one));
        prop_assert!(!by_idleness || self.idle.len() >= self.min, "one went that is to be kept");
        Ok(())
    }

    fn check(&self) -> Result<(), TestCaseError> {
        let memory: u64 = self.idle.keys().map(|id| weight(*id)).sum();
        prop_assert_eq!(self.warm.weight(), (self.idle.len(), memory));
        prop_assert_eq!(self.counters.idle.load(Ordering::Relaxed), self.idle.len() as u64);
        prop_assert_eq!(self.counters.idle_memory.load(Ordering::Relaxed), memory);
        let ended = self.ended.load(Ordering::Relaxed);
        prop_assert_eq!(self.made, self.busy.len() + self.idle.len() + ended, "one is lost");
        let oldest = if self.idle.len() > self.min { self.idle.values().min().copied() } else { None };
        prop_assert_eq!(self.warm.oldest(), oldest);
        Ok(())
    }

    async fn play(&mut self, step: Step) -> Result<(), TestCaseError> {
        match step {
            Step::Come => self.come().await?,
            Step::End { which, good } => self.end(which, good)?,
            Step::Pass(ms) => self.now += Duration::from_millis(ms),
            Step::Sweep(part) => self.sweep(part)?,
            Step::Shed(most) => {
                let gone = self.warm.shed(most);
                prop_assert_eq!(gone.len(), most.min(self.idle.len().saturating_sub(self.min)));
                self.went(&gone)?;
            }
            Step::Keep(min) => {
                prop_assert_eq!(self.warm.keep(min), !self.warm.is_closed());
                self.min = min as usize;
            }
            Step::Close => match self.warm.close() {
                Some(gone) => {
                    prop_assert_eq!(self.min, 0, "some are to be kept");
                    self.went(&gone)?;
                    prop_assert!(self.idle.is_empty() && self.warm.is_closed());
                }
                None => prop_assert!(self.min > 0),
            },
        }
        self.check()
    }
}

proptest! {
    #[test]
    fn each_sandbox_is_in_one_place_and_none_is_lost(steps in prop::collection::vec(step(), 0..80)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async {
            let mut world = World::new();
            for step in steps {
                world.play(step).await?;
            }
            let (made, ended) = (world.made, world.ended.clone());
            drop(world);
            prop_assert_eq!(made, ended.load(Ordering::Relaxed));
            Ok(())
        })?;
    }
}

#[test]
fn threads_that_take_put_and_remove_at_once_never_share_one() {
    let counters = Arc::<Counters>::default();
    let terms = Terms { max_requests: 50, max_age: Duration::from_secs(3600), ..TERMS };
    let warm = Warm::new(terms, counters.clone());
    let (made, ended) = (AtomicUsize::new(0), Arc::new(AtomicUsize::new(0)));
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let (warm, made, ended) = (&warm, &made, &ended);
            scope.spawn(move || {
                for turn in 0..5_000 {
                    let mut one = warm.take().unwrap_or_else(|| {
                        let id = made.fetch_add(1, Ordering::Relaxed);
                        let (is_taken, ended) = (Arc::default(), ended.clone());
                        Fake { id, made: Instant::now(), served: 0, is_taken, ended }
                    });
                    assert!(!one.is_taken.swap(true, Ordering::SeqCst), "{} has two requests", one.id);
                    one.served += 1;
                    one.is_taken.store(false, Ordering::SeqCst);
                    drop(warm.put(one, Instant::now()));
                    match (turn + thread) % 97 {
                        0 => drop(warm.shed(1)),
                        1 => drop(warm.sweep(Instant::now(), Duration::ZERO)),
                        _ => {}
                    }
                }
                drop(warm.close());
            });
        }
    });
    assert_eq!(warm.len(), 0);
    assert_eq!(made.load(Ordering::Relaxed), ended.load(Ordering::Relaxed));
    assert_eq!(counters.idle.load(Ordering::Relaxed), 0);
    assert_eq!(counters.idle_memory.load(Ordering::Relaxed), 0);
}
