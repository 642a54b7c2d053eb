//! [`Model`]: a model of the manifest, loaded once per instance.

use std::cell::RefCell;
use std::rc::Rc;

use crate::modelet::nn::models::{self, Description};
use crate::wasi::nn::graph::{Graph, load_by_name};
use crate::wasi::nn::inference::GraphExecutionContext;
use crate::{Error, Tensor};

thread_local! {
    /// The models that this instance has loaded. A manifest names a handful, so a list is searched fastest. What a name
    /// means is fixed with the deploy, so nothing here goes stale.
    static LOADED: RefCell<Vec<(String, Model)>> = const { RefCell::new(Vec::new()) };
}

/// A model that the function may run. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Model {
    loaded: Rc<Loaded>,
}

#[derive(Debug)]
struct Loaded {
    graph: Graph,
    context: GraphExecutionContext,
}

impl Model {
    /// The model that the manifest's `[models]` calls `name`. The instance keeps it: from the second request on this
    /// makes no call into the host.
    ///
    /// # Errors
    /// 500 `model-failed` if the manifest has no such model or the server cannot load it.
    pub fn load(name: &str) -> Result<Self, Error> {
        let known =
            LOADED.with_borrow(|loaded| loaded.iter().find_map(|(key, model)| (key == name).then(|| model.clone())));
        if let Some(model) = known {
            return Ok(model);
        }
        let failed = |error| Error::of_model(&error, &format!("loading the model {name:?}"));
        let graph = load_by_name(name).map_err(failed)?;
        let context = graph.init_execution_context().map_err(failed)?;
        let model = Self { loaded: Rc::new(Loaded { graph, context }) };
        LOADED.with_borrow_mut(|loaded| loaded.push((name.to_owned(), model.clone())));
        Ok(model)
    }

    /// Runs the model on these inputs, each with its name. The inputs are given away; an output goes straight into the next
    /// call without leaving the host.
    ///
    /// This is `wasi:nn` and nothing more. [`Model::compute`] also gives outputs of types that it has no name for.
    ///
    /// # Errors
    /// 400 `model-invalid-argument` if the model does not take these names, types or shapes; 413 `model-too-large`, 503
    /// `model-busy` with `retry-after`, 504 `model-timeout`, 500 `model-failed`.
    pub fn run<'a>(&self, inputs: impl IntoIterator<Item = (&'a str, Tensor)>) -> Result<Outputs, Error> {
        let inputs = inputs.into_iter().map(|(name, tensor)| (name.to_owned(), tensor.into_raw())).collect();
        let outputs =
            self.loaded.context.compute(inputs).map_err(|error| Error::of_model(&error, "running the model"))?;
        Ok(Outputs(outputs.into_iter().map(|(name, raw)| (name, Tensor::from_raw(raw))).collect()))
    }

    /// Runs the model on inputs that are lent: they can be used again. Outputs may have any element type.
    ///
    /// # Errors
    /// As [`Model::run`].
    pub fn compute<'a>(&self, inputs: impl IntoIterator<Item = (&'a str, &'a Tensor)>) -> Result<Outputs, Error> {
        let inputs: Vec<_> = inputs.into_iter().map(|(name, tensor)| (name.to_owned(), tensor.raw())).collect();
        let outputs = models::compute(&self.loaded.context, &inputs)
            .map_err(|error| Error::of_model(&error, "running the model"))?;
        let output = |output: models::Output| (output.name, Tensor::known(output.tensor, output.element_type));
        Ok(Outputs(outputs.into_iter().map(output).collect()))
    }

    /// What the model takes and gives.
    ///
    /// # Errors
    /// 413 `model-too-large` if that is more than 16 MiB.
    pub fn describe(&self) -> Result<Description, Error> {
        models::describe(&self.loaded.graph).map_err(|error| Error::of_model(&error, "describing the model"))
    }
}

/// What a model gave, in the model's order.
#[derive(Debug)]
pub struct Outputs(Vec<(String, Tensor)>);

impl Outputs {
    /// The output of this name.
    ///
    /// # Errors
    /// 500 that lists the names there are.
    pub fn get(&self, name: &str) -> Result<&Tensor, Error> {
        let found = self.0.iter().find_map(|(key, tensor)| (key == name).then_some(tensor));
        found.ok_or_else(|| self.has_no(name))
    }

    /// Takes the output of this name out, to keep it or to give it to the next call.
    ///
    /// # Errors
    /// As [`Outputs::get`].
    pub fn take(&mut self, name: &str) -> Result<Tensor, Error> {
        match self.0.iter().position(|(key, _)| key == name) {
            Some(at) => Ok(self.0.remove(at).1),
            None => Err(self.has_no(name)),
        }
    }

    /// All outputs with their names.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Tensor)> {
        self.0.iter().map(|(name, tensor)| (name.as_str(), tensor))
    }

    fn has_no(&self, name: &str) -> Error {
        let names: Vec<&str> = self.iter().map(|(name, _)| name).collect();
        Error::internal(format!("the model has no output {name:?}, but {names:?}"))
    }
}

impl IntoIterator for Outputs {
    type Item = (String, Tensor);
    type IntoIter = std::vec::IntoIter<(String, Tensor)>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}
