//! What the server has of the tenants that are meant; each thing is asked for once.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use modelet_control::wire::{
    Function, FunctionVersions, Functions, Grants, Model, ModelVersions, Models, Tenant, Tenants,
};
use modelet_spec::{FunctionName, ModelName, TenantName};
use serde::de::DeserializeOwned;

use super::held::Holding;
use crate::cli::client::{Client, query};
use crate::cli::pages;

/// What there is.
pub(super) struct State<'a> {
    client: &'a Client,
    /// The tenants that the caller may see.
    pub(super) tenants: BTreeMap<TenantName, Tenant>,
    of: BTreeMap<TenantName, Things>,
    newest: Asked<FunctionVersions>,
    models: Asked<ModelVersions>,
    functions: Asked<Functions>,
}

/// What was asked for on the way, by its path.
type Asked<T> = RefCell<BTreeMap<String, Rc<T>>>;

/// What a tenant has.
#[derive(Debug)]
pub(super) struct Things {
    pub(super) functions: BTreeMap<FunctionName, Function>,
    /// The newest version of each.
    pub(super) models: Models,
}

impl<'a> State<'a> {
    /// Asks for what these tenants have. One that is not there has nothing.
    pub(super) fn of(client: &'a Client, tenants: &BTreeSet<&TenantName>) -> anyhow::Result<Self> {
        let listed: Tenants = pages::whole(client, "/v1/tenants")?;
        let listed = listed.tenants.into_iter().map(|tenant| (tenant.name.clone(), tenant)).collect();
        let (newest, models, functions) = Default::default();
        let mut state = Self { client, tenants: listed, of: BTreeMap::new(), newest, models, functions };
        for tenant in tenants.iter().copied().filter(|tenant| state.tenants.contains_key(*tenant)) {
            let functions: Functions = pages::whole(client, &at("/v1/functions", tenant))?;
            let functions = functions.functions.into_iter().map(|function| (function.name.clone(), function)).collect();
            let models: Models = pages::whole(client, &at("/v1/models", tenant))?;
            state.of.insert(tenant.clone(), Things { functions, models });
        }
        Ok(state)
    }

    /// Each thing as it was read.
    pub(super) fn held(&self) -> Holding {
        let mut held = Holding::default();
        self.tenants.values().for_each(|tenant| held.read("tenant", tenant.name.to_string(), &tenant.etag));
        for (tenant, things) in &self.of {
            let name = |name: &dyn std::fmt::Display| format!("{tenant}/{name}");
            things.functions.values().for_each(|f| held.read("function", name(&f.name), &f.etag));
            things.models.models.iter().for_each(|model| held.read("model", name(&model.name), &model.etag));
        }
        held
    }

    /// What a tenant has.
    pub(super) fn things(&self, tenant: &TenantName) -> Option<&Things> {
        self.of.get(tenant)
    }

    /// The newest version of a model.
    pub(super) fn model(&self, tenant: &TenantName, name: &ModelName) -> Option<&Model> {
        self.things(tenant)?.models.models.iter().find(|model| model.name == *name)
    }

    /// The live version of a function.
    pub(super) fn function(&self, tenant: &TenantName, name: &FunctionName) -> Option<&Function> {
        self.things(tenant)?.functions.get(name)
    }

    /// The newest version of a function that is there, and how its requests are shared out.
    pub(super) fn newest(
        &self,
        tenant: &TenantName,
        name: &FunctionName,
    ) -> anyhow::Result<Option<Rc<FunctionVersions>>> {
        let Some(_) = self.function(tenant, name) else { return Ok(None) };
        let key = format!("{tenant}/{name}");
        once(&self.newest, key, || newest(self.client, tenant, name)).map(Some)
    }

    /// All versions of a function, the newest first.
    pub(super) fn versions(&self, tenant: &TenantName, name: &FunctionName) -> anyhow::Result<FunctionVersions> {
        pages::whole(self.client, &at(&format!("/v1/functions/{name}/versions"), tenant))
    }

    /// All versions of a model.
    pub(super) fn model_versions(&self, tenant: &TenantName, name: &ModelName) -> anyhow::Result<Rc<ModelVersions>> {
        let path = at(&format!("/v1/models/{name}"), tenant);
        once(&self.models, path.clone(), || pages::whole(self.client, &path))
    }

    /// The live functions of a tenant that may be none of those that are meant.
    pub(super) fn functions(&self, tenant: &TenantName) -> anyhow::Result<Rc<Functions>> {
        let path = at("/v1/functions", tenant);
        once(&self.functions, path.clone(), || pages::whole(self.client, &path))
    }

    /// To whom a model is granted.
    pub(super) fn grants(&self, tenant: &TenantName, name: &ModelName) -> anyhow::Result<Grants> {
        pages::whole(self.client, &at(&format!("/v1/models/{name}/grants"), tenant))
    }
}

/// Asks unless that was done before.
fn once<T: DeserializeOwned>(
    asked: &Asked<T>,
    key: String,
    ask: impl FnOnce() -> anyhow::Result<T>,
) -> anyhow::Result<Rc<T>> {
    if let Some(known) = asked.borrow().get(&key) {
        return Ok(Rc::clone(known));
    }
    let answer = Rc::new(ask()?);
    asked.borrow_mut().insert(key, Rc::clone(&answer));
    Ok(answer)
}

/// The newest version of a function, and how its requests are shared out.
pub(super) fn newest(client: &Client, tenant: &TenantName, name: &FunctionName) -> anyhow::Result<FunctionVersions> {
    let tenant = ("tenant", Some(tenant.to_string()));
    client.get(&query(&format!("/v1/functions/{name}/versions"), &[tenant, ("limit", Some("1".to_owned()))]))
}

/// A path of a tenant's.
pub(super) fn at(path: &str, tenant: &TenantName) -> String {
    query(path, &[("tenant", Some(tenant.to_string()))])
}
