//! Runs a model `n` times (1000) in one request and answers mean times in microseconds:
//! `{"n", "compute_us": of the compute call alone, "whole_us": of tensor, compute, all outputs' bytes, and dropping them}`.
//! The query or the body describes the call as in `call.rs`. The two are measured in separate rounds, so that reading the clock around
//! each compute is not part of the whole.
use modelet_sdk::wasi::clocks::monotonic_clock::now;
use modelet_sdk::wasi::nn::errors::Error as NnError;
use modelet_sdk::wasi::nn::inference::GraphExecutionContext;
use modelet_sdk::{Error, Request, Response, handler};
use modelet_test_guests::call::{Call, Refusal};
use modelet_test_guests::number;
use serde_json::json;

handler!(measure);

fn measure(request: Request) -> Result<Response, Error> {
    let call = Call::of(&request)?;
    let n = number(&request, "n", 1000)?.max(1);
    match rounds(&call, n) {
        Ok((compute_ns, whole_ns)) => {
            let mean_us = |ns: u64| ns as f64 / n as f64 / 1e3;
            Response::json(&json!({ "n": n, "compute_us": mean_us(compute_ns), "whole_us": mean_us(whole_ns) }))
        }
        Err(error) => Refusal::of("compute", &error).answer(),
    }
}

/// The sums of both rounds, in nanoseconds.
fn rounds(call: &Call, n: u64) -> Result<(u64, u64), NnError> {
    let context = call.context()?;
    // The first runs load what is loaded late and teach the host how long this model takes.
    for _ in 0..n.min(32) {
        whole(call, &context)?;
    }
    let mut compute_ns = 0;
    for _ in 0..n {
        let inputs = call.tensors();
        let start = now();
        let outputs = context.compute(inputs)?;
        compute_ns += now() - start;
        drop(outputs);
    }
    let start = now();
    for _ in 0..n {
        whole(call, &context)?;
    }
    Ok((compute_ns, now() - start))
}

fn whole(call: &Call, context: &GraphExecutionContext) -> Result<usize, NnError> {
    let outputs = call.compute(context)?;
    Ok(outputs.iter().map(|(_, tensor)| tensor.data().len()).sum())
}
