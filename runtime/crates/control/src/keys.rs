//! Keys: made, rotated and revoked; hashed in the store, and held in a ring that the gateway reads.

mod admin;
mod ring;
mod secret;

use std::time::Duration;

use modelet_catalog::Scope;
use modelet_spec::TenantName;
use modelet_store::{HashKind, Revision, StoredKey, StoredSecret};

pub use admin::ADMIN_KEY_FILE;
pub(crate) use admin::{ADMIN_KEY_ID, ensure_admin_key};
pub(crate) use ring::{Changing, open as open_ring, start as start_writing_uses};
pub use secret::{HASH_KEY_FILE, open_hasher};
pub(crate) use secret::{new_id, new_secret};

use crate::acting::Acting;
use crate::api::conditions::etag;
use crate::clock::now_ms;
use crate::control::{Control, blocking};
use crate::error::ControlError;
use crate::page::Page;
use crate::wire;

/// Makes a key; its secret is shown this once.
pub(crate) async fn create(
    control: &Acting,
    (tenant, id): (TenantName, String),
    new: wire::NewKey,
) -> Result<wire::KeyWithSecret, ControlError> {
    let (scopes, bound) = check(&new)?;
    let created_ms = now_ms();
    let expires_ms = new.expires.map(|span| after(created_ms, span));
    let secret = new_secret()?;
    let hash = control.hasher.hash(&secret);
    let key = StoredKey {
        id,
        tenant,
        scopes: scopes.iter().map(ToString::to_string).collect(),
        bound: bound.then_some((new.functions, new.models)),
        created_ms,
        expires_ms,
        last_use_ms: None,
        secrets: vec![StoredSecret { hash, kind: HashKind::Blake3, until_ms: None }],
        revision: Revision::default(),
    };
    let control = control.clone();
    blocking(move || {
        control.change_keys(|changes| Ok(changes.create_key(&key)?))?;
        tracing::info!(tenant = %key.tenant, key = key.id, scopes = key.scopes.join(" "), "made a key");
        Ok(wire::KeyWithSecret { secret, key: view(&control, key) })
    })
    .await
}

/// The scopes, and whether the key is bound.
fn check(new: &wire::NewKey) -> Result<(Vec<Scope>, bool), ControlError> {
    let scopes = new.scopes.iter().map(|scope| scope.parse());
    let mut scopes = scopes.collect::<Result<Vec<Scope>, String>>().map_err(ControlError::BadRequest)?;
    scopes.sort_unstable();
    scopes.dedup();
    let is_bound = !(new.functions.is_empty() && new.models.is_empty());
    let refused = |what: &str| Err(ControlError::BadRequest(what.to_owned()));
    if scopes.is_empty() {
        return refused("a key needs a scope: admin, deploy, invoke or read");
    }
    if is_bound && scopes.contains(&Scope::Admin) {
        return refused(
            "a key that is bound to functions or models cannot have the scope admin, which is over all of them",
        );
    }
    if new.expires.is_some_and(|span| span.is_zero()) {
        return refused("`expires` is 0: the key would be worth nothing");
    }
    Ok((scopes, is_bound))
}

/// Gives a key another secret, shown this once; the one before holds for `overlap`.
pub(crate) async fn rotate(
    control: &Acting,
    tenant: TenantName,
    id: String,
    overlap: Option<Duration>,
) -> Result<wire::KeyWithSecret, ControlError> {
    let secret = new_secret()?;
    let hash = control.hasher.hash(&secret);
    let old_until_ms = overlap.filter(|span| !span.is_zero()).map(|span| after(now_ms(), span));
    let control = control.clone();
    blocking(move || {
        let is_admin = id == ADMIN_KEY_ID && tenant == TenantName::default_tenant();
        // Under the lock of changes: of two that rotate the admin key at a time, the later has the file as well.
        let (key, put) = control.change_keys(|changes| {
            // On the disk before anything else: without room for it, the secret that its file has must go on to open.
            let file = is_admin.then(|| admin::stage(&control.config.data_dir, &secret)).transpose()?;
            let key = changes.rotate_key(&tenant, &id, hash, old_until_ms)?;
            // Were the server killed in between, the next start would find a file that opens nothing, and make another key.
            Ok((key, file.map_or(Ok(()), admin::Staged::put)))
        })?;
        put?;
        tracing::info!(%tenant, key = id, "gave a key another secret");
        Ok(wire::KeyWithSecret { secret, key: view(&control, key) })
    })
    .await
}

/// Takes a key away: the next request with it is refused.
pub(crate) async fn revoke(control: &Acting, tenant: TenantName, id: String) -> Result<wire::Key, ControlError> {
    let control = control.clone();
    blocking(move || {
        if id == ADMIN_KEY_ID && tenant == TenantName::default_tenant() {
            return Err(ControlError::AdminKey);
        }
        let key = control.change_keys(|changes| Ok(changes.revoke_key(&tenant, &id)?))?;
        tracing::info!(%tenant, key = id, "revoked a key");
        Ok(view(&control, key))
    })
    .await
}

/// A page of the keys of a tenant. Blocks.
pub(crate) fn list(control: &Control, tenant: &TenantName, page: &Page) -> Result<wire::Keys, ControlError> {
    let mut keys = control.store.keys_after(tenant, page.after(), page.count_max())?;
    let next = page.end(&mut keys, |key| key.id.clone());
    Ok(wire::Keys { keys: keys.into_iter().map(|key| shown(control, key)).collect(), next })
}

/// A key as it is read. Blocks not.
pub(crate) fn shown(control: &Control, key: StoredKey) -> wire::Key {
    wire::Key { etag: Some(etag(&key.revision)), ..view(control, key) }
}

fn view(control: &Control, key: StoredKey) -> wire::Key {
    let now_ms = now_ms();
    let last_use_ms = control.keys.keys().records().find(|held| held.id == key.id).and_then(|held| held.last_use.get());
    let old = key.secrets.iter().filter_map(|secret| secret.until_ms).filter(|until| *until > now_ms).max();
    let (functions, models) = key.bound.unwrap_or_default();
    wire::Key {
        id: key.id,
        tenant: key.tenant,
        scopes: key.scopes,
        functions,
        models,
        created_ms: key.created_ms,
        expires_ms: key.expires_ms,
        is_expired: key.expires_ms.is_some_and(|end| now_ms >= end),
        old_secret_until_ms: old,
        last_use_ms: last_use_ms.max(key.last_use_ms),
        etag: None,
    }
}

fn after(start_ms: u64, span: Duration) -> u64 {
    start_ms.saturating_add(u64::try_from(span.as_millis()).unwrap_or(u64::MAX)).min(i64::MAX.unsigned_abs())
}
