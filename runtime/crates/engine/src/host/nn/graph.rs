//! `wasi:nn/graph`: from a name of the manifest to a model.

use std::time::Instant;

use modelet_inference::ModelHandle;
use modelet_spec::manifest::{BatchRule, Share};
use wasmtime::component::Resource;

use super::error::GuestError;
use super::wit::errors::ErrorCode;
use super::wit::graph::{ExecutionTarget, GraphBuilder, GraphEncoding, Host, HostGraph};
use crate::state::GuestState;

/// The resource behind `graph`. It leads to a model and does not keep it in memory: a warm instance may hold it for hours.
pub struct GuestGraph {
    pub(super) model: ModelHandle,
    rule: BatchRule,
    circle: u64,
}

/// The resource behind `graph-execution-context`: it has no state of its own, any session of the model serves it.
pub struct GuestContext {
    pub(super) model: ModelHandle,
    /// How its calls may be joined with others'.
    pub(super) rule: BatchRule,
    /// With whom of other tenants, where the rule says all.
    pub(super) circle: u64,
}

type Graph = Result<Resource<GuestGraph>, Resource<GuestError>>;

impl Host for GuestState {
    fn load(&mut self, _: Vec<GraphBuilder>, _: GraphEncoding, _: ExecutionTarget) -> wasmtime::Result<Graph> {
        let why =
            "loading a model from bytes is not enabled: list it under [models] in function.toml and call load-by-name";
        Ok(Err(self.table.push(GuestError::new(ErrorCode::UnsupportedOperation, why))?))
    }

    async fn load_by_name(&mut self, name: String) -> wasmtime::Result<Graph> {
        // Loaded here, so that who loads learns what is wrong with the model; `compute` finds it in memory then.
        let found = match self.models.load(&name) {
            Ok(model) => {
                let asked = Instant::now();
                match model.load().await {
                    Ok(is_load) => {
                        self.waited.load(is_load, asked);
                        Ok(model)
                    }
                    Err(error) => {
                        self.waited.no_model(&error);
                        Err(error.into())
                    }
                }
            }
            Err(error) => Err(error),
        };
        Ok(match found {
            Ok(model) => {
                let rule = self.batch.get(&name).cloned().unwrap_or_default();
                let circle = self.models.circle(&name);
                let rule = if circle.is_none() { among_its_own(rule) } else { rule };
                Ok(self.table.push(GuestGraph { model, rule, circle: circle.unwrap_or_default() })?)
            }
            Err(error) => Err(self.table.push(GuestError::from(error))?),
        })
    }
}

/// The rule of a model that nobody of another tenant shares runs of.
fn among_its_own(rule: BatchRule) -> BatchRule {
    let share = if rule.share == Share::All { Share::Tenant } else { rule.share };
    BatchRule { share, ..rule }
}

impl HostGraph for GuestState {
    fn init_execution_context(
        &mut self,
        graph: Resource<GuestGraph>,
    ) -> wasmtime::Result<Result<Resource<GuestContext>, Resource<GuestError>>> {
        let GuestGraph { model, rule, circle } = self.table.get(&graph)?;
        let context = GuestContext { model: model.clone(), rule: rule.clone(), circle: *circle };
        Ok(Ok(self.table.push(context)?))
    }

    fn drop(&mut self, graph: Resource<GuestGraph>) -> wasmtime::Result<()> {
        self.table.delete(graph)?;
        Ok(())
    }
}
