//! What makes up one batch: the call whose turn it is, and those that wait, may share a run with it and fit.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::fair::FairQueue;
use super::padding::{Filled, Padding};
use super::sharing::{Joining, Scope};
use crate::call::{BoxedCall, Call, Home, Ticket};
use crate::tensor::Tensor;

/// What the model says about its batches.
#[derive(Clone, Debug, Default)]
pub(crate) struct Terms {
    /// Sizes that run best, ascending; a batch that could be larger is cut to the largest of them.
    pub(crate) preferred_rows: Vec<u32>,
    /// Rows influence each other: callers of different groups are never joined.
    pub(crate) mixes_rows: bool,
    /// How inputs of different lengths are joined; `None`: they are not.
    pub(crate) padding: Option<Arc<Padding>>,
}

impl Terms {
    /// How inputs of different lengths are joined, while nothing is known against it.
    fn padding(&self) -> Option<&Padding> {
        self.padding.as_deref().filter(|padding| padding.reason_against().is_none())
    }
}

/// A call that has waited for so long is taken along by whichever thread runs a batch: its own is busy with something else.
const STRAY: Duration = Duration::from_micros(200);

/// Who forms a batch.
#[derive(Clone, Copy)]
pub(crate) enum Runner<'a> {
    /// A worker, for all callers.
    Worker,
    /// A caller's thread, for the callers of that thread: to wake those of another costs more than a short run.
    Caller {
        home: Home,
        now: Instant,
        /// Of the caller's own call, which needs no other reason to run than that its caller looks.
        ticket: &'a Arc<Ticket>,
    },
}

impl Runner<'_> {
    /// Whether a batch may be formed for this call; on a caller's thread for a small one only.
    fn begins_with(self, call: &Call, bytes_max: usize) -> bool {
        match self {
            Self::Worker => !call.is_held,
            Self::Caller { ticket, .. } if Arc::ptr_eq(ticket, &call.ticket) => true,
            Self::Caller { .. } => !call.is_held && self.serves(call) && bytes(call) <= bytes_max,
        }
    }

    fn serves(self, call: &Call) -> bool {
        match self {
            Self::Worker => true,
            Self::Caller { home, now, .. } => {
                let is_near = call.home == home || now.saturating_duration_since(call.asked) > STRAY;
                is_near && !call.is_suspect
            }
        }
    }
}

/// Takes the next batch out of the queue; empty if no call is ready. At most `bytes_max` of inputs are joined; a call
/// that is larger goes alone.
pub(crate) fn form(
    queue: &mut FairQueue<BoxedCall>,
    terms: &Terms,
    bytes_max: usize,
    runner: Runner<'_>,
) -> Vec<BoxedCall> {
    let Some(head) = queue.pick(|call| runner.begins_with(call, bytes_max)) else { return Vec::new() };
    let Some(mut batch) = Batch::of(&head, terms, bytes_max) else { return vec![head] };
    batch.prefer(queue, &head, terms);
    let mut calls = Vec::with_capacity(queue.len().min(batch.rows_max as usize) + 1);
    calls.push(head);
    while let Some(call) =
        queue.pick(|call| runner.serves(call) && batch.admits(call, calls.first().map(AsRef::as_ref)))
    {
        batch.add(&call);
        calls.push(call);
    }
    calls
}

/// Whether the held call `held` has found company enough to run at once: a preferred size, or all that it may be.
pub(crate) fn is_enough(queue: &FairQueue<BoxedCall>, held: &Call, terms: &Terms) -> bool {
    let Some(batch) = Batch::of(held, terms, usize::MAX) else { return true };
    let enough = terms.preferred_rows.iter().copied().find(|rows| *rows > 1).unwrap_or(u32::MAX).min(batch.rows_max);
    held.rows.saturating_add(batch.rows_waiting(queue, held)) >= enough
}

/// What a batch is so far and may become.
struct Batch<'a> {
    scope: Scope,
    rows: u32,
    rows_max: u32,
    /// What its callers gave, less what it is filled up with.
    bytes: usize,
    bytes_max: usize,
    padding: Option<(&'a Padding, Filled)>,
}

impl<'a> Batch<'a> {
    /// `None`: the call goes alone.
    fn of(head: &Call, terms: &'a Terms, bytes_max: usize) -> Option<Self> {
        let Joining { rows_max, share } = head.joining?;
        let (rows, bytes) = (head.rows, bytes(head));
        let scope = Scope::of(&head.flow, share, terms.mixes_rows);
        let padding = terms.padding().map(|padding| (padding, Filled::of(&head.lengths, bytes)));
        (rows < rows_max && bytes < bytes_max).then_some(Self { scope, rows, rows_max, bytes, bytes_max, padding })
    }

    /// Cuts the batch to a preferred size, if more waits than that.
    fn prefer(&mut self, queue: &FairQueue<BoxedCall>, head: &Call, terms: &Terms) {
        if terms.preferred_rows.is_empty() {
            return;
        }
        let could = self.rows.saturating_add(self.rows_waiting(queue, head)).min(self.rows_max);
        let preferred = terms.preferred_rows.iter().rev().find(|rows| **rows <= could && **rows >= self.rows);
        self.rows_max = preferred.copied().unwrap_or(self.rows_max);
    }

    /// Rows in the queue that suit the head, each by itself.
    fn rows_waiting(&self, queue: &FairQueue<BoxedCall>, head: &Call) -> u32 {
        let others = queue.iter().filter(|call| self.admits(call, Some(head)));
        others.fold(0, |sum, call| sum.saturating_add(call.rows))
    }

    fn admits(&self, call: &Call, head: Option<&Call>) -> bool {
        let Some(Joining { rows_max, share }) = call.joining else { return false };
        let rows = self.rows.saturating_add(call.rows);
        rows <= self.rows_max.min(rows_max)
            && head.is_some_and(|head| self.suits(head, call, rows))
            && self.scope.with(&call.flow, share).is_some()
    }

    /// Whether the inputs go together, and do not become too many bytes.
    fn suits(&self, head: &Call, call: &Call, rows: u32) -> bool {
        let Some((padding, filled)) = &self.padding else {
            return suit(&head.feeds, &call.feeds) && self.bytes.saturating_add(bytes(call)) <= self.bytes_max;
        };
        let filled = || filled.with(&call.lengths, bytes(call)).bytes(padding, &head.feeds, rows);
        padding.suit(&head.feeds, &call.feeds) && filled().is_some_and(|bytes| bytes <= self.bytes_max)
    }

    fn add(&mut self, call: &Call) {
        let Some(Joining { rows_max, share }) = call.joining else { return };
        self.scope = self.scope.with(&call.flow, share).unwrap_or(self.scope);
        self.rows = self.rows.saturating_add(call.rows);
        self.rows_max = self.rows_max.min(rows_max);
        self.bytes = self.bytes.saturating_add(bytes(call));
        if let Some((_, filled)) = &mut self.padding {
            *filled = filled.with(&call.lengths, bytes(call));
        }
    }
}

/// Whether two calls differ in nothing but their number of rows.
pub(super) fn suit(ours: &[Tensor], theirs: &[Tensor]) -> bool {
    let same = |a: &Tensor, b: &Tensor| {
        a.element_type() == b.element_type() && a.shape().dims().get(1..) == b.shape().dims().get(1..)
    };
    ours.len() == theirs.len() && ours.iter().zip(theirs).all(|(a, b)| same(a, b))
}

fn bytes(call: &Call) -> usize {
    call.feeds.iter().map(Tensor::own_bytes).sum()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use modelet_spec::Flow;
    use modelet_spec::manifest::Share;

    use super::*;
    use crate::buffer::AlignedBuf;
    use crate::element::ElementType;
    use crate::shape::Shape;

    fn call(group: u64, rows: u32, width: u64, rows_max: u32) -> Call {
        let shape = Shape::new(&[u64::from(rows), width]).unwrap();
        let bytes = AlignedBuf::zeroed(shape.bytes(ElementType::F32).unwrap()).unwrap();
        let feed = Tensor::new(ElementType::F32, shape, bytes).unwrap();
        let joining = (rows_max > 1).then_some(Joining { rows_max, share: Share::All });
        Call::of(Flow::new(group, group), vec![feed], rows, joining)
    }

    fn queue(calls: Vec<Call>) -> FairQueue<BoxedCall> {
        let mut queue = FairQueue::new(1000);
        for call in calls {
            assert!(queue.push(&call.flow.clone(), call.rows, Box::new(call)).is_ok());
        }
        queue
    }

    fn batches(queue: &mut FairQueue<BoxedCall>, terms: &Terms) -> Vec<Vec<u32>> {
        let next = || Some(form(queue, terms, usize::MAX, Runner::Worker)).filter(|calls| !calls.is_empty());
        std::iter::from_fn(next).map(|calls| calls.iter().map(|call| call.rows).collect()).collect()
    }

    #[test]
    fn what_suits_is_joined_up_to_the_smallest_max() {
        let mut all = queue(vec![call(1, 1, 4, 8), call(1, 2, 4, 8), call(1, 1, 4, 4), call(1, 1, 4, 8)]);
        assert_eq!(batches(&mut all, &Terms::default()), [[1, 2, 1].to_vec(), vec![1]]);
    }

    #[test]
    fn other_shapes_and_calls_that_go_alone_stay_apart() {
        let calls = vec![call(1, 1, 4, 8), call(1, 1, 5, 8), call(1, 1, 4, 1), call(1, 9, 4, 8), call(1, 1, 4, 8)];
        let mut all = queue(calls);
        assert_eq!(batches(&mut all, &Terms::default()), [vec![1, 1], vec![1], vec![1], vec![9]]);
    }

    #[test]
    fn places_in_a_batch_are_shared_fairly() {
        let mut calls: Vec<Call> = (0..100).map(|_| call(1, 1, 4, 8)).collect();
        calls.extend((0..100).map(|_| call(2, 1, 4, 8)));
        let formed = form(&mut queue(calls), &Terms::default(), usize::MAX, Runner::Worker);
        assert_eq!(formed.iter().filter(|call| call.flow.group == 2).count(), 4);
        assert_eq!(formed.len(), 8);
    }

    #[test]
    fn a_batch_is_cut_to_a_preferred_size_only_if_more_waits() {
        let terms = Terms { preferred_rows: vec![2, 4], ..Terms::default() };
        let mut all = queue((0..7).map(|_| call(1, 1, 4, 8)).collect());
        assert_eq!(batches(&mut all, &terms), [vec![1; 4], vec![1; 2], vec![1]]);
    }

    #[test]
    fn bytes_bound_what_is_joined_and_not_what_goes_alone() {
        let mut all = queue((0..5).map(|_| call(1, 1, 4, 8)).collect());
        assert_eq!(form(&mut all, &Terms::default(), 32, Runner::Worker).len(), 2);
        assert_eq!(form(&mut all, &Terms::default(), 1, Runner::Worker).len(), 1);
    }

    #[test]
    fn a_held_call_rides_along_and_forms_nothing() {
        let held = Call { is_held: true, ..call(1, 1, 4, 3) };
        let mut all = queue(vec![held]);
        assert!(form(&mut all, &Terms::default(), usize::MAX, Runner::Worker).is_empty());
        let asking = call(2, 1, 4, 3);
        assert!(!is_enough(&all, &asking, &Terms::default()));
        assert!(is_enough(&all, &asking, &Terms { preferred_rows: vec![2], ..Terms::default() }));
        assert!(all.push(&asking.flow.clone(), 1, Box::new(asking)).is_ok());
        assert_eq!(form(&mut all, &Terms::default(), usize::MAX, Runner::Worker).len(), 2);
    }

    #[test]
    fn a_callers_thread_takes_its_own_and_strays() {
        let (home, other) = (Home::here(), std::thread::spawn(Home::here).join().unwrap());
        let (now, ticket) = (Instant::now(), Arc::default());
        let of = |home, asked| Call { home, asked, is_held: true, ..call(1, 1, 4, 8) };
        let own = Call { ticket: Arc::clone(&ticket), ..of(home, now) };
        let mut all = queue(vec![of(other, now), of(home, now), own, of(other, now - 2 * STRAY)]);
        let formed = form(&mut all, &Terms::default(), usize::MAX, Runner::Caller { home, now, ticket: &ticket });
        assert_eq!(formed.iter().filter(|call| call.home == home).count(), 2);
        assert_eq!((formed.len(), all.len()), (3, 1));
        assert!(Arc::ptr_eq(&formed[0].ticket, &ticket), "it looks for its own");
        let formed = form(&mut all, &Terms::default(), usize::MAX, Runner::Caller { home, now, ticket: &ticket });
        assert!(formed.is_empty(), "that one's caller looks by itself");
        let suspect = Call { is_suspect: true, ..call(2, 1, 4, 8) };
        assert!(all.push(&suspect.flow.clone(), 1, Box::new(suspect)).is_ok());
        let formed = form(&mut all, &Terms::default(), usize::MAX, Runner::Caller { home, now, ticket: &ticket });
        assert!(formed.is_empty(), "a call that held a thread for too long is a worker's");
    }
}
