//! Parts of what refusals say.

use modelet_spec::{FunctionName, ModelName};
use modelet_store::{Revision, Thing};

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

/// That a thing is not as a request expects, and what to do.
pub(super) fn unexpected(thing: Option<&Thing>, now: Option<&Revision>) -> String {
    match (thing, now) {
        (Some(thing), Some(now)) => format!(
            "nothing has changed, because {thing} is not as this request expects: its ETag is \"{now}\" now. Read it again, and decide anew"
        ),
        (Some(thing), None) => format!("nothing has changed, because {thing} is not there, and `if-match` expects it"),
        (None, Some(now)) => format!("its ETag is \"{now}\", which is none that `if-match` names"),
        (None, None) => "nothing has changed, because what this changes has no ETag: ask without `if-match`".to_owned(),
    }
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
