//! One call of a model that a query or a frame describes, for the guests which make it over and over.

use modelet_sdk::wasi::nn::errors::{Error as NnError, ErrorCode};
use modelet_sdk::wasi::nn::graph::load_by_name;
use modelet_sdk::wasi::nn::inference::GraphExecutionContext;
use modelet_sdk::wasi::nn::tensor::{Tensor, TensorType};
use modelet_sdk::{Error, Request, Response};
use serde::Serialize;

use crate::frame::{Frame, Kind, Part};

/// A model and inputs for it: those of a frame (see `frame.rs`) when the request has a body; else one of zeros, from
/// `model`, `input`, `type` (default `fp32`) and `dims` (`1,64`) of the query. By default it is one picture for the digits
/// model.
#[derive(Debug)]
pub struct Call {
    /// The manifest's name of the model.
    pub model: String,
    inputs: Vec<Input>,
}

#[derive(Debug)]
struct Input {
    name: String,
    ty: TensorType,
    dims: Vec<u32>,
    data: Vec<u8>,
}

impl Call {
    /// Reads the body or the query.
    ///
    /// # Errors
    /// 400 if it does not describe a call.
    pub fn of(request: &Request) -> Result<Self, Error> {
        let body = request.bytes()?;
        if !body.is_empty() {
            let frame = Frame::decode(body).map_err(Error::bad_request)?;
            let own = |part: Part<'_>| {
                Ok(Input { name: part.name, ty: standard(part.kind)?.0, dims: part.dims, data: part.data.into() })
            };
            let inputs = frame.tensors.into_iter().map(own).collect::<Result<_, Error>>()?;
            return Ok(Self { model: frame.model, inputs });
        }
        let text = |name: &str, default: &str| request.param(name).unwrap_or_else(|| default.to_owned());
        let kind = text("type", "fp32");
        let kind: Kind = serde_json::from_value(kind.clone().into())
            .map_err(|_| Error::bad_request(format!("`type` is no element type: {kind:?}")))?;
        let dims = text("dims", "1,64");
        let dims: Vec<u32> = dims
            .split(',')
            .filter(|dim| !dim.is_empty())
            .map(str::parse)
            .collect::<Result<_, _>>()
            .map_err(|_| Error::bad_request(format!("`dims` is no list of numbers: {dims:?}")))?;
        let (ty, bytes) = standard(kind)?;
        let len = dims.iter().try_fold(bytes, |bytes, dim| bytes.checked_mul(*dim as usize));
        let data = vec![0; len.ok_or_else(|| Error::bad_request("`dims` is over the address space"))?];
        Ok(Self { model: text("model", "digits"), inputs: vec![Input { name: text("input", "X"), ty, dims, data }] })
    }

    /// The model, ready to run.
    ///
    /// # Errors
    /// What the host says.
    pub fn context(&self) -> Result<GraphExecutionContext, NnError> {
        load_by_name(&self.model)?.init_execution_context()
    }

    /// The inputs, each with its name.
    #[must_use]
    pub fn tensors(&self) -> Vec<(String, Tensor)> {
        let tensor = |input: &Input| Tensor::new(&input.dims, input.ty, &input.data);
        self.inputs.iter().map(|input| (input.name.clone(), tensor(input))).collect()
    }

    /// One run.
    ///
    /// # Errors
    /// What the host says.
    pub fn compute(&self, context: &GraphExecutionContext) -> Result<Vec<(String, Tensor)>, NnError> {
        context.compute(self.tensors())
    }
}

/// What a `wasi:nn` call failed with, as a guest reports it.
#[derive(Debug, Serialize)]
pub struct Refusal {
    /// Where: `load`, `init`, `tensor` or `compute`.
    pub stage: &'static str,
    /// The error's code as WIT spells it, such as `invalid-argument`.
    pub code: &'static str,
    /// The error's text.
    pub data: String,
}

impl Refusal {
    /// Asks the host for the error's code and text.
    #[must_use]
    pub fn of(stage: &'static str, error: &NnError) -> Self {
        Self { stage, code: code_name(error.code()), data: error.data() }
    }

    /// The answer 422 with this as JSON.
    ///
    /// # Errors
    /// None that can be brought about.
    pub fn answer(&self) -> Result<Response, Error> {
        Ok(Response::json(self)?.with_status(422))
    }
}

/// The error code as WIT spells it.
#[must_use]
pub fn code_name(code: ErrorCode) -> &'static str {
    match code {
        ErrorCode::InvalidArgument => "invalid-argument",
        ErrorCode::InvalidEncoding => "invalid-encoding",
        ErrorCode::Timeout => "timeout",
        ErrorCode::RuntimeError => "runtime-error",
        ErrorCode::UnsupportedOperation => "unsupported-operation",
        ErrorCode::TooLarge => "too-large",
        ErrorCode::NotFound => "not-found",
        ErrorCode::Security => "security",
        ErrorCode::Unknown => "unknown",
    }
}

/// What `wasi:nn` calls an element type, and the bytes of one.
///
/// # Errors
/// 400 where it has no name for it.
pub fn standard(kind: Kind) -> Result<(TensorType, usize), Error> {
    Ok(match kind {
        Kind::Fp16 => (TensorType::Fp16, 2),
        Kind::Fp32 => (TensorType::Fp32, 4),
        Kind::Fp64 => (TensorType::Fp64, 8),
        Kind::Bf16 => (TensorType::Bf16, 2),
        Kind::U8 => (TensorType::U8, 1),
        Kind::I32 => (TensorType::I32, 4),
        Kind::I64 => (TensorType::I64, 8),
        _ => return Err(Error::bad_request(format!("wasi:nn has no {kind:?}"))),
    })
}

/// What a frame calls an element type.
#[must_use]
pub fn kind(element: TensorType) -> Kind {
    match element {
        TensorType::Fp16 => Kind::Fp16,
        TensorType::Fp32 => Kind::Fp32,
        TensorType::Fp64 => Kind::Fp64,
        TensorType::Bf16 => Kind::Bf16,
        TensorType::U8 => Kind::U8,
        TensorType::I32 => Kind::I32,
        TensorType::I64 => Kind::I64,
    }
}
