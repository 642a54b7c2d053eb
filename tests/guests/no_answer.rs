//! Returns without an answer.
use modelet_sdk::handler;
use modelet_sdk::wasi::http::types::{IncomingRequest, ResponseOutparam};

handler!(raw ignore);

fn ignore(_: IncomingRequest, _: ResponseOutparam) {}
