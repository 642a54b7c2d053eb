//! Which models can be joined at all.

use crate::description::{Description, Dim, Port};
use crate::element::ElementType;
use crate::options::ModelOptions;

/// What whoever loads a model knows of its first dimension.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Batchable {
    /// Nothing against it: the model's description decides, and a trial if there is one.
    #[default]
    Yes,
    /// The first dimension is not a batch, although it may look like one; the text says why.
    No(String),
}

/// Why calls to the model must not be joined; `None`: they may, if their callers' rules say so.
pub(crate) fn reason_against(description: &Description, options: &ModelOptions) -> Option<String> {
    if let Batchable::No(reason) = &options.batchable {
        return Some(reason.clone());
    }
    let mut symbol: Option<&str> = None;
    for (side, port) in sides(description) {
        match first_dim(port) {
            Err(why) => return Some(format!("{side} `{}` {why}", port.name)),
            Ok(None) => {}
            Ok(Some(name)) if *symbol.get_or_insert(name) == name => {}
            Ok(Some(name)) => {
                let first = symbol.unwrap_or_default();
                return Some(format!("{side} `{}` has `{name}` rows where another port has `{first}`", port.name));
            }
        }
    }
    if description.inputs.is_empty() {
        return Some("it has no inputs".to_owned());
    }
    let is_refused = options.mixes_rows == Some(true) && !options.allow_row_mixing;
    is_refused.then(|| "its rows influence each other's answers, and its card does not allow that".to_owned())
}

fn sides(description: &Description) -> impl Iterator<Item = (&'static str, &Port)> {
    let inputs = description.inputs.iter().map(|port| ("input", port));
    inputs.chain(description.outputs.iter().map(|port| ("output", port)))
}

/// The name of a port's first dimension, if it has one and could be a batch.
fn first_dim(port: &Port) -> Result<Option<&str>, &'static str> {
    if port.element_type.bytes().is_none() && port.element_type != ElementType::String {
        return Err("has elements that share a byte");
    }
    let dims = port.dims.as_ref().ok_or("has no known shape")?;
    match dims.first() {
        None => Err("is a scalar"),
        Some(Dim::Fixed(_)) => Err("has a fixed first dimension"),
        Some(Dim::Dynamic(symbol)) => Ok(symbol.as_deref()),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Arc;

    use super::*;
    use crate::admission::{Admission, Outline, RowMixing};

    fn port(name: &str, dims: Option<&[&str]>) -> Port {
        let dim = |dim: &&str| match (dim.parse(), *dim) {
            (Ok(size), _) => Dim::Fixed(size),
            (_, "?") => Dim::Dynamic(None),
            (_, symbol) => Dim::Dynamic(Some(symbol.to_owned())),
        };
        let dims = dims.map(|dims| dims.iter().map(dim).collect());
        Port { name: name.into(), element_type: ElementType::F32, dims }
    }

    fn reason(inputs: Vec<Port>, outputs: Vec<Port>, change: impl FnOnce(&mut ModelOptions)) -> Option<String> {
        let mut options = ModelOptions::named("m");
        change(&mut options);
        let admission = Arc::new(Admission { outline: Outline::default(), row_mixing: RowMixing::No });
        let description =
            Description { inputs, outputs, metadata: BTreeMap::new(), opsets: BTreeMap::new(), admission };
        reason_against(&description, &options)
    }

    #[test]
    fn the_description_decides() {
        let x = |dims: &[&str]| port("x", Some(dims));
        let y = |dims: &[&str]| port("y", Some(dims));
        let of = |x, y| reason(vec![x], vec![y], |_| {});
        assert_eq!(of(x(&["N", "4"]), y(&["N"])), None);
        assert_eq!(of(x(&["N", "S"]), y(&["?", "S"])), None);
        assert_eq!(of(x(&["N"]), y(&["M"])).unwrap(), "output `y` has `M` rows where another port has `N`");
        assert_eq!(of(x(&["1"]), y(&["N"])).unwrap(), "input `x` has a fixed first dimension");
        assert_eq!(of(x(&["N"]), y(&[])).unwrap(), "output `y` is a scalar");
        assert_eq!(of(x(&["N"]), port("y", None)).unwrap(), "output `y` has no known shape");
        assert_eq!(reason(vec![], vec![y(&["N"])], |_| {}).unwrap(), "it has no inputs");
    }

    #[test]
    fn whoever_loads_it_may_know_better() {
        let of = |change: fn(&mut ModelOptions)| {
            reason(vec![port("x", Some(&["N"]))], vec![port("y", Some(&["N"]))], change)
        };
        assert_eq!(of(|options| options.batchable = Batchable::No("a time series".into())).unwrap(), "a time series");
        assert!(of(|options| options.mixes_rows = Some(true)).is_some());
        assert_eq!(of(|options| (options.mixes_rows, options.allow_row_mixing) = (Some(true), true)), None);
    }

    #[test]
    fn rows_inside_a_byte_cannot_be_cut() {
        let packed = Port { element_type: ElementType::U4, ..port("x", Some(&["N"])) };
        assert_eq!(reason(vec![packed], vec![], |_| {}).unwrap(), "input `x` has elements that share a byte");
    }
}
