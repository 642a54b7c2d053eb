//! `wasi:nn/graph`: from a name of the manifest to a model.

use std::time::Instant;

use modelet_inference::ModelHandle;
use modelet_spec::manifest::BatchRule;
use wasmtime::component::Resource;

use super::error::GuestError;
use super::wit::errors::ErrorCode;
use super::wit::graph::{ExecutionTarget, GraphBuilder, GraphEncoding, Host, HostGraph};
use crate::state::GuestState;

/// The resource behind `graph`. It leads to a model and does not keep it in memory: a warm instance may hold it for hours.
pub struct GuestGraph {
    pub(super) model: ModelHandle,
    rule: BatchRule,
}

/// The resource behind `graph-execution-context`: it has no state of its own, any session of the model serves it.
pub struct GuestContext {
    pub(super) model: ModelHandle,
    /// How its calls may be joined with others'.
    pub(super) rule: BatchRule,
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
                Ok(self.table.push(GuestGraph { model, rule })?)
            }
            Err(error) => Err(self.table.push(GuestError::from(error))?),
        })
    }
}

impl HostGraph for GuestState {
    fn init_execution_context(
        &mut self,
        graph: Resource<GuestGraph>,
    ) -> wasmtime::Result<Result<Resource<GuestContext>, Resource<GuestError>>> {
        let GuestGraph { model, rule } = self.table.get(&graph)?;
        let context = GuestContext { model: model.clone(), rule: rule.clone() };
        Ok(Ok(self.table.push(context)?))
    }

    fn drop(&mut self, graph: Resource<GuestGraph>) -> wasmtime::Result<()> {
        self.table.delete(graph)?;
        Ok(())
    }
}
