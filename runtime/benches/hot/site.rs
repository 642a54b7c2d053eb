//! The functions that are measured.

use anyhow::Result;

use crate::support::places;
use crate::support::site::Site;

/// Starts the server and deploys the functions: `/hello`, `/nn-loop`, `/digits`.
///
/// # Errors
/// When the server or a deploy fails.
pub(crate) fn start() -> Result<Site> {
    let site = Site::start()?;
    site.deploy_guest("hello", "hello", "")?;
    let digits = places::text(&places::digits()?.canonicalize()?)?;
    site.deploy_guest("nn_loop", "nn-loop", &format!("[models]\ndigits = {{ file = {digits:?} }}\n"))?;
    site.modelet(&["deploy", &places::text(&places::root().join("functions/digits"))?])?;
    Ok(site)
}
