//! Whether the components of what serves are whole on the disk.
//!
//! A function serves from the code that was made of its component, so that nobody would hear of a damaged component before the next
//! update, when it is needed. After a start all are read once, in the background, and `/readyz` says which are not what they were.

use std::collections::{BTreeMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use modelet_spec::Digest;
use modelet_store::StoreError;

use crate::api::respond::with_sources;
use crate::control::{Control, FunctionEntry, blocking};

/// Between two components: they are small, and nobody waits.
const PAUSE: Duration = Duration::from_millis(5);

/// Components that are damaged or missing, and the functions that serve from their code.
#[derive(Debug, Default)]
pub(crate) struct Damaged(Mutex<BTreeMap<Digest, Vec<String>>>);

impl Damaged {
    /// For a person, a line for each function.
    pub(crate) fn told(&self) -> Vec<String> {
        let line = |function: &String| {
            format!(
                "{function}: its component on the disk is damaged; deploy the same bytes again, or restore a backup"
            )
        };
        self.lock().values().flatten().map(line).collect()
    }

    /// A component is whole again.
    pub(crate) fn mended(&self, component: &Digest) {
        self.lock().remove(component);
    }

    fn found(&self, component: Digest, functions: Vec<String>) {
        self.lock().entry(component).or_default().extend(functions);
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Digest, Vec<String>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Looks at each component once, beside whatever else is done.
pub(crate) fn start(control: &Arc<Control>) {
    let weak = Arc::downgrade(control);
    let catalog = control.catalog.load_full();
    tokio::spawn(async move {
        let mut seen = HashSet::new();
        for entry in catalog.functions() {
            let Some(control) = weak.upgrade() else { return };
            if seen.insert((entry.digest, entry.tenant.clone())) {
                look(&control, entry).await;
                drop(control);
                tokio::time::sleep(PAUSE).await;
            }
        }
    });
}

async fn look(control: &Arc<Control>, entry: &Arc<FunctionEntry>) {
    let (this, tenant, digest) = (Arc::clone(control), entry.tenant.clone(), entry.digest);
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
    let using = catalog.functions().filter(|other| other.digest == entry.digest && other.tenant == entry.tenant);
    let functions: Vec<String> = using.map(|other| other.function.to_string()).collect();
    tracing::error!(
        tenant = %entry.tenant, functions = functions.join(", "), %error,
        "a component is damaged; its functions serve from the code that was made of it"
    );
    control.damaged.found(entry.digest, functions);
}
