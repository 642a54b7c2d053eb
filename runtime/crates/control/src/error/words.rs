//! Parts of what refusals say.

use modelet_spec::{FunctionName, ModelName};

/// That a version serves, and what to do before it can go.
pub(super) fn serves(version: &str, live: bool) -> String {
    let name = version.split('@').next().unwrap_or_default();
    if live {
        return format!(
            "`{version}` is live: make another version live first (`modelet rollback {name}`), or remove the function \
             (`modelet function remove {name}`)"
        );
    }
    format!("`{version}` gets requests or copies of them: take it out of `modelet traffic {name}` first")
}

/// Functions, one after the other.
pub(super) fn names(functions: &[FunctionName]) -> String {
    functions.iter().map(FunctionName::as_str).collect::<Vec<_>>().join(", ")
}

/// What a tenant has, in words.
pub(super) fn has(functions: &[FunctionName], models: &[ModelName]) -> String {
    let models = models.iter().map(ModelName::as_str).collect::<Vec<_>>().join(", ");
    match (functions.is_empty(), models.is_empty()) {
        (false, true) => format!("the functions {}", names(functions)),
        (true, _) => format!("the models {models}"),
        (false, false) => format!("the functions {} and the models {models}", names(functions)),
    }
}
