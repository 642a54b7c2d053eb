//! One live sandbox of a function.

use std::time::Instant;

use modelet_spec::InvocationId;
use wasmtime::{Store, StoreContextMut, UpdateDeadline};

use crate::cpu;
use crate::function::Function;
use crate::handler::Handler;
use crate::host;
use crate::host::pipe::OutgoingBody;
use crate::outcome::PastDeadline;
use crate::pool::Pool;
use crate::shared;
use crate::state::GuestState;
use crate::warm::Keep;
use crate::world::World;

/// A store with its instance. Used for one invocation at a time.
pub(crate) struct Instance {
    pub(crate) store: Store<GuestState>,
    pub(crate) handler: Handler,
    /// Invocations begun.
    pub(crate) served: u32,
    made: Instant,
}

impl Instance {
    /// Makes a fresh sandbox and runs the component's start functions, under the epoch like any guest code.
    pub(crate) async fn new(
        function: &Function,
        pool: &Pool,
        id: InvocationId,
        deadline: Instant,
    ) -> wasmtime::Result<Box<Self>> {
        let spec = function.spec();
        let state = GuestState::new(function, id);
        let mut store = Store::try_new(pool.linked.pre.engine(), state)?;
        store.limiter(|state| state);
        store.set_hostcall_fuel(spec.limits.hostcall_bytes);
        if pool.linked.pre.world() == World::Service {
            // Streams, futures and tasks are such handles, and no entries of the table of resources.
            store.set_max_component_handles(spec.limits.resources);
        }
        store.epoch_deadline_callback(yield_or_stop);
        store.set_epoch_deadline(1);
        store.data_mut().begin(id, deadline);
        let handler = pool.linked.pre.instantiate(&mut store).await?;
        function.counters().made.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        Ok(Box::new(Self { store, handler, served: 0, made: Instant::now() }))
    }

    /// Gets ready to wait for the next request. `false`: it cannot.
    pub(crate) fn rest(&mut self) -> bool {
        let state = self.store.data_mut();
        if state.table.is_empty() {
            state.limiter.set_held(0);
            return true;
        }
        state.count_held();
        host::nn::keep(state).is_ok()
    }

    /// Whether a response body was begun and never finished: then what the client got is not the whole answer.
    pub(crate) fn has_unfinished_body(&mut self) -> bool {
        let GuestState { table, answering, .. } = self.store.data_mut();
        *answering || (!table.is_empty() && table.iter_mut().any(|entry| entry.is::<OutgoingBody>()))
    }
}

impl Keep for Box<Instance> {
    fn memory(&self) -> u64 {
        self.store.data().limiter.resting()
    }

    fn made(&self) -> Instant {
        self.made
    }

    fn served(&self) -> u32 {
        self.served
    }
}

/// At each tick: lets others have the thread, until the deadline or the end of its processor time. Stopped here and not from
/// outside, a guest that computes leaves its backtrace.
fn yield_or_stop(mut store: StoreContextMut<'_, GuestState>) -> wasmtime::Result<UpdateDeadline> {
    if let Some(judged) = shared::tick(&mut store) {
        return judged;
    }
    if Instant::now() >= store.data().deadline {
        return Err(PastDeadline.into());
    }
    cpu::tick()?;
    Ok(UpdateDeadline::Yield(1))
}
