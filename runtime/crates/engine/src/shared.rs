//! Instances of `wasi:http` 0.3 that answer several requests at a time, where the function's manifest says so (decision 0026).
//!
//! [`Doors`] says which instance a request goes to, before anything of it runs; [`drive`] runs one instance for all who are in it;
//! [`Company`] is who they are: how long each may stay, what it has computed, and who is told how it ended. [`Turns`] is what the
//! host keeps for each of them while another's task runs. An instance is shared only while it has requests: before and after, it
//! waits among the others of its pool.

mod company;
mod doors;
mod drive;
mod turns;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::sync::oneshot;

use crate::call::Handover;
use crate::function::Function;
use crate::outcome::{Ended, Fault, FaultKind};
use crate::pool::Pool;
use crate::service::Cut;

use company::Company;
use doors::Came;
pub(crate) use doors::Doors;
pub(crate) use turns::{Turns, tick, whose};

/// A request on its way into an instance.
pub(crate) struct Visit {
    handover: Handover,
    /// Cuts its answer off.
    cut: Arc<Cut>,
    report: oneshot::Sender<Ended>,
}

/// A request in an instance, as its caller sees it: it ends when the guest is done with it, or the instance has gone.
pub(crate) struct Stay(oneshot::Receiver<Ended>);

impl Future for Stay {
    type Output = Ended;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Ended> {
        Pin::new(&mut self.0).poll(cx).map(|told| told.unwrap_or_else(|_| lost()))
    }
}

/// Who would have told is gone: the server stops, or has a fault.
fn lost() -> Ended {
    Ended::HostFault(Fault::new(FaultKind::Host, "an internal error ended the function", "its instance was given up"))
}

/// Hands a request to an instance, which is made if there is none that has a place.
pub(crate) fn visit(function: &Arc<Function>, pool: &Arc<Pool>, doors: &Arc<Doors<Visit>>, handover: Handover) -> Stay {
    let (report, end) = oneshot::channel();
    come(function, pool, doors, Visit { handover, cut: Arc::default(), report });
    Stay(end)
}

fn come(function: &Arc<Function>, pool: &Arc<Pool>, doors: &Arc<Doors<Visit>>, visit: Visit) {
    match doors.come(visit) {
        Came::In => {}
        Came::New(door, visits) => {
            drive::start(function, pool, Company::new(doors, door, visits, function.spec().limits.cpu))
        }
        // Who has a permit of the function's finds a place. This one had none.
        Came::Full(visit) => drop(visit.report.send(Ended::Exhausted)),
    }
}
