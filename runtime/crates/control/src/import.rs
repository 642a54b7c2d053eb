//! Desired state of another server comes in: `modelet import`.
//!
//! [`import`] is the script. What an archive says is compared with what is here before any content is taken ([`plan`]); contents
//! go to the disk one by one, under their digests, and nothing names them yet ([`receive`]); every model stands its trial and every
//! component is compiled here, as at a push and a deploy ([`admit`]); then one transaction of the store makes it so.

mod admit;
mod plan;
mod receive;
mod routes;
mod versions;

use std::sync::Arc;

use axum::body::Body;
use modelet_spec::TenantName;
use modelet_store::{Import, ImportedTenant};

use crate::acting::Acting;
use crate::archive::ArchiveManifest;
use crate::control::blocking;
use crate::error::ControlError;
use crate::tenants::{self, Book};
use crate::{memory, switch, wire};
use plan::{Plan, plan};

/// How an archive is to come in.
#[derive(Debug, Clone)]
pub(crate) struct Wish {
    /// What its one tenant becomes; `None`: all of its tenants come, under their names.
    pub(crate) tenant: Option<TenantName>,
    /// Only say what would change.
    pub(crate) dry_run: bool,
    /// What is here under the same name may be another.
    pub(crate) replace: bool,
}

/// Takes an archive in, or says what that would change.
pub(crate) async fn import(control: &Acting, wish: Wish, body: Body) -> Result<wire::Imported, ControlError> {
    control.loaded()?;
    let mut received = receive::receive(control, &wish, body).await?;
    let planned = received.plan.clone();
    if wish.dry_run || planned.is_empty() {
        return Ok(planned.told(wish.dry_run));
    }
    let tenants = admit::admit(control, &planned, &mut received.kept).await?;
    let _publishing = control.publishing.lock().await;
    received.kept.refresh(&control.store)?;
    commit(control, &received.manifest, &wish, &planned, tenants).await?;
    drop(received);
    Ok(planned.told(false))
}

/// Makes it so, if nothing of what was planned with has changed meanwhile. The caller holds `publishing`.
async fn commit(
    control: &Acting,
    manifest: &ArchiveManifest,
    wish: &Wish,
    planned: &Plan,
    tenants: Vec<ImportedTenant>,
) -> Result<(), ControlError> {
    let (this, manifest, wish, planned) = (control.clone(), manifest.clone(), wish.clone(), planned.clone());
    let changed = blocking(move || {
        if plan(&this, &manifest, &wish)? != planned {
            return Err(ControlError::ChangedMeanwhile);
        }
        let detail = format!("exported {}", manifest.exported);
        let import = Import { tenants: tenants.clone(), detail };
        let _both = this.both.write();
        this.models.grants.change(&this.changes(), |changes| Ok(changes.import(&import)?))?;
        tracing::info!(tenants = tenants.len(), exported = %manifest.exported, "imported");
        this.tenants.store(Arc::new(Book::read(&this.store)?));
        // What new tenants were given is kept from the others from now on.
        this.catalog.store(Arc::new(switch::those(&this, |_| true)?.build()));
        let is_served_otherwise =
            |t: &&ImportedTenant| t.limits.is_some() || !t.serving.is_empty() || !t.scales.is_empty();
        let names = tenants.iter().filter(is_served_otherwise).map(|tenant| &tenant.name);
        names.map(|name| tenants::reload(&this, name)).collect::<Result<Vec<_>, _>>()
    });
    for (before, kept) in changed.await? {
        tenants::replace(before, kept).await?;
    }
    if control.inference.ready().is_ok() {
        memory::load_pinned(control)?;
    }
    Ok(())
}
