//! [`Error`]: a failure that knows which HTTP answer it becomes.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use serde::Serialize;

use crate::Response;
use crate::wasi::nn::errors::Error as NnError;
pub use crate::wasi::nn::errors::ErrorCode as ModelErrorCode;

/// A failure that becomes an HTTP answer: `application/problem+json` with a status, a stable code and a detail.
///
/// `?` turns every [`std::error::Error`] into a 500 whose cause goes to the function's log, not to the client; for an
/// answer that blames the request, make one by [`Error::bad_request`] or [`Error::new`]. (For that conversion to exist,
/// this type cannot itself be a [`std::error::Error`].)
#[derive(Debug)]
pub struct Error {
    status: u16,
    code: Cow<'static, str>,
    detail: String,
    /// For the operator alone; written to stderr when the answer is made.
    log: Option<String>,
    model: Option<ModelErrorCode>,
    retry_after: Option<Duration>,
}

impl Error {
    /// An answer with this status, this code for programs (`kebab-case`) and this detail for people.
    pub fn new(status: u16, code: impl Into<Cow<'static, str>>, detail: impl Into<String>) -> Self {
        Self { status, code: code.into(), detail: detail.into(), log: None, model: None, retry_after: None }
    }

    /// 400 `bad-request`: the client has to change what it sends.
    pub fn bad_request(detail: impl Into<String>) -> Self {
        Self::new(400, "bad-request", detail)
    }

    /// 404 `not-found`.
    pub fn not_found(detail: impl Into<String>) -> Self {
        Self::new(404, "not-found", detail)
    }

    /// 500 `internal`: the function's own fault. The cause is logged; the client learns only that it happened.
    pub fn internal(cause: impl fmt::Display) -> Self {
        let mut error = Self::new(500, "internal", "the function failed; its log has the cause");
        error.log = Some(cause.to_string());
        error
    }

    /// The same answer with a `retry-after`, in whole seconds, rounded up: when it is worth asking again.
    #[must_use]
    pub fn with_retry_after(mut self, wait: Duration) -> Self {
        self.retry_after = Some(wait);
        self
    }

    /// The HTTP status.
    #[must_use]
    pub fn status(&self) -> u16 {
        self.status
    }

    /// The code for programs.
    #[must_use]
    pub fn code(&self) -> &str {
        &self.code
    }

    /// The code that `wasi:nn` gave, if a model call failed.
    #[must_use]
    pub fn model_code(&self) -> Option<ModelErrorCode> {
        self.model
    }

    /// The answer; writes the cause of an internal error to the log.
    #[must_use]
    pub fn into_response(self) -> Response {
        if let Some(log) = &self.log {
            eprintln!("{log}");
        }
        let problem = Problem {
            r#type: "about:blank",
            title: title(self.status),
            status: self.status,
            code: &self.code,
            detail: &self.detail,
        };
        // A struct of strings and a number always serialises.
        let body = serde_json::to_vec(&problem).unwrap_or_default();
        let response = Response::bytes("application/problem+json", body).with_status(self.status);
        match self.retry_after {
            Some(wait) => {
                let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
                response.with_header("retry-after", seconds.max(1).to_string())
            }
            None => response,
        }
    }

    /// What a failed `wasi:nn` call becomes; see [`Error::of_code`].
    pub(crate) fn of_model(error: &NnError, what: &str) -> Self {
        Self::of_code(error.code(), &error.data(), what)
    }

    /// The answer that an error of a model's becomes, by whose fault it is.
    ///
    /// The request's: an argument that the model does not take is 400 and one that is too large is 413, since most
    /// functions pass on what the client sent; a function that checks its input never sees those. Nobody's: time that ran
    /// out is 504, a queue that is full is 503 with `retry-after`. The function's or the model's: all else is 500, and the
    /// cause goes to the log.
    fn of_code(code: ModelErrorCode, data: &str, what: &str) -> Self {
        let detail = format!("{what}: {data}");
        let mut made = match code {
            ModelErrorCode::InvalidArgument => Self::new(400, "model-invalid-argument", detail),
            ModelErrorCode::TooLarge => Self::new(413, "model-too-large", detail),
            ModelErrorCode::Timeout => Self::new(504, "model-timeout", detail),
            ModelErrorCode::NotFound
            | ModelErrorCode::InvalidEncoding
            | ModelErrorCode::UnsupportedOperation
            | ModelErrorCode::Security
            | ModelErrorCode::RuntimeError
            | ModelErrorCode::Unknown => match retry_after(data) {
                Some(wait) => {
                    let busy = "the model has more calls waiting than it may; ask again later";
                    Self::new(503, "model-busy", busy).with_retry_after(wait)
                }
                None => {
                    let mut error = Self::internal(detail);
                    error.code = Cow::Borrowed("model-failed");
                    error
                }
            },
        };
        made.model = Some(code);
        made
    }
}

/// The wait that Modelet asks for. `wasi:nn` has no code for it, so it stands before the text: `retry-after-ms=N: `.
fn retry_after(data: &str) -> Option<Duration> {
    let (ms, _) = data.strip_prefix("retry-after-ms=")?.split_once(": ")?;
    Some(Duration::from_millis(ms.parse().ok()?))
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.log.as_ref().unwrap_or(&self.detail))
    }
}

impl<E: std::error::Error> From<E> for Error {
    fn from(error: E) -> Self {
        Self::internal(error)
    }
}

/// RFC 9457.
#[derive(Serialize)]
struct Problem<'a> {
    r#type: &'a str,
    title: &'a str,
    status: u16,
    code: &'a str,
    detail: &'a str,
}

fn title(status: u16) -> &'static str {
    match status {
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        409 => "Conflict",
        413 => "Content Too Large",
        415 => "Unsupported Media Type",
        422 => "Unprocessable Content",
        429 => "Too Many Requests",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        _ if status < 500 => "Client Error",
        _ => "Server Error",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_becomes_a_problem() {
        let response = Error::bad_request("a number is missing").into_response();
        assert_eq!(response.status(), 400);
        let body: serde_json::Value = serde_json::from_slice(response.body()).unwrap();
        assert_eq!(body["code"], "bad-request");
        assert_eq!(body["title"], "Bad Request");
        assert_eq!(body["detail"], "a number is missing");
    }

    #[test]
    fn an_error_of_a_model_becomes_an_answer_by_whose_fault_it_is() {
        let status = |code, data| Error::of_code(code, data, "running").status();
        assert_eq!(status(ModelErrorCode::InvalidArgument, "no input `y`"), 400);
        assert_eq!(status(ModelErrorCode::TooLarge, ""), 413);
        assert_eq!(status(ModelErrorCode::Timeout, ""), 504);
        assert_eq!(status(ModelErrorCode::RuntimeError, "the model failed"), 500);
        let busy = Error::of_code(ModelErrorCode::RuntimeError, "retry-after-ms=1200: the queue is full", "running");
        assert_eq!(
            (busy.status(), busy.code(), busy.retry_after),
            (503, "model-busy", Some(Duration::from_millis(1200)))
        );
        assert!(busy.into_response().headers().contains(&("retry-after".to_owned(), b"2".to_vec())));
    }

    #[test]
    fn the_cause_of_an_internal_error_stays_in_the_log() {
        let error = Error::from(std::io::Error::other("/secret/path"));
        assert_eq!(error.to_string(), "internal: /secret/path");
        let response = error.into_response();
        assert_eq!(response.status(), 500);
        assert!(!String::from_utf8_lossy(response.body()).contains("secret"));
    }
}
