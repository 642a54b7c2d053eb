//! The queue of one model: priorities first, then groups by weight, then the flows of a group equally, then in order.
//!
//! It is bounded. When it is full, a newcomer whose group (or, inside its group, whose flow) has clearly less than its
//! share in it takes the place of the newest call of the one that has most: who floods the queue is shed, the others
//! are not. Nothing here knows a clock, a model or a session.

use std::collections::{BTreeMap, VecDeque};

use modelet_spec::Flow;

use super::ring::Ring;

type Calls<T> = VecDeque<Entry<T>>;
type Flows<T> = Ring<Calls<T>>;

/// What waits for one model.
pub(crate) struct FairQueue<T> {
    /// By priority; those that were used stay, there are 256 at most.
    levels: BTreeMap<u8, Ring<Flows<T>>>,
    len: usize,
    len_max: usize,
}

struct Entry<T> {
    rows: u32,
    item: T,
}

/// How much of the queue is whose.
#[derive(Default)]
struct Share {
    weight: u32,
    calls: usize,
    flows: BTreeMap<u64, usize>,
}

impl<T> FairQueue<T> {
    /// At most `len_max` calls.
    pub(crate) fn new(len_max: usize) -> Self {
        Self { levels: BTreeMap::new(), len: 0, len_max }
    }

    /// Calls that wait.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Puts a call last in its flow. `Ok(Some)`: another call had to leave for it. `Err`: there was no place.
    pub(crate) fn push(&mut self, flow: &Flow, rows: u32, item: T) -> Result<Option<T>, T> {
        let evicted = if self.len < self.len_max { None } else { self.evict_for(flow) };
        if self.len >= self.len_max {
            return Err(item);
        }
        self.insert(flow, |calls| calls.push_back(Entry { rows, item }));
        Ok(evicted)
    }

    /// Puts a call first in its flow, also into a full queue: it had a place before and was taken out to run.
    pub(crate) fn put_back(&mut self, flow: &Flow, rows: u32, item: T) {
        self.insert(flow, |calls| calls.push_front(Entry { rows, item }));
    }

    /// Takes out the call whose turn it is among those that fit, and charges its rows to its group and flow.
    pub(crate) fn pick(&mut self, fits: impl Fn(&T) -> bool) -> Option<T> {
        let fits = |entry: &Entry<T>| fits(&entry.item);
        let (picked, _) = self.levels.values_mut().rev().find_map(|groups| {
            let of_flows = |flows: &mut Flows<T>| {
                flows.turn(|calls| calls.iter().any(&fits), |calls| first(calls, fits), VecDeque::is_empty)
            };
            groups.turn(|flows| flows.any(|calls| calls.iter().any(&fits)), of_flows, Ring::is_empty)
        })?;
        self.len -= 1;
        Some(picked)
    }

    /// Takes out the first call that fits, for nothing: its caller has left.
    pub(crate) fn remove(&mut self, flow: &Flow, fits: impl Fn(&T) -> bool) -> Option<T> {
        let of_calls = |calls: &mut Calls<T>| first(calls, |entry| fits(&entry.item)).map(|(item, _)| item);
        self.take(flow.priority, flow.group, flow.id, of_calls)
    }

    /// Every call, in no particular order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        let flows = self.levels.values().flat_map(Ring::seats).flat_map(|group| group.holds.seats());
        flows.flat_map(|flow| &flow.holds).map(|entry| &entry.item)
    }

    /// Looks for one call of `flow`, to change it in place.
    pub(crate) fn find(&mut self, flow: &Flow, fits: impl Fn(&T) -> bool) -> Option<&mut T> {
        let group = self.levels.get_mut(&flow.priority)?.find(flow.group)?;
        group.find(flow.id)?.iter_mut().map(|entry| &mut entry.item).find(|item| fits(item))
    }

    fn insert(&mut self, flow: &Flow, insert: impl FnOnce(&mut Calls<T>)) {
        let groups = self.levels.entry(flow.priority).or_default();
        groups.with_seat(flow.group, flow.weight, |flows| flows.with_seat(flow.id, 1, insert));
        self.len += 1;
    }

    fn take(
        &mut self,
        priority: u8,
        group: u64,
        flow: u64,
        take: impl FnOnce(&mut Calls<T>) -> Option<T>,
    ) -> Option<T> {
        let groups = self.levels.get_mut(&priority)?;
        let of_flows = |flows: &mut Flows<T>| flows.take(flow, take, VecDeque::is_empty);
        let taken = groups.take(group, of_flows, Ring::is_empty);
        self.len -= usize::from(taken.is_some());
        taken
    }

    /// Makes room for a call of `flow`: takes the newest call of the group that has most, if that is clearly more than
    /// `flow`'s group would have with one more; else of the flow that has most inside the group, by the same measure.
    fn evict_for(&mut self, flow: &Flow) -> Option<T> {
        let shares = self.shares(flow);
        let mine = shares.get(&flow.group)?;
        let others = shares.iter().filter(|(group, share)| **group != flow.group && share.calls > 0);
        let fattest = others.reduce(|a, b| if b.1.is_above(b.1.calls, a.1, a.1.calls) { b } else { a });
        let clearly = |(_, other): &(&u64, &Share)| !mine.is_above(mine.calls + 1, other, other.calls - 1);
        let (group, share) = fattest.filter(clearly).unwrap_or((&flow.group, mine));
        let (victim, calls) = share.flows.iter().max_by_key(|(_, calls)| **calls)?;
        let own = mine.flows.get(&flow.id).copied().unwrap_or_default();
        if *group == flow.group && own + 1 > *calls - 1 {
            return None;
        }
        let newest = |calls: &mut Calls<T>| calls.pop_back().map(|entry| entry.item);
        let priorities: Vec<u8> = self.levels.range(..=flow.priority).map(|(priority, _)| *priority).collect();
        priorities.into_iter().find_map(|priority| self.take(priority, *group, *victim, newest))
    }

    /// What each group and flow has in the levels that `flow` may displace or shares; `flow`'s own group is always in.
    fn shares(&self, flow: &Flow) -> BTreeMap<u64, Share> {
        let mut shares: BTreeMap<u64, Share> = BTreeMap::new();
        shares.entry(flow.group).or_default().weight = flow.weight.max(1);
        for group in self.levels.range(..=flow.priority).flat_map(|(_, groups)| groups.seats()) {
            let share = shares.entry(group.id).or_default();
            share.weight = share.weight.max(group.weight);
            for flow in group.holds.seats() {
                share.calls += flow.holds.len();
                *share.flows.entry(flow.id).or_default() += flow.holds.len();
            }
        }
        shares
    }
}

impl Share {
    /// Whether this share with `calls` is more, by its weight, than `other` with `others`.
    fn is_above(&self, calls: usize, other: &Self, others: usize) -> bool {
        calls as u128 * u128::from(other.weight) > others as u128 * u128::from(self.weight)
    }
}

/// Takes out the first entry that fits, with its cost: a call of no rows costs a run all the same.
fn first<T>(calls: &mut Calls<T>, fits: impl Fn(&Entry<T>) -> bool) -> Option<(T, u32)> {
    let at = calls.iter().position(fits)?;
    calls.remove(at).map(|entry| (entry.item, entry.rows.max(1)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flow(group: u64, id: u64, weight: u32) -> Flow {
        Flow { weight, ..Flow::new(id, group) }
    }

    fn drain(queue: &mut FairQueue<&'static str>, count: usize) -> String {
        (0..count).map_while(|_| queue.pick(|_| true)).collect()
    }

    fn fill(queue: &mut FairQueue<&'static str>, flow: &Flow, rows: u32, item: &'static str, count: usize) {
        for _ in 0..count {
            queue.push(flow, rows, item).unwrap();
        }
    }

    #[test]
    fn groups_share_by_weight_and_flows_of_a_group_equally() {
        let mut queue = FairQueue::new(1000);
        fill(&mut queue, &flow(1, 1, 3), 1, "a", 100);
        fill(&mut queue, &flow(1, 2, 3), 1, "b", 100);
        fill(&mut queue, &flow(2, 3, 1), 1, "c", 100);
        let order = drain(&mut queue, 80);
        let count = |name: char| order.chars().filter(|c| *c == name).count();
        assert_eq!((count('a'), count('b'), count('c')), (30, 30, 20), "{order}");
        assert!(!order.contains("cc"), "a share is not taken in one go: {order}");
    }

    #[test]
    fn rows_count_and_not_calls() {
        let mut queue = FairQueue::new(1000);
        fill(&mut queue, &flow(1, 1, 1), 8, "L", 20);
        fill(&mut queue, &flow(2, 2, 1), 1, "s", 200);
        let order = drain(&mut queue, 90);
        let large = order.chars().filter(|c| *c == 'L').count();
        assert_eq!(large, 10, "{order}");
    }

    #[test]
    fn a_newcomer_does_not_wait_behind_a_backlog() {
        let mut queue = FairQueue::new(1000);
        fill(&mut queue, &flow(1, 1, 1), 1, "a", 500);
        drain(&mut queue, 100);
        fill(&mut queue, &flow(2, 2, 1), 1, "v", 1);
        assert!(drain(&mut queue, 2).contains('v'));
    }

    #[test]
    fn what_rides_along_is_paid_for() {
        let mut queue = FairQueue::new(1000);
        fill(&mut queue, &flow(1, 1, 1), 1, "a", 100);
        fill(&mut queue, &flow(2, 2, 1), 1, "v", 100);
        // A batch of eight that only `a` fits.
        let joined: Vec<_> = (0..8).map_while(|_| queue.pick(|item| *item == "a")).collect();
        assert_eq!(joined.len(), 8);
        assert_eq!(drain(&mut queue, 7), "vvvvvvv");
    }

    #[test]
    fn higher_priorities_go_first() {
        let mut queue = FairQueue::new(10);
        fill(&mut queue, &flow(1, 1, 1), 1, "l", 2);
        fill(&mut queue, &Flow { priority: 3, ..flow(2, 2, 1) }, 1, "h", 2);
        assert_eq!(drain(&mut queue, 10), "hhll");
        assert!(queue.levels.values().all(Ring::is_empty));
    }

    #[test]
    fn a_full_queue_sheds_whoever_fills_it_and_not_the_newcomer() {
        let mut queue = FairQueue::new(8);
        fill(&mut queue, &flow(1, 1, 1), 1, "a", 8);
        assert!(queue.push(&flow(1, 1, 1), 1, "a").is_err(), "its own calls fill it");
        for _ in 0..4 {
            assert_eq!(queue.push(&flow(2, 2, 1), 1, "v"), Ok(Some("a")));
        }
        assert!(queue.push(&flow(2, 2, 1), 1, "v").is_err(), "both have their half");
        assert!(queue.push(&flow(1, 1, 1), 1, "a").is_err());
        assert_eq!(queue.len(), 8);
    }

    #[test]
    fn a_flow_takes_its_place_from_its_sibling_and_not_from_another_group() {
        let mut queue = FairQueue::new(8);
        fill(&mut queue, &flow(1, 1, 1), 1, "a", 5);
        fill(&mut queue, &flow(2, 2, 1), 1, "v", 3);
        assert_eq!(queue.push(&flow(1, 9, 1), 1, "b"), Ok(Some("a")));
        assert_eq!(queue.iter().filter(|item| **item == "v").count(), 3);
    }

    #[test]
    fn a_call_of_higher_priority_is_never_shed_for_a_lower_one() {
        let mut queue = FairQueue::new(4);
        fill(&mut queue, &Flow { priority: 1, ..flow(1, 1, 1) }, 1, "h", 4);
        assert!(queue.push(&flow(2, 2, 1), 1, "l").is_err());
        assert_eq!(queue.push(&Flow { priority: 2, ..flow(2, 2, 1) }, 1, "x"), Ok(Some("h")));
    }

    #[test]
    fn a_call_that_left_is_gone_and_leaves_nothing() {
        let mut queue = FairQueue::new(4);
        fill(&mut queue, &flow(1, 1, 1), 1, "a", 2);
        assert_eq!(queue.remove(&flow(1, 1, 1), |item| *item == "a"), Some("a"));
        assert_eq!(queue.remove(&flow(1, 2, 1), |_| true), None);
        queue.put_back(&flow(1, 1, 1), 1, "first");
        assert_eq!(queue.iter().count(), 2);
        assert_eq!(queue.pick(|_| true), Some("first"));
        assert_eq!(queue.pick(|_| true), Some("a"));
        assert!(queue.levels.values().all(Ring::is_empty) && queue.len() == 0);
    }
}
