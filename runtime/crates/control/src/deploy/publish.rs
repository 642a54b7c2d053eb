//! From a draft to a catalog that has it: check the routes, store, swap.

use std::sync::Arc;

use modelet_catalog::{Entry, Route};
use modelet_engine::FunctionSpec;
use modelet_engine::ports::Code;
use modelet_spec::manifest::{Instances, Manifest, Reuse};
use modelet_spec::outbound::OutboundRules;
use modelet_spec::{Auth, Digest, EffectiveLimits, Flow, FunctionName, TenantName, Version};
use modelet_store::{CompiledRecord, NewFunctionVersion, NewModelBinding};

use super::Bound;
use crate::code::Coded;
use crate::compile::Image;
use crate::control::{Control, FunctionCatalog, FunctionEntry, blocking};
use crate::error::ControlError;
use crate::guest_log::GuestLog;
use crate::models::FunctionModels;
use crate::pinned::Pinned;
use crate::{views, wire};

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

    /// Makes what a catalog holds. Nothing is loaded: that is for whoever calls the function.
    pub(crate) fn entry(&self, control: &Control, version: Version, code: Arc<dyn Code>) -> FunctionEntry {
        Entry {
            tenant: self.tenant.clone(),
            function: self.manifest.name.clone(),
            version,
            digest: self.component,
            limits: self.limits(control),
            routes: self.routes(control),
            handle: control.engine.function(code, self.spec(control, version)),
        }
    }

    /// What the engine makes the function with.
    pub(crate) fn spec(&self, control: &Control, version: Version) -> FunctionSpec {
        let function = self.manifest.name.clone();
        FunctionSpec {
            tenant: self.tenant.clone(),
            function: function.clone(),
            version,
            limits: self.limits(control),
            instances: self.instances(),
            flow: flow(&self.tenant, &function),
            models: Arc::new(FunctionModels::new(&control.models, &self.tenant, &self.bound)),
            batch: Arc::new(self.manifest.batch.clone()),
            config: Arc::new(self.manifest.config.clone()),
            outbound: OutboundRules::new(self.manifest.outbound.allow.clone()),
            log: Arc::new(GuestLog::new(&control.logs, &self.tenant, &function, version)),
        }
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
        let is_default = self.tenant == TenantName::default_tenant();
        let unsaid = if is_default && control.config.data_is_loopback { Auth::None } else { Auth::Key };
        let route = |spec: &modelet_spec::manifest::RouteSpec| Route {
            host: spec.host.clone(),
            path: spec.path.clone(),
            methods: spec.methods.clone(),
            auth: spec.auth.unwrap_or(unsaid),
        };
        self.manifest.route.iter().map(route).collect()
    }
}

/// Puts a draft into service. One at a time: each sees the catalog that the one before made. Returns the entry with what the API
/// shows of it, and how many of its instances are to be kept warm.
pub(super) async fn publish(
    control: &Arc<Control>,
    draft: Draft,
    compiled: CompiledRecord,
) -> Result<(Arc<FunctionEntry>, Shown, u32), ControlError> {
    let _publishing = control.publishing.lock().await;
    if !control.state.load().loaded {
        return Err(ControlError::Unavailable("the server is still loading its functions: try again soon".to_owned()));
    }
    let control = Arc::clone(control);
    blocking(move || {
        let shown = draft.shown();
        let name = &draft.manifest.name;
        let newest = control.store.function_versions(&draft.tenant, name)?.into_iter().next();
        let expected = newest.map_or(Version::FIRST, |newest| newest.version.next());
        let of =
            Coded { tenant: draft.tenant.clone(), name: name.clone(), version: expected, component: draft.component };
        let entry = Arc::new(draft.entry(&control, expected, control.codes.stored(of, &compiled)));
        // Built before anything is stored: a route that cannot be served must leave no version behind.
        let next = with(&control, Arc::clone(&entry))?;
        let stored = control.store.put_function(&stored_form(&draft, &compiled)?)?;
        if stored.version != expected {
            // Cannot happen while deploys are one at a time; to serve under a wrong number would be worse than to fail.
            let text = format!("version {} was stored where {expected} was expected", stored.version);
            return Err(ControlError::Internal(text));
        }
        control.catalog.store(Arc::new(next));
        let said = control.store.scale(&draft.tenant, name)?;
        Ok((entry, shown, said.unwrap_or(draft.manifest.instances.min)))
    })
    .await
}

/// What the API shows of a version beside its entry.
pub(crate) struct Shown {
    pub(crate) models: Vec<wire::BoundModel>,
    pub(crate) notes: Vec<String>,
    pub(crate) image: Option<wire::Image>,
}

/// The catalog that serves, with this entry in the place of the same function's version before.
fn with(control: &Control, entry: Arc<FunctionEntry>) -> Result<FunctionCatalog, ControlError> {
    let mut builder = control.catalog_builder()?;
    let serving = control.catalog.load();
    let others = serving.functions().filter(|e| e.tenant != entry.tenant || e.function != entry.function);
    for other in others {
        builder.add(Arc::clone(other))?;
    }
    builder.add(entry)?;
    Ok(builder.build())
}

fn stored_form(draft: &Draft, compiled: &CompiledRecord) -> Result<NewFunctionVersion, ControlError> {
    let manifest = serde_json::to_string(&draft.manifest);
    let manifest_json = manifest.map_err(|e| ControlError::Internal(format!("a manifest as JSON: {e}")))?;
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
        manifest_json,
        models: draft.bound.iter().map(binding).collect(),
        not_reused: draft.not_reused.clone(),
    })
}

/// What inference sees of a function: two numbers made of the names.
fn flow(tenant: &TenantName, function: &FunctionName) -> Flow {
    let number = |text: &str| {
        let digest = Digest::of(text.as_bytes());
        digest.as_bytes().first_chunk().map_or(0, |bytes| u64::from_be_bytes(*bytes))
    };
    Flow::new(number(&format!("{tenant}/{function}")), number(tenant.as_str()))
}
