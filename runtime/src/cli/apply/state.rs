//! What the server has of the tenants that are meant; each thing is asked for once.

use std::collections::{BTreeMap, BTreeSet};

use modelet_control::wire::{
    Function, FunctionVersions, Functions, Grants, Model, ModelVersions, Models, Tenant, Tenants,
};
use modelet_spec::{FunctionName, ModelName, TenantName};

use crate::cli::client::{Client, query};
use crate::cli::pages;

/// What there is.
#[derive(Debug, Default)]
pub(super) struct State {
    /// The tenants that the caller may see.
    pub(super) tenants: BTreeMap<TenantName, Tenant>,
    of: BTreeMap<TenantName, Things>,
}

/// What a tenant has.
#[derive(Debug)]
pub(super) struct Things {
    pub(super) functions: BTreeMap<FunctionName, Function>,
    /// The newest version of each.
    pub(super) models: Models,
}

impl State {
    /// Asks for what these tenants have. One that is not there has nothing.
    pub(super) fn of(client: &Client, tenants: &BTreeSet<TenantName>) -> anyhow::Result<Self> {
        let listed: Tenants = pages::whole(client, "/v1/tenants")?;
        let listed = listed.tenants.into_iter().map(|tenant| (tenant.name.clone(), tenant));
        let mut state = Self { tenants: listed.collect(), of: BTreeMap::new() };
        for tenant in tenants.iter().filter(|tenant| state.tenants.contains_key(*tenant)) {
            let functions: Functions = pages::whole(client, &at("/v1/functions", tenant))?;
            let functions = functions.functions.into_iter().map(|function| (function.name.clone(), function)).collect();
            let models: Models = pages::whole(client, &at("/v1/models", tenant))?;
            state.of.insert(tenant.clone(), Things { functions, models });
        }
        Ok(state)
    }

    /// What a tenant has.
    pub(super) fn things(&self, tenant: &TenantName) -> Option<&Things> {
        self.of.get(tenant)
    }

    /// The newest version of a model.
    pub(super) fn model(&self, tenant: &TenantName, name: &ModelName) -> Option<&Model> {
        self.things(tenant)?.models.models.iter().find(|model| model.name == *name)
    }

    /// All versions of a function, the newest first.
    pub(super) fn versions(
        &self,
        client: &Client,
        tenant: &TenantName,
        name: &FunctionName,
    ) -> anyhow::Result<Option<FunctionVersions>> {
        match self.things(tenant).is_some_and(|things| things.functions.contains_key(name)) {
            true => Ok(Some(pages::whole(client, &at(&format!("/v1/functions/{name}/versions"), tenant))?)),
            false => Ok(None),
        }
    }
}

/// All versions of a model.
pub(super) fn model_versions(client: &Client, tenant: &TenantName, name: &ModelName) -> anyhow::Result<ModelVersions> {
    pages::whole(client, &at(&format!("/v1/models/{name}"), tenant))
}

/// To whom a model is granted.
pub(super) fn grants(client: &Client, tenant: &TenantName, name: &ModelName) -> anyhow::Result<Grants> {
    pages::whole(client, &at(&format!("/v1/models/{name}/grants"), tenant))
}

/// A path of a tenant's.
pub(super) fn at(path: &str, tenant: &TenantName) -> String {
    query(path, &[("tenant", Some(tenant.to_string()))])
}
