//! What every endpoint may be asked with and may answer beside its own: said once, so that the document is complete.

use utoipa::openapi::header::HeaderBuilder;
use utoipa::openapi::path::{Operation, Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::schema::{ObjectBuilder, Schema, Type};
use utoipa::openapi::{ContentBuilder, OpenApi, PathItem, Ref, RefOr, Required, ResponseBuilder};

/// `*`, or ETags with commas between.
const ETAGS: &str = r#"^(\*|(W/)?"[!#-~]*"(, (W/)?"[!#-~]*")*)$"#;

/// What a request may be called.
const NAME: &str = r#"^[!#-\[\]-~]{1,255}$"#;

/// What comes before any handler, or from below all of them.
pub(super) fn complete(document: &mut OpenApi) {
    let is_guarded = |path: &str| path.starts_with("/v1/") || path == "/metrics";
    let guarded = document.paths.paths.iter_mut().filter(|(path, _)| is_guarded(path));
    for (path, item) in guarded {
        let PathItem { get, put, post, delete, patch, .. } = item;
        if let Some(operation) = get {
            reads(operation);
            if shows_a_thing(path) {
                shows(operation);
            }
        }
        for operation in [put, post, delete, patch].into_iter().flatten() {
            reads(operation);
            changes(operation);
        }
    }
}

/// Whether what is read at a path is a thing that has an ETag.
fn shows_a_thing(path: &str) -> bool {
    path.contains('{') && !path.ends_with("/logs")
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

fn shows(operation: &mut Operation) {
    takes(operation, header("If-Match", "ETags, or `*`: answered only where the thing has one of them"));
    takes(operation, header("If-None-Match", "ETags, or `*`: 304 where the thing has one of them"));
    tags(
        operation,
        "Another after each change of what is said of the thing; what is only observed of it is not told by it",
    );
    let known =
        ResponseBuilder::new().description("The thing has an ETag of `If-None-Match`").header("ETag", told("It"));
    operation.responses.responses.entry("304".to_owned()).or_insert_with(|| known.build().into());
    add(operation, "412", "The thing has no ETag of `If-Match`");
}

fn changes(operation: &mut Operation) {
    takes(operation, header("If-Match", "ETags, or `*`: done only if the thing that is changed has one of them"));
    takes(
        operation,
        header("If-None-Match", "`*`: done only if there is no such thing yet; or ETags that it must not have"),
    );
    takes(operation, once());
    add(operation, "400", "The request is not what this document says");
    add(
        operation,
        "409",
        "A request with this `Idempotency-Key` is being done, or was done and its answer is not kept",
    );
    add(operation, "422", "This `Idempotency-Key` was given to another request");
    answers(
        operation,
        "Idempotency-Replayed",
        "`true`: the answer is that of the first time, and nothing was done now",
    );
    tags(operation, "That of the thing since the change; left out where it is no more, or many are changed");
    add(
        operation,
        "412",
        "`If-Match` or `If-None-Match` does not hold: nothing has changed. `ETag` is what the thing has now",
    );
    if operation.request_body.is_some() {
        add(operation, "413", "The body is too large");
    }
    add(operation, "503", "Not now: what this needs is not there, or the data directory cannot be written to");
    add(operation, "507", "The server's disk is full; nothing was changed");
}

fn header(name: &str, description: &str) -> Parameter {
    let text = ObjectBuilder::new().schema_type(Type::String).pattern(Some(ETAGS)).build();
    let header = ParameterBuilder::new().name(name).parameter_in(ParameterIn::Header).required(Required::False);
    header.description(Some(description)).schema(Some(Schema::Object(text))).build()
}

fn once() -> Parameter {
    let text = ObjectBuilder::new().schema_type(Type::String).pattern(Some(NAME)).build();
    let header =
        ParameterBuilder::new().name("Idempotency-Key").parameter_in(ParameterIn::Header).required(Required::False);
    let description =
        "What this request is called. Sent again under it within a day, it is not done again, and answered as before";
    header.description(Some(description)).schema(Some(Schema::Object(text))).build()
}

fn takes(operation: &mut Operation, header: Parameter) {
    operation.parameters.get_or_insert_default().push(header.into());
}

/// Says that what is answered where all went well has an ETag.
fn tags(operation: &mut Operation, description: &str) {
    answers(operation, "ETag", description);
}

/// Says that what is answered where all went well has a header.
fn answers(operation: &mut Operation, name: &str, description: &str) {
    let done = operation.responses.responses.iter_mut().filter(|(status, _)| status.starts_with('2'));
    for (_, response) in done {
        if let RefOr::T(response) = response {
            response.headers.insert(name.to_owned(), told(description).into());
        }
    }
}

fn told(description: &str) -> utoipa::openapi::Header {
    HeaderBuilder::new().description(Some(description)).build()
}

/// Unless the endpoint says itself when it answers so.
fn add(operation: &mut Operation, status: &str, description: &str) {
    let problem = ContentBuilder::new().schema(Some(Ref::from_schema_name("Problem"))).build();
    let response = ResponseBuilder::new().description(description).content("application/problem+json", problem);
    operation.responses.responses.entry(status.to_owned()).or_insert_with(|| response.build().into());
}
