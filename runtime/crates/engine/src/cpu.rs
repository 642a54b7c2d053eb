//! What a guest computes: the time inside the polls of it, against what it may.
//!
//! An epoch only forces a poll to return (see [`tick`]); what is counted is the poll's time (decision 0020). Runs of models on the
//! guest's own thread are theirs, not the guest's: see [`apart`].

use std::cell::Cell;
use std::future::Future;
use std::pin::pin;
use std::time::{Duration, Instant};

use crate::limiter::OverLimit;
use crate::outcome::FaultKind;
use crate::ticker::TICK;

/// A guest that has computed for so long, and computes, goes on among its like: see [`crate::lane`].
const LONG: Duration = TICK.saturating_mul(2);

thread_local! {
    /// The poll that this thread is in, if it is in one.
    static SLICE: Cell<Option<Slice>> = const { Cell::new(None) };
}

/// What a poll's time is read from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Clock {
    /// The time of day: some 25 ns to read. A poll that the machine interrupts looks longer than it was.
    Wall,
    /// The processor time of this thread: exact, and a system call. For polls that take a tick.
    Thread,
}

/// One guest's account, for one invocation.
#[derive(Debug)]
pub(crate) struct Cpu {
    used: Duration,
    limit: Duration,
    /// Whether a tick ended the last poll: then the guest was computing.
    ticked: bool,
    /// When the last poll ended, if that was read.
    ended: Option<Instant>,
}

/// One poll of a guest.
#[derive(Clone, Copy)]
struct Slice {
    began: Reading,
    /// What the guest may compute, and what of it is left.
    limit: Duration,
    left: Duration,
    /// What of this poll is not the guest's.
    apart: Duration,
    ticked: bool,
}

/// A clock when it was read.
#[derive(Clone, Copy)]
enum Reading {
    Wall(Instant),
    Thread(Duration),
}

impl Clock {
    fn read(self) -> Reading {
        match self {
            Self::Wall => Reading::Wall(Instant::now()),
            Self::Thread => Reading::Thread(thread_time()),
        }
    }
}

impl Reading {
    /// What has passed since, by the same clock.
    fn elapsed(self) -> Duration {
        match self {
            Self::Wall(then) => then.elapsed(),
            Self::Thread(then) => thread_time().saturating_sub(then),
        }
    }

    /// What has passed from one reading to this; nothing if they are of two clocks.
    fn since(self, earlier: Self) -> Duration {
        match (self, earlier) {
            (Self::Wall(now), Self::Wall(then)) => now.saturating_duration_since(then),
            (Self::Thread(now), Self::Thread(then)) => now.saturating_sub(then),
            (Self::Wall(_), Self::Thread(_)) | (Self::Thread(_), Self::Wall(_)) => Duration::ZERO,
        }
    }

    fn instant(self) -> Option<Instant> {
        match self {
            Self::Wall(now) => Some(now),
            Self::Thread(_) => None,
        }
    }

    fn again(self) -> Self {
        match self {
            Self::Wall(_) => Clock::Wall.read(),
            Self::Thread(_) => Clock::Thread.read(),
        }
    }
}

fn thread_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::new(u64::try_from(time.tv_sec).unwrap_or(0), u32::try_from(time.tv_nsec).unwrap_or(0))
}

impl Cpu {
    pub(crate) fn new(limit: Duration) -> Self {
        Self { used: Duration::ZERO, limit, ticked: false, ended: None }
    }

    /// Runs one poll on the guest's account. A panic inside is not its fault, and costs it nothing.
    pub(crate) fn poll<T>(&mut self, clock: Clock, poll: impl FnOnce() -> T) -> T {
        let left = self.limit.saturating_sub(self.used);
        SLICE.set(Some(Slice { began: clock.read(), limit: self.limit, left, apart: Duration::ZERO, ticked: false }));
        let polled = poll();
        if let Some(slice) = SLICE.take() {
            let now = clock.read();
            self.used += now.since(slice.began).saturating_sub(slice.apart);
            self.ticked = slice.ticked;
            self.ended = now.instant();
        }
        polled
    }

    /// When the last poll ended, by the clock of instants: who wants to know the time right after it need not read it again.
    pub(crate) fn ended(&self) -> Option<Instant> {
        self.ended
    }

    /// What the guest has computed.
    pub(crate) fn used(&self) -> Duration {
        self.used
    }

    /// The limit, once it is reached.
    pub(crate) fn over(&self) -> Option<OverLimit> {
        (self.used >= self.limit).then(|| over(self.limit))
    }

    /// Whether the guest computes, and has for so long that it is not to keep a worker from others any longer.
    pub(crate) fn is_long(&self) -> bool {
        self.ticked && self.used >= LONG
    }
}

/// A tick has stopped the guest that this thread is in.
///
/// # Errors
/// When it has computed for as long as it may.
pub(crate) fn tick() -> Result<(), OverLimit> {
    let Some(slice) = SLICE.get() else { return Ok(()) };
    SLICE.set(Some(Slice { ticked: true, ..slice }));
    if slice.began.elapsed().saturating_sub(slice.apart) >= slice.left { Err(over(slice.limit)) } else { Ok(()) }
}

/// What `future` does inside of a guest's polls is not on the guest's account.
pub(crate) async fn apart<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    std::future::poll_fn(move |context| {
        let Some(began) = SLICE.get().map(|slice| slice.began.again()) else { return future.as_mut().poll(context) };
        let polled = future.as_mut().poll(context);
        if let Some(slice) = SLICE.get() {
            SLICE.set(Some(Slice { apart: slice.apart + began.elapsed(), ..slice }));
        }
        polled
    })
    .await
}

/// What the guest that this thread is in has computed in this poll.
pub(crate) fn so_far() -> Duration {
    SLICE.get().map_or(Duration::ZERO, |slice| slice.began.elapsed().saturating_sub(slice.apart))
}

pub(crate) fn over(limit: Duration) -> OverLimit {
    OverLimit { kind: FaultKind::Cpu, what: "processor time", limit: format!("{limit:?}") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::task::Poll;

    /// Uses the processor for so long, by the thread's own clock.
    fn compute(time: Duration) {
        let began = Clock::Thread.read();
        while began.elapsed() < time {
            std::hint::black_box(0);
        }
    }

    #[test]
    fn what_is_computed_inside_of_polls_adds_up_and_nothing_else() {
        for clock in [Clock::Wall, Clock::Thread] {
            let mut cpu = Cpu::new(Duration::from_secs(60));
            cpu.poll(clock, || compute(Duration::from_millis(3)));
            compute(Duration::from_millis(50));
            cpu.poll(clock, || compute(Duration::from_millis(3)));
            assert!(cpu.used() >= Duration::from_millis(6), "{:?}", cpu.used());
            assert!(cpu.over().is_none());
        }
        let mut cpu = Cpu::new(Duration::from_secs(60));
        cpu.poll(Clock::Thread, || std::thread::sleep(Duration::from_millis(30)));
        assert!(cpu.used() < Duration::from_millis(20), "sleep is no computing: {:?}", cpu.used());
    }

    #[test]
    fn a_tick_refuses_a_guest_that_is_over_its_limit_and_tells_that_it_computes() {
        let limit = Duration::from_millis(5);
        let mut cpu = Cpu::new(limit);
        assert!(tick().is_ok(), "no guest is polled");
        let first = cpu.poll(Clock::Thread, || tick().is_ok());
        assert!(first && cpu.ticked && !cpu.is_long() && cpu.over().is_none());
        let second = cpu.poll(Clock::Thread, || {
            compute(limit);
            tick().map_err(|over| over.kind)
        });
        assert_eq!(second, Err(FaultKind::Cpu));
        assert_eq!(
            cpu.over().map(|over| over.to_string()).as_deref(),
            Some("the function needs more processor time than its limit of 5ms")
        );
    }

    #[test]
    fn a_guest_is_long_when_it_computes_and_has_for_two_ticks() {
        let mut cpu = Cpu::new(Duration::from_secs(60));
        cpu.poll(Clock::Thread, || compute(LONG));
        assert!(!cpu.is_long(), "it waits now");
        let _ = cpu.poll(Clock::Thread, tick);
        assert!(cpu.is_long());
    }

    #[test]
    fn what_a_model_does_on_the_guests_thread_is_not_the_guests() {
        let mut cpu = Cpu::new(Duration::from_secs(60));
        let mut model = pin!(apart(async { compute(Duration::from_millis(40)) }));
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        let done = cpu.poll(Clock::Thread, || {
            compute(Duration::from_millis(2));
            model.as_mut().poll(&mut context).is_ready()
        });
        assert!(
            done && cpu.used() >= Duration::from_millis(2) && cpu.used() < Duration::from_millis(30),
            "{:?}",
            cpu.used()
        );
    }

    #[test]
    fn outside_of_a_guest_nothing_is_counted() {
        let mut model = pin!(apart(async { 7 }));
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        assert_eq!(model.as_mut().poll(&mut context), Poll::Ready(7));
    }
}
