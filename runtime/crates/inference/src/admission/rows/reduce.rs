//! Operators that work along some dimensions: reductions, softmax and its like, norms.

use super::value::{Call, Size, Step, Value, Why, normal};

const ALONG: Why = "works along dimension 0, the batch";

/// The rule of an operator, if it is one of these.
pub(super) fn rule(op: &str) -> Option<super::Rule> {
    match op {
        "ReduceL1" | "ReduceL2" | "ReduceLogSum" | "ReduceLogSumExp" | "ReduceMax" | "ReduceMean" | "ReduceMin"
        | "ReduceProd" | "ReduceSum" | "ReduceSumSquare" => Some(reduce),
        "ArgMax" | "ArgMin" => Some(arg),
        "Softmax" | "LogSoftmax" | "Hardmax" => Some(softmax),
        "LpNormalization" | "LayerNormalization" | "RMSNormalization" | "SimplifiedLayerNormalization" => Some(norm),
        "CumSum" => Some(cumulative),
        "TopK" => Some(top),
        _ => None,
    }
}

fn reduce(call: &Call<'_, '_>) -> Step {
    let value = call.data(0)?;
    let dims = value.dims.as_ref().ok_or("takes a tensor of unknown shape")?;
    let keep = call.int("keepdims", 1)? != 0;
    let axes = match call.list("axes", 1)? {
        Some(axes) if !axes.is_empty() => {
            axes.iter().map(|axis| normal(*axis, dims.len())).collect::<Result<_, _>>()?
        }
        _ if call.int("noop_with_empty_axes", 0)? != 0 => vec![],
        _ => (0..dims.len()).collect::<Vec<_>>(),
    };
    Ok(vec![without(dims, &axes, keep)?])
}

fn arg(call: &Call<'_, '_>) -> Step {
    let dims = call.data(0)?.dims.as_ref().ok_or("takes a tensor of unknown shape")?;
    let axis = call.axis("axis", 0, dims.len())?;
    Ok(vec![without(dims, &[axis], call.int("keepdims", 1)? != 0)?])
}

/// The shape when these dimensions are reduced.
fn without(dims: &[Size], axes: &[usize], keep: bool) -> Result<Value, Why> {
    let mut left = Vec::new();
    for (at, dim) in dims.iter().enumerate() {
        match (axes.contains(&at), dim) {
            (true, Size::Batch) => return Err(ALONG),
            (true, _) if keep => left.push(Size::Known(1)),
            (true, _) => {}
            (false, dim) => left.push(*dim),
        }
    }
    Ok(Value::shaped(left))
}

fn softmax(call: &Call<'_, '_>) -> Step {
    let dims = call.rows(0)?;
    // Before version 13 everything from the axis on is one row.
    let default = if call.opset < 13 { 1 } else { -1 };
    apart(dims, call.axis("axis", default, dims.len())?)
}

/// Everything from the axis on is normalised together; scale and bias are constants.
fn norm(call: &Call<'_, '_>) -> Step {
    let dims = call.rows(0)?;
    call.fixed_from(1)?;
    let axis = call.axis("axis", -1, dims.len())?;
    let made = apart(dims, axis)?;
    let statistics = dims.iter().enumerate().map(|(at, dim)| if at < axis { *dim } else { Size::Known(1) });
    let statistics = Value::shaped(statistics.collect());
    Ok([made, vec![statistics.clone(), statistics]].concat())
}

/// The same shape, if the axis is not the batch.
fn apart(dims: &[Size], axis: usize) -> Step {
    match dims.get(axis) {
        Some(Size::Batch) | None => Err(ALONG),
        Some(_) => Ok(vec![Value::shaped(dims.to_vec())]),
    }
}

fn cumulative(call: &Call<'_, '_>) -> Step {
    let dims = call.rows(0)?;
    match call.shape(1)? {
        [Size::Known(axis)] => apart(dims, normal(*axis, dims.len())?),
        _ => Err("works along an unknown dimension"),
    }
}

fn top(call: &Call<'_, '_>) -> Step {
    let dims = call.rows(0)?;
    call.fixed_from(1)?;
    let axis = call.axis("axis", -1, dims.len())?;
    apart(dims, axis)?;
    let k = match call.maybe(1).and_then(|k| k.ints.as_ref()).and_then(|k| k.first()) {
        Some(k) => *k,
        None => Size::Other,
    };
    let dims = dims.iter().enumerate().map(|(at, dim)| if at == axis { k } else { *dim });
    let value = Value::shaped(dims.collect());
    Ok(vec![value.clone(), value])
}
