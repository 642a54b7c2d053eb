//! The cases of the manifest before a version goes live: each is asked once, and what is answered must be what is expected.
//!
//! As in [`trial`](super::trial) the calls change nothing outside: the guest finds no key-value store, what it sends goes nowhere,
//! and what it writes is nobody's.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::HeaderMap;
use http_body_util::BodyExt;
use modelet_engine::ports::NoLog;
use modelet_engine::{Function, FunctionSpec, Invocation, Outcome};
use modelet_spec::manifest::{Case, CaseExpect};
use modelet_spec::{Digest, TenantName, Version};
use modelet_store::CompiledRecord;
use serde_json::Value;

use super::trial::{id, request};
use super::{Draft, LINK_MAX};
use crate::code::NewCode;
use crate::control::{Control, blocking};
use crate::error::ControlError;

/// How long all cases of a deploy may take together: the one who deploys waits for them.
const TOTAL_MAX: Duration = Duration::from_secs(120);
/// Of a value that is not as expected so many characters are told.
const TOLD_MAX: usize = 120;
/// So many differences are told.
const DIFFERENCES_MAX: usize = 8;

/// What a guest answered.
#[derive(Debug)]
struct Answer {
    status: u16,
    headers: HeaderMap,
    body: Vec<u8>,
}

/// Asks the draft all cases of its manifest. `files`: the bodies that are files, by their path in the manifest.
pub(super) async fn run(
    control: &Arc<Control>,
    draft: &Draft,
    compiled: &CompiledRecord,
    files: &BTreeMap<String, Digest>,
) -> Result<(), ControlError> {
    let cases = &draft.manifest.case;
    if cases.is_empty() {
        return Ok(());
    }
    let spec = FunctionSpec { log: Arc::new(NoLog), ..draft.spec(control, Version::FIRST)? };
    let code = Arc::new(NewCode(control.codes.given(draft.component, compiled)));
    let function = control.engine.rehearsal(code, spec);
    function.wake(Instant::now() + LINK_MAX).await?;
    let until = Instant::now() + TOTAL_MAX;
    let mut failures = Vec::new();
    for (number, case) in (1..).zip(cases) {
        let file = match &case.request.body_file {
            Some(path) => Some(file(control, draft, path, files).await?),
            None => None,
        };
        let differences = match ask(&function, case, file, until).await {
            Ok(answer) => differences(&case.expect, &answer),
            Err(instead) => vec![format!("expected status {}, but its guest {instead}", case.expect.status)],
        };
        if !differences.is_empty() {
            let (method, path) = (&case.request.method, &case.request.path);
            failures.push(format!("case {number} of {} ({method} {path}): {}", cases.len(), differences.join(", ")));
        }
    }
    if failures.is_empty() { Ok(()) } else { Err(ControlError::Cases(failures)) }
}

/// The bytes of a case's body, as the deploy brought them.
async fn file(
    control: &Arc<Control>,
    draft: &Draft,
    path: &Path,
    files: &BTreeMap<String, Digest>,
) -> Result<Vec<u8>, ControlError> {
    let missing = || ControlError::NoCaseFile(path.to_owned());
    let digest = *path.to_str().and_then(|path| files.get(path)).ok_or_else(missing)?;
    let (control, tenant, limit) = (Arc::clone(control), draft.tenant.clone(), draft.limits(control).request_body);
    blocking(move || read(&control, &tenant, &digest, limit)).await
}

fn read(control: &Control, tenant: &TenantName, digest: &Digest, limit: u64) -> Result<Vec<u8>, ControlError> {
    if !control.store.holds(tenant, digest)? {
        return Err(ControlError::NoBlob(*digest));
    }
    // The size first: a blob may be as large as a model.
    match control.store.blob_bytes(tenant, digest) {
        None => Err(ControlError::NoBlob(*digest)),
        Some(bytes) if bytes > limit => Err(ControlError::TooLarge { what: "body of a case", limit, key: "body" }),
        Some(_) => Ok(control.store.blob(tenant, digest)?),
    }
}

/// One call; or what became of it instead of an answer.
async fn ask(
    function: &Arc<Function>,
    case: &Case,
    file: Option<Vec<u8>>,
    until: Instant,
) -> Result<Answer, &'static str> {
    let request = request(Some(&case.request), file).ok_or("cannot be asked: its request is no proper one")?;
    let deadline = until.min(Instant::now() + function.spec().limits.time);
    let invocation =
        Invocation { id: id(), deadline, request: Box::new(request), https: false, ended: None, spans: None };
    let answer = match function.invoke(invocation).await {
        Outcome::Answered(answer) => answer,
        Outcome::NoAnswer(_) => return Err("gave no answer"),
        Outcome::Trapped(_) => return Err("trapped"),
        Outcome::OverLimit(_) => return Err("went over a limit"),
        Outcome::TimedOut => return Err("did not answer in time"),
        Outcome::Cancelled | Outcome::HostFault(_) | Outcome::Exhausted | Outcome::Asleep => {
            return Err("could not be called: the server's log may say more");
        }
    };
    let (parts, body) = answer.into_parts();
    let body = body.collect().await.map_err(|_| "did not finish its answer")?.to_bytes();
    Ok(Answer { status: parts.status.as_u16(), headers: parts.headers, body: body.to_vec() })
}

/// What is not as expected.
fn differences(expect: &CaseExpect, answer: &Answer) -> Vec<String> {
    let mut found = Vec::new();
    if expect.status != answer.status {
        found.push(format!("expected status {}, got {}", expect.status, answer.status));
    }
    for (name, value) in &expect.headers {
        let got = answer.headers.get(name).map(|got| String::from_utf8_lossy(got.as_bytes()).into_owned());
        if got.as_ref() != Some(value) {
            found.push(format!(
                "expected the header {name}: {}, got {}",
                cut(value),
                got.map_or("none".into(), |got| cut(&got))
            ));
        }
    }
    let text = String::from_utf8_lossy(&answer.body);
    if let Some(body) = expect.body.as_ref().filter(|body| **body != text) {
        found.push(format!("expected the body {:?}, got {:?}", cut(body), cut(&text)));
    }
    if let Some(json) = &expect.json {
        match serde_json::from_slice(&answer.body) {
            Ok(got) => compare("$", json, &got, expect.tolerance, &mut found),
            Err(_) => found.push(format!("expected JSON, got {:?}", cut(&text))),
        }
    }
    found
}

/// Members that are expected must be there; others may. Lists are as long as expected.
fn compare(at: &str, expected: &Value, got: &Value, tolerance: f64, found: &mut Vec<String>) {
    if found.len() >= DIFFERENCES_MAX {
        return;
    }
    match (expected, got) {
        (Value::Object(expected), Value::Object(got)) => {
            for (name, value) in expected {
                compare(&format!("{at}.{name}"), value, got.get(name).unwrap_or(&Value::Null), tolerance, found);
            }
        }
        (Value::Array(expected), Value::Array(got)) if expected.len() == got.len() => {
            for (index, (expected, got)) in expected.iter().zip(got).enumerate() {
                compare(&format!("{at}[{index}]"), expected, got, tolerance, found);
            }
        }
        (Value::Number(a), Value::Number(b)) if is_near(a.as_f64(), b.as_f64(), tolerance) => {}
        (expected, got) if expected == got => {}
        (expected, got) => {
            found.push(format!("{at}: expected {}, got {}", cut(&expected.to_string()), cut(&got.to_string())));
        }
    }
}

fn is_near(expected: Option<f64>, got: Option<f64>, tolerance: f64) -> bool {
    expected.zip(got).is_some_and(|(expected, got)| (expected - got).abs() <= tolerance)
}

/// On one line, and not longer than a person reads.
fn cut(text: &str) -> String {
    let line: String = text.chars().take(TOLD_MAX).map(|c| if c.is_control() { ' ' } else { c }).collect();
    if text.chars().nth(TOLD_MAX).is_some() { format!("{line}…") } else { line }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn told(expect: CaseExpect, status: u16, body: &str) -> Vec<String> {
        let mut headers = HeaderMap::new();
        headers.insert("content-type", "text/plain".parse().unwrap());
        differences(&expect, &Answer { status, headers, body: body.into() })
    }

    fn json_case(expected: Value, tolerance: f64) -> CaseExpect {
        CaseExpect { json: Some(expected), tolerance, ..CaseExpect::default() }
    }

    #[test]
    fn what_is_not_said_is_not_compared() {
        assert!(told(CaseExpect::default(), 200, "anything").is_empty());
        let expected = json!({ "label": "a", "list": [1, { "x": true }] });
        let body = r#"{"label":"a","more":1,"list":[1,{"x":true,"y":0}]}"#;
        assert!(told(json_case(expected, 0.0), 200, body).is_empty());
    }

    #[test]
    fn each_difference_is_told_with_its_place() {
        let said = told(CaseExpect::default(), 500, "");
        assert_eq!(said, ["expected status 200, got 500"]);
        let said = told(
            json_case(json!({ "a": [1, 2], "b": { "c": 3.0 }, "d": "x" }), 0.1),
            200,
            r#"{"a":[1],"b":{"c":3.2}}"#,
        );
        assert_eq!(
            said,
            ["$.a: expected [1,2], got [1]", "$.b.c: expected 3.0, got 3.2", "$.d: expected \"x\", got null"]
        );
        assert!(told(json_case(json!({ "c": 3.0 }), 0.25), 200, r#"{"c":3.2}"#).is_empty());
        assert_eq!(told(json_case(json!(1), 0.0), 200, "one"), ["expected JSON, got \"one\""]);
        let body = CaseExpect { body: Some("yes".to_owned()), ..CaseExpect::default() };
        assert_eq!(told(body, 200, "no\n"), ["expected the body \"yes\", got \"no \""]);
        let headers = [("content-type".to_owned(), "text/html".to_owned()), ("x".to_owned(), "1".to_owned())].into();
        let said = told(CaseExpect { headers, ..CaseExpect::default() }, 200, "");
        assert_eq!(
            said,
            ["expected the header content-type: text/html, got text/plain", "expected the header x: 1, got none"]
        );
    }
}
