//! Where a tenant's functions may answer: given with the tenant, and changed later.
//!
//! What is compared is what is live in the store, whether or not it could be loaded: a function that is mended comes back to where it
//! was.

use std::collections::BTreeSet;
use std::sync::Arc;

use modelet_catalog::{CatalogBuilder, Claimed, Route, is_reserved};
use modelet_spec::manifest::Manifest;
use modelet_spec::{Claims, FunctionName, PathPattern, TenantName};
use modelet_store::Tenant;

use super::claims_changed;
use crate::acting::Acting;
use crate::control::{Control, blocking};
use crate::deploy::routes;
use crate::error::ControlError;

/// A live function of the store: whose, its name, and where it answers.
struct Live {
    tenant: TenantName,
    name: FunctionName,
    routes: Vec<Route>,
}

/// Gives a tenant further claims and takes others back.
pub(crate) async fn change(
    control: &Acting,
    name: TenantName,
    add: Claims,
    remove: Claims,
) -> Result<Tenant, ControlError> {
    if name == TenantName::default_tenant() {
        return Err(ControlError::BadRequest(
            "the tenant `default` may claim all that no other was given: there is nothing to give it".to_owned(),
        ));
    }
    let _publishing = control.publishing.lock().await;
    control.loaded()?;
    let control = control.clone();
    blocking(move || {
        let claims = changed(control.tenant(&name)?.claims, &add, &remove)?;
        check(&control, &add, Some(&name))?;
        if !is_nothing(&remove) {
            check_needed(&control, &name, &claims)?;
        }
        control.changes().set_claims(&name, &claims)?;
        tracing::info!(tenant = %name, %claims, "changed what a tenant may claim");
        claims_changed(&control)?;
        control.tenant(&name)
    })
    .await
}

fn is_nothing(claims: &Claims) -> bool {
    *claims == Claims::default()
}

fn changed(mut claims: Claims, add: &Claims, remove: &Claims) -> Result<Claims, ControlError> {
    for host in &remove.hosts {
        if !claims.hosts.remove(host) {
            return Err(ControlError::NoClaim(host.to_string()));
        }
    }
    for path in &remove.paths {
        if !claims.paths.remove(path) {
            return Err(ControlError::NoClaim(path.to_string()));
        }
    }
    claims.hosts.extend(add.hosts.iter().cloned());
    claims.paths.extend(add.paths.iter().cloned());
    Ok(claims)
}

/// Refuses claims that a new tenant cannot have. Blocks.
pub(super) fn check_new(control: &Control, claims: &Claims) -> Result<(), ControlError> {
    check(control, claims, None)
}

/// Refuses claims that overlap another tenant's than `own`, what a function of another has, or the protocols' paths.
fn check(control: &Control, claims: &Claims, own: Option<&TenantName>) -> Result<(), ControlError> {
    if is_nothing(claims) {
        return Ok(());
    }
    if let Some(reserved) = claims.paths.iter().find(|path| is_reserved(path.as_str())) {
        return Err(ControlError::Claim { claim: reserved.to_string(), why: "it is reserved for the model protocols" });
    }
    let book = control.tenants.load();
    let mut others = book.tenants().filter(|other| Some(&other.name) != own);
    if let Some(taken) = others.find_map(|other| claims.overlap(&other.claims)) {
        return Err(ControlError::Claim { claim: taken, why: "another tenant has it, or a part of it" });
    }
    let taken = |host: Option<&str>, path: &PathPattern| match host {
        Some(host) => claims.hosts.get(host).map(ToString::to_string),
        None => claims.paths.iter().find(|prefix| prefix.covers(path)).map(ToString::to_string),
    };
    let live = live(control, None)?;
    let mut routes = live.iter().filter(|function| Some(&function.tenant) != own).flat_map(|function| &function.routes);
    match routes.find_map(|route| taken(route.host.as_deref(), &route.path)) {
        Some(claim) => Err(ControlError::Claim { claim, why: "a function answers there already" }),
        None => Ok(()),
    }
}

/// Refuses to leave a tenant without what its functions need.
fn check_needed(control: &Control, name: &TenantName, claims: &Claims) -> Result<(), ControlError> {
    let claimed = Claimed::of([(name.clone(), claims.clone())]);
    let rules = CatalogBuilder::<()>::new().claimed(Arc::new(claimed));
    let may = |route: &Route| rules.check(name, route).is_ok();
    let own = live(control, Some(name))?.into_iter();
    let need = own.filter(|function| !function.routes.iter().all(may)).map(|function| function.name);
    let functions: BTreeSet<FunctionName> = need.collect();
    if functions.is_empty() { Ok(()) } else { Err(ControlError::ClaimInUse(functions.into_iter().collect())) }
}

/// What is live of a tenant, or of all, as the store has it.
fn live(control: &Control, tenant: Option<&TenantName>) -> Result<Vec<Live>, ControlError> {
    let mut live = Vec::new();
    for version in control.store.functions(tenant)? {
        match serde_json::from_str::<Manifest>(&version.manifest_json) {
            Ok(manifest) => {
                let routes = routes(control, &version.tenant, &manifest);
                live.push(Live { tenant: version.tenant, name: version.name, routes });
            }
            // Where it answered is not known any more: it has to be deployed again, and is checked then.
            Err(error) => tracing::warn!(
                tenant = %version.tenant, function = %version.name, %error, "a stored manifest cannot be read: its routes hold no claim"
            ),
        }
    }
    Ok(live)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claims(hosts: &[&str], paths: &[&str]) -> Claims {
        let hosts = hosts.iter().map(|host| host.parse().unwrap()).collect();
        Claims { hosts, paths: paths.iter().map(|path| path.parse().unwrap()).collect() }
    }

    #[test]
    fn claims_are_taken_back_before_others_are_given() {
        let had = claims(&["a.example"], &["/a"]);
        let now = changed(had.clone(), &claims(&["b.example"], &["/a", "/b"]), &claims(&[], &["/a"])).unwrap();
        assert_eq!(now, claims(&["a.example", "b.example"], &["/a", "/b"]));
        let refused = changed(had, &Claims::default(), &claims(&["c.example"], &[])).unwrap_err();
        assert!(refused.to_string().contains("c.example"), "{refused}");
    }
}
