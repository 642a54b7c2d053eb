//! `wasi:nn/inference`: the guest asks, a session of the model answers. The executor's thread never waits.

use std::sync::Arc;

use modelet_inference::{ModelHandle, Tensor};
use modelet_spec::Flow;
use modelet_spec::manifest::BatchRule;
use wasmtime::component::Resource;

use super::error::GuestError;
use super::graph::GuestContext;
use super::tensor::{GuestTensor, tensor_type};
use super::wit::errors::ErrorCode;
use super::wit::inference::{Host, HostGraphExecutionContext};
use crate::ports::ModelsError;
use crate::state::GuestState;

type Named = (String, Resource<GuestTensor>);

impl Host for GuestState {}

impl HostGraphExecutionContext for GuestState {
    async fn compute(
        &mut self,
        context: Resource<GuestContext>,
        inputs: Vec<Named>,
    ) -> wasmtime::Result<Result<Vec<Named>, Resource<GuestError>>> {
        let GuestContext { model, rule } = self.table.get(&context)?;
        let (model, rule) = (model.clone(), rule.clone());
        let taken = self.take(inputs)?;
        let charged = taken.iter().map(|(_, tensor)| tensor.charged).sum();
        let answer = match values(taken) {
            Ok(inputs) => run(&model, self.flow, &rule, inputs).await,
            Err(error) => Err(error),
        };
        self.tensors.release(charged);
        let given = answer.and_then(|outputs| outputs.into_iter().map(describe).collect::<Result<Vec<_>, _>>());
        Ok(match given {
            Ok(outputs) => self.give(outputs)?,
            Err(error) => Err(self.table.push(error)?),
        })
    }

    fn drop(&mut self, context: Resource<GuestContext>) -> wasmtime::Result<()> {
        self.table.delete(context)?;
        Ok(())
    }
}

/// Runs the model, which is loaded again if it has gone since the guest last asked.
async fn run(
    model: &ModelHandle,
    flow: Flow,
    rule: &BatchRule,
    inputs: Vec<(String, Tensor)>,
) -> Result<Vec<(Arc<str>, Tensor)>, GuestError> {
    let model = model.get().await.map_err(ModelsError::from)?;
    Ok(model.run_with(flow, rule, inputs).await?)
}

impl GuestState {
    /// The guest's tensors, which it no longer owns.
    fn take(&mut self, inputs: Vec<Named>) -> wasmtime::Result<Vec<(String, GuestTensor)>> {
        inputs.into_iter().map(|(name, tensor)| Ok((name, self.table.delete(tensor)?))).collect()
    }

    /// Makes the outputs the guest's, on its account.
    fn give(
        &mut self,
        outputs: Vec<(Arc<str>, GuestTensor)>,
    ) -> wasmtime::Result<Result<Vec<Named>, Resource<GuestError>>> {
        let total = outputs.iter().map(|(_, tensor)| tensor.charged).sum();
        if let Err(over) = self.tensors.charge(total) {
            return Ok(Err(self.table.push(GuestError::new(ErrorCode::TooLarge, over.to_string()))?));
        }
        let mut given = Vec::with_capacity(outputs.len());
        for (name, tensor) in outputs {
            given.push((name.to_string(), self.table.push(tensor)?));
        }
        Ok(Ok(given))
    }
}

fn values(taken: Vec<(String, GuestTensor)>) -> Result<Vec<(String, Tensor)>, GuestError> {
    taken
        .into_iter()
        .map(|(name, tensor)| match tensor.value {
            Ok(value) => Ok((name, value)),
            Err(unfit) => Err(GuestError::new(ErrorCode::InvalidArgument, format!("input `{name}`: {}", unfit.why))),
        })
        .collect()
}

/// An output in the words of `wasi:nn`. What has no shape there (a scalar) has `[1]`.
fn describe((name, tensor): (Arc<str>, Tensor)) -> Result<(Arc<str>, GuestTensor), GuestError> {
    let element = tensor.element_type();
    let Some(ty) = tensor_type(element) else {
        let why = format!("output `{name}` is {}, which wasi:nn has no type for", element.name());
        return Err(GuestError::new(ErrorCode::UnsupportedOperation, why));
    };
    let mut dims = Vec::with_capacity(tensor.shape().dims().len().max(1));
    for dim in tensor.shape().dims() {
        let dim = u32::try_from(*dim)
            .map_err(|_| GuestError::new(ErrorCode::TooLarge, format!("output `{name}` has a dimension of {dim}")))?;
        dims.push(dim);
    }
    if dims.is_empty() {
        dims.push(1);
    }
    // A row of a joined run keeps the whole run's output alive, until the invocation ends (see `keep`).
    let charged = tensor.held_bytes() as u64;
    Ok((name, GuestTensor { dims, ty, value: Ok(tensor), charged }))
}
