use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use http_body_util::BodyExt;
use modelet_catalog::Catalog;
use modelet_engine::{Fault, FaultKind};
use modelet_spec::InvocationId;
use prometheus_client::registry::Registry;

use super::*;
use crate::activity::Activity;
use crate::connection::Connection;
use crate::error::BadRequest;
use crate::metrics::Stage;
use crate::{Gateway, GatewayConfig};

fn gateway(server_timing: bool, registry: &mut Registry) -> Arc<Connection> {
    let config = GatewayConfig { server_timing, ..GatewayConfig::default() };
    let catalog = Arc::new(ArcSwap::from_pointee(Catalog::empty()));
    let gateway = Arc::new(Gateway::new(config, catalog, Arc::default(), registry));
    Arc::new(Connection { gateway, activity: Activity::new(Instant::now()), https: false })
}

fn record(connection: Arc<Connection>) -> Box<Record> {
    let now = Instant::now();
    Record::begin(connection, InvocationId::new(10), now, now + Duration::from_secs(1))
}

async fn answer(end: Result<Outcome, Refusal>, method: Method) -> (StatusCode, HeaderMap, String) {
    let response = respond(end, record(gateway(false, &mut Registry::default())), &method).await;
    let (parts, body) = response.into_parts();
    let text = String::from_utf8(body.collect().await.unwrap().to_bytes().to_vec()).unwrap();
    (parts.status, parts.headers, text)
}

fn fault() -> Fault {
    Fault {
        kind: FaultKind::Unreachable,
        public: "the function trapped".to_owned(),
        detail: "/home/secret/guest.rs:1".to_owned(),
    }
}

fn tomorrow(spent: Spent) -> Refusal {
    Refusal::TenantDay { spent, retry_after: Duration::from_millis(7_200_500) }
}

#[test]
fn every_refusal_has_its_line() {
    for (refusal, status, code) in [
        (Refusal::Bad(BadRequest::NoHost), 400, "bad-request"),
        (Refusal::Bad(BadRequest::Body), 400, "bad-request"),
        (Refusal::NoKey, 401, "unauthorized"),
        (Refusal::Forbidden, 403, "forbidden"),
        (Refusal::NotFound, 404, "not-found"),
        (Refusal::Method { allow: vec![] }, 405, "method-not-allowed"),
        (Refusal::BodyTooLarge { limit: 1 }, 413, "body-too-large"),
        (Refusal::FunctionFull, 429, "function-busy"),
        (Refusal::TenantFull, 429, "tenant-busy"),
        (tomorrow(Spent::Cpu), 429, "daily-cpu-exceeded"),
        (tomorrow(Spent::Inference), 429, "daily-inference-exceeded"),
        (Refusal::ServerFull, 503, "server-busy"),
    ] {
        let line = of_refusal(&refusal);
        assert_eq!((line.status.as_u16(), line.code), (status, code), "{refusal:?}");
    }
}

#[test]
fn every_outcome_without_an_answer_has_its_line() {
    for (outcome, status, code) in [
        (Outcome::NoAnswer(fault()), 502, "function-no-answer"),
        (Outcome::Trapped(fault()), 502, "function-trapped"),
        (Outcome::OverLimit(fault()), 502, "function-over-limit"),
        (Outcome::TimedOut, 504, "function-timed-out"),
        (Outcome::HostFault(fault()), 500, "internal"),
        (Outcome::Exhausted, 503, "server-exhausted"),
        (Outcome::Asleep, 503, "function-asleep"),
        (Outcome::Cancelled, 503, "cancelled"),
    ] {
        let line = of_outcome(&outcome);
        assert_eq!((line.status.as_u16(), line.code), (status, code), "{outcome:?}");
    }
}

#[tokio::test]
async fn an_error_is_problem_json_with_the_invocations_id() {
    let (status, headers, body) = answer(Err(Refusal::NotFound), Method::GET).await;
    assert_eq!(status, 404);
    assert_eq!(headers["content-type"], "application/problem+json");
    assert_eq!(headers["modelet-invocation"], "0000000000000000000000000a");
    assert_eq!(
        body,
        r#"{"type":"about:blank","title":"Not Found","status":404,"code":"not-found","detail":"no function answers this host and path","invocation":"0000000000000000000000000a"}"#
    );
}

#[tokio::test]
async fn the_operators_part_of_a_fault_never_reaches_the_client() {
    for end in [Outcome::NoAnswer(fault()), Outcome::Trapped(fault()), Outcome::OverLimit(fault())] {
        let (_, headers, body) = answer(Ok(end), Method::POST).await;
        assert!(body.contains("the function trapped"), "{body}");
        assert!(!body.contains("secret") && !format!("{headers:?}").contains("secret"), "{body}");
    }
    let (_, _, body) = answer(Ok(Outcome::HostFault(fault())), Method::POST).await;
    assert!(!body.contains("trapped") && !body.contains("secret"), "{body}");
}

#[tokio::test]
async fn the_functions_owner_reads_its_backtrace_and_no_fault_of_the_host() {
    for (end, shown) in [(Outcome::Trapped(fault()), true), (Outcome::HostFault(fault()), false)] {
        let mut record = record(gateway(false, &mut Registry::default()));
        record.asked_by_owner(true);
        let response = respond(Ok(end), record, &Method::GET).await;
        let body = response.into_body().collect().await.unwrap().to_bytes();
        let text = String::from_utf8(body.to_vec()).unwrap();
        let inside = text.contains(r#""fault":"unreachable","trace":"/home/secret/guest.rs:1""#);
        assert_eq!(inside, shown, "{text}");
    }
}

#[tokio::test]
async fn limits_say_when_to_come_again_and_others_do_not() {
    let refused = [Refusal::FunctionFull, Refusal::TenantFull, Refusal::ServerFull].map(Err);
    for end in refused.into_iter().chain([Ok(Outcome::Exhausted), Ok(Outcome::Asleep)]) {
        assert_eq!(answer(end, Method::GET).await.1["retry-after"], "1");
    }
    assert_eq!(answer(Err(tomorrow(Spent::Cpu)), Method::GET).await.1["retry-after"], "7201", "none too early");
    let others =
        [Err(Refusal::NotFound), Err(Refusal::Forbidden), Ok(Outcome::TimedOut), Ok(Outcome::Trapped(fault()))];
    for end in others {
        assert!(!answer(end, Method::GET).await.1.contains_key("retry-after"));
    }
}

#[tokio::test]
async fn a_wrong_method_is_told_the_right_ones_and_a_missing_key_how_to_send_it() {
    let allow = vec!["GET".to_owned(), "POST".to_owned()];
    assert_eq!(answer(Err(Refusal::Method { allow }), Method::PUT).await.1["allow"], "GET, POST");
    assert_eq!(answer(Err(Refusal::NoKey), Method::PUT).await.1["www-authenticate"], "Bearer realm=\"modelet\"");
}

#[tokio::test]
async fn an_error_to_head_has_the_length_and_no_body() {
    let (_, _, full) = answer(Err(Refusal::NotFound), Method::GET).await;
    let (status, headers, body) = answer(Err(Refusal::NotFound), Method::HEAD).await;
    assert_eq!((status.as_u16(), body.as_str()), (404, ""));
    assert_eq!(headers["content-length"], full.len().to_string().as_str());
}

#[tokio::test]
async fn server_timing_is_sent_only_when_it_is_on() {
    for on in [true, false] {
        let mut record = record(gateway(on, &mut Registry::default()));
        record.stage(Stage::Route);
        record.stage(Stage::Queue);
        record.spans();
        record.stage(Stage::Guest);
        let response = respond(Err(Refusal::ServerFull), record, &Method::GET).await;
        let timing = response.headers().get("server-timing").map(|value| value.to_str().unwrap().to_owned());
        match timing {
            Some(timing) => {
                assert!(on && timing.starts_with("route;dur=") && timing.contains(", queue;dur="), "{timing}")
            }
            None => assert!(!on),
        }
    }
}

#[tokio::test]
async fn each_request_is_written_down_once_whatever_became_of_it() {
    let mut registry = Registry::default();
    let connection = gateway(false, &mut registry);
    let refused = respond(Err(Refusal::NotFound), record(connection.clone()), &Method::GET).await;
    drop(refused.into_body().collect().await.unwrap());
    drop(respond(Ok(Outcome::TimedOut), record(connection.clone()), &Method::GET).await);
    drop(record(connection));

    let mut text = String::new();
    prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
    let of = |status: &str, reason: &str| {
        let labels = format!(r#"tenant="",function="",version="",status="{status}",reason="{reason}""#);
        text.contains(&format!("modelet_requests_total{{{labels}}} 1\n"))
    };
    assert!(of("404", "not-found"), "{text}");
    assert!(of("504", "function-timed-out"), "{text}");
    assert!(of("499", "cancelled"), "a dropped future: {text}");
    assert!(text.contains(r#"modelet_rejected_total{tenant="",reason="not-found"} 1"#), "{text}");
    assert!(text.contains(r#"modelet_request_seconds_count{tenant="",function="",version=""} 3"#), "{text}");
}

#[test]
fn unusual_statuses_share_a_label() {
    for (status, label) in [(200, "200"), (404, "404"), (418, "418"), (299, "other"), (999, "other")] {
        assert_eq!(status_label(StatusCode::from_u16(status).unwrap()), label);
    }
}
