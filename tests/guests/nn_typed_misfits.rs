//! Makes tensors through `modelet:nn` that cannot be, and answers what became of each: `[{"case", "code"}]`, with `code` `null`
//! where one was made.
use modelet_sdk::modelet::nn::tensors::{reshaped, strings_of, tensor_of, tensor_of_strings};
use modelet_sdk::wasi::nn::errors::Error as NnError;
use modelet_sdk::wasi::nn::tensor::{Tensor, TensorType};
use modelet_sdk::{ElementType, Error, Request, Response, handler};
use modelet_test_guests::call::Refusal;
use serde_json::{Value, json};

handler!(misfits);

const BYTES: [(&str, &[u32], ElementType, usize); 11] = [
    ("fits", &[2, 3], ElementType::U16, 12),
    ("a scalar", &[], ElementType::I8, 1),
    ("nothing", &[0, 5], ElementType::U64, 0),
    ("three to two bytes", &[3], ElementType::U4, 2),
    ("three to three bytes", &[3], ElementType::U4, 3),
    ("one byte short", &[2, 3], ElementType::U16, 11),
    ("one byte over", &[2, 3], ElementType::U16, 13),
    ("overflows", &[u32::MAX, u32::MAX, u32::MAX], ElementType::U64, 8),
    ("overflows, and is zero", &[u32::MAX, u32::MAX, u32::MAX, 0], ElementType::U64, 0),
    ("too many dimensions", &[1; 65], ElementType::Bool, 1),
    ("strings of bytes", &[1], ElementType::String, 1),
];

const STRINGS: [(&str, &[u32], usize); 5] = [
    ("strings that fit", &[2, 1], 2),
    ("no strings", &[0], 0),
    ("a string short", &[2, 1], 1),
    ("a string over", &[2, 1], 3),
    ("strings that overflow", &[u32::MAX, u32::MAX, u32::MAX], 2),
];

fn misfits(_: Request) -> Result<Response, Error> {
    let bytes = [0; 13];
    let mut report: Vec<Value> = Vec::new();
    let mut enter = |case: &str, result: Result<Tensor, NnError>| {
        report.push(json!({ "case": case, "code": result.err().map(|error| Refusal::of("tensor", &error).code) }));
    };
    for (case, dims, element, len) in BYTES {
        enter(case, tensor_of(dims, element, bytes.get(..len).unwrap_or_default()));
    }
    for (case, dims, count) in STRINGS {
        enter(case, tensor_of_strings(dims, &vec![String::from("text"); count]));
    }
    let made = Tensor::new(&[6], TensorType::U8, &[0; 6]);
    enter("reshaped", reshaped(&made, &[2, 3]));
    enter("reshaped to fewer", reshaped(&made, &[5]));
    enter("reshaped to an overflow", reshaped(&made, &[u32::MAX, u32::MAX, u32::MAX]));
    enter("reshaped from what never fitted", reshaped(&Tensor::new(&[6], TensorType::U8, &[0; 5]), &[6]));
    enter("strings of what has none", strings_of(&made).map(|_| Tensor::new(&[0], TensorType::U8, &[])));
    Response::json(&report)
}
