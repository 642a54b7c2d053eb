//! What became of an invocation, in the engine's words. The gateway alone turns it into a status code.

use crate::limiter::OverLimit;
use crate::response::ResponseBody;

/// What the caller of [`Function::invoke`](crate::Function::invoke) gets.
#[derive(Debug)]
pub enum Outcome {
    /// The guest answered. Its body may still be streaming.
    Answered(http::Response<Box<ResponseBody>>),
    /// The guest returned and never set an answer, or set an error instead.
    NoAnswer(Fault),
    /// The guest trapped, aborted or exited before it answered.
    Trapped(Fault),
    /// The deadline passed before the guest answered.
    TimedOut,
    /// The guest went over one of its limits before it answered.
    OverLimit(Fault),
    /// Whoever asked has gone.
    Cancelled,
    /// The host failed, not the guest.
    HostFault(Fault),
    /// The engine has no room for another instance: the server's limit, not the function's.
    Exhausted,
    /// The function's component did not come into memory before the deadline.
    Asleep,
}

/// How the guest ended, told once per invocation and after the answer when there was one.
#[derive(Debug)]
pub enum Ended {
    /// It returned.
    Finished,
    /// It returned without an answer.
    NoAnswer(Fault),
    /// It trapped.
    Trapped(Fault),
    /// It was stopped at its deadline; the detail says where it was, when it was computing.
    TimedOut(Fault),
    /// It went over a limit.
    OverLimit(Fault),
    /// It never began: the engine had no room for an instance.
    Exhausted,
    /// It never began: its component was not in memory in time.
    Asleep,
    /// Its caller went away and it was stopped.
    Cancelled,
    /// The host failed.
    HostFault(Fault),
}

/// What went wrong in the guest: one part for the client, one for the operator.
#[derive(Debug, Clone)]
pub struct Fault {
    /// Stable name for metrics.
    pub kind: FaultKind,
    /// What the client may read: no path, no address, no other tenant.
    pub public: String,
    /// What the operator needs: the whole error with the guest's backtrace, cut where a guest made it long.
    pub detail: String,
}

/// The kinds of fault, as metrics and logs name them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FaultKind {
    /// An `unreachable` instruction: what a Rust panic becomes.
    Unreachable,
    /// The guest's stack is used up.
    StackOverflow,
    /// A read or write outside of linear memory.
    OutOfBounds,
    /// Any other trap of WebAssembly itself.
    Trap,
    /// The guest called `exit`.
    Exit,
    /// More memory than allowed, wherever it is held.
    Memory,
    /// More table elements than allowed.
    Table,
    /// More host resources than allowed.
    Resources,
    /// More bytes in one host call than allowed.
    Hostcall,
    /// More host-side tensor bytes than allowed.
    Tensor,
    /// More random bytes in one call than allowed.
    Random,
    /// More bytes of header fields than allowed.
    Headers,
    /// More time than allowed.
    Time,
    /// More processor time than allowed.
    Cpu,
    /// A longer answer than allowed.
    Response,
    /// No answer, or an error for an answer.
    NoAnswer,
    /// Another request of the same instance ended it.
    Neighbour,
    /// A fault of the host.
    Host,
}

impl FaultKind {
    /// The name in metrics and logs.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Unreachable => "unreachable",
            Self::StackOverflow => "stack-overflow",
            Self::OutOfBounds => "out-of-bounds",
            Self::Trap => "trap",
            Self::Exit => "exit",
            Self::Memory => "memory",
            Self::Table => "table",
            Self::Resources => "resources",
            Self::Hostcall => "hostcall",
            Self::Tensor => "tensor",
            Self::Random => "random",
            Self::Headers => "headers",
            Self::Time => "time",
            Self::Cpu => "cpu",
            Self::Response => "response",
            Self::NoAnswer => "no-answer",
            Self::Neighbour => "neighbour",
            Self::Host => "host",
        }
    }
}

/// What ends a guest that computes past its deadline.
#[derive(Debug, thiserror::Error)]
#[error("the deadline has passed")]
pub(crate) struct PastDeadline;

/// What is kept of a fault's detail, in bytes: a guest chooses the names in its backtrace and the text of its errors.
const DETAIL_MAX: usize = 16 << 10;

impl Ended {
    /// Stopped at a limit.
    pub(crate) fn over(over: &OverLimit, detail: impl Into<String>) -> Self {
        Self::OverLimit(Fault::new(over.kind, over.to_string(), detail))
    }

    /// Stopped at the deadline.
    pub(crate) fn timed_out(detail: impl Into<String>) -> Self {
        Self::TimedOut(Fault::new(FaultKind::Time, "the function did not answer in its time", detail))
    }
}

impl Fault {
    pub(crate) fn new(kind: FaultKind, public: impl Into<String>, detail: impl Into<String>) -> Self {
        let mut detail = detail.into();
        if detail.len() > DETAIL_MAX {
            let end = (0..=DETAIL_MAX).rev().find(|end| detail.is_char_boundary(*end)).unwrap_or(0);
            detail.truncate(end);
            detail.push_str(" …");
        }
        Self { kind, public: public.into(), detail }
    }
}

/// Names the end of a guest that returned an error.
///
/// `memory_refused`: whether the limiter refused growth during this call. A guest whose allocator was refused memory
/// aborts with a plain `unreachable`, and the limit is the truth behind it.
pub(crate) fn ended_by(error: &wasmtime::Error, memory_refused: Option<OverLimit>) -> Ended {
    let detail = format!("{error:?}");
    if error.is::<wasmtime::PoolConcurrencyLimitError>() {
        return Ended::Exhausted;
    }
    if error.is::<PastDeadline>() {
        return Ended::timed_out(detail);
    }
    if let Some(over) = error.downcast_ref::<OverLimit>().or(memory_refused.as_ref()) {
        return Ended::over(over, detail);
    }
    if let Some(exit) = error.downcast_ref::<wasmtime_wasi::I32Exit>() {
        let public = format!("the function called exit({}) instead of answering", exit.0);
        return Ended::Trapped(Fault::new(FaultKind::Exit, public, detail));
    }
    if let Some(table) = error.downcast_ref::<wasmtime::component::ResourceTableError>() {
        let public = format!("the function misused or used up its host resources: {table}");
        return Ended::OverLimit(Fault::new(FaultKind::Resources, public, detail));
    }
    if let Some(trap) = error.downcast_ref::<wasmtime::Trap>() {
        let kind = match trap {
            wasmtime::Trap::UnreachableCodeReached => FaultKind::Unreachable,
            wasmtime::Trap::StackOverflow => FaultKind::StackOverflow,
            wasmtime::Trap::MemoryOutOfBounds | wasmtime::Trap::HeapMisaligned => FaultKind::OutOfBounds,
            _ => FaultKind::Trap,
        };
        return Ended::Trapped(Fault::new(kind, format!("the function trapped: {trap}"), detail));
    }
    ended_by_message(error, detail)
}

/// wasmtime has no type for these errors; the texts are its own, and the tests of the hostile guests hold them.
fn ended_by_message(error: &wasmtime::Error, detail: String) -> Ended {
    let root = error.root_cause().to_string();
    if root.contains("fuel allocated for hostcalls") {
        return Ended::OverLimit(Fault::new(FaultKind::Hostcall, "one host call carried too many bytes", detail));
    }
    if root.contains("store handle limit exceeded") {
        let public = "the function holds, or lends in one host call, more resources than allowed";
        return Ended::OverLimit(Fault::new(FaultKind::Resources, public, detail));
    }
    if root.starts_with("total size of fields exceeds limit") || root.starts_with("too many fields") {
        return Ended::OverLimit(Fault::new(
            FaultKind::Headers,
            "the function made more header fields than allowed",
            detail,
        ));
    }
    if root.starts_with("requested len") {
        return Ended::OverLimit(Fault::new(FaultKind::Random, "one call asked for too many random bytes", detail));
    }
    Ended::Trapped(Fault::new(FaultKind::Trap, "the function was stopped by an error in a host call", detail))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_guest_makes_long_is_cut_between_letters() {
        let fault = Fault::new(FaultKind::Trap, "public", "ü".repeat(DETAIL_MAX));
        assert!(fault.detail.ends_with("ü …") && fault.detail.len() < DETAIL_MAX + 8, "{}", fault.detail.len());
        assert_eq!(Fault::new(FaultKind::Trap, "public", "short").detail, "short");
    }
}
