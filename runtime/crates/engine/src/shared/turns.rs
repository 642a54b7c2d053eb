//! What the host keeps for each request of a shared instance while the tasks of others run: whose log it writes, how long it has,
//! what it has sent and waited for.
//!
//! The guest's tasks take turns, and a host call does not say whose it is. So each host call that depends on it asks first: see
//! [`whose`].

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use modelet_spec::InvocationId;
use wasmtime::component::GuestTaskId;
use wasmtime::{StoreContextMut, UpdateDeadline};

use super::company::Company;
use crate::outcome::PastDeadline;
use crate::state::{GuestState, Waited};

/// The requests of the instance, by their tasks. One that is over stays until its task's number is another's, or nothing is left to
/// do in the instance: what it does after its answer is still its own.
pub(crate) struct Turns {
    company: Arc<Company>,
    by_task: BTreeMap<GuestTaskId, Turn>,
    current: Option<GuestTaskId>,
}

/// What is one request's alone.
pub(super) struct Turn {
    number: u64,
    invocation: InvocationId,
    deadline: Instant,
    calls: u32,
    waited: Waited,
}

impl Turns {
    pub(super) fn new(company: Arc<Company>) -> Self {
        Self { company, by_task: BTreeMap::new(), current: None }
    }
}

impl Turn {
    pub(super) fn new(number: u64, invocation: InvocationId, deadline: Instant) -> Self {
        Self { number, invocation, deadline, calls: 0, waited: Waited::default() }
    }
}

impl GuestState {
    /// A request comes in, whose task this is.
    pub(super) fn come_in(&mut self, task: GuestTaskId, turn: Turn) {
        self.log.enter(turn.invocation, self.log_bytes());
        let Some(turns) = &mut self.turns else { return };
        if turns.current == Some(task) {
            turns.current = None;
        }
        if let Some(before) = turns.by_task.insert(task, turn) {
            self.log.leave(before.invocation);
        }
    }

    /// The guest has answered the request of this task. Returns what it waited for.
    pub(super) fn go_out(&mut self, task: GuestTaskId) -> Waited {
        self.put_down();
        let Some(turn) = self.turns.as_mut().and_then(|turns| turns.by_task.get_mut(&task)) else {
            return Waited::default();
        };
        self.log.finish_of(turn.invocation);
        std::mem::take(&mut turn.waited)
    }

    /// What those have waited for whom the guest has not answered.
    pub(super) fn all_waited(&mut self) -> Vec<Waited> {
        self.put_down();
        let turns = self.turns.iter_mut().flat_map(|turns| turns.by_task.values_mut());
        turns.map(|turn| std::mem::take(&mut turn.waited)).collect()
    }

    /// The state is that of the request whose task this is, from now on.
    fn turn_to(&mut self, task: Option<GuestTaskId>) {
        if self.turns.as_ref().is_none_or(|turns| turns.current == task) {
            return;
        }
        self.put_down();
        let Some(turns) = &mut self.turns else { return };
        let Some((task, turn)) = task.and_then(|task| Some((task, turns.by_task.get(&task)?))) else { return };
        turns.current = Some(task);
        self.log.turn_to(turn.invocation);
        self.deadline = turn.deadline;
        self.flow.deadline = Some(turn.deadline);
        self.hooks.deadline = turn.deadline;
        self.hooks.calls = turn.calls;
        self.waited = turn.waited;
    }

    /// Writes down what the state has of the request whose it is.
    fn put_down(&mut self) {
        let Some(turns) = &mut self.turns else { return };
        let current = turns.current.take();
        if let Some(turn) = current.and_then(|current| turns.by_task.get_mut(&current)) {
            (turn.calls, turn.waited) = (self.hooks.calls, self.waited);
        }
    }
}

/// Makes the state that of the request whose task calls the host.
///
/// # Errors
/// When wasmtime does not know.
pub(crate) fn whose(store: &mut StoreContextMut<'_, GuestState>) -> wasmtime::Result<()> {
    if store.data().turns.is_none() {
        return Ok(());
    }
    let task = store.async_call_stack()?.last();
    store.data_mut().turn_to(task);
    Ok(())
}

/// At a tick, the instance computes. `None`: it is not shared.
///
/// # Errors
/// When the request whose task computes is past its deadline, or has computed for as long as it may. The instance ends with it.
pub(crate) fn tick(store: &mut StoreContextMut<'_, GuestState>) -> Option<wasmtime::Result<UpdateDeadline>> {
    store.data().turns.as_ref()?;
    Some(judge(store))
}

fn judge(store: &mut StoreContextMut<'_, GuestState>) -> wasmtime::Result<UpdateDeadline> {
    crate::cpu::tick()?;
    let task = store.async_call_stack()?.last();
    let Some(turns) = &store.data().turns else { return Ok(UpdateDeadline::Yield(1)) };
    let company = &turns.company;
    let turn = task.and_then(|task| turns.by_task.get(&task));
    // One that is not known is the rest of one that is over: it has as long as the last that was let in.
    let deadline = turn.map(|turn| turn.deadline).or_else(|| turns.by_task.values().map(|turn| turn.deadline).max());
    if deadline.is_none_or(|deadline| Instant::now() >= deadline) {
        company.blame(turn.map(|turn| turn.number));
        return Err(PastDeadline.into());
    }
    if let Some(turn) = turn {
        company.charge(turn.number)?;
    }
    Ok(UpdateDeadline::Yield(1))
}
