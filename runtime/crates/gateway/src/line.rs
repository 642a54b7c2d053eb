//! Who waits for a place, and whose turn it is: groups by their weights, and in a group who came first.
//!
//! Stride scheduling (C. A. Waldspurger, W. E. Weihl, 1995): each turn of a group takes it further by a stride that is the shorter the
//! more it weighs, and the group that is least far is next. One that comes begins where the line is, so that it neither waits
//! behind a backlog nor has saved anything up. No clock, no randomness.

use std::collections::{BTreeSet, HashMap, VecDeque};

/// The stride of weight 1: all weights up to 100 divide it to less than a thousandth.
const STRIDE: u64 = 1 << 20;

/// A line of those that wait.
#[derive(Debug)]
pub(crate) struct Line<T> {
    groups: HashMap<u64, Group<T>>,
    /// The groups by how far each is.
    order: BTreeSet<(u64, u64)>,
    /// How far the last turn was.
    reached: u64,
}

#[derive(Debug)]
struct Group<T> {
    at: u64,
    weight: u32,
    waiting: VecDeque<T>,
}

impl<T> Default for Line<T> {
    fn default() -> Self {
        Self { groups: HashMap::new(), order: BTreeSet::new(), reached: 0 }
    }
}

impl<T> Line<T> {
    /// Whether nobody waits.
    pub(crate) fn is_empty(&self) -> bool {
        self.groups.is_empty()
    }

    /// Puts somebody last in its group. The weight last given counts; 0 is taken for 1.
    pub(crate) fn push(&mut self, group: u64, weight: u32, item: T) {
        let weight = weight.max(1);
        let at = self.reached.saturating_add(stride(weight));
        let found = self.groups.entry(group).or_insert_with(|| Group { at, weight, waiting: VecDeque::new() });
        found.weight = weight;
        found.waiting.push_back(item);
        self.order.insert((found.at, group));
    }

    /// Takes out whose turn it is.
    pub(crate) fn pop(&mut self) -> Option<T> {
        let (at, id) = self.order.pop_first()?;
        self.reached = at;
        let group = self.groups.get_mut(&id)?;
        let next = group.waiting.pop_front();
        if group.waiting.is_empty() {
            self.groups.remove(&id);
        } else {
            group.at = at.saturating_add(stride(group.weight));
            self.order.insert((group.at, id));
        }
        next
    }

    /// Makes room for one more of a group in a full line: takes out the newest of the group that has most of it by weight, if that is
    /// clearly more than the newcomer's would have. Who floods the line is shed, the others are not.
    pub(crate) fn evict_for(&mut self, group: u64, weight: u32) -> Option<T> {
        let own = self.groups.get(&group).map_or(0, |own| own.waiting.len() as u128);
        let share = |found: &Group<T>| found.waiting.len() as u128 * u128::from(stride(found.weight));
        let others = self.groups.iter().filter(|(id, _)| **id != group);
        let (&fattest, found) = others.max_by_key(|(id, found)| (share(found), **id))?;
        let (theirs, their_weight) = (found.waiting.len() as u128, u128::from(found.weight));
        if (own + 1) * their_weight > theirs.saturating_sub(1) * u128::from(weight.max(1)) {
            return None;
        }
        let evicted = self.groups.get_mut(&fattest)?.waiting.pop_back();
        self.leave_if_empty(fattest);
        evicted
    }

    /// Takes somebody out who waits no longer: the one of its group for whom `number` is this. Numbers grow with the order in which
    /// they came, so nobody is asked in vain.
    pub(crate) fn remove(&mut self, group: u64, this: u64, number: impl Fn(&T) -> u64) {
        let Some(found) = self.groups.get_mut(&group) else { return };
        if let Ok(at) = found.waiting.binary_search_by_key(&this, number) {
            found.waiting.remove(at);
        }
        self.leave_if_empty(group);
    }

    #[cfg(test)]
    pub(crate) fn has(&self, group: u64) -> bool {
        self.groups.contains_key(&group)
    }

    fn leave_if_empty(&mut self, group: u64) {
        let Some(at) = self.groups.get(&group).filter(|found| found.waiting.is_empty()).map(|found| found.at) else {
            return;
        };
        self.order.remove(&(at, group));
        self.groups.remove(&group);
    }
}

fn stride(weight: u32) -> u64 {
    STRIDE / u64::from(weight.max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn take(line: &mut Line<char>, count: usize) -> String {
        (0..count).map_while(|_| line.pop()).collect()
    }

    #[test]
    fn groups_have_turns_by_their_weights_whoever_came_first() {
        let mut line = Line::default();
        (0..50).for_each(|_| line.push(1, 1, 'l'));
        (0..50).for_each(|_| line.push(3, 3, 'h'));
        let turns = take(&mut line, 40);
        assert_eq!((turns.matches('h').count(), turns.matches('l').count()), (30, 10), "{turns}");
        assert!(!turns.contains("hhhhh") && !turns.contains("ll"), "spread: {turns}");
        assert_eq!(take(&mut line, 100).len(), 60, "nobody is left behind");
        assert!(line.is_empty() && line.order.is_empty());
    }

    #[test]
    fn a_newcomer_neither_waits_behind_a_backlog_nor_has_saved_anything_up() {
        let mut line = Line::default();
        (0..100).for_each(|_| line.push(1, 1, 'a'));
        take(&mut line, 50);
        (0..50).for_each(|_| line.push(2, 1, 'b'));
        let turns = take(&mut line, 20);
        assert_eq!(turns.matches('b').count(), 10, "{turns}");
        assert!(turns.get(..2).is_some_and(|two| two.contains('b')), "{turns}");
    }

    #[test]
    fn a_full_line_sheds_who_fills_it_and_not_the_newcomer() {
        let mut line = Line::default();
        (0..8).for_each(|_| line.push(1, 1, 'a'));
        let come = |line: &mut Line<char>, group: u64, weight: u32, name: char| {
            let evicted = line.evict_for(group, weight);
            if evicted.is_some() {
                line.push(group, weight, name);
            }
            evicted
        };
        assert_eq!(come(&mut line, 1, 1, 'a'), None, "its own fill it");
        let evicted: Vec<_> = (0..9).filter_map(|_| come(&mut line, 2, 3, 'b')).collect();
        assert_eq!(evicted, ['a'; 6], "until both have their part");
        assert_eq!(come(&mut line, 1, 1, 'a'), None);
        assert!(come(&mut line, 3, 1, 'c').is_some(), "a third has its part, too");
        assert!(come(&mut line, 3, 1, 'c').is_none());
        assert_eq!(take(&mut line, 9).len(), 8);
        assert!(line.is_empty() && line.order.is_empty());
    }

    #[test]
    fn who_leaves_leaves_nothing() {
        let mut line = Line::default();
        line.push(1, 1, 'a');
        line.push(1, 1, 'b');
        let leave = |line: &mut Line<char>, group: u64, who: char| {
            let asked = std::cell::Cell::new(0);
            line.remove(group, who.into(), |item| {
                asked.set(asked.get() + 1);
                (*item).into()
            });
            asked.get()
        };
        leave(&mut line, 1, 'a');
        leave(&mut line, 2, 'b');
        assert_eq!(take(&mut line, 9), "b");
        ('\u{1000}'..='\u{2000}').for_each(|item| line.push(1, 1, item));
        assert!(leave(&mut line, 1, '\u{1fff}') < 20, "thousands that wait are not looked through");
        assert_eq!(take(&mut line, 9999).chars().count(), 0x1000);
        line.push(1, 1, 'c');
        leave(&mut line, 1, 'c');
        assert!(line.is_empty() && line.order.is_empty());
    }
}
