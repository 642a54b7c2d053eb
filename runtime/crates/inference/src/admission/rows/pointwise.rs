//! Operators that work element by element.

use super::value::{Call, Size, Step, Value, broadcast_all};

/// The rule of an operator, if it is one of these.
pub(super) fn rule(op: &str) -> Option<super::Rule> {
    match op {
        "Identity" | "Cast" => Some(pass),
        "Abs" | "Acos" | "Acosh" | "Asin" | "Asinh" | "Atan" | "Atanh" | "BitwiseNot" | "Ceil" | "Celu" | "Cos"
        | "Cosh" | "Elu" | "Erf" | "Exp" | "Floor" | "Gelu" | "HardSigmoid" | "HardSwish" | "IsInf" | "IsNaN"
        | "LeakyRelu" | "Log" | "Mish" | "Neg" | "Not" | "Reciprocal" | "Relu" | "Round" | "Selu" | "Shrink"
        | "Sigmoid" | "Sign" | "Sin" | "Sinh" | "Softplus" | "Softsign" | "Sqrt" | "Swish" | "Tan" | "Tanh"
        | "ThresholdedRelu" | "Clip" | "ParametricSoftplus" | "ScaledTanh" | "Affine" => Some(unary),
        "Dropout" => Some(dropout),
        "Add" | "Sub" | "Mul" | "Div" => Some(arithmetic),
        "Pow" | "Mod" | "Max" | "Min" | "Mean" | "Sum" | "And" | "Or" | "Xor" | "Equal" | "Greater"
        | "GreaterOrEqual" | "Less" | "LessOrEqual" | "Where" | "BitShift" | "BitwiseAnd" | "BitwiseOr"
        | "BitwiseXor" | "PRelu" | "StringConcat" => Some(broadcasting),
        _ => None,
    }
}

/// The same elements, or nearly: counted rows stay counted rows.
fn pass(call: &Call<'_, '_>) -> Step {
    let mut value = call.maybe(0).ok_or("lacks an input")?.clone();
    // A cast to fewer bits changes large numbers; shapes have none, and a text is no number at all.
    if call.node.op == "Cast" && !matches!(call.int("to", 0)?, 1 | 6 | 7 | 11) {
        if value.counts_rows() {
            return Err("computes with the number of rows");
        }
        value.ints = None;
    }
    Ok(vec![value])
}

pub(super) fn unary(call: &Call<'_, '_>) -> Step {
    let value = call.data(0)?;
    call.fixed_from(1)?;
    Ok(vec![Value { ints: None, ..value.clone() }])
}

/// Outside training it passes its input on; the mask is all true.
fn dropout(call: &Call<'_, '_>) -> Step {
    let passed = unary(call)?;
    if call.opset < 7 && call.int("is_test", 0)? == 0 {
        return Err("is in training mode");
    }
    Ok([passed.clone(), passed].concat())
}

fn broadcasting(call: &Call<'_, '_>) -> Step {
    if call.opset < 7 && call.node.attribute("broadcast").is_some() {
        return Err("broadcasts by the rules of old operator sets");
    }
    let mut shapes = Vec::new();
    for at in 0..call.inputs.len() {
        let value = call.data(at)?;
        shapes.push(value.dims.as_deref().ok_or("takes a tensor of unknown shape")?);
    }
    Ok(vec![Value::shaped(broadcast_all(shapes.into_iter())?)])
}

/// Broadcasting, and the arithmetic of shapes.
fn arithmetic(call: &Call<'_, '_>) -> Step {
    let ints =
        (call.maybe(0).and_then(|value| value.ints.as_ref()), call.maybe(1).and_then(|value| value.ints.as_ref()));
    let (Some(left), Some(right)) = ints else { return broadcasting(call) };
    if left.contains(&Size::Batch) || right.contains(&Size::Batch) {
        return Err("computes with the number of rows");
    }
    let mut made = broadcasting(call)?;
    let count = left.len().max(right.len());
    let fits = |list: &[Size]| list.len() == count || list.len() == 1;
    if let (true, true, Some(value)) = (fits(left), fits(right), made.first_mut()) {
        let pairs = (0..count).map(|at| (left.get(at).or(left.first()), right.get(at).or(right.first())));
        value.ints = Some(pairs.map(|pair| compute(call.node.op, pair)).collect());
    }
    Ok(made)
}

fn compute(op: &str, pair: (Option<&Size>, Option<&Size>)) -> Size {
    let (Some(Size::Known(left)), Some(Size::Known(right))) = pair else { return Size::Other };
    let made = match op {
        "Add" => left.checked_add(*right),
        "Sub" => left.checked_sub(*right),
        "Mul" => left.checked_mul(*right),
        _ => None,
    };
    // In 32 bits it would wrap, and here the type is not known.
    made.filter(|made| i32::try_from(*made).is_ok()).map_or(Size::Other, Size::Known)
}
