//! Secrets: set, listed and removed by name, and given to the functions that name them. Nobody reads one back.
//!
//! At rest they are sealed ([`seal`], [`keys`]); the [`vault`] opens them when a function is made, and what it opens goes into
//! `wasi:config`, or into an export that the operator asks for, under its [`passphrase`]. A function that is
//! there when a secret is set anew is made anew ([`refresh`]).

mod keys;
mod passphrase;
mod refresh;
mod seal;
mod users;
mod vault;

use std::sync::Arc;

use modelet_engine::ports::{Setting, Settings};
use modelet_spec::manifest::{ConfigValue, Manifest};
use modelet_spec::{FunctionName, SecretName, SecretValue, TenantName};
use modelet_store::StoredSealed;

pub(crate) use passphrase::{Values, open as open_archive};
pub(crate) use vault::Vault;

use crate::acting::Acting;
use crate::api::conditions::etag;
use crate::archive::ArchiveSeal;
use crate::control::{Control, blocking};
use crate::error::ControlError;
use crate::wire;

/// The file of the data directory with the key of secrets, where the configuration names no other.
pub const SECRET_KEY_FILE: &str = "secret.key";

/// Sets a secret. Functions that name it have the new value when this returns: a request that comes after it never meets an
/// instance that has the old one. Returns whether the secret is new.
pub(crate) async fn set(
    control: &Acting,
    (tenant, name): (TenantName, SecretName),
    value: SecretValue,
    by: String,
) -> Result<(wire::SetSecret, bool), ControlError> {
    let _publishing = control.publishing.lock().await;
    control.loaded()?;
    let (this, owned) = (control.clone(), (tenant.clone(), name.clone()));
    let set = blocking(move || {
        let of = (&owned.0, &owned.1);
        let sealer = this.secrets.sealer(of, &value)?;
        Ok(this.changes().put_secret(of, Some(&by), this.config.limits.secrets, sealer)?)
    });
    let (stored, is_new) = set.await?;
    let by = stored.set_by.as_deref().unwrap_or_default();
    tracing::info!(%tenant, secret = %name, by, "set a secret");
    let (functions, failed) = refresh::refresh(control, &tenant, &name).await?;
    Ok((wire::SetSecret { secret: view(stored), functions, failed }, is_new))
}

/// The secrets of a tenant, without their values. Blocks.
pub(crate) fn list(control: &Control, tenant: &TenantName) -> Result<Vec<wire::Secret>, ControlError> {
    Ok(control.store.secrets(Some(tenant))?.into_iter().map(shown).collect())
}

/// Removes a secret. While functions that serve name it that is refused, unless forced; then they find it no longer.
pub(crate) async fn remove(
    control: &Acting,
    (tenant, name): (TenantName, SecretName),
    force: bool,
) -> Result<wire::RemovedSecret, ControlError> {
    let _publishing = control.publishing.lock().await;
    control.loaded()?;
    let (this, owned) = (control.clone(), (tenant.clone(), name.clone()));
    let removed = blocking(move || {
        let (tenant, name) = owned;
        // Looked up first: what is not there is not in use.
        this.store.secret(&tenant, &name)?.ok_or_else(|| ControlError::NoSecret(name.clone()))?;
        let users = users::of(&this, &tenant, &name)?;
        let functions: Vec<FunctionName> = users.into_iter().map(|user| user.live.name).collect();
        if !functions.is_empty() && !force {
            return Err(ControlError::SecretInUse { secret: name, functions });
        }
        this.changes().remove_secret(&tenant, &name)?;
        tracing::info!(%tenant, secret = %name, force, "removed a secret");
        Ok(wire::RemovedSecret { name, functions })
    });
    let removed = removed.await?;
    if !removed.functions.is_empty() {
        refresh::refresh(control, &tenant, &name).await?;
    }
    Ok(removed)
}

/// Gives all secrets of all tenants another key. Returns how many there are.
pub(crate) async fn rekey(control: &Acting) -> Result<wire::Rekeyed, ControlError> {
    // None is set meanwhile.
    let _publishing = control.publishing.lock().await;
    let this = control.clone();
    let secrets = blocking(move || this.secrets.rekey(&this.changes())).await?;
    tracing::info!(secrets, "gave all secrets another key");
    Ok(wire::Rekeyed { secrets })
}

/// Secrets as an archive has them, under a passphrase. That they leave is written down before they do. Blocks.
pub(crate) fn export(
    control: &Acting,
    stored: &[StoredSealed],
    passphrase: &SecretValue,
) -> Result<(ArchiveSeal, passphrase::Sealed), ControlError> {
    let open = |one: &StoredSealed| Ok(((one.tenant.clone(), one.name.clone()), control.secrets.open(one)?));
    let values = stored.iter().map(open).collect::<Result<Values, ControlError>>()?;
    let (seal, sealed) = passphrase::seal(&values, passphrase)?;
    for (tenant, secrets) in &sealed {
        let names: Vec<&str> = secrets.iter().map(|secret| secret.name.as_str()).collect();
        control.changes().note("secret.export", tenant, "secrets", &names.join(", "))?;
        tracing::info!(%tenant, secrets = names.len(), "exported secrets under a passphrase");
    }
    Ok((seal, sealed))
}

/// Refuses a manifest that names secrets which the tenant has not. Blocks.
pub(crate) fn check(control: &Control, tenant: &TenantName, manifest: &Manifest) -> Result<(), ControlError> {
    for (key, secret) in manifest.secrets() {
        if control.store.secret(tenant, secret)?.is_none() {
            return Err(ControlError::NoSuchSecret { key: key.to_owned(), secret: secret.clone() });
        }
    }
    Ok(())
}

/// Refuses a deploy by a bound key that names secrets which the function's live version does not: it would read them all.
pub(crate) async fn check_bound(
    control: &Arc<Control>,
    tenant: &TenantName,
    manifest: &Manifest,
) -> Result<(), ControlError> {
    let named: Vec<SecretName> = manifest.secrets().map(|(_, secret)| secret.clone()).collect();
    if named.is_empty() {
        return Ok(());
    }
    let (control, tenant, name) = (Arc::clone(control), tenant.clone(), manifest.name.clone());
    blocking(move || {
        let live = control.store.function(&tenant, &name)?.map(|live| crate::restore::draft(&live)).transpose()?;
        let has = |wanted: &SecretName| {
            live.as_ref().is_some_and(|live| live.manifest.secrets().any(|(_, secret)| secret == wanted))
        };
        match named.iter().find(|wanted| !has(wanted)) {
            Some(secret) => Err(ControlError::Bound(format!("the secret {secret}"))),
            None => Ok(()),
        }
    })
    .await
}

/// What a function reads by `wasi:config`. A secret that was removed although the function names it is not among it. Blocks.
pub(crate) fn settings(control: &Control, tenant: &TenantName, manifest: &Manifest) -> Result<Settings, ControlError> {
    let mut settings = Settings::new();
    for (key, value) in &manifest.config {
        let setting = match value {
            ConfigValue::Text(text) => Setting::Text(text.clone()),
            ConfigValue::Secret { secret } => match control.secrets.value(tenant, secret)? {
                Some(value) => Setting::Secret(value),
                None => {
                    tracing::warn!(%tenant, function = %manifest.name, %secret, "a function names a secret that is not there");
                    continue;
                }
            },
        };
        settings.insert(key.clone(), setting);
    }
    Ok(settings)
}

/// A secret as it is read.
pub(crate) fn shown(stored: StoredSealed) -> wire::Secret {
    wire::Secret { etag: Some(etag(&stored.revision)), ..view(stored) }
}

fn view(stored: StoredSealed) -> wire::Secret {
    wire::Secret { name: stored.name, set_ms: stored.set_ms, set_by: stored.set_by, etag: None }
}
