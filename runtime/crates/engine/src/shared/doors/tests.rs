//! Any sequence of requests that come, begin, and leave, and of instances that close, against a simple model: no instance has more than
//! its places, no more instances are open than are needed, and each request is in exactly one place.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

#[derive(Clone, Debug)]
enum Step {
    /// A request comes.
    Come,
    /// An instance takes those who have come.
    Begin(usize),
    /// A request of an instance is done.
    Go(usize),
    /// A guest computes, or waits.
    Compute(usize, bool),
    /// Somebody in an instance went over a limit.
    Close(usize),
    /// An instance would go to rest.
    Leave(usize),
    /// What ran an instance has died without a word.
    Die(usize),
}

fn step() -> impl Strategy<Value = Step> {
    let which = 0..6usize;
    prop_oneof![
        8 => Just(Step::Come),
        6 => which.clone().prop_map(Step::Begin),
        6 => which.clone().prop_map(Step::Go),
        3 => (which.clone(), any::<bool>()).prop_map(|(which, computes)| Step::Compute(which, computes)),
        1 => which.clone().prop_map(Step::Close),
        3 => which.clone().prop_map(Step::Leave),
        1 => which.prop_map(Step::Die),
    ]
}

/// An instance, as whoever runs it knows it.
struct Instance {
    door: Arc<Door>,
    receiver: mpsc::Receiver<u64>,
    begun: Vec<u64>,
    computes: bool,
    is_open: bool,
}

struct World {
    doors: Doors<u64>,
    places: usize,
    most: usize,
    concurrency: usize,
    instances: Vec<Instance>,
    next: u64,
    /// Requests that have come and are not done, each of which some instance must have.
    live: BTreeSet<u64>,
}

impl World {
    fn new(places: u32, concurrency: u32) -> Self {
        let most = concurrency.div_ceil(places) as usize;
        let (places, doors) = (places as usize, Doors::new(places, concurrency));
        let concurrency = concurrency as usize;
        Self { doors, places, most, concurrency, instances: Vec::new(), next: 0, live: BTreeSet::new() }
    }

    /// So many are in an instance, or on their way into it.
    fn inside(instance: &Instance) -> usize {
        instance.begun.len() + instance.receiver.len()
    }

    fn come(&mut self, request: u64) -> Result<(), TestCaseError> {
        let before: Vec<usize> = self.instances.iter().map(Self::inside).collect();
        match self.doors.come(request) {
            Came::In => {
                let grown = self.instances.iter().zip(&before).filter(|(one, before)| Self::inside(one) > **before);
                let grown: Vec<_> = grown.map(|(one, _)| one).collect();
                prop_assert_eq!(grown.len(), 1, "it is in one instance");
                prop_assert!(grown[0].is_open, "nobody comes into one that is closed");
                let can_grow = self.open() < self.most;
                prop_assert!(!(can_grow && grown[0].computes), "it waits for a guest that computes, and need not");
            }
            Came::New(door, receiver) => {
                let is_better = |one: &Instance| one.is_open && !one.computes && Self::inside(one) < self.places;
                prop_assert!(!self.instances.iter().any(is_better), "one that waits had a place");
                self.instances.push(Instance { door, receiver, begun: Vec::new(), computes: false, is_open: true });
            }
            Came::Full(_) => {
                prop_assert!(self.open() >= self.most, "a further instance could have been made");
                prop_assert!(self.instances.iter().all(|one| !one.is_open || Self::inside(one) >= self.places));
                prop_assert!(self.live.len() > self.concurrency, "one with a permit found no place");
                self.live.remove(&request);
            }
        }
        Ok(())
    }

    fn open(&self) -> usize {
        self.instances.iter().filter(|one| one.is_open).count()
    }

    fn play(&mut self, step: Step) -> Result<(), TestCaseError> {
        let which = |which: usize, len: usize| (len > 0).then(|| which % len);
        let len = self.instances.len();
        match step {
            Step::Come => {
                // A permit is to be had only while fewer than so many are there, those of closed instances included.
                if self.live.len() < self.concurrency {
                    self.next += 1;
                    self.live.insert(self.next);
                    self.come(self.next)?;
                }
            }
            Step::Begin(at) => {
                let Some(at) = which(at, len) else { return Ok(()) };
                let one = &mut self.instances[at];
                while let Ok(request) = one.receiver.try_recv() {
                    one.begun.push(request);
                }
            }
            Step::Go(at) => {
                let Some(at) = which(at, len) else { return Ok(()) };
                let one = &mut self.instances[at];
                if let Some(request) = one.begun.pop() {
                    self.doors.gone(&one.door);
                    self.live.remove(&request);
                }
            }
            Step::Compute(at, computes) => {
                let Some(at) = which(at, len) else { return Ok(()) };
                self.instances[at].computes = computes;
                self.instances[at].door.computes(computes);
            }
            Step::Close(at) => {
                let Some(at) = which(at, len) else { return Ok(()) };
                self.instances[at].is_open = false;
                let door = self.instances[at].door.clone();
                self.doors.close(&door);
                let moved: Vec<u64> = std::iter::from_fn(|| self.instances[at].receiver.try_recv().ok()).collect();
                for request in moved {
                    self.come(request)?;
                }
            }
            Step::Leave(at) => {
                let Some(at) = which(at, len) else { return Ok(()) };
                let one = &self.instances[at];
                if one.is_open {
                    let left = self.doors.leave(&one.door);
                    prop_assert_eq!(left, Self::inside(one) == 0, "it leaves when nobody is in it, and not before");
                    if left {
                        self.instances.remove(at);
                    }
                }
            }
            Step::Die(at) => {
                let Some(at) = which(at, len) else { return Ok(()) };
                let mut one = self.instances.remove(at);
                one.begun.iter().for_each(|request| assert!(self.live.remove(request)));
                while let Ok(request) = one.receiver.try_recv() {
                    self.live.remove(&request);
                }
                // Whoever cleans up closes the door; a request that comes before finds it shut.
                self.doors.close(&one.door);
            }
        }
        self.check()
    }

    fn check(&self) -> Result<(), TestCaseError> {
        for one in &self.instances {
            prop_assert!(Self::inside(one) <= self.places, "{} in one instance", Self::inside(one));
        }
        prop_assert!(self.open() <= self.most, "{} instances are open", self.open());
        let inside: usize = self.instances.iter().map(Self::inside).sum();
        prop_assert_eq!(inside, self.live.len(), "one is lost, or in two places");
        Ok(())
    }
}

proptest! {
    #[test]
    fn no_instance_has_more_than_its_places_and_none_is_lost(
        (places, concurrency) in (1..4u32, 1..9u32),
        steps in prop::collection::vec(step(), 0..120),
    ) {
        let mut world = World::new(places, concurrency);
        for step in steps {
            world.play(step)?;
        }
    }
}

#[test]
fn who_comes_to_a_door_that_nobody_opens_any_more_is_not_lost() {
    let doors = Doors::new(2, 4);
    let Came::New(door, receiver) = doors.come(1) else { panic!("there was an instance") };
    drop(receiver);
    let Came::New(other, mut receiver) = doors.come(2) else { panic!("it went to the dead") };
    assert!(!Arc::ptr_eq(&door, &other));
    assert_eq!(receiver.try_recv(), Ok(2));
}
