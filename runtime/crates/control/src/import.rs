//! Desired state of another server comes in: `modelet import`.
//!
//! [`import`] is the script. What an archive says is compared with what is here before any content is taken ([`plan`]); contents
//! go to the disk one by one, under their digests, and nothing names them yet ([`receive`]); every model stands its trial and every
//! component is compiled here, as at a push and a deploy ([`admit`]); then one transaction of the store makes it so.

mod admit;
mod limits;
mod plan;
mod receive;
mod routes;
mod secrets;
mod versions;

use std::sync::Arc;

use axum::body::Body;
use modelet_spec::{SecretValue, TenantName};
use modelet_store::{Import, ImportedTenant};

use crate::acting::Acting;
use crate::api::respond::with_sources;
use crate::control::blocking;
use crate::error::ControlError;
use crate::tenants::{self, Book, Entries, Kept};
use crate::{memory, wire};
use plan::{Plan, plan};
use receive::Received;

/// How an archive is to come in.
#[derive(Debug, Clone)]
pub(crate) struct Wish {
    /// What its one tenant becomes; `None`: all of its tenants come, under their names.
    pub(crate) tenant: Option<TenantName>,
    /// Only say what would change.
    pub(crate) dry_run: bool,
    /// What is here under the same name may be another.
    pub(crate) replace: bool,
    /// What becomes of secrets that are in it.
    pub(crate) secrets: WishedSecrets,
}

/// What becomes of the secrets of an archive.
#[derive(Debug, Clone)]
pub(crate) enum WishedSecrets {
    /// They come in, opened with this passphrase.
    Opened(SecretValue),
    /// They stay out.
    LeftOut,
    /// Nobody has said: an archive that has some is refused.
    Unsaid,
}

/// Takes an archive in, or says what that would change. What runs this must not stop with the client that asked: what is committed is
/// to be served.
pub(crate) async fn import(control: &Acting, wish: Wish, body: Body) -> Result<wire::Imported, ControlError> {
    control.loaded()?;
    let mut received = receive::receive(control, &wish, body).await?;
    if wish.dry_run || received.plan.is_empty() {
        return Ok(received.plan.told(wish.dry_run));
    }
    let tenants = admit::admit(control, &mut received).await?;
    let _publishing = control.publishing.lock().await;
    let this = control.clone();
    let (plan, (before, kept)) = blocking(move || commit(&this, received, &wish, tenants)).await?;
    tenants::replace(before, kept).await?;
    // What was imported is here, whatever becomes of this.
    if control.inference.ready().is_ok()
        && let Err(error) = memory::load_pinned(control).await
    {
        tracing::error!(error = with_sources(&error), "pinned models are not in memory");
    }
    Ok(plan.told(false))
}

/// Makes it so, if nothing of what was planned with has changed meanwhile. The caller holds `publishing`. Blocks.
fn commit(
    control: &Acting,
    mut received: Received,
    wish: &Wish,
    tenants: Vec<ImportedTenant>,
) -> Result<(Plan, (Entries, Kept)), ControlError> {
    received.kept.refresh(&control.store)?;
    if plan(control, &received.manifest, wish, &received.secrets)? != received.plan {
        return Err(ControlError::ChangedMeanwhile);
    }
    let exported = received.manifest.exported;
    let secrets_max = control.config.limits.secrets;
    let import = Import { tenants, secrets_max, detail: format!("exported {exported}") };
    let seal = control.secrets.sealer_of_all(&received.secrets)?;
    let _both = control.both.write();
    control.models.grants.change(&control.changes(), |changes| Ok(changes.import(&import, &seal)?))?;
    tracing::info!(tenants = import.tenants.len(), %exported, "imported");
    Ok((received.plan, serve(control, &import.tenants)?))
}

/// Has the catalog be what the store is now, in one step: what new tenants were given is kept from the others from then on, too. Blocks.
fn serve(control: &Acting, tenants: &[ImportedTenant]) -> Result<(Entries, Kept), ControlError> {
    let book = Arc::new(Book::read(&control.store)?);
    control.tenants.store(Arc::clone(&book));
    control.books.set_gates(&book);
    let is_served_otherwise = |tenant: &&ImportedTenant| {
        tenant.claims.is_some()
            || tenant.limits.is_some()
            || !tenant.serving.is_empty()
            || !tenant.scales.is_empty()
            || !tenant.secrets.is_empty()
    };
    let names = tenants.iter().filter(is_served_otherwise).map(|tenant| tenant.name.clone());
    tenants::reload(control, &names.collect())
}
