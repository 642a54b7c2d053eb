//! Functions get another value of a secret: they are made anew, and swapped in once they are as warm as they were.
//!
//! What runs goes on with the value that it began with, and its instances end after what they do. Nobody's request fails for it.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use modelet_engine::Warmth;
use modelet_spec::{FunctionName, SecretName, TenantName};

use super::users;
use crate::control::{Control, FunctionEntry, blocking};
use crate::error::ControlError;
use crate::failed::{Failed, Failure};
use crate::{scale, switch};

/// How long the new ones are waited for, all together. One that takes longer comes into memory when it is called.
const WAKE_MAX: Duration = Duration::from_secs(30);

/// A function that was made anew.
struct Made {
    entry: Arc<FunctionEntry>,
    before: Option<Arc<FunctionEntry>>,
    /// How many of its instances are kept warm.
    min: u32,
}

/// Makes the functions anew that name a secret. The caller holds `publishing`. Returns those that have the new value, and what
/// went wrong with others: they are as they were.
pub(super) async fn refresh(
    control: &Arc<Control>,
    tenant: &TenantName,
    secret: &SecretName,
) -> Result<(Vec<FunctionName>, Vec<String>), ControlError> {
    let (this, tenant, secret) = (Arc::clone(control), tenant.clone(), secret.clone());
    let (made, failed) = blocking(move || make(&this, &tenant, &secret)).await?;
    // Those that could not be made are as they were.
    let not_shared_out: Vec<Failed> =
        failed.iter().filter(|failed| matches!(failed.failure, Failure::NotSharedOut(_))).cloned().collect();
    let until = Instant::now() + WAKE_MAX;
    for Made { entry, before, .. } in &made {
        let was = |version| before.as_ref().and_then(|before| before.at(version)).map(|before| before.handle.warmth());
        for version in entry.all().filter(|version| was(version.version).is_some_and(|warmth| warmth > Warmth::Disk)) {
            // What cannot be woken now says so to whoever calls it, as it would have before.
            let _ = version.handle.wake(until).await;
        }
    }
    let (this, entries) = (Arc::clone(control), made.iter().map(|made| Arc::clone(&made.entry)).collect::<Vec<_>>());
    blocking(move || {
        let new: HashSet<_> = entries.iter().map(|entry| (&entry.tenant, &entry.function)).collect();
        let mut builder = switch::those(&this, |other| !new.contains(&(&other.tenant, &other.function)))?;
        for entry in &entries {
            builder.add(Arc::clone(entry))?;
        }
        this.catalog.store(Arc::new(builder.build()));
        entries.iter().for_each(|entry| this.failed.forget(&entry.tenant, &entry.function));
        this.failed.found(not_shared_out);
        Ok(())
    })
    .await?;
    let functions = made.iter().map(|made| made.entry.function.clone()).collect();
    for Made { entry, before, min } in made {
        for before in before.iter().flat_map(|before| before.all()) {
            before.handle.scale(0).await?;
        }
        scale::keep(&entry, min).await;
    }
    Ok((functions, failed.iter().map(ToString::to_string).collect()))
}

fn make(control: &Control, tenant: &TenantName, secret: &SecretName) -> Result<(Vec<Made>, Vec<Failed>), ControlError> {
    let (mut made, mut failed, mut seen) = (Vec::new(), Vec::new(), HashSet::new());
    let said = control.store.scales()?.into_iter().filter(|(owner, ..)| owner == tenant);
    let said: HashMap<FunctionName, u32> = said.map(|(_, name, min)| (name, min)).collect();
    let catalog = control.catalog.load_full();
    let serve = catalog.functions().filter(|entry| entry.tenant == *tenant);
    let serve: HashMap<&FunctionName, &Arc<FunctionEntry>> = serve.map(|entry| (&entry.function, entry)).collect();
    for user in users::of(control, tenant, secret)? {
        let name = &user.live.name;
        match control.restore(&user.live, user.plan, &mut seen, &mut failed) {
            Ok((entry, min)) => {
                let before = serve.get(name).map(|before| Arc::clone(before));
                made.push(Made { before, entry, min: said.get(name).copied().unwrap_or(min) });
            }
            Err(error) => {
                tracing::error!(%tenant, function = %name, %error, "a function could not be made anew with another secret");
                let failure = Failure::NotMade(error.to_string());
                failed.push(Failed { tenant: tenant.clone(), function: name.clone(), failure });
            }
        }
    }
    Ok((made, failed))
}
