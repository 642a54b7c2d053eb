//! What every endpoint may answer beside its own: said once, so that the document is complete.

use utoipa::openapi::path::Operation;
use utoipa::openapi::{ContentBuilder, OpenApi, PathItem, Ref, RefOr, ResponseBuilder};

/// What comes before any handler, or from below all of them.
pub(super) fn complete(document: &mut OpenApi) {
    let is_guarded = |path: &str| path.starts_with("/v1/") || path == "/metrics";
    let guarded = document.paths.paths.iter_mut().filter(|(path, _)| is_guarded(path));
    for (_, item) in guarded {
        let PathItem { get, put, post, delete, patch, .. } = item;
        get.iter_mut().for_each(reads);
        for operation in [put, post, delete, patch].into_iter().flatten() {
            reads(operation);
            changes(operation);
        }
    }
}

fn reads(operation: &mut Operation) {
    let parameters = operation.parameters.as_deref().unwrap_or_default();
    let names_tenant =
        parameters.iter().any(|parameter| matches!(parameter, RefOr::T(known) if known.name == "tenant"));
    if !parameters.is_empty() || operation.request_body.is_some() {
        add(operation, "400", "The request is not what this document says");
    }
    add(operation, "401", "No key, or none that is known");
    add(operation, "403", "The key may not do this");
    if names_tenant || operation.request_body.is_some() {
        add(operation, "404", "No such tenant");
    }
    add(operation, "500", "The server failed; its log says more");
}

fn changes(operation: &mut Operation) {
    if operation.request_body.is_some() {
        add(operation, "413", "The body is too large");
    }
    add(operation, "503", "Not now: what this needs is not there, or the data directory cannot be written to");
    add(operation, "507", "The server's disk is full; nothing was changed");
}

/// Unless the endpoint says itself when it answers so.
fn add(operation: &mut Operation, status: &str, description: &str) {
    let problem = ContentBuilder::new().schema(Some(Ref::from_schema_name("Problem"))).build();
    let response = ResponseBuilder::new().description(description).content("application/problem+json", problem);
    operation.responses.responses.entry(status.to_owned()).or_insert_with(|| response.build().into());
}
