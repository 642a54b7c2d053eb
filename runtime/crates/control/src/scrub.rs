//! Whether the components of what serves are whole on the disk.
//!
//! A function serves from the code that was made of its component, so that nobody would hear of a damaged component before the next
//! update, when it is needed. After a start all are read once, in the background, and `/readyz` says which are not what they were.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use modelet_spec::{Digest, TenantName};
use modelet_store::{Store, StoreError};

use crate::api::respond::with_sources;
use crate::control::{Control, FunctionCatalog, FunctionEntry, blocking};
use crate::failed::named;

/// Between two components: they are small, and nobody waits.
const PAUSE: Duration = Duration::from_millis(5);

/// A component of a tenant.
type Component = (TenantName, Digest);

/// Components that are damaged or missing.
#[derive(Debug, Default)]
pub(crate) struct Damaged(Mutex<BTreeSet<Component>>);

impl Damaged {
    /// For the operator, a line for each function that serves now from the code of one.
    pub(crate) fn told(&self, catalog: &FunctionCatalog) -> Vec<String> {
        let damaged = self.lock();
        // As a rule nothing is damaged, and then no function is looked at.
        let functions = catalog.functions().filter(|_| !damaged.is_empty());
        let functions = functions.filter(|entry| components(entry).any(|component| damaged.contains(&component)));
        let line = |entry: &Arc<FunctionEntry>| {
            let function = named(&entry.tenant, &entry.function);
            format!(
                "{function}: its component on the disk is damaged; deploy the same bytes again, or restore a backup"
            )
        };
        functions.map(line).collect()
    }

    /// A tenant's component is whole again, and with it those of others that are in the same file.
    pub(crate) fn mended(&self, store: &Store, tenant: &TenantName, component: &Digest) {
        let whole = store.blob_path(tenant, component);
        self.lock().retain(|(other, digest)| digest != component || store.blob_path(other, digest) != whole);
    }

    fn found(&self, component: Component) {
        self.lock().insert(component);
    }

    fn lock(&self) -> MutexGuard<'_, BTreeSet<Component>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the versions of a function were made of that somebody's request can reach, or a copy of it.
fn components(entry: &Arc<FunctionEntry>) -> impl Iterator<Item = Component> + '_ {
    entry.all().map(|version| (version.tenant.clone(), version.digest))
}

/// Looks at each component once, beside whatever else is done.
pub(crate) fn start(control: &Arc<Control>) {
    let weak = Arc::downgrade(control);
    // Of the catalog nothing is held: who removes a tenant waits until nobody holds its functions.
    let all: BTreeSet<Component> = control.catalog.load().functions().flat_map(components).collect();
    tokio::spawn(async move {
        for component in all {
            let Some(control) = weak.upgrade() else { return };
            look(&control, component).await;
            drop(control);
            tokio::time::sleep(PAUSE).await;
        }
    });
}

async fn look(control: &Arc<Control>, component: Component) {
    let (this, (tenant, digest)) = (Arc::clone(control), component.clone());
    let compared = blocking(move || {
        let path = this.store.blob_path(&tenant, &digest);
        Ok(this.store.compare_blob(&path, &digest))
    });
    let error = match compared.await {
        Ok(Err(error @ (StoreError::DamagedBlob { .. } | StoreError::NoBlob(_)))) => error,
        Ok(Err(error)) => return tracing::warn!(error = %with_sources(&error), "a component could not be looked at"),
        Ok(Ok(())) | Err(_) => return,
    };
    let catalog = control.catalog.load();
    let using = catalog.functions().filter(|entry| components(entry).any(|used| used == component));
    let functions: Vec<&str> = using.map(|entry| entry.function.as_str()).collect();
    if functions.is_empty() {
        // They have gone meanwhile, and it may have gone with them.
        return;
    }
    let (tenant, functions) = (&component.0, functions.join(", "));
    tracing::error!(
        %tenant, functions, %error, "a component is damaged; its functions serve from the code that was made of it"
    );
    control.damaged.found(component);
}
