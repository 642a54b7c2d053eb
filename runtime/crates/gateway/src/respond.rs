//! The only table from what became of a request to a status code.

use http::header::{self, HeaderValue};
use http::response::Parts;
use http::{HeaderMap, Method, Response, StatusCode};
use http_body::Body;
use modelet_catalog::Spent;
use modelet_engine::{Outcome, ResponseBody};

use crate::error::Refusal;
use crate::headers;
use crate::problem::{self, Inside, Problem};
use crate::record::Record;
use crate::reply::{Content, ReplyBody, drain};

/// The status label of a plain success.
pub(crate) const OK: &str = "200";
/// The status label of a request whose client left; no such status is ever sent.
pub(crate) const CLIENT_LEFT: &str = "499";

/// When a client that met a limit may come again, in seconds: permits come free in the time of one invocation.
const RETRY_AFTER_S: HeaderValue = HeaderValue::from_static("1");
const CHALLENGE: HeaderValue = HeaderValue::from_static("Bearer realm=\"modelet\"");

/// One line of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Line {
    status: StatusCode,
    /// Stable: clients compare it, and metrics have it as `reason`.
    code: &'static str,
}

/// Makes the answer. Exactly one is made for each request.
pub(crate) async fn respond(
    end: Result<Outcome, Refusal>,
    record: Box<Record>,
    method: &Method,
) -> Response<ReplyBody> {
    let is_head = *method == Method::HEAD;
    match end {
        Ok(Outcome::Answered(answer)) if answer.status().is_informational() => {
            let detail = "the function answered with an interim status, which is no answer";
            own(BAD_ANSWER, (detail, None), HeaderMap::new(), record, is_head)
        }
        Ok(Outcome::Answered(answer)) => {
            let (parts, body) = answer.into_parts();
            relay(parts, body, record, is_head).await
        }
        Ok(outcome) => {
            if matches!(outcome, Outcome::Exhausted | Outcome::Asleep) {
                record.rejected(of_outcome(&outcome).code);
            }
            let inside = inside_of(&outcome).filter(|_| record.is_by_owner());
            own(of_outcome(&outcome), (detail_of(&outcome), inside), extra_of_outcome(&outcome), record, is_head)
        }
        Err(refusal) => {
            let line = of_refusal(&refusal);
            record.rejected(line.code);
            own(line, (&refusal.to_string(), None), extra_of_refusal(&refusal), record, is_head)
        }
    }
}

fn of_refusal(refusal: &Refusal) -> Line {
    let (status, code) = match refusal {
        Refusal::Bad(_) => (StatusCode::BAD_REQUEST, "bad-request"),
        Refusal::NoKey => (StatusCode::UNAUTHORIZED, "unauthorized"),
        Refusal::Forbidden => (StatusCode::FORBIDDEN, "forbidden"),
        Refusal::NotFound => (StatusCode::NOT_FOUND, "not-found"),
        Refusal::NoVersion => (StatusCode::NOT_FOUND, "no-version"),
        Refusal::Method { .. } => (StatusCode::METHOD_NOT_ALLOWED, "method-not-allowed"),
        Refusal::BodyTooLarge { .. } => (StatusCode::PAYLOAD_TOO_LARGE, "body-too-large"),
        Refusal::FunctionFull => (StatusCode::TOO_MANY_REQUESTS, "function-busy"),
        Refusal::TenantFull => (StatusCode::TOO_MANY_REQUESTS, "tenant-busy"),
        Refusal::TenantRate { .. } => (StatusCode::TOO_MANY_REQUESTS, "tenant-rate"),
        Refusal::TenantDay { spent: Spent::Cpu, .. } => (StatusCode::TOO_MANY_REQUESTS, "daily-cpu-exceeded"),
        Refusal::TenantDay { spent: Spent::Inference, .. } => {
            (StatusCode::TOO_MANY_REQUESTS, "daily-inference-exceeded")
        }
        Refusal::ServerFull => (StatusCode::SERVICE_UNAVAILABLE, "server-busy"),
    };
    Line { status, code }
}

fn of_outcome(outcome: &Outcome) -> Line {
    let (status, code) = match outcome {
        Outcome::Answered(answer) => (answer.status(), crate::meter::ANSWERED),
        Outcome::NoAnswer(_) => (StatusCode::BAD_GATEWAY, "function-no-answer"),
        Outcome::Trapped(_) => (StatusCode::BAD_GATEWAY, "function-trapped"),
        Outcome::OverLimit(_) => (StatusCode::BAD_GATEWAY, "function-over-limit"),
        Outcome::TimedOut => (StatusCode::GATEWAY_TIMEOUT, "function-timed-out"),
        Outcome::HostFault(_) => (StatusCode::INTERNAL_SERVER_ERROR, "internal"),
        Outcome::Exhausted => (StatusCode::SERVICE_UNAVAILABLE, "server-exhausted"),
        Outcome::Asleep => (StatusCode::SERVICE_UNAVAILABLE, "function-asleep"),
        // Whoever asked has gone; if something still listens, it is told that nobody is served.
        Outcome::Cancelled => (StatusCode::SERVICE_UNAVAILABLE, "cancelled"),
    };
    Line { status, code }
}

const BAD_ANSWER: Line = Line { status: StatusCode::BAD_GATEWAY, code: "function-bad-answer" };

/// What the client may read; the operator finds the rest in the log.
fn detail_of(outcome: &Outcome) -> &str {
    match outcome {
        Outcome::Answered(_) => "",
        Outcome::NoAnswer(fault) | Outcome::Trapped(fault) | Outcome::OverLimit(fault) => &fault.public,
        Outcome::HostFault(_) => "an internal error; the operator finds it in the log under this invocation",
        Outcome::TimedOut => "the function did not answer in its time",
        Outcome::Exhausted => "the server has no room for another instance; try again",
        Outcome::Asleep => "the function is still being brought into memory; try again",
        Outcome::Cancelled => "the request was given up",
    }
}

/// What the function's owner may read as well. Of a fault of the host only the operator reads.
fn inside_of(outcome: &Outcome) -> Option<Inside<'_>> {
    match outcome {
        Outcome::NoAnswer(fault) | Outcome::Trapped(fault) | Outcome::OverLimit(fault) => {
            Some(Inside { fault: fault.kind.name(), trace: &fault.detail })
        }
        Outcome::Answered(_)
        | Outcome::HostFault(_)
        | Outcome::TimedOut
        | Outcome::Exhausted
        | Outcome::Asleep
        | Outcome::Cancelled => None,
    }
}

fn extra_of_refusal(refusal: &Refusal) -> HeaderMap {
    let mut extra = HeaderMap::new();
    match refusal {
        Refusal::Method { allow } => {
            if let Ok(allow) = HeaderValue::try_from(allow.join(", ")) {
                extra.insert(header::ALLOW, allow);
            }
        }
        Refusal::NoKey => {
            extra.insert(header::WWW_AUTHENTICATE, CHALLENGE);
        }
        Refusal::FunctionFull | Refusal::TenantFull | Refusal::ServerFull => {
            extra.insert(header::RETRY_AFTER, RETRY_AFTER_S);
        }
        Refusal::TenantRate { retry_after } | Refusal::TenantDay { retry_after, .. } => {
            // In whole seconds, as HTTP has it, and none too early.
            let seconds = retry_after.as_secs().saturating_add(u64::from(retry_after.subsec_nanos() > 0)).max(1);
            extra.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        Refusal::Bad(_)
        | Refusal::Forbidden
        | Refusal::NotFound
        | Refusal::NoVersion
        | Refusal::BodyTooLarge { .. } => {}
    }
    extra
}

fn extra_of_outcome(outcome: &Outcome) -> HeaderMap {
    let mut extra = HeaderMap::new();
    if matches!(outcome, Outcome::Exhausted | Outcome::Asleep) {
        extra.insert(header::RETRY_AFTER, RETRY_AFTER_S);
    }
    extra
}

/// A guest's answer, on its way.
async fn relay(
    mut parts: Parts,
    mut body: Box<ResponseBody>,
    mut record: Box<Record>,
    is_head: bool,
) -> Response<ReplyBody> {
    let whole = body.size_hint().exact();
    let has_body = !is_head && !is_bodyless(parts.status);
    headers::clean_answer(&mut parts.headers, whole.is_some() && !is_head);
    let announced = headers::announced_length(&parts.headers);
    let content = if has_body {
        Content::Guest { body, announced }
    } else {
        match whole {
            _ if !is_head => _ = parts.headers.remove(header::CONTENT_LENGTH),
            Some(bytes @ 1..) if announced.is_none() => {
                parts.headers.insert(header::CONTENT_LENGTH, HeaderValue::from(bytes));
            }
            Some(_) | None => {}
        }
        // A guest that still writes is not stopped for it: it does as it would for GET.
        drain(&mut body).await;
        Content::Nothing
    };
    record.answering(status_label(parts.status), None);
    finish(parts.status, parts.headers, content, record)
}

/// An answer of the gateway's own. `said`: what anybody may read, and what only the function's owner.
fn own(
    line: Line,
    said: (&str, Option<Inside<'_>>),
    mut extra: HeaderMap,
    mut record: Box<Record>,
    is_head: bool,
) -> Response<ReplyBody> {
    let Line { status, code } = line;
    let (detail, inside) = said;
    let invocation = record.id().to_string();
    let title = status.canonical_reason().unwrap_or_default();
    let status_code = status.as_u16();
    let problem =
        Problem { kind: "about:blank", title, status: status_code, code, detail, invocation: &invocation, inside };
    let body = problem.body();
    extra.insert(header::CONTENT_TYPE, problem::MEDIA_TYPE);
    if is_head {
        extra.insert(header::CONTENT_LENGTH, HeaderValue::from(body.len()));
    }
    let content = if is_head { Content::Nothing } else { Content::Own(body) };
    record.answering(status_label(status), Some(code));
    finish(status, extra, content, record)
}

/// What every answer carries.
fn finish(status: StatusCode, mut headers: HeaderMap, content: Content, record: Box<Record>) -> Response<ReplyBody> {
    if let Ok(id) = HeaderValue::from_bytes(&record.id().text()) {
        headers.insert(headers::INVOCATION, id);
    }
    if let Some(timing) = server_timing(&record.stages()) {
        headers.insert(headers::SERVER_TIMING, timing);
    }
    let mut response = Response::new(ReplyBody::new(content, record));
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response
}

fn server_timing(stages: &[(&'static str, std::time::Duration)]) -> Option<HeaderValue> {
    if stages.is_empty() {
        return None;
    }
    let parts: Vec<String> =
        stages.iter().map(|(stage, duration)| format!("{stage};dur={:.3}", duration.as_secs_f64() * 1e3)).collect();
    HeaderValue::try_from(parts.join(", ")).ok()
}

/// Statuses whose answers have no body, whatever the guest wrote.
fn is_bodyless(status: StatusCode) -> bool {
    matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED)
}

/// A status as metrics have it: a guest may answer 900 different codes, and the unusual ones share a label.
pub(crate) fn status_label(status: StatusCode) -> &'static str {
    macro_rules! labels {
        ($($code:literal)*) => { match status.as_u16() { $($code => stringify!($code),)* _ => "other" } };
    }
    labels!(
        200 201 202 203 204 205 206 207 208 226 300 301 302 303 304 305 307 308 400 401 402 403 404 405 406 407 408 409
        410 411 412 413 414 415 416 417 418 421 422 423 424 425 426 428 429 431 451 500 501 502 503 504 505 506 507 508
        510 511
    )
}

#[cfg(test)]
mod tests;
