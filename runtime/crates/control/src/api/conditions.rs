//! ETags, and requests that hold only for a thing as it was seen (RFC 9110, 8.8.3 and 13).
//!
//! An ETag is a thing's revision: another after each change of what somebody has said of it. What is only observed of it (instances,
//! memory, use) is not told by it. What a change expects is compared in the store, in the change's own transaction; here it is read from
//! the headers, and compared for requests that only read.

use std::sync::{Arc, OnceLock};

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::header::{CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, ETAG, HeaderName, IF_MATCH, IF_NONE_MATCH};
use http::{HeaderMap, HeaderValue};
use modelet_catalog::KeyRecord;
use modelet_store::{Expected, Intent, Once, RequestName, Revision, Revisions};
use serde::Serialize;

use super::{once, respond};
use crate::error::{AskedError, ControlError};

/// What a request expects of the thing that it is for, and what became of that.
#[derive(Debug, Default)]
pub(crate) struct Asked {
    pub(super) expected: Expected,
    /// What it is called, where it is to be done once.
    pub(super) once: Option<Arc<Once>>,
    /// Set where something is changed.
    pub(super) intent: OnceLock<Arc<Intent>>,
}

/// An answer that shows a thing; without a revision where it is shown as it was at an earlier moment.
pub(super) struct Tagged<T>(pub(super) Option<Revision>, pub(super) T);

/// How ETags are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Comparison {
    /// A weak one is equal to none.
    Strong,
    /// Whether one is weak does not matter.
    Weak,
}

impl<T: Serialize> IntoResponse for Tagged<T> {
    fn into_response(self) -> Response {
        let Self(revision, shown) = self;
        let mut response = axum::Json(shown).into_response();
        if let Some(revision) = revision {
            tag(&mut response, &revision);
            response.extensions_mut().insert(revision);
        }
        response
    }
}

impl Asked {
    /// As the headers have it, with a key that authorised them.
    pub(super) fn read(headers: &HeaderMap, reads: bool, key: &KeyRecord) -> Result<Self, ControlError> {
        // What only reads can be done twice.
        let named = if reads { None } else { once::key(headers)? };
        let name = |named| RequestName { tenant: key.tenant.clone(), caller: key.id.clone(), key: named };
        let once = named.map(name).map(Once::new).map(Arc::new);
        let is = revisions(headers, &IF_MATCH, Comparison::Strong)?;
        let is_not = revisions(headers, &IF_NONE_MATCH, Comparison::Weak)?;
        Ok(Self { expected: Expected { is, is_not }, once, intent: OnceLock::new() })
    }

    /// An answer as it goes out: with the ETag that its change has made, or without a body where that is known.
    pub(super) fn answer(&self, reads: bool, mut response: Response) -> Response {
        if !response.headers().contains_key(CACHE_CONTROL) {
            // A browser would ask again with what it has, and be shown what is observed as it was.
            response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        }
        if !response.status().is_success() {
            return response;
        }
        if !reads {
            if let Some(revision) = self.intent.get().and_then(|intent| intent.revision()) {
                tag(&mut response, revision);
            }
            return response;
        }
        let Some(revision) = response.extensions().get::<Revision>().cloned() else { return response };
        let Expected { is, is_not } = &self.expected;
        if is.as_ref().is_some_and(|is| !is.have(Some(&revision))) {
            let unexpected = AskedError::Unexpected { thing: None, now: Some(revision) };
            return ControlError::from(unexpected).into_response();
        }
        if is_not.as_ref().is_some_and(|known| known.have(Some(&revision))) {
            let headers = response.headers_mut();
            headers.remove(CONTENT_TYPE);
            headers.remove(CONTENT_LENGTH);
            *response.body_mut() = Body::empty();
            *response.status_mut() = respond::NOT_MODIFIED;
        }
        response
    }
}

/// A revision as an ETag.
pub(crate) fn etag(revision: &Revision) -> String {
    format!("\"{revision}\"")
}

/// Puts a revision into an answer's header.
pub(super) fn tag(response: &mut Response, revision: &Revision) {
    if let Ok(value) = HeaderValue::try_from(etag(revision)) {
        response.headers_mut().insert(ETAG, value);
    }
}

/// The revisions that a header names; `None`: it is not there.
fn revisions(
    headers: &HeaderMap,
    name: &HeaderName,
    comparison: Comparison,
) -> Result<Option<Revisions>, ControlError> {
    let wrong =
        || ControlError::BadRequest(format!("{name} is * or ETags, such as \"9f86d081884c7d65\", with commas between"));
    let mut lines = Vec::new();
    for value in headers.get_all(name) {
        lines.push(value.to_str().map_err(|_| wrong())?);
    }
    match lines.as_slice() {
        [] => Ok(None),
        [any] if any.trim() == "*" => Ok(Some(Revisions::Any)),
        lines => list(&lines.join(","), comparison).map(Revisions::OneOf).ok_or_else(wrong).map(Some),
    }
}

/// A list of ETags without their quotes: those that can be equal to another. `None`: it is none.
fn list(text: &str, comparison: Comparison) -> Option<Vec<String>> {
    let is_between = |between: char| between == ',' || between == ' ' || between == '\t';
    let (mut tags, mut rest, mut is_any) = (Vec::new(), text.trim_start_matches(is_between), false);
    while !rest.is_empty() {
        let weak = rest.strip_prefix("W/");
        let (tag, after) = weak.unwrap_or(rest).strip_prefix('"')?.split_once('"')?;
        if !tag.bytes().all(|byte| byte.is_ascii_graphic()) {
            return None;
        }
        is_any = true;
        if weak.is_none() || comparison == Comparison::Weak {
            tags.push(tag.to_owned());
        }
        let after = after.trim_start_matches([' ', '\t']);
        if !after.is_empty() && !after.starts_with(',') {
            return None;
        }
        rest = after.trim_start_matches(is_between);
    }
    is_any.then_some(tags)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(lines: &[&str], comparison: Comparison) -> Result<Option<Revisions>, String> {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(IF_MATCH, HeaderValue::from_str(line).unwrap());
        }
        revisions(&headers, &IF_MATCH, comparison).map_err(|error| error.to_string())
    }

    #[test]
    fn a_list_of_etags_is_read_as_the_rfc_has_it() {
        let of = |tags: &[&str]| Ok(Some(Revisions::OneOf(tags.iter().map(|&tag| tag.to_owned()).collect())));
        assert_eq!(read(&[], Comparison::Strong), Ok(None));
        assert_eq!(read(&["*"], Comparison::Strong), Ok(Some(Revisions::Any)));
        assert_eq!(read(&[r#""a""#], Comparison::Strong), of(&["a"]));
        assert_eq!(read(&[r#" "a" ,, "b,c","d" "#], Comparison::Strong), of(&["a", "b,c", "d"]));
        assert_eq!(read(&[r#""a""#, r#""b""#], Comparison::Strong), of(&["a", "b"]), "two lines are one list");
        assert_eq!(read(&[r#"W/"a", "b""#], Comparison::Strong), of(&["b"]), "a weak one is equal to none");
        assert_eq!(read(&[r#"W/"a""#], Comparison::Strong), of(&[]));
        assert_eq!(read(&[r#"W/"a", "b""#], Comparison::Weak), of(&["a", "b"]));
        assert_eq!(read(&[r#""""#], Comparison::Strong), of(&[""]));
        for wrong in ["", ",", "a", r#""a"#, r#"a""#, r#""a" "b""#, r#"*, "a""#, r#"w/"a""#, r#""a b""#, "**"] {
            assert!(read(&[wrong], Comparison::Strong).is_err(), "{wrong}");
        }
    }
}
