//! In what a tenant differs from its wish.

use modelet_control::wire::{ChangeClaims, NewTenant};
use modelet_spec::TenantLimits;
use serde_json::{Map, Value};

use super::plan::{Act, Step};
use super::read::TenantWish;
use super::state::State;

/// What is to be done about a tenant.
pub(super) fn tenant<'a>(state: &State<'_>, wish: &TenantWish) -> anyhow::Result<Step<'a>> {
    let name = &wish.name;
    let there = state.tenants.get(name);
    let (mut what, mut acts) = (Vec::new(), Vec::new());
    match there {
        None => {
            what.push(format!("it may claim {}", wish.claims));
            let (hosts, paths) = (wish.claims.hosts.clone(), wish.claims.paths.clone());
            let limits = wish.limits.as_ref().map(fields).transpose()?.unwrap_or_default();
            what.extend(told(&limits));
            acts.push(Act::CreateTenant(NewTenant { name: name.clone(), hosts, paths, limits }));
        }
        Some(tenant) if tenant.hosts != wish.claims.hosts || tenant.paths != wish.claims.paths => {
            what.push(format!("it may claim {}", wish.claims));
            let (hosts, paths) = (&wish.claims.hosts, &wish.claims.paths);
            let change = ChangeClaims {
                add_hosts: hosts.difference(&tenant.hosts).cloned().collect(),
                add_paths: paths.difference(&tenant.paths).cloned().collect(),
                remove_hosts: tenant.hosts.difference(hosts).cloned().collect(),
                remove_paths: tenant.paths.difference(paths).cloned().collect(),
            };
            acts.push(Act::Claims(name.clone(), change));
        }
        Some(_) => {}
    }
    if let (Some(tenant), Some(limits)) = (there, &wish.limits)
        && *limits != tenant.limits
    {
        let patch = patch(&tenant.limits, limits)?;
        what.extend(told(&patch));
        acts.push(Act::Limits(name.clone(), patch));
    }
    Ok(Step::new("tenant", name.to_string(), there.is_some(), what, acts))
}

/// A change of limits, in a line for a person.
fn told(patch: &Map<String, Value>) -> Option<String> {
    let shown = patch.iter().map(|(name, value)| match value {
        Value::Null => format!("{name}=none"),
        value => format!("{name}={}", value.as_str().map_or(value.to_string(), str::to_owned)),
    });
    (!patch.is_empty()).then(|| format!("limits {}", shown.collect::<Vec<_>>().join(" ")))
}

/// What changes limits into others: what is not among those is taken back.
fn patch(has: &TenantLimits, wanted: &TenantLimits) -> serde_json::Result<Map<String, Value>> {
    let (has, mut patch) = (fields(has)?, fields(wanted)?);
    let gone: Vec<String> = has.keys().filter(|name| !patch.contains_key(*name)).cloned().collect();
    patch.retain(|name, value| has.get(name) != Some(value));
    patch.extend(gone.into_iter().map(|name| (name, Value::Null)));
    Ok(patch)
}

fn fields(limits: &TenantLimits) -> serde_json::Result<Map<String, Value>> {
    Ok(match serde_json::to_value(limits)? {
        Value::Object(fields) => fields,
        _ => Map::new(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn limits(json: Value) -> TenantLimits {
        serde_json::from_value(json).unwrap()
    }

    #[test]
    fn a_patch_names_what_changes_and_what_is_taken_back_and_nothing_else() {
        let has = limits(json!({ "concurrency": 8, "memory": "256MiB", "cpu": "2s" }));
        for (wanted, expected) in [
            (json!({ "concurrency": 8, "memory": "256MiB", "cpu": "2s" }), json!({})),
            (json!({ "concurrency": 8, "memory": "512MiB", "cpu": "2s" }), json!({ "memory": "512MiB" })),
            (json!({ "concurrency": 8, "queue": 1 }), json!({ "queue": 1, "memory": null, "cpu": null })),
            (json!({}), json!({ "concurrency": null, "memory": null, "cpu": null })),
        ] {
            let patch = patch(&has, &limits(wanted.clone())).unwrap();
            assert_eq!(Value::Object(patch), expected, "{wanted}");
        }
    }
}
