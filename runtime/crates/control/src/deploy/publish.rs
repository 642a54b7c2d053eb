//! From a draft to a catalog that has it: check the routes, store, swap.

use std::sync::Arc;

use modelet_catalog::{Entry, Route};
use modelet_engine::ports::{Code, Settings};
use modelet_engine::{Function, FunctionSpec};
use modelet_spec::manifest::{Instances, Manifest, Reuse, RouteSpec};
use modelet_spec::outbound::OutboundRules;
use modelet_spec::{Auth, Digest, EffectiveLimits, Flow, FunctionName, TenantName, Version};
use modelet_store::{CompiledRecord, NewFunctionVersion, NewModelBinding, NewModelVersion};

use super::Bound;
use crate::acting::Acting;
use crate::code::Coded;
use crate::compile::Image;
use crate::control::{Control, FunctionEntry, blocking};
use crate::error::ControlError;
use crate::guest_log::GuestLog;
use crate::lineup::{Fresh, Plan, traffic_json};
use crate::models::FunctionModels;
use crate::pinned::Pinned;
use crate::{push, secrets, switch, views, wire};

/// A function that may become a version.
#[derive(Clone)]
pub(crate) struct Draft {
    /// Its owner.
    pub(crate) tenant: TenantName,
    /// What its author wrote.
    pub(crate) manifest: Manifest,
    /// Its component.
    pub(crate) component: Digest,
    /// Its models.
    pub(crate) bound: Bound,
    /// Why its instances serve one request each, although its manifest has them reused.
    pub(crate) not_reused: Option<String>,
    /// What became of its component's `init`, if it has one.
    pub(crate) image: Option<Image>,
    /// What it reads by `wasi:config` as long as it is only tried. Once it serves, that is looked up anew: a secret may have been
    /// set meanwhile.
    pub(crate) tried_with: Option<Arc<Settings>>,
}

impl Draft {
    /// The models as the API shows them.
    pub(crate) fn models(&self) -> Vec<wire::BoundModel> {
        let view = |(alias, pinned): (&String, &Pinned)| wire::BoundModel {
            alias: alias.clone(),
            owner: (pinned.owner != self.tenant).then(|| pinned.owner.clone()),
            name: pinned.name.clone(),
            version: pinned.version,
            digest: pinned.digest,
        };
        self.bound.iter().map(view).collect()
    }

    /// Takes the models out that come with it: from now on they are bound as if they were versions already, which they are when the
    /// deploy is done.
    fn settle(&mut self) -> Vec<(Pinned, NewModelVersion)> {
        let fresh = self.bound.values_mut().filter_map(|pinned| Some((pinned.fresh.take()?, pinned)));
        fresh.map(|(new, pinned)| (pinned.clone(), NewModelVersion::clone(&new))).collect()
    }

    /// Makes what a catalog holds. Nothing is loaded: that is for whoever calls the function.
    pub(crate) fn entry(
        &self,
        control: &Control,
        version: Version,
        code: Arc<dyn Code>,
    ) -> Result<FunctionEntry, ControlError> {
        Ok(self.entry_of(control, version, control.engine.function(code, self.spec(control, version)?)))
    }

    /// The same around what runs it already.
    pub(crate) fn entry_of(&self, control: &Control, version: Version, handle: Arc<Function>) -> FunctionEntry {
        Entry {
            tenant: self.tenant.clone(),
            function: self.manifest.name.clone(),
            version,
            digest: self.component,
            limits: self.limits(control),
            routes: self.routes(control),
            handle,
            arms: None,
        }
    }

    /// What the engine makes the function with. Blocks where the function has secrets.
    pub(crate) fn spec(&self, control: &Control, version: Version) -> Result<FunctionSpec, ControlError> {
        let function = self.manifest.name.clone();
        Ok(FunctionSpec {
            tenant: self.tenant.clone(),
            function: function.clone(),
            version,
            limits: self.limits(control),
            instances: self.instances(),
            flow: self.flow(control),
            models: Arc::new(FunctionModels::new(&control.models, &self.tenant, &self.bound)),
            batch: Arc::new(self.manifest.batch.clone()),
            config: self.settings(control)?,
            outbound: OutboundRules::new(self.manifest.outbound.allow.clone()),
            log: Arc::new(GuestLog::new(&control.logs, &self.tenant, &function, version)),
        })
    }

    fn settings(&self, control: &Control) -> Result<Arc<Settings>, ControlError> {
        match &self.tried_with {
            Some(settings) => Ok(Arc::clone(settings)),
            None => Ok(Arc::new(secrets::settings(control, &self.tenant, &self.manifest)?)),
        }
    }

    /// What inference sees of it: two numbers made of the names, and how much its tenant counts.
    fn flow(&self, control: &Control) -> Flow {
        let Self { tenant, manifest, .. } = self;
        let weight = control.tenants.load().limits(tenant).weight.unwrap_or_default();
        let flow = Flow::new(number(&format!("{tenant}/{}", manifest.name)), number(tenant.as_str()));
        Flow { weight: weight.get(), ..flow }
    }

    /// How its instances live: as the manifest says, unless its guest cannot take that.
    pub(crate) fn instances(&self) -> Instances {
        let instances = self.manifest.instances.clone();
        if self.not_reused.is_some() { Instances { reuse: Reuse::Request, ..instances } } else { instances }
    }

    /// What the API shows of it beside its entry.
    pub(crate) fn shown(&self) -> Shown {
        Shown { models: self.models(), notes: self.notes(), image: self.image.as_ref().map(views::image) }
    }

    /// What its owner should know of it.
    pub(crate) fn notes(&self) -> Vec<String> {
        let not_reused = |why: &String| {
            format!(
                "reuse = \"instance\" does not work here: {why}. Each request gets a fresh instance, as with reuse = \"request\""
            )
        };
        self.not_reused.iter().map(not_reused).chain(self.image.as_ref().and_then(Image::note)).collect()
    }

    /// What holds for it.
    pub(crate) fn limits(&self, control: &Control) -> EffectiveLimits {
        let tenant = control.tenants.load().limits(&self.tenant);
        EffectiveLimits::of(&control.config.limits, &tenant, &self.manifest.limits)
    }

    /// Where it answers, and whom.
    pub(crate) fn routes(&self, control: &Control) -> Vec<Route> {
        routes(control, &self.tenant, &self.manifest)
    }
}

/// Where a function with this manifest answers, and whom.
pub(crate) fn routes(control: &Control, tenant: &TenantName, manifest: &Manifest) -> Vec<Route> {
    let is_default = *tenant == TenantName::default_tenant();
    let unsaid = if is_default && control.config.data_is_loopback { Auth::None } else { Auth::Key };
    let route = |spec: &RouteSpec| Route {
        host: spec.host.clone(),
        path: spec.path.clone(),
        methods: spec.methods.clone(),
        auth: spec.auth.unwrap_or(unsaid),
    };
    manifest.route.iter().map(route).collect()
}

/// A draft that has become a version.
pub(super) struct Published {
    /// What serves of the function now.
    pub(super) serving: Arc<FunctionEntry>,
    /// The number.
    pub(super) version: Version,
    /// What the API shows of it beside its entry.
    pub(super) shown: Shown,
    /// How many of the function's instances are to be kept warm.
    pub(super) min: u32,
}

/// Makes a version of a draft. It goes live, unless the function's requests are shared out: then it gets none until somebody says
/// so. One at a time: each sees the catalog that the one before made.
pub(super) async fn publish(
    control: &Acting,
    mut draft: Draft,
    compiled: CompiledRecord,
) -> Result<Published, ControlError> {
    let _publishing = control.publishing.lock().await;
    control.loaded()?;
    let control = control.clone();
    draft.tried_with = None;
    blocking(move || {
        let models = draft.settle();
        let shown = draft.shown();
        let (tenant, name) = (draft.tenant.clone(), draft.manifest.name.clone());
        let expected = control.store.next_function_version(&tenant, &name)?;
        let serving = control.store.serving(&tenant, &name)?.map(Plan::of).transpose()?;
        let plan = plan(serving, (tenant.clone(), name.clone()), expected);
        let of = Coded { tenant, name, version: expected, component: draft.component };
        let code = control.codes.stored(of, &compiled);
        let unmade = Unmade { control: &control, models: models.iter().map(|(pinned, _)| pinned.clone()).collect() };
        let entry = plan.line_up(&control, Some(&Fresh { draft: &draft, version: expected, code }))?;
        // Built before anything is stored: a route that cannot be served must leave no version behind.
        let next = switch::with(&control, Arc::clone(&entry))?;
        let new = stored_form(&draft, &compiled)?;
        let aside = plan.traffic.as_ref().map(traffic_json).transpose()?;
        let models: Vec<_> = models.into_iter().map(|(pinned, new)| (pinned.version, new)).collect();
        let both = control.both.write();
        let stored = control.changes().put_deploy(&models, &new, aside.as_deref())?;
        unmade.are_made();
        if stored.version != expected {
            // Cannot happen while deploys are one at a time; to serve under a wrong number would be worse than to fail.
            let text = format!("version {} was stored where {expected} was expected", stored.version);
            return Err(ControlError::Internal(text));
        }
        control.catalog.store(Arc::new(next));
        drop(both);
        control.failed.forget(&draft.tenant, &draft.manifest.name);
        // Its bytes came with the deploy, so they are whole on the disk.
        control.damaged.mended(&control.store, &draft.tenant, &draft.component);
        let min = switch::kept(&control, &entry)?;
        Ok(Published { serving: entry, version: expected, shown, min })
    })
    .await
}

/// Versions of models that come with a deploy; dropped before they are made, nothing of them stays in memory.
struct Unmade<'a> {
    control: &'a Control,
    models: Vec<Pinned>,
}

impl Unmade<'_> {
    fn are_made(mut self) {
        for Pinned { owner, name, version, .. } in std::mem::take(&mut self.models) {
            tracing::info!(tenant = %owner, model = %name, %version, "model pushed, with a deploy");
        }
    }
}

impl Drop for Unmade<'_> {
    fn drop(&mut self) {
        self.control.models.drop_unmade(&self.models);
    }
}

/// What serves once there is a new version.
fn plan(serving: Option<Plan>, (tenant, name): (TenantName, FunctionName), new: Version) -> Plan {
    match serving {
        Some(Plan { live, traffic: Some(traffic), .. }) => {
            Plan { tenant, name, live, traffic: Some(traffic.with(new)) }
        }
        _ => Plan { tenant, name, live: new, traffic: None },
    }
}

/// What the API shows of a version beside its entry.
pub(crate) struct Shown {
    pub(crate) models: Vec<wire::BoundModel>,
    pub(crate) notes: Vec<String>,
    pub(crate) image: Option<wire::Image>,
}

fn stored_form(draft: &Draft, compiled: &CompiledRecord) -> Result<NewFunctionVersion, ControlError> {
    let binding = |(alias, pinned): (&String, &Pinned)| NewModelBinding {
        alias: alias.clone(),
        owner: pinned.owner.clone(),
        name: pinned.name.clone(),
        version: pinned.version,
        digest: pinned.digest,
    };
    Ok(NewFunctionVersion {
        tenant: draft.tenant.clone(),
        name: draft.manifest.name.clone(),
        component: draft.component,
        compiled: compiled.clone(),
        manifest_json: push::json(&draft.manifest, "a manifest")?,
        models: draft.bound.iter().map(binding).collect(),
        not_reused: draft.not_reused.clone(),
    })
}

/// A name as a number.
fn number(text: &str) -> u64 {
    let digest = Digest::of(text.as_bytes());
    digest.as_bytes().first_chunk().map_or(0, |bytes| u64::from_be_bytes(*bytes))
}
