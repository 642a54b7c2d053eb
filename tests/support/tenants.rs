//! More tenants than the one that is there from the start.

use crate::cli::Ran;
use crate::client::Answer;
use crate::function::Function;
use crate::host::TestHost;
use serde_json::json;
use std::ffi::OsStr;

/// Makes a tenant that may claim these paths.
///
/// # Panics
/// When it cannot be made.
#[track_caller]
pub fn create(host: &TestHost, name: &str, paths: &[&str]) {
    let made = post(host, name, paths);
    assert_eq!(made.status, 201, "{}", made.text());
}

/// Asks for a tenant that may claim these paths.
#[track_caller]
pub fn post(host: &TestHost, name: &str, paths: &[&str]) -> Answer {
    host.admin("POST", "/v1/tenants", json!({ "name": name, "paths": paths }).to_string().as_bytes())
}

/// Tries to deploy a function of a tenant, by the command line.
///
/// # Panics
/// When its folder cannot be laid.
pub fn try_deploy(host: &TestHost, tenant: &str, function: &Function) -> Ran {
    let folder = tempfile::tempdir_in(host.scratch()).unwrap();
    function.lay(folder.path());
    host.modelet([OsStr::new("deploy"), folder.path().as_os_str(), OsStr::new("--tenant"), OsStr::new(tenant)])
}

/// Deploys a function of a tenant.
///
/// # Panics
/// When it is refused.
#[track_caller]
pub fn deploy(host: &TestHost, tenant: &str, function: &Function) {
    try_deploy(host, tenant, function).done();
}
