//! Who asks, and for which tenant.
//!
//! Another tenant's things are as those that do not exist: the same answer, and the store is asked the same. So nothing here asks
//! it: what there is of tenants is in memory.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use http::request::Parts;
use modelet_catalog::{KeyRecord, Scope};
use modelet_spec::manifest::ModelSource;
use modelet_spec::{FunctionName, ModelName, TenantName};
use modelet_store::{Actor, Intent, Thing};

use super::Api;
use super::conditions::Asked;
use crate::acting::Acting;
use crate::control::blocking;
use crate::error::ControlError;
use crate::listener::Remote;
use crate::usage::Whose;
use crate::wire::{Deploy, GivenModel};

/// Whose key came with a request.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    key: Arc<KeyRecord>,
    /// May speak for every tenant.
    is_operator: bool,
    /// The address at the other end of the connection.
    remote: Option<Remote>,
    /// On what condition.
    asked: Arc<Asked>,
}

impl Caller {
    pub(super) fn of(key: Arc<KeyRecord>, remote: Option<Remote>, asked: Arc<Asked>) -> Self {
        let is_operator = key.scopes.contains(&Scope::Admin) && key.tenant == TenantName::default_tenant();
        Self { key, is_operator, remote, asked }
    }

    /// The control plane in the caller's hands, for a change of `thing`. Refused where the thing is not as the caller expects already: before
    /// work is done for it. What counts is what it is in the change's transaction.
    pub(super) async fn changing(&self, api: &Api, thing: Thing) -> Result<Acting, ControlError> {
        self.acting(api, Some(thing)).await
    }

    /// The same, for a change of what has no ETag: many things at once, or none that stays.
    pub(super) async fn changing_many(&self, api: &Api) -> Result<Acting, ControlError> {
        self.acting(api, None).await
    }

    async fn acting(&self, api: &Api, thing: Option<Thing>) -> Result<Acting, ControlError> {
        let scopes: Vec<String> = self.key.scopes.iter().map(ToString::to_string).collect();
        let by = Actor::Key {
            id: self.key.id.clone(),
            tenant: self.key.tenant.clone(),
            scopes: scopes.join(" "),
            remote: self.remote.map(|Remote(address)| address.to_string()),
        };
        let is_bound = !self.asked.expected.is_empty();
        let intent = Arc::new(Intent::new(thing, self.asked.expected.clone()).once(self.asked.once.clone()));
        // A request makes one change.
        let intent = Arc::clone(self.asked.intent.get_or_init(|| intent));
        let acting = Acting::new(&api.control, by, intent);
        if is_bound {
            let acting = acting.clone();
            blocking(move || acting.check()).await?;
        }
        Ok(acting)
    }

    /// The tenant that is meant: the named one, or the caller's own. Another tenant does not exist for who may not speak
    /// for it.
    pub(super) async fn tenant(&self, api: &Api, named: Option<TenantName>) -> Result<TenantName, ControlError> {
        let tenant = named.unwrap_or_else(|| self.key.tenant.clone());
        let is_there = self.speaks_for(&tenant) && api.control.tenants.load().get(&tenant).is_some();
        if is_there { Ok(tenant) } else { Err(ControlError::NoTenant(tenant)) }
    }

    /// What the caller expects, and what became of it.
    pub(super) fn asked(&self) -> &Arc<Asked> {
        &self.asked
    }

    /// What the caller's key is called.
    pub(super) fn id(&self) -> &str {
        &self.key.id
    }

    /// Whether the key is one of the operator's tenant: with the scope `read` it may know how the server is.
    pub(super) fn is_of_default(&self) -> bool {
        self.key.tenant == TenantName::default_tenant()
    }

    /// Whether a tenant exists for the caller.
    pub(super) fn speaks_for(&self, tenant: &TenantName) -> bool {
        self.is_operator || self.key.tenant == *tenant
    }

    /// Whether the caller's key is bound to functions or models.
    pub(super) fn is_bound(&self) -> bool {
        self.key.bound.is_some()
    }

    /// Whether a function of the caller's tenant is there for its key.
    pub(super) fn sees_function(&self, name: &FunctionName) -> bool {
        self.key.reaches_function(name.as_str())
    }

    /// Whether a model of the caller's tenant is there for its key.
    pub(super) fn sees_model(&self, name: &ModelName) -> bool {
        self.key.reaches_model(name.as_str())
    }

    /// Refuses a deploy of what the caller's key is not bound to.
    pub(super) fn may_deploy(&self, deploy: &Deploy) -> Result<(), ControlError> {
        let manifest = &deploy.manifest;
        if !self.sees_function(&manifest.name) {
            return Err(ControlError::Bound(format!("the function {}", manifest.name)));
        }
        let named = manifest.models.iter().map(|(alias, source)| match (deploy.models.get(alias), source) {
            (Some(GivenModel::Ref(model)), _) | (None, ModelSource::Ref(model)) => model.to_string(),
            // A file becomes a model that is named like the alias.
            _ => alias.clone(),
        });
        let reached = |model: &String| self.key.reaches_model(model.split('@').next().unwrap_or(model));
        match named.into_iter().find(|model| !reached(model)) {
            Some(model) => Err(ControlError::Bound(format!("the model {model}"))),
            None => Ok(()),
        }
    }

    /// Whose use is meant: the operator sees all of it, that of removed tenants too; others see their own.
    pub(super) async fn billed(&self, api: &Api, named: Option<TenantName>) -> Result<Whose, ControlError> {
        match named {
            None if self.is_operator => Ok(Whose::All),
            Some(tenant) if self.is_operator => Ok(Whose::Named(tenant)),
            named => self.tenant(api, named).await.map(Whose::Of),
        }
    }

    /// Refuses everybody but the operator.
    pub(super) fn operator(&self) -> Result<(), ControlError> {
        if self.is_operator { Ok(()) } else { Err(ControlError::NotTheOperator) }
    }

    /// The tenant that is meant, for the operator alone; of others only their own exists.
    pub(super) async fn operated(&self, api: &Api, named: TenantName) -> Result<TenantName, ControlError> {
        let tenant = self.tenant(api, Some(named)).await?;
        self.operator().map(|()| tenant)
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Caller {
    type Rejection = ControlError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ControlError> {
        // Put there by the guard, which every path with tenants is behind.
        parts.extensions.get().cloned().ok_or(ControlError::Unauthorised)
    }
}
