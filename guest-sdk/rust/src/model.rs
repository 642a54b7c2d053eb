//! [`Model`]: a model of the manifest, loaded once per instance.

use std::cell::RefCell;
use std::rc::Rc;

use crate::wasi::nn::graph::load_by_name;
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
    context: Rc<GraphExecutionContext>,
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
        let context = load_by_name(name).map_err(failed)?.init_execution_context().map_err(failed)?;
        let model = Self { context: Rc::new(context) };
        LOADED.with_borrow_mut(|loaded| loaded.push((name.to_owned(), model.clone())));
        Ok(model)
    }

    /// Runs the model on these inputs, each with its name.
    ///
    /// # Errors
    /// 400 `model-invalid-argument` if the model does not take these names, types or shapes; 413 `model-too-large`, 504
    /// `model-timeout`, 500 `model-failed`.
    pub fn run<'a>(&self, inputs: impl IntoIterator<Item = (&'a str, Tensor)>) -> Result<Outputs, Error> {
        let inputs = inputs.into_iter().map(|(name, tensor)| (name.to_owned(), tensor.into_raw())).collect();
        let outputs = self.context.compute(inputs).map_err(|error| Error::of_model(&error, "running the model"))?;
        Ok(Outputs(outputs.into_iter().map(|(name, raw)| (name, Tensor::from_raw(raw))).collect()))
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
        self.0.iter().find_map(|(key, tensor)| (key == name).then_some(tensor)).ok_or_else(|| {
            let names: Vec<&str> = self.iter().map(|(name, _)| name).collect();
            Error::internal(format!("the model has no output {name:?}, but {names:?}"))
        })
    }

    /// All outputs with their names.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Tensor)> {
        self.0.iter().map(|(name, tensor)| (name.as_str(), tensor))
    }
}

impl IntoIterator for Outputs {
    type Item = (String, Tensor);
    type IntoIter = std::vec::IntoIter<(String, Tensor)>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}
