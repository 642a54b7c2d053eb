//! The secrets of an archive: opened before anything is compared, and kept with the rest or not at all.

use std::collections::BTreeSet;

use super::plan::{Plan, TenantPlan, named};
use super::{Wish, WishedSecrets};
use crate::archive::{ArchiveManifest, ArchiveTenant};
use crate::control::Control;
use crate::error::ControlError;
use crate::secrets::{Values, open_archive};

/// The values of those that are to come in, by the names that they are to have here. Blocks, for a while.
pub(super) fn opened(manifest: &ArchiveManifest, wish: &Wish) -> Result<Values, ControlError> {
    let opened = match &wish.secrets {
        WishedSecrets::Opened(passphrase) => open_archive(manifest, passphrase)?,
        WishedSecrets::Unsaid if manifest.secrets() > 0 => return Err(ControlError::NoPassphrase(manifest.secrets())),
        WishedSecrets::LeftOut | WishedSecrets::Unsaid => return Ok(Values::new()),
    };
    let mut values = Values::new();
    for (here, archived) in named(manifest, wish)? {
        for secret in &archived.secrets {
            if let Some(value) = opened.get(&(archived.name.clone(), secret.name.clone())) {
                values.insert((here.clone(), secret.name.clone()), value.clone());
            }
        }
    }
    Ok(values)
}

/// Plans the secrets of a tenant. One that cannot be opened here has another value.
pub(super) fn plan(
    control: &Control,
    tenant: &mut TenantPlan,
    archived: &ArchiveTenant,
    values: &Values,
    plan: &mut Plan,
) -> Result<(), ControlError> {
    let limit = control.config.limits.secret_bytes.0;
    for secret in &archived.secrets {
        let (owner, name) = (tenant.name.clone(), &secret.name);
        let Some(value) = values.get(&(owner.clone(), name.clone())) else { continue };
        if value.bytes() > limit {
            return Err(ControlError::TooLarge { what: "secret", limit, key: "secret_bytes" });
        }
        let (is_here, is_same) = match control.secrets.value(&owner, name) {
            Ok(here) => (here.is_some(), here.is_some_and(|here| *here == *value)),
            Err(ControlError::SealedSecret(_)) => (true, false),
            Err(failed) => return Err(failed),
        };
        let changes = if is_same { Vec::new() } else { vec!["its value".to_owned()] };
        if !is_same {
            tenant.new_secrets += u32::from(!is_here);
            tenant.secrets.push(name.clone());
        }
        plan.item("secret", (&owner, name.as_str()), is_here, &changes);
    }
    Ok(())
}

/// Says which secrets are to be set: those that functions name and that neither come in nor are here.
pub(super) fn notes(
    control: &Control,
    manifest: &ArchiveManifest,
    wish: &Wish,
    plan: &mut Plan,
) -> Result<(), ControlError> {
    if matches!(wish.secrets, WishedSecrets::LeftOut) && manifest.secrets() > 0 {
        plan.notes.push(format!("{} secrets of the archive stay out", manifest.secrets()));
    }
    let mut missing = BTreeSet::new();
    for tenant in &plan.tenants {
        for serving in &tenant.serving {
            for (_, secret) in serving.manifest.secrets() {
                if !tenant.secrets.contains(secret) && control.store.secret(&tenant.name, secret)?.is_none() {
                    let (of, function) = (&tenant.name, &serving.name);
                    missing.insert(format!(
                        "the function {of}/{function} finds no secret `{secret}` until it is set: `modelet secret set {secret} --tenant {of}`"
                    ));
                }
            }
        }
    }
    plan.notes.extend(missing);
    Ok(())
}
