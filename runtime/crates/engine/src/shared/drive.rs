//! Runs one shared instance: from the first request that comes in until nobody is left.
//!
//! Unlike others, such an instance is no part of its caller's task. It has one of its own, which ends with its last request; the
//! instance waits in its pool then. Deadlines and limits of processor time are looked at between two turns of the guest, outside
//! of wasmtime's own loop: what is inside of that does not run while a host call holds the instance.

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio::time::Sleep;
use wasmtime::component::{Accessor, GuestTaskId, Resource, TypedFuncCallConcurrent};
use wasmtime_wasi_http::p3::bindings::Service;
use wasmtime_wasi_http::p3::bindings::http::types::ErrorCode;
use wasmtime_wasi_http::p3::{Request, Response};

use super::company::{Company, Farewell};
use super::turns::{Turn, Turns};
use super::{Visit, come};
use crate::call::{self, Handover};
use crate::cpu::{Clock, Cpu};
use crate::function::Function;
use crate::guest;
use crate::handler::Handler;
use crate::host::held::REQUEST;
use crate::instance::Instance;
use crate::limiter::OverLimit;
use crate::outcome::{Ended, Fault, FaultKind, ended_by};
use crate::pool::Pool;
use crate::run::Answer;
use crate::service::{self, Cut};
use crate::state::GuestState;

type Call = TypedFuncCallConcurrent<GuestState, (Resource<Request>,), (Result<Resource<Response>, ErrorCode>,)>;
type Attending<'a> = Pin<Box<dyn Future<Output = wasmtime::Result<()>> + Send + 'a>>;

/// What a function and its pool are to those who run in it.
struct Site {
    function: Arc<Function>,
    pool: Arc<Pool>,
    company: Arc<Company>,
}

/// An instance that counts as busy.
struct Busy(Arc<Function>);

impl Busy {
    fn new(function: &Arc<Function>) -> Self {
        function.begin();
        Self(Arc::clone(function))
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.end();
    }
}

/// Takes an instance or makes one, and has it answer all who come.
pub(super) fn start(function: &Arc<Function>, pool: &Arc<Pool>, company: Arc<Company>) {
    let site = Arc::new(Site { function: Arc::clone(function), pool: Arc::clone(pool), company });
    let call = Box::pin(receive(Arc::clone(&site), Busy::new(function)));
    tokio::spawn(Riding(Some(Box::new(Ride { call, cpu: Cpu::new(Duration::MAX), site, sleep: None, home: None }))));
}

/// The task of one instance.
struct Riding(Option<Box<Ride>>);

struct Ride {
    call: Pin<Box<dyn Future<Output = Farewell> + Send>>,
    cpu: Cpu,
    site: Arc<Site>,
    /// Until somebody's time is over.
    sleep: Option<Pin<Box<Sleep>>>,
    /// The server's runtime, while it is among those that compute for long.
    home: Option<Handle>,
}

impl Future for Riding {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let Some(mut ride) = self.0.take() else { return Poll::Ready(()) };
        let home = ride.home.clone();
        let _home = home.as_ref().map(Handle::enter);
        if ride.turn(cx).is_ready() {
            return Poll::Ready(());
        }
        match ride.make_way() {
            Some(ride) => {
                self.0 = Some(ride);
                Poll::Pending
            }
            None => Poll::Ready(()),
        }
    }
}

impl Ride {
    /// One turn of the guest. Ready: the instance is no longer here.
    fn turn(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let site = Arc::clone(&self.site);
        let company = &site.company;
        let clock = if self.home.is_some() { Clock::Thread } else { Clock::Wall };
        let before = self.cpu.used();
        company.begin_turn();
        let call = &mut self.call;
        let polled = self.cpu.poll(clock, || std::panic::catch_unwind(AssertUnwindSafe(|| call.as_mut().poll(cx))));
        let took = self.cpu.used().saturating_sub(before);
        company.end_turn(took);
        site.function.computed(took);
        match polled {
            Ok(Poll::Ready(farewell)) => {
                // After the account of this turn: who hears of an end asks for all that was computed.
                farewell.into_iter().for_each(|(report, ended)| drop(report.send(ended)));
                Poll::Ready(())
            }
            Ok(Poll::Pending) => self.look(cx),
            Err(panic) => {
                self.give_up();
                let detail = guest::text(panic.as_ref());
                let fault = Fault::new(FaultKind::Host, "an internal error ended the function", detail);
                company.fail_all(|| Ended::HostFault(fault.clone()));
                Poll::Ready(())
            }
        }
    }

    /// Tells those whose time is over. Ready: nobody is left.
    fn look(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            let look = self.site.company.look(Instant::now());
            if look.is_closed {
                self.site.move_on();
            }
            if look.is_empty {
                self.give_up();
                return Poll::Ready(());
            }
            let Some(next) = look.next else { return Poll::Pending };
            let sleep = self.sleep.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(next.into())));
            if sleep.deadline() != next.into() {
                sleep.as_mut().reset(next.into());
            }
            if sleep.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
        }
    }

    /// The instance goes as it is.
    fn give_up(&mut self) {
        self.site.company.cut_all();
        self.site.move_on();
        self.call = Box::pin(std::future::ready(Farewell::new()));
    }

    /// One that computes for long goes on among its like, to its end.
    fn make_way(mut self: Box<Self>) -> Option<Box<Self>> {
        if self.home.is_some() || !self.cpu.is_long() {
            return Some(self);
        }
        let Ok(home) = Handle::try_current() else { return Some(self) };
        let function = Arc::clone(&self.site.function);
        self.home = Some(home);
        match function.shared().lane.go_on(Riding(Some(self))) {
            Ok(()) => None,
            Err(mut riding) => {
                let mut ride = riding.0.take()?;
                ride.home = None;
                Some(ride)
            }
        }
    }
}

impl Site {
    /// Nobody comes in any more. Who has come and not begun goes to another instance.
    fn move_on(&self) {
        for visit in self.company.close() {
            come(&self.function, &self.pool, &self.company.doors, visit);
        }
    }
}

/// How an instance was left.
enum Left {
    /// Nothing is left to do in it: with whom that is to be told once it is in its pool.
    Quiet(Vec<oneshot::Sender<Ended>>),
    /// Its guest trapped, or a host call ended it.
    Broken(wasmtime::Error),
}

async fn receive(site: Arc<Site>, busy: Busy) -> Farewell {
    let company = Arc::clone(&site.company);
    let first = std::future::poll_fn(|cx| company.poll_visit(cx)).await;
    let Handover { id, deadline, spans, .. } = &first.handover;
    let (whose, spans) = ((*id, *deadline), spans.clone());
    let instance = match site.pool.take() {
        Some(instance) => Ok(instance),
        None => call::make_for(&site.function, &site.pool, whose, spans.as_deref()).await,
    };
    let mut instance = match instance {
        Ok(instance) => instance,
        Err(error) => {
            let waiting = company.close();
            drop(busy);
            let all = std::iter::once(first).chain(waiting);
            return all.map(|visit| (visit.report, ended_by(&error, None))).collect();
        }
    };
    instance.store.data_mut().turns = Some(Box::new(Turns::new(Arc::clone(&company))));
    instance.store.set_epoch_deadline(1);
    let left = serve(&mut instance, &site, first).await;
    let state = instance.store.data_mut();
    state.log.finish();
    let refused = state.limiter.take_refused();
    match left {
        Left::Quiet(over) => {
            state.turns = None;
            if !company.is_closing() && instance.rest() {
                // What is not kept goes here.
                drop(site.pool.warm.put(instance, Instant::now()));
            }
            drop(busy);
            over.into_iter().map(|report| (report, Ended::Finished)).collect()
        }
        Left::Broken(error) => {
            state.all_waited().into_iter().for_each(|waited| site.function.tell_waited(waited, None));
            company.cut_all();
            site.move_on();
            drop(instance);
            drop(busy);
            company.end_all(&error, refused.as_ref())
        }
    }
}

/// Has the guest answer all who come, until nobody comes and nothing is left to do.
async fn serve(instance: &mut Instance, site: &Site, first: Visit) -> Left {
    let Instance { store, handler, served, .. } = instance;
    let Handler::Service(service) = handler else {
        return Left::Broken(wasmtime::format_err!("an instance of wasi:http 0.2 cannot be shared"));
    };
    let inside = async |accessor: &Accessor<GuestState>| {
        let mut inside = Inside { accessor, service, site, served, calls: Vec::new() };
        inside.begin(first);
        std::future::poll_fn(|cx| inside.poll(cx)).await
    };
    store.run_concurrent(inside).await.unwrap_or_else(Left::Broken)
}

/// What is done in wasmtime's loop.
struct Inside<'a> {
    accessor: &'a Accessor<GuestState>,
    service: &'a Service,
    site: &'a Site,
    served: &'a mut u32,
    calls: Vec<(u64, Attending<'a>)>,
}

impl Inside<'_> {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Left> {
        let company = &*self.site.company;
        loop {
            if let Err(error) = self.attend(cx) {
                return Poll::Ready(Left::Broken(error));
            }
            if let Poll::Ready(visit) = company.poll_visit(cx) {
                self.begin(visit);
                continue;
            }
            if !self.calls.is_empty() {
                // What they leave to do cannot be told from what others do.
                company.take_over().into_iter().for_each(|report| drop(report.send(Ended::Finished)));
                return Poll::Pending;
            }
            if self.accessor.poll_no_interesting_tasks(cx).is_pending() {
                return Poll::Pending;
            }
            let over = company.take_over();
            if company.doors.leave(&company.door) {
                return Poll::Ready(Left::Quiet(over));
            }
            over.into_iter().for_each(|report| drop(report.send(Ended::Finished)));
        }
    }

    /// Goes on with all requests that are in.
    fn attend(&mut self, cx: &mut Context<'_>) -> wasmtime::Result<()> {
        let mut ended = Vec::new();
        for (number, call) in &mut self.calls {
            match call.as_mut().poll(cx) {
                Poll::Ready(Ok(())) => ended.push(*number),
                // No trap comes this way: it is what this one answered.
                Poll::Ready(Err(error)) => {
                    self.site.company.blame(Some(*number));
                    return Err(error);
                }
                Poll::Pending => {}
            }
        }
        self.calls.retain(|(number, _)| !ended.contains(number));
        ended.into_iter().for_each(|number| self.site.company.over(number));
        Ok(())
    }

    /// The guest begins with a request. One that it cannot begin with is told so, and nobody else notices.
    fn begin(&mut self, visit: Visit) {
        *self.served = self.served.saturating_add(1);
        let company = &self.site.company;
        let number = company.number();
        let Visit { handover, cut, report } = visit;
        let Handover { id, deadline, request, https, sender, spans } = handover;
        let (accessor, service) = (self.accessor, self.service);
        match hand_in(accessor, service, Turn::new(number, id, deadline), *request, https) {
            Ok((task, call)) => {
                company.begin(number, id, deadline, (Arc::clone(&cut), report));
                let function = Arc::clone(&self.site.function);
                self.calls.push((
                    number,
                    Box::pin(async move {
                        answer(accessor, service, call, sender, cut).await?;
                        let waited = accessor.with(|mut store| store.get().go_out(task));
                        function.tell_waited(waited, spans.as_deref());
                        Ok(())
                    }),
                ));
            }
            Err(error) => {
                company.doors.gone(&company.door);
                let over = error.downcast_ref::<OverLimit>();
                let ended = over.map_or_else(|| ended_by(&error, None), |over| Ended::over(over, "before it began"));
                let _ = report.send(ended);
            }
        }
    }
}

/// Queues a request's task. It runs in wasmtime's loop.
fn hand_in(
    accessor: &Accessor<GuestState>,
    service: &Service,
    turn: Turn,
    request: http::Request<crate::RequestBody>,
    https: bool,
) -> wasmtime::Result<(GuestTaskId, Call)> {
    accessor.with(|mut store| {
        let state = store.get();
        state.hold(REQUEST)?;
        let request = service::admit(state, request, https)?;
        let request = state.table.push(request)?;
        let call = service.wasi_http_handler().func_handle().start_call_concurrent(&mut store, (request,))?;
        let task = call.task();
        store.get().come_in(task, turn);
        Ok((task, call))
    })
}

/// Waits for the guest's answer and hands it out, until its body is at its end.
async fn answer(
    accessor: &Accessor<GuestState>,
    service: &Service,
    call: Call,
    sender: oneshot::Sender<Answer>,
    cut: Arc<Cut>,
) -> wasmtime::Result<()> {
    let (answer,) = service.wasi_http_handler().func_handle().finish_call_concurrent(accessor, call).await?;
    match answer {
        Ok(response) => {
            let response = accessor.with(|mut store| store.get().table.delete(response))?;
            service::pass_on(accessor, response, sender, Some(cut)).await
        }
        // Nobody is left to hear it when the caller has gone.
        Err(code) => {
            drop(sender.send(Err(format!("{code:?}"))));
            Ok(())
        }
    }
}
