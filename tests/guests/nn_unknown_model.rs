//! Loads models by names that no manifest has, and answers what the host says of each: `[{"name", "code"}]`.
use modelet_sdk::wasi::nn::graph::load_by_name;
use modelet_sdk::{Error, Request, Response, handler};
use modelet_test_guests::call::Refusal;
use serde_json::json;

handler!(unknown);

fn unknown(_: Request) -> Result<Response, Error> {
    let long = "x".repeat(100_000);
    let names =
        ["no-such-model", "", "../digits", "/etc/passwd", "acme/digits", "digits@1", "digits\0", "Digits", "*", &long];
    let report = names.map(|name| {
        let refusal = load_by_name(name).err().map(|error| Refusal::of("load", &error));
        let short: String = name.chars().take(20).collect();
        json!({ "name": short, "code": refusal.map(|refusal| refusal.code) })
    });
    Response::json(report.as_slice())
}
