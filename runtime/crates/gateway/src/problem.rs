//! The body of an answer that is the gateway's own: RFC 9457, with a stable `code` and the invocation's id.

use bytes::Bytes;
use http::HeaderValue;
use serde::Serialize;

/// What the media type of such a body is.
pub(crate) const MEDIA_TYPE: HeaderValue = HeaderValue::from_static("application/problem+json");

/// What went wrong, for the client.
#[derive(Debug, Serialize)]
pub(crate) struct Problem<'a> {
    /// `about:blank`: `code` says more than a page could.
    #[serde(rename = "type")]
    pub(crate) kind: &'static str,
    /// The phrase of the status.
    pub(crate) title: &'a str,
    /// As in the status line.
    pub(crate) status: u16,
    /// What programs compare.
    pub(crate) code: &'static str,
    /// What people read.
    pub(crate) detail: &'a str,
    /// What to ask the operator about.
    pub(crate) invocation: &'a str,
    /// For the function's owner alone: what went wrong inside of it.
    #[serde(flatten)]
    pub(crate) inside: Option<Inside<'a>>,
}

/// What went wrong inside of a function.
#[derive(Debug, Serialize)]
pub(crate) struct Inside<'a> {
    /// As metrics name it.
    pub(crate) fault: &'static str,
    /// The whole error, with the guest's backtrace where there is one.
    pub(crate) trace: &'a str,
}

impl Problem<'_> {
    /// The body. Nothing in it can fail to be JSON.
    pub(crate) fn body(&self) -> Bytes {
        serde_json::to_vec(self).unwrap_or_default().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_is_one_flat_json_object() {
        let problem = Problem {
            kind: "about:blank",
            title: "Not Found",
            status: 404,
            code: "not-found",
            detail: "no function answers this host and path",
            invocation: "0000000000000000000000000a",
            inside: None,
        };
        assert_eq!(
            problem.body(),
            r#"{"type":"about:blank","title":"Not Found","status":404,"code":"not-found","detail":"no function answers this host and path","invocation":"0000000000000000000000000a"}"#
        );
    }

    #[test]
    fn an_owner_reads_more_in_the_same_object() {
        let problem = Problem {
            kind: "about:blank",
            title: "Bad Gateway",
            status: 502,
            code: "function-trapped",
            detail: "d",
            invocation: "i",
            inside: Some(Inside { fault: "unreachable", trace: "wasm backtrace" }),
        };
        let text = String::from_utf8(problem.body().to_vec()).unwrap();
        assert!(text.ends_with(r#""invocation":"i","fault":"unreachable","trace":"wasm backtrace"}"#), "{text}");
    }
}
