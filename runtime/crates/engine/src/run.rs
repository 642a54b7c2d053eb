//! One call of a guest, from the hand-over of the request to the end of the guest, which may come after the answer.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use modelet_spec::manifest::Reuse;
use tokio::sync::oneshot;
use tokio::time::Sleep;
use wasmtime_wasi_http::WasiBody;

use crate::call::{Handover, call};
use crate::cpu::Clock;
use crate::function::Function;
use crate::guest::{Guest, Left};
use crate::instance::Instance;
use crate::invoke::{Invocation, Told};
use crate::lane::LongRun;
use crate::outcome::{Ended, Fault, FaultKind, ended_by};
use crate::pool::Pool;
use crate::response::{self, Tie};
use crate::shared::{self, Stay};
use crate::spans::Spans;
use crate::ticker::TICK;
use crate::world::World;

/// What the guest set as its answer; or the error that it gave instead, in words.
pub(crate) type Answer = Result<http::Response<WasiBody>, String>;

/// How long a guest in the lane may take to stop by itself at its deadline, where it leaves a backtrace: its turn may be some
/// ticks away.
const GRACE: Duration = TICK.saturating_mul(5);

/// How a guest ended, and whether it left a body unfinished.
pub(crate) struct End {
    pub(crate) ended: Ended,
    pub(crate) unfinished_body: bool,
}

/// A running call. Dropping it stops the guest at once; the instance goes with it.
pub(crate) struct Run {
    function: Arc<Function>,
    pool: Arc<Pool>,
    spans: Option<Arc<Spans>>,
    guest: Place,
    /// What the guest has computed; known at its end.
    cpu: Duration,
    /// `None`: it was taken, or there will be none.
    answer: Option<oneshot::Receiver<Answer>>,
    deadline: Instant,
    sleep: Option<Pin<Box<Sleep>>>,
    told: Option<Told>,
    /// With its body, while that streams.
    tie: Option<Arc<Tie>>,
}

/// Where the guest is.
enum Place {
    /// In the caller's own task.
    Here(Guest),
    /// Among those that compute for long.
    Lane(LongRun),
    /// It was stopped there, and may be in its last turn.
    Leaving(LongRun),
    /// In an instance that it has not for itself.
    Shared(Stay),
    /// It was given up there. It cannot be stopped without the others, so it goes on until it ends.
    Staying(Stay),
    Gone,
}

impl End {
    /// The guest goes on, and has given its body up.
    pub(crate) const UNFINISHED: Self = Self { ended: Ended::Finished, unfinished_body: true };
}

impl Run {
    /// Hands the request over. Nothing runs until the first poll, but for an instance that others have, too.
    pub(crate) fn start(function: Arc<Function>, pool: Arc<Pool>, invocation: Invocation) -> Self {
        let (sender, answer) = oneshot::channel();
        let Invocation { id, deadline, request, https, ended: told, spans } = invocation;
        let handover = Handover { id, deadline, request, https, sender, spans: spans.clone() };
        let (guest, deadline) = match &pool.doors {
            None => {
                let call = Box::pin(call(function.clone(), pool.clone(), handover));
                (Place::Here(Guest::new(function.clone(), call)), deadline)
            }
            // Whoever runs the instance tells of the deadline, and where the guest was; this is for when it does not.
            Some(doors) => {
                let deadline = deadline.checked_add(GRACE).unwrap_or(deadline);
                (Place::Shared(shared::visit(&function, &pool, doors, handover)), deadline)
            }
        };
        Self {
            function,
            pool,
            spans,
            guest,
            cpu: Duration::ZERO,
            answer: Some(answer),
            deadline,
            sleep: None,
            told,
            tie: None,
        }
    }

    /// The answer, once the guest has set it.
    pub(crate) fn poll_answer(&mut self, cx: &mut Context<'_>) -> Option<Answer> {
        let receiver = self.answer.as_mut()?;
        match self.guest {
            // It is set on another thread, which must wake this task.
            Place::Lane(_) | Place::Shared(_) => {
                let Poll::Ready(answer) = Pin::new(receiver).poll(cx) else { return None };
                self.answer = None;
                answer.ok()
            }
            Place::Here(_) | Place::Leaving(_) | Place::Staying(_) | Place::Gone => receiver.try_recv().ok(),
        }
    }

    /// Whether the guest waits for the end of its body before it ends: then it is mostly done as soon as that is taken.
    pub(crate) fn awaits_its_body(&self) -> bool {
        self.pool.linked.pre.world() == World::Service
    }

    /// Runs the guest until it ends, waits, or has had its turn.
    pub(crate) fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<End> {
        let polled = match &mut self.guest {
            Place::Here(guest) => guest.poll(Clock::Wall, cx),
            Place::Lane(task) => match Pin::new(task).poll(cx) {
                Poll::Ready(Ok((left, guest))) => {
                    self.guest = Place::Here(guest);
                    Poll::Ready(left)
                }
                Poll::Ready(Err(error)) => Poll::Ready(Left::Panicked(format!("the lane has ended: {error}"))),
                Poll::Pending => Poll::Pending,
            },
            Place::Shared(stay) => match Pin::new(stay).poll(cx) {
                Poll::Ready(ended) => return Poll::Ready(self.ended(ended)),
                Poll::Pending => Poll::Pending,
            },
            Place::Leaving(_) | Place::Staying(_) | Place::Gone => return Poll::Pending,
        };
        match polled {
            Poll::Ready(left) => Poll::Ready(self.finish(left)),
            Poll::Pending if self.is_late(cx) => {
                Poll::Ready(self.stop(Ended::timed_out("it was waiting in a host call, or for its turn")))
            }
            Poll::Pending if self.make_way() => self.poll_end(cx),
            Poll::Pending => Poll::Pending,
        }
    }

    /// How the guest ended that has broken its answer off. In a shared instance it is another task that says so.
    pub(crate) async fn end_of_broken(&mut self) -> End {
        match self.guest {
            Place::Shared(_) => {
                let end = std::future::poll_fn(|cx| self.poll_end(cx)).await;
                End { unfinished_body: true, ..end }
            }
            _ => End::UNFINISHED,
        }
    }

    /// Runs the guest to its end and tells about it: for what is left to do after the answer. `tie`: with its
    /// body; none when the body is whole already.
    pub(crate) async fn outlive_answer(mut self, tie: Option<Arc<Tie>>) {
        self.tie = tie;
        let end = std::future::poll_fn(|cx| self.poll_end(cx)).await;
        self.tell(end.ended);
    }

    /// Tells how the guest ended, once, and stops it if it has not; when it was stopped in its turn, after that.
    pub(crate) fn tell(&mut self, ended: Ended) {
        let Some(told) = self.told.take() else { return };
        self.release();
        let (function, cpu) = (self.function.clone(), self.cpu);
        let tell = move |ended| told(ended, cpu + function.take_computed());
        match std::mem::replace(&mut self.guest, Place::Gone) {
            Place::Leaving(task) => afterwards(ended, tell, async move |ended| {
                let _ = task.await;
                ended
            }),
            Place::Staying(stay) => afterwards(ended, tell, async move |ended| given_up(ended, stay.await)),
            other => {
                self.guest = other;
                tell(ended);
            }
        }
    }

    /// A guest that computes for long leaves the caller's task. `false`: nothing has changed.
    fn make_way(&mut self) -> bool {
        let guest = match std::mem::replace(&mut self.guest, Place::Gone) {
            Place::Here(guest) if guest.is_long() => guest,
            other => {
                self.guest = other;
                return false;
            }
        };
        match self.function.shared().lane.take(guest) {
            Ok(task) => {
                self.guest = Place::Lane(task);
                self.deadline = self.deadline.checked_add(GRACE).unwrap_or(self.deadline);
                self.sleep = None;
                true
            }
            Err(guest) => {
                self.guest = Place::Here(guest);
                false
            }
        }
    }

    fn is_late(&mut self, cx: &mut Context<'_>) -> bool {
        if Instant::now() >= self.deadline {
            return true;
        }
        let deadline = self.deadline;
        let sleep = self.sleep.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(deadline.into())));
        sleep.as_mut().poll(cx).is_ready()
    }

    /// A guest in a shared instance has ended.
    fn ended(&mut self, ended: Ended) -> End {
        self.guest = Place::Gone;
        let unfinished_body = !matches!(ended, Ended::Finished);
        if unfinished_body {
            self.break_off();
        }
        End { ended, unfinished_body }
    }

    fn finish(&mut self, left: Left) -> End {
        match left {
            Left::Returned(instance, result) => {
                let end = self.returned(instance, result);
                self.release();
                end
            }
            Left::Over(over) => self.stop(Ended::over(&over, "it was waiting in a host call")),
            Left::Panicked(detail) => {
                let fault = Fault::new(FaultKind::Host, "an internal error ended the function", detail);
                self.stop(Ended::HostFault(fault))
            }
        }
    }

    /// Keeps the instance when nothing speaks against it.
    fn returned(&mut self, instance: Option<Box<Instance>>, result: wasmtime::Result<()>) -> End {
        let mut end = End { ended: Ended::Finished, unfinished_body: false };
        match (instance, result) {
            (Some(mut instance), result) => {
                end.unfinished_body = instance.has_unfinished_body();
                if end.unfinished_body {
                    self.break_off();
                }
                instance.store.data().log.finish();
                self.function.tell_waited(instance.store.data().waited, self.spans.as_deref());
                match result {
                    Ok(()) if !end.unfinished_body => self.keep(instance),
                    Ok(()) => {}
                    Err(error) => end.ended = ended_by(&error, instance.store.data_mut().limiter.take_refused()),
                }
            }
            (None, Err(error)) => end.ended = ended_by(&error, None),
            (None, Ok(())) => {}
        }
        end
    }

    fn keep(&self, mut instance: Box<Instance>) {
        if self.function.spec().instances.reuse == Reuse::Instance && instance.rest() {
            // What is not kept goes here.
            let now = if let Place::Here(guest) = &self.guest { guest.now() } else { Instant::now() };
            drop(self.pool.warm.put(instance, now));
        }
    }

    fn stop(&mut self, ended: Ended) -> End {
        self.break_off();
        self.release();
        End { ended, unfinished_body: true }
    }

    fn break_off(&self) {
        if let Some(tie) = &self.tie {
            tie.break_off();
        }
    }

    /// The guest no longer runs; what is left of it goes. In the lane it may be in its turn: it goes at the turn's end.
    fn release(&mut self) {
        self.guest = match std::mem::replace(&mut self.guest, Place::Gone) {
            Place::Here(mut guest) => {
                self.cpu = guest.told();
                Place::Gone
            }
            Place::Lane(task) if !task.is_finished() => {
                task.abort();
                Place::Leaving(task)
            }
            Place::Shared(stay) => Place::Staying(stay),
            leaving @ (Place::Leaving(_) | Place::Staying(_)) => leaving,
            Place::Lane(_) | Place::Gone => Place::Gone,
        };
    }
}

/// Tells how a guest ended once it is known; at once, where nothing can wait for that.
fn afterwards<F: Future<Output = Ended> + Send + 'static>(
    ended: Ended,
    tell: impl FnOnce(Ended) + Send + 'static,
    wait: impl FnOnce(Ended) -> F + Send + 'static,
) {
    match tokio::runtime::Handle::try_current() {
        Ok(runtime) => drop(runtime.spawn(async move { tell(wait(ended).await) })),
        Err(_) => tell(ended),
    }
}

/// The end of a guest that could not be stopped when it was given up: what it did after its caller had gone counts.
fn given_up(ended: Ended, then: Ended) -> Ended {
    match (ended, then) {
        (Ended::Cancelled, Ended::Finished) => Ended::Cancelled,
        (Ended::Cancelled, then) => then,
        (ended, _) => ended,
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        let is_too_long = self.tie.as_ref().is_some_and(|tie| tie.is_too_long());
        let limit = self.function.spec().limits.response_body;
        self.tell(if is_too_long { Ended::OverLimit(response::too_long(limit)) } else { Ended::Cancelled });
        self.release();
    }
}
