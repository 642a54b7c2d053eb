//! A victim beside an aggressor at fifty times its load: what the queue and the former do, without a clock or a session.

use modelet_spec::Flow;
use modelet_spec::manifest::Share;
use proptest::prelude::*;

use super::fair::FairQueue;
use super::former::{Runner, Terms, form};
use super::sharing::Joining;
use crate::call::{BoxedCall, Call};
use crate::{AlignedBuf, ElementType, Shape, Tensor};

const PLACES: usize = 64;
const ROWS_MAX: u32 = 32;

fn call(flow: Flow, rows: u32, share: Option<Share>) -> Call {
    let shape = Shape::new(&[u64::from(rows), 1]).unwrap();
    let feed = Tensor::new(ElementType::U8, shape, AlignedBuf::zeroed(rows as usize).unwrap()).unwrap();
    Call::of(flow, vec![feed], rows, share.map(|share| Joining { rows_max: ROWS_MAX, share }))
}

/// The queue of one session, and who was turned away.
struct Served {
    queue: FairQueue<BoxedCall>,
    victim: Flow,
    /// Calls of the aggressor that found no place or lost it.
    shed: usize,
}

impl Served {
    /// `false`: the victim was turned away.
    fn arrive(&mut self, call: Call) -> bool {
        let turned_away = match self.queue.push(&call.flow.clone(), call.rows, Box::new(call)) {
            Ok(None) => return true,
            Ok(Some(other)) => other,
            Err(call) => call,
        };
        let is_aggressor = turned_away.flow != self.victim;
        self.shed += usize::from(is_aggressor);
        is_aggressor
    }

    /// The next run's rows, and whether the victim is in it.
    fn run(&mut self) -> (u32, bool) {
        let calls = form(&mut self.queue, &Terms::default(), usize::MAX, Runner::Worker);
        (calls.iter().map(|call| call.rows).sum(), calls.iter().any(|call| call.flow == self.victim))
    }
}

fn share() -> impl Strategy<Value = Option<Share>> {
    prop_oneof![Just(None), Just(Some(Share::Function)), Just(Some(Share::Tenant)), Just(Some(Share::All))]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 50, failure_persistence: None, ..ProptestConfig::default() })]

    /// Each round a run is in progress. Meanwhile fifty of the aggressor's calls come and one of the victim's, in any
    /// order; then the next batch is formed. The victim's calls are no larger than the aggressor's, so it never asks for
    /// more than its share.
    #[test]
    fn it_waits_for_the_run_in_progress_and_at_most_one_batch_more_and_is_never_shed(
        (same_group, aggressors, victims) in (any::<bool>(), share(), share()),
        rounds in proptest::collection::vec((0usize..=50, 1u32..8), 20..100),
        aggressor_rows in 8u32..=16,
    ) {
        let (aggressor, victim) = (Flow::new(1, 1), Flow::new(2, if same_group { 1 } else { 2 }));
        let mut served = Served { queue: FairQueue::new(PLACES), victim, shed: 0 };
        (0..PLACES).for_each(|_| assert!(served.arrive(call(aggressor, aggressor_rows, aggressors))));
        for (before, rows) in rounds {
            (0..before).for_each(|_| assert!(served.arrive(call(aggressor, aggressor_rows, aggressors))));
            prop_assert!(served.arrive(call(victim, rows, victims)), "the victim was turned away");
            for _ in before..50 {
                prop_assert!(served.arrive(call(aggressor, aggressor_rows, aggressors)), "the victim lost its place");
            }
            // The run in progress ends here.
            let (first_rows, is_in_first) = served.run();
            prop_assert!(first_rows <= ROWS_MAX);
            if !is_in_first {
                let (_, is_in_second) = served.run();
                prop_assert!(is_in_second, "it waited for more than one batch");
            }
        }
        prop_assert!(served.shed > 0, "the aggressor was not shed");
    }
}
