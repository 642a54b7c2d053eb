//! What the server says of a writer's things.

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};
use modelet_control::wire;
use modelet_spec::Version;
use serde::Deserialize;

use crate::kept::Kept;
use crate::state::{Function, Model, State};
use crate::support::Request;
use crate::support::site::Site;

/// What the guest `settings` answers.
#[derive(Deserialize)]
struct Settings {
    one: Option<String>,
}

/// How many instances of each function are to be kept warm, as the store has it: a server that has just started makes them one
/// after the other, and lists those that are there.
pub(crate) type Scales = BTreeMap<String, u32>;

/// All that belongs to the writer with this prefix, and whether its key's secret opens. Each function is asked, too.
///
/// # Errors
/// When the server does not say, or a function that should serve does not answer.
pub(crate) fn state(site: &Site, prefix: &str, secret: &str, kept: &Kept, scales: &Scales) -> Result<State> {
    let functions: wire::Functions = listed_of(site, &["function", "list", "--json"])?;
    let own = functions.functions.into_iter().filter(|function| function.name.as_str().starts_with(prefix));
    let functions = own.map(|f| Ok((f.name.to_string(), function(site, &f, scales)?))).collect::<Result<_>>()?;
    let models: wire::Models = listed_of(site, &["model", "list", "--json"])?;
    let own = models.models.into_iter().filter(|model| model.name.as_str().starts_with(prefix));
    let models = own.map(|m| Ok((m.name.to_string(), model(site, m.name.as_str())?))).collect::<Result<_>>()?;
    let tenants: wire::Tenants = listed_of(site, &["tenant", "list", "--json"])?;
    let own = tenants.tenants.into_iter().filter(|tenant| tenant.name.as_str().starts_with(prefix));
    let tenants = own.map(|tenant| (tenant.name.to_string(), tenant.limits.functions)).collect();
    let status = Request::get("/v1/server").signed(secret).ask(site.admin()?)?.status;
    ensure!(matches!(status, 200 | 401), "a key is answered {status}");
    let (secret, imported) = (kept.value(site)?, kept.imported(site)?);
    Ok(State { functions, models, tenants, key_opens: status == 200, secret, imported })
}

fn function(site: &Site, listed: &wire::Function, scales: &Scales) -> Result<Function> {
    let name = &listed.name;
    ensure!(listed.serving, "{name} does not serve");
    let stamp = setting(site, name.as_str(), "stamp", Some(listed.version))?;
    let kept: wire::FunctionVersions = listed_of(site, &["function", "versions", name.as_str(), "--json"])?;
    let parts = kept.versions.iter().filter(|v| v.percent > 0).map(|v| (v.version.get(), u32::from(v.percent)));
    let shares: BTreeMap<u32, u32> = parts.collect();
    Ok(Function {
        shares: if shares.len() > 1 { shares } else { BTreeMap::new() },
        live: listed.version.get(),
        versions: kept.versions.iter().map(|v| (v.version.get(), v.digest.to_string())).collect(),
        stamp,
        min: scales.get(name.as_str()).copied().unwrap_or_default(),
    })
}

/// What the function at a path finds under a key of its configuration; of this version, also where it has but a part of the requests.
///
/// # Errors
/// When it does not answer.
pub(crate) fn setting(site: &Site, path: &str, key: &str, version: Option<Version>) -> Result<String> {
    let mut request = Request::get(&format!("/{path}?key={key}")).signed(&site.key()?);
    if let Some(version) = version {
        request = request.with_header("modelet-version", version);
    }
    let answer = request.ask(site.server.address)?;
    ensure!(answer.status == 200, "{path} answers {}", answer.status);
    let settings: Settings = serde_json::from_slice(&answer.body).with_context(|| format!("what {path} answers"))?;
    Ok(settings.one.unwrap_or_default())
}

fn model(site: &Site, name: &str) -> Result<Model> {
    let versions: wire::ModelVersions = listed_of(site, &["model", "versions", name, "--json"])?;
    let labels = versions.versions.iter().flat_map(|v| v.labels.iter().map(|label| (label.clone(), v.version.get())));
    let path = format!("/v1/models/{name}/grants");
    let grants = Request::get(&path).signed(&site.key()?).ask(site.admin()?)?;
    ensure!(grants.status == 200, "{path} is answered {}", grants.status);
    let grants: wire::Grants = serde_json::from_slice(&grants.body)?;
    Ok(Model {
        grants: grants.grants.into_iter().map(|grant| (grant.to.to_string(), grant.share_batch)).collect(),
        labels: labels.collect(),
        versions: versions.versions.iter().map(|v| (v.version.get(), v.digest.to_string())).collect::<BTreeMap<_, _>>(),
    })
}

/// A listing.
///
/// # Errors
/// When the server refuses it, or it is none.
pub(crate) fn listed_of<T: serde::de::DeserializeOwned>(site: &Site, arguments: &[&str]) -> Result<T> {
    serde_json::from_str(&site.modelet(arguments)?).with_context(|| arguments.join(" "))
}
