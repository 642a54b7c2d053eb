//! What each request of an instance is told, and when. It is told once: whoever is told is taken out.

use super::super::doors::Came;
use super::*;

const CPU_MAX: Duration = Duration::from_millis(100);

struct Fixture {
    company: Arc<Company>,
    ends: Vec<oneshot::Receiver<Ended>>,
    begun: Instant,
}

impl Fixture {
    /// So many requests in one instance, the first with a second to live, each with one more.
    fn of(count: u64) -> Self {
        let doors = Arc::new(Doors::new(8, 8));
        let (_, visits) = mpsc::channel(8);
        let company = Company::new(&doors, Arc::default(), visits, CPU_MAX);
        let begun = Instant::now();
        let ends = (1..=count).map(|n| {
            let (report, end) = oneshot::channel();
            let deadline = begun + Duration::from_secs(n);
            company.begin(company.number(), InvocationId::new(n.into()), deadline, (Arc::default(), report));
            end
        });
        let ends = ends.collect();
        Self { company, ends, begun }
    }

    /// The instance has gone with a trap.
    fn trap(&self) {
        let farewell = self.company.end_all(&wasmtime::Trap::UnreachableCodeReached.into(), None);
        farewell.into_iter().for_each(|(report, ended)| drop(report.send(ended)));
    }

    fn told(&mut self, which: usize) -> Option<Ended> {
        self.ends[which].try_recv().ok()
    }

    fn kind(&mut self, which: usize) -> Option<FaultKind> {
        match self.told(which)? {
            Ended::Trapped(fault) | Ended::OverLimit(fault) | Ended::TimedOut(fault) => Some(fault.kind),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn one_whose_time_is_over_is_told_and_nobody_else_and_nobody_comes_in_any_more() {
    let mut these = Fixture::of(2);
    let look = these.company.look(these.begun);
    assert_eq!((look.next, look.is_closed, look.is_empty), (Some(these.begun + Duration::from_secs(1)), false, false));
    let look = these.company.look(these.begun + Duration::from_secs(1));
    assert_eq!((look.next, look.is_closed, look.is_empty), (Some(these.begun + Duration::from_secs(2)), true, false));
    assert_eq!((these.kind(0), these.told(1).is_none()), (Some(FaultKind::Time), true));
    assert!(these.company.close().is_empty() && these.company.is_closing());
    let look = these.company.look(these.begun + Duration::from_secs(2));
    assert_eq!((look.next, look.is_closed, look.is_empty), (None, true, true));
    assert_eq!(these.kind(1), Some(FaultKind::Time));
    these.trap();
    assert!(these.told(0).is_none() && these.told(1).is_none(), "nobody is told twice");
}

#[test]
fn what_no_tick_saw_is_divided_and_who_has_had_too_much_of_it_is_told() {
    let mut these = Fixture::of(2);
    for _ in 0..4 {
        these.company.begin_turn();
        these.company.end_turn(Duration::from_millis(40));
        assert!(!these.company.look(these.begun).is_closed);
    }
    let (report, mut third) = oneshot::channel();
    let deadline = these.begun + Duration::from_secs(9);
    these.company.begin(9, InvocationId::new(9), deadline, (Arc::default(), report));
    these.company.begin_turn();
    these.company.end_turn(Duration::from_millis(60));
    assert!(these.company.look(these.begun).is_closed);
    assert_eq!((these.kind(0), these.kind(1)), (Some(FaultKind::Cpu), Some(FaultKind::Cpu)));
    assert!(third.try_recv().is_err(), "it was there for one turn only");
}

#[test]
fn whose_trap_it_was_is_said_where_it_is_known() {
    let mut these = Fixture::of(3);
    these.company.blame(Some(1));
    these.trap();
    let neighbour = Some(FaultKind::Neighbour);
    assert_eq!((these.kind(0), these.kind(1), these.kind(2)), (neighbour, Some(FaultKind::Unreachable), neighbour));
    let mut these = Fixture::of(2);
    these.company.blame(Some(77));
    these.trap();
    assert_eq!((these.kind(0), these.kind(1)), (neighbour, neighbour), "it was the rest of one that has gone");
    let mut these = Fixture::of(2);
    these.trap();
    let Some(Ended::Trapped(fault)) = these.told(0) else { panic!("it is told") };
    assert!(fault.public.contains("2 requests") && fault.kind == FaultKind::Unreachable, "{}", fault.public);
    let mut alone = Fixture::of(1);
    alone.trap();
    let Some(Ended::Trapped(fault)) = alone.told(0) else { panic!("it is told") };
    assert!(!fault.public.contains("requests"), "{}", fault.public);
}

#[test]
fn those_that_are_answered_are_told_by_whoever_takes_them_out() {
    let mut these = Fixture::of(2);
    these.company.over(0);
    let over = these.company.take_over();
    assert_eq!(over.len(), 1);
    these.trap();
    assert!(these.told(0).is_none());
    over.into_iter().for_each(|report| drop(report.send(Ended::Finished)));
    assert!(matches!(these.told(0), Some(Ended::Finished)));
    assert_eq!(these.kind(1), Some(FaultKind::Unreachable), "it was alone by then");
}

#[test]
fn who_has_come_and_not_begun_is_handed_out_when_the_door_closes() {
    let doors = Doors::<u8>::new(2, 2);
    let Came::New(door, mut visits) = doors.come(1) else { panic!("there was an instance") };
    assert!(matches!(doors.come(2), Came::In));
    doors.close(&door);
    assert!(matches!(doors.come(3), Came::New(..)), "nobody comes in any more");
    assert_eq!((visits.try_recv(), visits.try_recv()), (Ok(1), Ok(2)));
}
