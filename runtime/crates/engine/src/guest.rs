//! A guest that runs: one turn of it after the other, on whatever thread.

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use crate::cpu::{Clock, Cpu};
use crate::function::Function;
use crate::instance::Instance;
use crate::limiter::OverLimit;

/// The call of a guest; it gives the instance back, if there was one.
pub(crate) type Call = Pin<Box<dyn Future<Output = (Option<Box<Instance>>, wasmtime::Result<()>)> + Send>>;

/// A running guest. Dropping it stops it at once; its instance goes with it.
pub(crate) struct Guest {
    /// `None`: it has ended.
    call: Option<Call>,
    cpu: Cpu,
    is_told: bool,
    function: Arc<Function>,
}

/// What is left of a guest that has ended.
pub(crate) enum Left {
    /// Its call returned.
    Returned(Option<Box<Instance>>, wasmtime::Result<()>),
    /// It has computed for as long as it may, and waits in a host call.
    Over(OverLimit),
    /// A host call panicked.
    Panicked(String),
}

impl Guest {
    /// Nothing runs until the first poll.
    pub(crate) fn new(function: Arc<Function>, call: Call) -> Self {
        function.begin();
        Self { call: Some(call), cpu: Cpu::new(function.spec().limits.cpu), is_told: false, function }
    }

    /// Runs it until it ends, waits, or has had its turn.
    pub(crate) fn poll(&mut self, clock: Clock, context: &mut Context<'_>) -> Poll<Left> {
        let Some(call) = self.call.as_mut() else { return Poll::Pending };
        let turn = || std::panic::catch_unwind(AssertUnwindSafe(|| call.as_mut().poll(context)));
        match self.cpu.poll(clock, turn) {
            Ok(Poll::Ready((instance, result))) => Poll::Ready(Left::Returned(instance, result)),
            Ok(Poll::Pending) => self.cpu.over().map_or(Poll::Pending, |over| Poll::Ready(Left::Over(over))),
            Err(panic) => Poll::Ready(Left::Panicked(text(panic.as_ref()))),
        }
    }

    /// The time, as its last turn left it.
    pub(crate) fn now(&self) -> Instant {
        self.cpu.ended().unwrap_or_else(Instant::now)
    }

    /// Whether it is to go on where it keeps nobody from a worker: see [`crate::lane`].
    pub(crate) fn is_long(&self) -> bool {
        self.cpu.is_long()
    }

    /// What it has computed, for whoever tells of it; nobody else will.
    pub(crate) fn told(&mut self) -> Duration {
        self.is_told = true;
        self.cpu.used()
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        // First the instance, so that nothing of it is there when it no longer counts.
        self.call = None;
        if !self.is_told {
            self.function.computed(self.cpu.used());
        }
        self.function.end();
    }
}

/// What a panic said.
pub(crate) fn text(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "a panic without a message".to_owned())
}
