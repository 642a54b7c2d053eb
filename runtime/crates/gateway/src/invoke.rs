//! The script of one request: down once, up once.

use std::sync::Arc;

use http::{Request, Response};
use http_body::Body;
use modelet_catalog::Lookup;
use modelet_engine::{Outcome, no_body};

use crate::admit::Admission;
use crate::authorise::authorise;
use crate::body::{Intake, LimitedBody};
use crate::choose;
use crate::clock;
use crate::connection::Invocation;
use crate::error::Refusal;
use crate::gateway::{Gateway, Served};
use crate::headers;
use crate::host;
use crate::meter::Meter;
use crate::metrics::Stage;
use crate::record::Record;
use crate::reply::ReplyBody;
use crate::respond::respond;
use crate::shadow::{Copied, watched};
use crate::watch::Watch;

/// Answers one request. Dropping the future gives the request up; the record is written either way.
pub(crate) async fn invoke(gateway: &Gateway, invocation: Invocation, mut record: Box<Record>) -> Response<ReplyBody> {
    let method = invocation.request.method().clone();
    let end = run(gateway, invocation, &mut record).await;
    respond(end, record, &method).await
}

/// The way down, to the guest's answer.
async fn run(gateway: &Gateway, mut invocation: Invocation, record: &mut Record) -> Result<Outcome, Refusal> {
    let (entry, meter) = route(gateway, &mut invocation, record)?;
    let limits = &entry.limits;
    refuse_announced(&invocation.request, limits.request_body)?;
    record.stage(Stage::Route);

    // Its time is over the queue, the guest, what the guest calls, and its models.
    let deadline = invocation.deadline.min(clock::after(record.marked(), limits.time));
    meter.may_use(record.id().unix_ms())?;
    Admission::arrived(&entry.handle)?;
    let permits = match gateway.admission.admit_now(&entry.handle) {
        Some(permits) => {
            record.no_time(Stage::Queue);
            permits
        }
        None => {
            let permits = gateway.admission.admit(&entry.handle, record.marked(), deadline);
            let permits = Box::pin(permits).await?;
            record.stage(Stage::Queue);
            permits
        }
    };

    let intake = (!invocation.request.body().is_end_stream()).then(Arc::<Intake>::default);
    record.receiving(intake.clone());
    let id = invocation.id;
    let kept = record.copied_body();
    let watch = Watch { id, function: entry.handle.clone(), meter, permits };
    let limited = |body| match intake.clone() {
        Some(intake) => watched(LimitedBody::new(body, limits.request_body, intake), kept),
        None => no_body(),
    };
    let outcome = entry
        .handle
        .invoke(modelet_engine::Invocation {
            id,
            deadline,
            request: Box::new(invocation.request.map(limited)),
            https: invocation.https,
            ended: Some(Box::new(move |ended, cpu| watch.ended(ended, cpu))),
            spans: record.spans(),
        })
        .await;
    record.stage(Stage::Guest);
    // A guest that could not read its request and said nothing: the request was at fault. What a guest answers stands.
    match (outcome, intake.and_then(|intake| intake.fault(limits.request_body))) {
        (Outcome::NoAnswer(_) | Outcome::Trapped(_), Some(refusal)) => Err(refusal),
        (outcome, _) => Ok(outcome),
    }
}

/// Finds the function, clears the headers and chooses the version that answers, all on one snapshot of the catalog, which is not
/// held any longer.
fn route(
    gateway: &Gateway,
    Invocation { id, https, request, .. }: &mut Invocation,
    record: &mut Record,
) -> Result<(Served, Arc<Meter>), Refusal> {
    let catalog = gateway.catalog.load();
    let authority = host::authority_of(request)?;
    let (live, route) = match catalog.find(authority, request.uri().path(), request.method().as_str()) {
        Lookup::Found { entry, route } => (entry, route),
        Lookup::MethodNotAllowed { allow } => return Err(Refusal::Method { allow }),
        Lookup::NotFound => return Err(Refusal::NotFound),
    };
    let mut meter = gateway.metrics.meter(&live.handle);
    record.routed(meter.clone());
    let has_authority = request.uri().authority().is_some();
    let wish = choose::wish(request.headers());
    let is_owner = authorise(&catalog, (live, route.auth), request.headers_mut(), record.id().unix_ms())?;
    record.asked_by_owner(is_owner);
    host::complete(has_authority, request.headers_mut());
    let wish = wish.filter(|_| is_owner);
    let entry = choose::choose(live, wish.as_ref(), request.headers(), *id)?;
    if live.arms.is_some() {
        meter = gateway.metrics.meter(&entry.handle);
        record.routed(meter.clone());
        record.copying(wish.is_none().then(|| Copied::begin(gateway, live, request, *https)).flatten());
    }
    Ok((entry.clone(), meter))
}

/// A body that announces more than the limit is refused before anything is read of it.
fn refuse_announced<B: Body>(request: &Request<B>, limit: u64) -> Result<(), Refusal> {
    let announced = headers::announced_length(request.headers()).unwrap_or(0);
    if announced > limit || request.body().size_hint().lower() > limit {
        return Err(Refusal::BodyTooLarge { limit });
    }
    Ok(())
}
