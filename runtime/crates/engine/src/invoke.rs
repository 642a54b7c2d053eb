//! The way of one invocation through the engine: run the guest until it answers, name the outcome.

use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use modelet_spec::InvocationId;

use crate::error::LoadError;
use crate::function::Function;
use crate::outcome::{Ended, Fault, FaultKind, Outcome};
use crate::request::RequestBody;
use crate::response::Gather;
use crate::run::{End, Run};
use crate::spans::Spans;

/// Hears how a guest ended, and the processor time that it used, with what the function has used meanwhile for nobody.
pub type Told = Box<dyn FnOnce(Ended, Duration) + Send + Sync>;

/// One request on its way into a guest.
pub struct Invocation {
    /// Names the invocation in logs and answers.
    pub id: InvocationId,
    /// When the guest is stopped, whatever it does.
    pub deadline: Instant,
    /// The request, clean: no `modelet-*` of the client's, no key.
    pub request: Box<http::Request<RequestBody>>,
    /// Whether the client came by TLS.
    pub https: bool,
    /// Told once how the guest ended; after the answer when there was one.
    pub ended: Option<Told>,
    /// Where its time is written down, if anybody wants to know.
    pub spans: Option<Arc<Spans>>,
}

impl Function {
    /// Runs the guest on one request. Dropping the future stops the guest.
    ///
    /// The answer is whole when the guest was done with it in its first turns (then its length is known and no task is
    /// spawned), and streams otherwise, with the guest going on in a task of its own.
    pub async fn invoke(self: &Arc<Self>, invocation: Invocation) -> Outcome {
        let pool = match self.seat().pool() {
            Some(pool) => pool,
            None => match Box::pin(self.awake_for(invocation.deadline, invocation.spans.as_deref())).await {
                Ok(pool) => pool,
                Err(error) => return asleep(invocation, &error),
            },
        };
        let mut run = Run::start(self.clone(), pool, invocation);
        let limit = self.spec().limits.response_body;
        match std::future::poll_fn(|cx| poll_answer(&mut run, limit, cx)).await {
            (Some(Ok(begun)), None) if begun.body.is_broken() => {
                let end = Box::pin(run.end_of_broken()).await;
                respond(run, begun, Some(end))
            }
            (Some(Ok(begun)), end) => respond(run, begun, end),
            (Some(Err(code)), end) => refused(run, &code, end),
            (None, Some(end)) => failed(run, end),
            (None, None) => {
                Outcome::HostFault(Fault::new(FaultKind::Host, "an internal error", "no answer and no end"))
            }
        }
    }
}

/// An answer, with what there was of its body without waiting.
struct Begun {
    head: http::response::Parts,
    body: Gather,
}

fn respond(mut run: Run, Begun { head, body }: Begun, mut end: Option<End>) -> Outcome {
    // Nothing is sent yet: an answer that broke off is a failure the client can still be told about.
    if let Some(end) = end.take_if(|end| end.unfinished_body) {
        return failed(run, end);
    }
    if body.is_broken() {
        return failed(run, end.unwrap_or(End::UNFINISHED));
    }
    if let Some(over) = body.over_limit() {
        run.tell(Ended::OverLimit(over.clone()));
        return Outcome::OverLimit(over);
    }
    if let Some(end) = end {
        run.tell(end.ended);
        return Outcome::Answered(http::Response::from_parts(head, body.into_body(None)));
    }
    Outcome::Answered(http::Response::from_parts(head, body.into_body(Some(run))))
}

/// The component is not in memory, so no guest ran.
fn asleep(invocation: Invocation, error: &LoadError) -> Outcome {
    let (ended, outcome) = match error {
        LoadError::NotYet => (Ended::Asleep, Outcome::Asleep),
        failed => {
            let fault = Fault::new(FaultKind::Host, "the function could not be loaded", failed.to_string());
            (Ended::HostFault(fault.clone()), Outcome::HostFault(fault))
        }
    };
    if let Some(told) = invocation.ended {
        told(ended, Duration::ZERO);
    }
    outcome
}

/// What a guest begins with: an answer, or an error in its place; and its end, if that came with it or without any.
type First = (Option<Result<Begun, String>>, Option<End>);

/// The answer with the first turns of its body, or the end without one.
fn poll_answer(run: &mut Run, limit: u64, cx: &mut Context<'_>) -> Poll<First> {
    let mut end = match run.poll_end(cx) {
        Poll::Ready(end) => Some(end),
        Poll::Pending => None,
    };
    match run.poll_answer(cx) {
        Some(Ok(response)) => {
            let (head, body) = response.into_parts();
            let mut body = Gather::new(body, limit);
            body.poll(run, &mut end, cx);
            Poll::Ready((Some(Ok(Begun { head, body })), end))
        }
        Some(Err(code)) => Poll::Ready((Some(Err(code)), end)),
        None if end.is_some() => Poll::Ready((None, end)),
        None => Poll::Pending,
    }
}

/// The guest answered with an error code of `wasi:http` instead of a response.
fn refused(mut run: Run, code: &str, end: Option<End>) -> Outcome {
    if let Some(end @ End { ended: Ended::Trapped(_) | Ended::OverLimit(_), .. }) = end {
        return failed(run, end);
    }
    let fault = Fault::new(FaultKind::NoAnswer, "the function answered with an error instead of a response", code);
    run.tell(Ended::NoAnswer(fault.clone()));
    Outcome::NoAnswer(fault)
}

/// The guest ended and there is no answer to send.
fn failed(mut run: Run, end: End) -> Outcome {
    let (ended, outcome) = match end.ended {
        Ended::Finished if end.unfinished_body => no_answer("the function did not finish its answer"),
        Ended::Finished => no_answer("the function returned without an answer"),
        Ended::NoAnswer(fault) => (Ended::NoAnswer(fault.clone()), Outcome::NoAnswer(fault)),
        Ended::Trapped(fault) => (Ended::Trapped(fault.clone()), Outcome::Trapped(fault)),
        Ended::OverLimit(fault) => (Ended::OverLimit(fault.clone()), Outcome::OverLimit(fault)),
        Ended::HostFault(fault) => (Ended::HostFault(fault.clone()), Outcome::HostFault(fault)),
        Ended::TimedOut(fault) => (Ended::TimedOut(fault), Outcome::TimedOut),
        Ended::Exhausted => (Ended::Exhausted, Outcome::Exhausted),
        Ended::Asleep => (Ended::Asleep, Outcome::Asleep),
        Ended::Cancelled => (Ended::Cancelled, Outcome::Cancelled),
    };
    run.tell(ended);
    outcome
}

fn no_answer(why: &str) -> (Ended, Outcome) {
    let fault = Fault::new(FaultKind::NoAnswer, why, why);
    (Ended::NoAnswer(fault.clone()), Outcome::NoAnswer(fault))
}
