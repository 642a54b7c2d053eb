//! Keeps its model in a static from the first request on, as an author who wants to load once does, and runs it in each
//! request (the query describes the call as in `call.rs`). Answers `{"requests": of this instance so far, "outputs": bytes}`.
use std::cell::{Cell, OnceCell};

use modelet_sdk::wasi::nn::errors::Error as NnError;
use modelet_sdk::wasi::nn::inference::GraphExecutionContext;
use modelet_sdk::{Error, Request, Response, handler};
use modelet_test_guests::call::{Call, Refusal};
use serde_json::json;

handler!(warm);

thread_local! {
    static CONTEXT: OnceCell<GraphExecutionContext> = const { OnceCell::new() };
    static REQUESTS: Cell<u32> = const { Cell::new(0) };
}

fn warm(request: Request) -> Result<Response, Error> {
    let call = Call::of(&request)?;
    REQUESTS.set(REQUESTS.get() + 1);
    match CONTEXT.with(|kept| run(&call, kept)) {
        Ok(outputs) => Response::json(&json!({ "requests": REQUESTS.get(), "outputs": outputs })),
        Err(error) => Refusal::of("compute", &error).answer(),
    }
}

fn run(call: &Call, kept: &OnceCell<GraphExecutionContext>) -> Result<usize, NnError> {
    let context = match kept.get() {
        Some(context) => context,
        None => {
            let context = call.context()?;
            kept.get_or_init(|| context)
        }
    };
    Ok(call.compute(context)?.iter().map(|(_, tensor)| tensor.data().len()).sum())
}
