//! A function before it serves: whether it links, and whether its guest can answer more than once. Some cannot, and say so only
//! at the second request.
//!
//! A function whose instances are to be reused is called twice in one instance. Where the first answer is fine and the second is
//! not, its instances serve one request each; the deploy says so, and the version keeps it. The calls change nothing outside: the
//! guest finds no key-value store, and what it sends goes nowhere. What it writes is the version's, once there is one.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use modelet_engine::ports::{Log, NoLog, NoModels};
use modelet_engine::{Ended, Function, FunctionSpec, Invocation, Outcome, RequestBody, RequestBodyError, request_body};
use modelet_spec::manifest::{CaseRequest, Reuse};
use modelet_spec::{InvocationId, Version};
use modelet_store::CompiledRecord;

use super::{Draft, LINK_MAX};
use crate::clock::now_ms;
use crate::code::NewCode;
use crate::control::Control;
use crate::error::ControlError;
use crate::guest_log::HeldLog;

/// How long each of the two calls may take. One that takes longer tells nothing.
const CALL_MAX: Duration = Duration::from_secs(2);

/// How one call went.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Call {
    /// It was answered, with anything but a server's error, and the guest returned.
    Fine,
    /// It was answered well, and the guest ended badly afterwards.
    FineThen(&'static str),
    /// It was not answered well: what happened instead.
    Failed(&'static str),
    /// It says nothing of the guest.
    Unknown,
}

/// A function that nobody else can call.
pub(super) struct Trial {
    function: Arc<Function>,
    reuse: Reuse,
    /// What it is called with; `None`: a made-up `GET /`.
    case: Option<CaseRequest>,
    log: Arc<HeldLog>,
}

impl Trial {
    /// Makes the function. It is called as its first case says, if the server has all that the case needs, and else by `GET /`.
    /// That one is made up, so it finds no model, and what it makes the guest write goes nowhere.
    pub(super) fn begin(control: &Control, draft: &Draft, compiled: &CompiledRecord) -> Result<Self, ControlError> {
        let (case, log) = (case(draft), Arc::<HeldLog>::default());
        let mut spec = spec(control, draft)?;
        if case.is_some() {
            spec.log = log.clone();
        }
        let code = Arc::new(NewCode(control.codes.given(draft.component, compiled)));
        let function = control.engine.rehearsal(code, spec);
        Ok(Self { function, reuse: draft.manifest.instances.reuse, case, log })
    }

    /// Loads and links the component.
    pub(super) async fn link(&self) -> Result<(), ControlError> {
        Ok(self.function.wake(Instant::now() + LINK_MAX).await?)
    }

    /// Calls it twice in one instance. Returns why its instances cannot be reused, if they are to be and cannot.
    pub(super) async fn why_not_reused(&self) -> Option<String> {
        if self.reuse != Reuse::Instance {
            return None;
        }
        match self.call().await? {
            Call::Fine => {}
            Call::FineThen(what) => return Some(format!("its guest {what} after it had answered")),
            Call::Failed(_) | Call::Unknown => return None,
        }
        // An instance that was not kept cannot be called again: a fresh one would answer.
        if self.function.instances() != (0, 1) {
            return None;
        }
        match self.call().await? {
            Call::Fine | Call::Unknown => None,
            Call::FineThen(what) => Some(format!("its guest {what} after it had answered a second request")),
            Call::Failed(what) => Some(format!("at a second request in the same instance its guest {what}")),
        }
    }

    /// What its guest wrote is the version's from now on.
    pub(super) fn leave_log(&self, version: &dyn Log) {
        self.log.pass_to(version);
    }

    /// `None`: the case is no proper request.
    async fn call(&self) -> Option<Call> {
        let request = request(self.case.as_ref(), None)?;
        Some(call(&self.function, request).await)
    }
}

/// What a function is called with before it serves: its first case that needs no file.
pub(super) fn case(draft: &Draft) -> Option<CaseRequest> {
    let mut requests = draft.manifest.case.iter().map(|case| &case.request);
    requests.find(|request| request.body_file.is_none()).cloned()
}

/// What the function is made with for such calls.
pub(super) fn spec(control: &Control, draft: &Draft) -> Result<FunctionSpec, ControlError> {
    let mut spec = draft.spec(control, Version::FIRST)?;
    if case(draft).is_none() {
        spec.models = Arc::new(NoModels);
        spec.log = Arc::new(NoLog);
    }
    Ok(spec)
}

pub(super) async fn call(function: &Arc<Function>, request: http::Request<RequestBody>) -> Call {
    let (told, ended) = tokio::sync::oneshot::channel();
    let deadline = Instant::now() + CALL_MAX.min(function.spec().limits.time);
    let invocation = Invocation {
        id: id(),
        deadline,
        request: Box::new(request),
        https: false,
        ended: Some(Box::new(move |how, _| drop(told.send(how)))),
        spans: None,
    };
    let answer = match function.invoke(invocation).await {
        Outcome::Answered(answer) => answer,
        Outcome::NoAnswer(_) => return Call::Failed("gave no answer"),
        Outcome::Trapped(_) => return Call::Failed("trapped"),
        Outcome::OverLimit(_) => return Call::Failed("went over a limit"),
        Outcome::TimedOut => return Call::Failed("did not answer in time"),
        Outcome::Cancelled | Outcome::HostFault(_) | Outcome::Exhausted | Outcome::Asleep => return Call::Unknown,
    };
    if answer.status().is_server_error() {
        return Call::Failed("answered with a server's error");
    }
    if answer.into_body().collect().await.is_err() {
        return Call::Failed("did not finish its answer");
    }
    // The guest has its deadline, so this ends.
    match ended.await {
        Ok(Ended::Finished) => Call::Fine,
        Ok(Ended::Trapped(_)) => Call::FineThen("trapped"),
        Ok(Ended::OverLimit(_)) => Call::FineThen("went over a limit"),
        Ok(_) | Err(_) => Call::Unknown,
    }
}

/// An id like those of requests.
pub(super) fn id() -> InvocationId {
    let mut random = [0; 16];
    // Without random bits it is an id all the same; it grants nothing.
    let _ = getrandom::fill(&mut random);
    InvocationId::from_parts(now_ms(), u128::from_ne_bytes(random))
}

/// The request of a case, or `GET /`; `None` if the case's is no proper one. `file`: the bytes of its file.
pub(super) fn request(case: Option<&CaseRequest>, file: Option<Vec<u8>>) -> Option<http::Request<RequestBody>> {
    let Some(case) = case else {
        return http::Request::get("http://localhost/").header("host", "localhost").body(body(Vec::new())).ok();
    };
    let uri = format!("http://localhost{}", case.path);
    let mut request = http::Request::builder().method(case.method.as_str()).uri(uri);
    if !case.headers.keys().any(|name| name.eq_ignore_ascii_case("host")) {
        request = request.header("host", "localhost");
    }
    for (name, value) in &case.headers {
        request = request.header(name, value);
    }
    let bytes = match (file, &case.body, &case.json) {
        (Some(file), ..) => file,
        (None, Some(text), _) => text.clone().into_bytes(),
        (None, None, Some(json)) => json.to_string().into_bytes(),
        (None, None, None) => Vec::new(),
    };
    request.body(body(bytes)).ok()
}

fn body(bytes: Vec<u8>) -> RequestBody {
    request_body(Full::new(Bytes::from(bytes)).map_err(|never| -> RequestBodyError { match never {} }))
}
