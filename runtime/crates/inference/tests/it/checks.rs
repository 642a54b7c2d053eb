//! What does not fit is refused, by name, and the model goes on.

use modelet_inference::{Dim, ElementType, LoadError, ModelOptions, RunError, Tensor};

use crate::support::{self, f32s, flow, load, model_bytes, named, tensor};

async fn refusal(inputs: Vec<(&str, Tensor)>) -> String {
    let model = load(&crate::runtime(), "dynamic_batch.onnx");
    let error = model.run(flow(), named(inputs)).await.unwrap_err();
    assert!(matches!(error, RunError::InvalidArgument(_)), "{error:?}");
    let good = model.run(flow(), named(vec![("x", f32s(&[1, 4], &[1.0; 4]))])).await.unwrap();
    assert_eq!(support::as_f32s(&good[0].1), [4.0, 8.0, 12.0]);
    assert_eq!(model.sessions_busy(), 0);
    error.to_string()
}

#[tokio::test]
async fn inputs_that_do_not_fit_are_refused_by_name() {
    let unknown = refusal(vec![("z", f32s(&[1, 4], &[0.0; 4]))]).await;
    assert_eq!(unknown, "invalid argument: input `x` is missing; expected f32 [batch, 4]");
    let extra = refusal(vec![("x", f32s(&[1, 4], &[0.0; 4])), ("z", f32s(&[1], &[0.0]))]).await;
    assert_eq!(extra, "invalid argument: no input `z`; the model takes: x");
    let dtype = refusal(vec![("x", tensor(ElementType::F64, &[1, 4], &[0; 32]))]).await;
    assert_eq!(dtype, "invalid argument: input `x` is f64 [1, 4]; expected f32 [batch, 4]");
    let rank = refusal(vec![("x", f32s(&[4], &[0.0; 4]))]).await;
    assert_eq!(rank, "invalid argument: input `x` is f32 [4]; expected f32 [batch, 4]");
    let fixed = refusal(vec![("x", f32s(&[2, 3], &[0.0; 6]))]).await;
    assert_eq!(fixed, "invalid argument: input `x` is f32 [2, 3]; expected f32 [batch, 4]");
    let none = refusal(vec![]).await;
    assert_eq!(none, unknown);
}

#[tokio::test]
async fn a_description_says_what_the_file_says() {
    let model = load(&crate::runtime(), "dynamic_batch.onnx");
    let description = model.description();
    assert_eq!(&*description.inputs[0].name, "x");
    let dims = vec![Dim::Dynamic(Some("batch".to_owned())), Dim::Fixed(4)];
    assert_eq!(description.inputs[0].dims, Some(dims));
    assert_eq!(description.outputs[0].to_string(), "f32 [batch, 3]");
    assert_eq!(description.opsets.get(""), Some(&17));
    assert_eq!((model.name(), model.sessions()), ("dynamic_batch.onnx", 1));
}

#[test]
fn what_is_no_model_is_refused() {
    let runtime = crate::runtime();
    let whole = model_bytes("digits.onnx");
    let half = whole[..whole.len() / 2].to_vec();
    // A protobuf that has a graph and nothing else: for ONNX Runtime to refuse.
    let empty_graph = vec![0x3a, 0x00];
    for bytes in [vec![], b"#!/bin/sh\necho no model\n".to_vec(), half, empty_graph] {
        let error = runtime.load(bytes, ModelOptions::named("none")).err().unwrap();
        assert!(matches!(error, LoadError::Invalid(_)), "{error:?}");
        assert!(!error.to_string().contains("/onnxruntime"), "{error}");
    }
}

#[test]
fn models_that_would_end_or_hang_the_process_are_refused() {
    let runtime = crate::runtime();
    for name in ["function_chain.onnx", "function_doubling.onnx"] {
        let error = runtime.load(model_bytes(name), ModelOptions::named(name)).err().unwrap();
        assert!(matches!(error, LoadError::Unsupported(_)), "{name}: {error:?}");
    }
}

#[test]
fn weights_in_other_files_are_refused() {
    // The identity model with one more initializer, `w`, that says "my data is in the file Cargo.toml".
    let field = |number: u8, body: &[u8]| [&[number << 3 | 2, u8::try_from(body.len()).unwrap()], body].concat();
    let entry = [field(1, b"location"), field(2, b"Cargo.toml")].concat();
    let tensor = [vec![1 << 3, 4, 2 << 3, 2], field(8, b"w"), field(13, &entry), vec![14 << 3, 1]].concat();
    // A second graph field is merged with the first: protobuf's rule for messages.
    let model = [model_bytes("identity_u8.onnx"), field(7, &field(5, &tensor))].concat();
    let error = crate::runtime().load(model, ModelOptions::named("external")).err().unwrap();
    assert!(
        matches!(&error, LoadError::Unsupported(why) if why.contains("initializer `w`: its data is in another file")),
        "{error:?}"
    );
}
