//! Plain HTTP/1.1 requests, and what comes back.

use serde_json::Value;
use std::sync::OnceLock;
use std::time::Duration;
use ureq::Agent;
use ureq::http::{HeaderMap, Response, StatusCode};
use ureq::tls::TlsConfig;

/// No answer of these tests takes longer; a server that hangs fails the test instead of the run.
const TIMEOUT: Duration = Duration::from_secs(120);
const BODY_BYTES_MAX: u64 = 512 << 20;

/// An answer, read to its end.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// All headers.
    pub headers: HeaderMap,
    /// The whole body.
    pub body: Vec<u8>,
}

impl Answer {
    /// Reads a response to its end; a body that breaks off is an error.
    ///
    /// # Errors
    /// The transport's.
    pub fn read(response: Response<ureq::Body>) -> Result<Self, ureq::Error> {
        let (parts, mut body) = response.into_parts();
        let body = body.with_config().limit(BODY_BYTES_MAX).read_to_vec()?;
        Ok(Self { status: parts.status.as_u16(), headers: parts.headers, body })
    }

    /// The body as text; bytes that are none are replaced.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    ///
    /// # Panics
    /// When it is none.
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    /// The first value of a header.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The id of the invocation, which every answer of the data plane carries.
    ///
    /// # Panics
    /// When it is missing.
    #[must_use]
    pub fn invocation(&self) -> &str {
        self.header("modelet-invocation").unwrap_or_else(|| panic!("no modelet-invocation: {self:?}"))
    }

    /// Checks that this is a status 200 and returns it.
    ///
    /// # Panics
    /// When it is another.
    #[must_use]
    #[track_caller]
    pub fn ok(self) -> Self {
        assert_eq!(self.status, 200, "{}", self.text());
        self
    }

    /// Checks that this is the server's own error with this status and code, and returns its `detail`: problem+json that
    /// says the same as the status line and the header, and no path of the machine.
    ///
    /// # Panics
    /// When it is not.
    #[track_caller]
    pub fn problem(&self, status: u16, code: &str) -> String {
        assert_eq!(self.status, status, "{}", self.text());
        assert_eq!(self.header("content-type"), Some("application/problem+json"), "{self:?}");
        let problem = self.json();
        assert_eq!(problem["code"], code, "{problem}");
        assert_eq!(problem["status"], status, "{problem}");
        let title = StatusCode::from_u16(status).unwrap().canonical_reason().unwrap();
        assert_eq!((&problem["type"], &problem["title"]), (&"about:blank".into(), &title.into()), "{problem}");
        let text = self.text();
        for private in ["/root", "/home", "/tmp", ".cargo", "src/", ".rs:"] {
            assert!(!text.contains(private), "an error for clients names {private}: {text}");
        }
        if let Some(id) = self.header("modelet-invocation") {
            assert_eq!(problem["invocation"], id, "{problem}");
        }
        problem["detail"].as_str().unwrap_or_else(|| panic!("no detail: {problem}")).to_owned()
    }
}

/// An agent that leaves the judgement of a status to its user and never follows a redirect.
#[must_use]
pub fn agent() -> &'static Agent {
    static AGENT: OnceLock<Agent> = OnceLock::new();
    AGENT.get_or_init(|| {
        let config = Agent::config_builder().http_status_as_error(false).timeout_global(Some(TIMEOUT)).max_redirects(0);
        // Whether a certificate is one to trust is what curl and `modelet` are asked for.
        let tls = TlsConfig::builder().disable_verification(true).build();
        config.proxy(None).tls_config(tls).build().into()
    })
}

/// Sends a request and reads the answer.
///
/// # Errors
/// The transport's: no connection, or an answer that broke off.
pub fn send(method: &str, url: &str, headers: &[(&str, &str)], body: &[u8]) -> Result<Answer, ureq::Error> {
    let mut request = ureq::http::Request::builder().method(method).uri(url);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let body = request.body(body).expect("the test's request is well formed");
    let allow = agent().configure_request(body).allow_non_standard_methods(true).build();
    Answer::read(agent().run(allow)?)
}
