//! `modelet:nn/models`: what a model takes and gives, in the words of the WIT.

use modelet_inference::{Description, Dim, Port};
use wasmtime::component::{LinkerInstance, Resource};

use super::element::named;
use super::error::GuestError;
use super::graph::GuestGraph;
use super::ours::models;
use super::tensor::Store;
use super::wit::errors::ErrorCode;
use crate::ports::ModelsError;
use crate::state::GuestState;

/// What one answer may take. Admission lets a model have 4 MiB of metadata; the rest is names.
const BYTES_MAX: usize = 16 << 20;

/// What a port, a dimension or a pair takes beside its text.
const ENTRY_BYTES: usize = 64;

type Described = Result<models::Description, Resource<GuestError>>;

pub(super) fn link(models: &mut LinkerInstance<'_, GuestState>) -> wasmtime::Result<()> {
    models.func_wrap_async("describe", |store: Store<'_>, (graph,): (Resource<GuestGraph>,)| {
        Box::new(async move { Ok((describe(store, graph).await?,)) })
    })
}

/// The model is loaded again if it has gone since the guest last asked.
async fn describe(mut store: Store<'_>, graph: Resource<GuestGraph>) -> wasmtime::Result<Described> {
    let state = store.data_mut();
    let model = state.table.get(&graph)?.model.clone();
    let told = match model.get().await {
        Ok(model) => told(model.description()),
        Err(error) => Err(ModelsError::from(error).into()),
    };
    Ok(match told {
        Ok(description) => Ok(description),
        Err(error) => Err(state.table.push(error)?),
    })
}

fn told(description: &Description) -> Result<models::Description, GuestError> {
    let bytes = bytes(description);
    if bytes <= BYTES_MAX {
        return Ok(in_words(description));
    }
    let why = format!("the description of the model takes {bytes} bytes, over the {BYTES_MAX} that are given out");
    Err(GuestError::new(ErrorCode::TooLarge, why))
}

/// About what [`in_words`] allocates.
fn bytes(description: &Description) -> usize {
    let dim = |dim: &Dim| match dim {
        Dim::Dynamic(Some(symbol)) => symbol.len() + ENTRY_BYTES,
        Dim::Fixed(_) | Dim::Dynamic(None) => ENTRY_BYTES,
    };
    let port = |port: &Port| port.name.len() + ENTRY_BYTES + port.dims.iter().flatten().map(dim).sum::<usize>();
    let ports = description.inputs.iter().chain(&description.outputs).map(port).sum::<usize>();
    let metadata = description.metadata.iter().map(|(key, value)| key.len() + value.len() + ENTRY_BYTES);
    let opsets = description.opsets.keys().map(|domain| domain.len() + ENTRY_BYTES);
    ports + metadata.sum::<usize>() + opsets.sum::<usize>()
}

fn in_words(description: &Description) -> models::Description {
    models::Description {
        inputs: description.inputs.iter().map(port).collect(),
        outputs: description.outputs.iter().map(port).collect(),
        metadata: description.metadata.iter().map(|(key, value)| (key.clone(), value.clone())).collect(),
        opsets: description.opsets.iter().map(|(domain, version)| (domain.clone(), *version)).collect(),
    }
}

fn port(port: &Port) -> models::Port {
    models::Port {
        name: port.name.to_string(),
        element_type: named(port.element_type),
        dimensions: port.dims.as_ref().map(|dims| dims.iter().map(dimension).collect()),
    }
}

fn dimension(dim: &Dim) -> models::Dimension {
    match dim {
        Dim::Fixed(size) => models::Dimension::Fixed(*size),
        Dim::Dynamic(symbol) => models::Dimension::Dynamic(symbol.clone()),
    }
}
