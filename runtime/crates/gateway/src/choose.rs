//! Which version of a function answers a request.
//!
//! Nearly all functions have one, and then nothing is looked at. Where requests are shared out, the header that was named decides,
//! or the invocation's id, which is random. Whoever may deploy the function names a version in `modelet-version`.

use http::{HeaderMap, HeaderValue};
use modelet_catalog::Draw;
use modelet_spec::{InvocationId, Version};

use crate::error::Refusal;
use crate::gateway::Served;
use crate::headers;

/// The version that a request asks for by its number. To be read before the client's own `modelet-*` go, and to be heeded only
/// from whoever may deploy the function.
pub(crate) fn wish(headers: &HeaderMap) -> Option<HeaderValue> {
    if !headers::has(headers, &headers::VERSION) {
        return None;
    }
    headers.get(headers::VERSION).cloned()
}

/// The version that answers, of those below the live one. `headers`: as the guest gets them.
///
/// # Errors
/// A version was asked for that requests cannot reach.
pub(crate) fn choose<'a>(
    live: &'a Served,
    wish: Option<&HeaderValue>,
    headers: &HeaderMap,
    id: InvocationId,
) -> Result<&'a Served, Refusal> {
    if let Some(wish) = wish {
        let version = wish.to_str().ok().and_then(|text| text.parse::<Version>().ok());
        return version.and_then(|version| live.at(version)).ok_or(Refusal::NoVersion);
    }
    let Some(arms) = &live.arms else { return Ok(live) };
    let value = arms.traffic().sticky().and_then(|name| headers.get(name));
    Ok(live.pick(value.map_or(Draw::Chance(chance(id)), |value| Draw::Value(value.as_bytes()))))
}

/// The random bits of an id.
fn chance(id: InvocationId) -> u64 {
    u64::try_from(id.get() & u128::from(u64::MAX)).unwrap_or_default()
}
