//! Uses what a host offers beside HTTP: runs the model `digits` on zeros, reads `wasi:config`, adds one in `wasi:keyvalue`, writes by
//! `wasi:logging` and to stdout, and looks at its deadline and its clocks. Answers `{"outputs", "threshold", "sum", "left_ms", "ticks", "vars"}`.
use modelet_test_guests::service;
use modelet_test_guests::service::bindings::modelet::nn::invocation::deadline_left;
use modelet_test_guests::service::bindings::wasi::clocks::monotonic_clock;
use modelet_test_guests::service::bindings::wasi::http::types::{ErrorCode, Request, Response};
use modelet_test_guests::service::bindings::wasi::nn::graph::load_by_name;
use modelet_test_guests::service::bindings::wasi::nn::tensor::{Tensor, TensorType};
use modelet_test_guests::service::{pause, text};
use ports::wasi::config::store;
use ports::wasi::keyvalue::atomics::increment;
use ports::wasi::keyvalue::store::open;
use ports::wasi::logging::logging::{Level, log};
use serde_json::json;

service!(host);

mod ports {
    #![allow(unsafe_code, unreachable_pub, reason = "generated")]

    wit_bindgen::generate!({
        inline: "
            package modelet:test@1.0.0;
            world ports {
                import wasi:config/store@0.2.0-rc.1;
                import wasi:logging/logging@0.1.0-draft;
                import wasi:keyvalue/store@0.2.0-draft;
                import wasi:keyvalue/atomics@0.2.0-draft;
            }
        ",
        path: [
            "../../wit/deps/wasi-config@0.2.0-rc.1",
            "../../wit/deps/wasi-logging@0.1.0-draft",
            "../../wit/deps/wasi-keyvalue@0.2.0-draft",
        ],
        world: "modelet:test/ports",
        generate_all,
    });
}

async fn host(_: Request) -> Result<Response, ErrorCode> {
    let began = monotonic_clock::now();
    pause(1).await;
    let report = json!({
        "outputs": outputs().map_err(|error| internal(&error))?,
        "threshold": store::get("threshold").map_err(|error| internal(&format!("{error:?}")))?,
        "sum": open("async").and_then(|bucket| increment(&bucket, "n", 1)).map_err(|error| internal(&format!("{error:?}")))?,
        "left_ms": deadline_left().map(|left| left / 1_000_000),
        "ticks": monotonic_clock::now().saturating_sub(began),
        "vars": std::env::vars().count() + std::env::args().count().saturating_sub(1),
        "file": std::fs::read("/etc/hostname").err().map(|error| error.to_string()),
    });
    log(Level::Info, "async_host", "logged");
    println!("printed");
    Ok(text(report.to_string()))
}

fn outputs() -> Result<usize, String> {
    let failed = |error: service::bindings::wasi::nn::errors::Error| error.data();
    let context = load_by_name("digits").map_err(failed)?.init_execution_context().map_err(failed)?;
    let zeros = Tensor::new(&[1, 64], TensorType::Fp32, &[0; 256]);
    Ok(context.compute(vec![("X".to_owned(), zeros)]).map_err(failed)?.len())
}

fn internal(text: &str) -> ErrorCode {
    ErrorCode::InternalError(Some(text.to_owned()))
}
