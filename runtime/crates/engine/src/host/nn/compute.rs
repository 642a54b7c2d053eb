//! `compute`: the guest asks, a session of the model answers. The executor's thread never waits.
//!
//! There are two of them, on the same contexts. That of `wasi:nn/inference` takes its inputs for good and gives outputs that
//! `wasi:nn` has a type for; that of `modelet:nn/models` is lent its inputs and gives outputs of any type. Neither copies:
//! an output is memory of the session's, and as an input it is read from there.

use std::sync::Arc;
use std::time::Instant;

use modelet_inference::{ElementType, Tensor};
use modelet_spec::Flow;
use wasmtime::component::{LinkerInstance, Resource};

use super::element::{named, tensor_type};
use super::error::GuestError;
use super::graph::GuestContext;
use super::ours::models::Output;
use super::tensor::{GuestTensor, Store};
use super::wit::errors::ErrorCode;
use super::wit::inference::{Host, HostGraphExecutionContext};
use crate::cpu;
use crate::ports::ModelsError;
use crate::shared::whose;
use crate::state::GuestState;

/// Inputs that one call can be lent: the same tensor may stand there any number of times, and each costs the host some
/// hundred bytes. The largest language models have some hundreds.
const LENT_MAX: usize = 4096;

pub(super) type Named = (String, Resource<GuestTensor>);
type Answer = Result<Vec<(Arc<str>, Tensor)>, GuestError>;

impl Host for GuestState {}

impl HostGraphExecutionContext for GuestState {
    async fn compute(
        &mut self,
        context: Resource<GuestContext>,
        inputs: Vec<Named>,
    ) -> wasmtime::Result<Result<Vec<Named>, Resource<GuestError>>> {
        let taken = self.take(inputs)?;
        let charged = taken.iter().map(|(_, tensor)| tensor.charged).sum();
        let answer =
            match values(taken.into_iter().map(|(name, tensor)| (name, tensor.value.map_err(|unfit| unfit.why)))) {
                Ok(inputs) => self.run(&context, inputs).await?,
                Err(error) => Err(error),
            };
        self.limiter.release(charged);
        self.give(answer.and_then(|outputs| in_wasi_nn(&outputs).map(|()| outputs)), |name, _, tensor| (name, tensor))
    }

    fn drop(&mut self, context: Resource<GuestContext>) -> wasmtime::Result<()> {
        self.table.delete(context)?;
        Ok(())
    }
}

pub(super) fn link(models: &mut LinkerInstance<'_, GuestState>) -> wasmtime::Result<()> {
    models.func_wrap_async("compute", |store: Store<'_>, (context, inputs): (_, Vec<Named>)| {
        Box::new(async move { Ok((compute_lent(store, context, inputs).await?,)) })
    })
}

async fn compute_lent(
    mut store: Store<'_>,
    context: Resource<GuestContext>,
    inputs: Vec<Named>,
) -> wasmtime::Result<Result<Vec<Output>, Resource<GuestError>>> {
    whose(&mut store)?;
    let state = store.data_mut();
    if inputs.len() > LENT_MAX {
        let why = format!("{} inputs were given; no call takes more than {LENT_MAX}", inputs.len());
        return Ok(Err(state.table.push(GuestError::new(ErrorCode::InvalidArgument, why))?));
    }
    let answer = match values(state.look_at(inputs)?.into_iter()) {
        Ok(inputs) => state.run(&context, inputs).await?,
        Err(error) => Err(error),
    };
    state.give(answer, |name, element, tensor| Output { name, element_type: named(element), tensor })
}

impl GuestState {
    /// Runs the model, which is loaded again if it has gone since the guest last asked.
    async fn run(
        &mut self,
        context: &Resource<GuestContext>,
        inputs: Vec<(String, Tensor)>,
    ) -> wasmtime::Result<Answer> {
        let GuestContext { model, rule, circle } = self.table.get(context)?;
        let (model, rule, flow) = (model.clone(), rule.clone(), Flow { circle: *circle, ..self.flow });
        let asked = Instant::now();
        let model = match model.get().await {
            Ok(model) => model,
            Err(error) => {
                self.waited.no_model(&error);
                return Ok(Err(ModelsError::from(error).into()));
            }
        };
        self.waited.load(model.is_load(), asked);
        let began = if model.is_load() { Instant::now() } else { asked };
        // A short run is on this very thread, inside of the guest's poll.
        let answer = cpu::apart(model.run_with(flow, &rule, inputs)).await;
        self.waited.infer += began.elapsed();
        Ok(answer.inspect_err(|error| self.waited.no_answer(error)).map_err(GuestError::from))
    }

    /// The guest's tensors, which it no longer owns.
    fn take(&mut self, inputs: Vec<Named>) -> wasmtime::Result<Vec<(String, GuestTensor)>> {
        inputs.into_iter().map(|(name, tensor)| Ok((name, self.table.delete(tensor)?))).collect()
    }

    /// The guest's tensors, which it keeps.
    fn look_at(&self, inputs: Vec<Named>) -> wasmtime::Result<Vec<(String, Result<Tensor, String>)>> {
        let value = |tensor: &GuestTensor| tensor.value.as_ref().map(Tensor::clone).map_err(|unfit| unfit.why.clone());
        inputs.into_iter().map(|(name, tensor)| Ok((name, value(self.table.get(&tensor)?)))).collect()
    }

    /// Makes the outputs the guest's, on its account.
    fn give<T>(
        &mut self,
        answer: Result<Vec<(Arc<str>, Tensor)>, GuestError>,
        give: impl Fn(String, ElementType, Resource<GuestTensor>) -> T,
    ) -> wasmtime::Result<Result<Vec<T>, Resource<GuestError>>> {
        let made = answer.and_then(|outputs| outputs.into_iter().map(describe).collect::<Result<Vec<_>, _>>());
        let charged = made.and_then(|outputs| {
            let total = outputs.iter().map(|(_, tensor)| tensor.charged).fold(0, u64::saturating_add);
            let charged = self.charge(total);
            charged.map(|()| outputs).map_err(|over| GuestError::new(ErrorCode::TooLarge, over.to_string()))
        });
        let outputs = match charged {
            Ok(outputs) => outputs,
            Err(error) => return Ok(Err(self.table.push(error)?)),
        };
        let mut given = Vec::with_capacity(outputs.len());
        for (name, tensor) in outputs {
            given.push(give(name.to_string(), tensor.element, self.table.push(tensor)?));
        }
        Ok(Ok(given))
    }
}

/// The inputs, or why one of them is none.
fn values(given: impl Iterator<Item = (String, Result<Tensor, String>)>) -> Result<Vec<(String, Tensor)>, GuestError> {
    let unfit = |name: &str, why| GuestError::new(ErrorCode::InvalidArgument, format!("input `{name}`: {why}"));
    given.map(|(name, value)| value.map_err(|why| unfit(&name, why)).map(|value| (name, value))).collect()
}

/// Refuses outputs that `wasi:nn` has no type for.
fn in_wasi_nn(outputs: &[(Arc<str>, Tensor)]) -> Result<(), GuestError> {
    let foreign = |(_, tensor): &&(Arc<str>, Tensor)| tensor_type(tensor.element_type()).is_none();
    let Some((name, tensor)) = outputs.iter().find(foreign) else { return Ok(()) };
    let why = format!(
        "output `{name}` is {}, which wasi:nn has no type for; modelet:nn/models has a `compute` that gives it",
        tensor.element_type()
    );
    Err(GuestError::new(ErrorCode::UnsupportedOperation, why))
}

/// An output as a guest's tensor.
fn describe((name, tensor): (Arc<str>, Tensor)) -> Result<(Arc<str>, GuestTensor), GuestError> {
    let dims = tensor.shape().dims().iter().map(|dim| {
        u32::try_from(*dim)
            .map_err(|_| GuestError::new(ErrorCode::TooLarge, format!("output `{name}` has a dimension of {dim}")))
    });
    let dims = dims.collect::<Result<_, _>>()?;
    // A row of a joined run keeps the whole run's output alive, until the invocation ends (see `keep`).
    let charged = tensor.held_bytes() as u64;
    Ok((name, GuestTensor { dims, element: tensor.element_type(), value: Ok(tensor), charged }))
}
