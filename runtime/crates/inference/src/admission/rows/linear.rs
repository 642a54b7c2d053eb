//! Products, convolutions, pools, quantised forms, classical machine learning: one row in, one row out.

use super::value::{Call, Size, Step, Value, Why, broadcast_all};

/// The rule of an operator of ONNX's own domain, if it is one of these.
pub(super) fn rule(op: &str) -> Option<super::Rule> {
    match op {
        "MatMul" => Some(|call| Ok(vec![Value::shaped(matmul(call.rows(0)?, call.rows(1)?)?)])),
        "MatMulInteger" => Some(|call| {
            call.fixed_from(2)?;
            Ok(vec![Value::shaped(matmul(call.rows(0)?, call.rows(1)?)?)])
        }),
        "Gemm" => Some(gemm),
        "Conv" | "ConvTranspose" => Some(conv),
        "AveragePool" | "MaxPool" | "LpPool" | "DepthToSpace" | "SpaceToDepth" => Some(pool),
        "GlobalAveragePool" | "GlobalMaxPool" | "GlobalLpPool" => Some(global_pool),
        "BatchNormalization" => Some(batch_norm),
        "InstanceNormalization" | "GroupNormalization" | "LRN" => Some(channel_norm),
        "QuantizeLinear" | "DequantizeLinear" => Some(quantize),
        "DynamicQuantizeLinear" => Some(|_| Err("takes its scale from all rows together")),
        _ => None,
    }
}

/// The same, of `ai.onnx.ml`.
pub(super) fn rule_ml(op: &str) -> Option<super::Rule> {
    match op {
        "Scaler" | "Normalizer" | "Imputer" | "Binarizer" => Some(table),
        "LabelEncoder" => Some(super::pointwise::unary),
        "LinearRegressor" | "SVMRegressor" | "TreeEnsembleRegressor" | "TreeEnsemble" => Some(|call| {
            table(call)?;
            Ok(vec![Value::rows(vec![Size::Batch, Size::Other])])
        }),
        "LinearClassifier" | "SVMClassifier" | "TreeEnsembleClassifier" => Some(|call| {
            table(call)?;
            Ok(vec![Value::rows(vec![Size::Batch]), Value::rows(vec![Size::Batch, Size::Other])])
        }),
        "ArrayFeatureExtractor" => Some(extract),
        _ => None,
    }
}

/// The same, of `com.microsoft`.
pub(super) fn rule_microsoft(op: &str) -> Option<super::Rule> {
    match op {
        "Gelu" | "FastGelu" | "BiasGelu" | "QuickGelu" => Some(super::pointwise::unary),
        "SkipLayerNormalization" | "SkipSimplifiedLayerNormalization" => Some(skip_norm),
        "MatMulNBits" => Some(matmul_bits),
        "DynamicQuantizeMatMul" | "DynamicQuantizeLSTM" => Some(|_| Err("takes its scale from all rows together")),
        _ => None,
    }
}

/// The shape of a product. The batch may only be what products are done side by side over, or the rows of the left side.
fn matmul(left: &[Size], right: &[Size]) -> Result<Vec<Size>, Why> {
    let ([left_outer @ .., row, _], [right_outer @ .., inner, column]) = (left, right) else {
        return Err("multiplies by a vector");
    };
    if *inner == Size::Batch || *column == Size::Batch || left.last() == Some(&Size::Batch) {
        return Err("multiplies along the batch");
    }
    let mut dims = broadcast_all([left_outer, right_outer].into_iter())?;
    dims.extend([*row, *column]);
    let first = dims.first() == Some(&Size::Batch);
    let batches = dims.iter().filter(|dim| **dim == Size::Batch).count();
    match (batches, first) {
        (0, _) | (1, true) => Ok(dims),
        (1, false) => Err("moves the batch away from dimension 0"),
        _ => Err("pairs rows with rows"),
    }
}

fn gemm(call: &Call<'_, '_>) -> Step {
    call.fixed_from(1)?;
    let (left, right) = (call.rows(0)?, call.rows(1)?);
    let ([row, _], [inner, column], 0) = (left, right, call.int("transA", 0)?) else {
        return Err("transposes the batch");
    };
    let column = if call.int("transB", 0)? == 0 { column } else { inner };
    let dims = vec![*row, *column];
    match call.maybe(2).map(|bias| bias.dims.as_deref()) {
        None => Ok(vec![Value::shaped(dims)]),
        // One bias for all rows.
        Some(Some([] | [_] | [Size::Known(1), _])) => Ok(vec![Value::shaped(dims)]),
        Some(_) => Err("adds something else to each row number"),
    }
}

/// The batch, the channels, and what is left of each side.
fn conv(call: &Call<'_, '_>) -> Step {
    call.fixed_from(1)?;
    let (dims, weights) = (call.rows(0)?, call.rows(1)?);
    let out = if call.node.op == "Conv" { weights.first().copied() } else { None };
    let [batch, _, sides @ ..] = dims else { return Err("takes a tensor of too few dimensions") };
    let sides = sides.iter().map(|_| Size::Other);
    Ok(vec![Value::shaped([*batch, out.unwrap_or(Size::Other)].into_iter().chain(sides).collect())])
}

fn pool(call: &Call<'_, '_>) -> Step {
    if call.node.outputs.len() > 1 {
        return Err("counts places through all rows");
    }
    let [batch, channels, sides @ ..] = call.rows(0)? else { return Err("takes a tensor of too few dimensions") };
    let channels = if call.node.op.ends_with("Pool") { *channels } else { Size::Other };
    let sides = sides.iter().map(|_| Size::Other);
    Ok(vec![Value::shaped([*batch, channels].into_iter().chain(sides).collect())])
}

fn global_pool(call: &Call<'_, '_>) -> Step {
    let [batch, channels, sides @ ..] = call.rows(0)? else { return Err("takes a tensor of too few dimensions") };
    let sides = sides.iter().map(|_| Size::Known(1));
    Ok(vec![Value::shaped([*batch, *channels].into_iter().chain(sides).collect())])
}

fn batch_norm(call: &Call<'_, '_>) -> Step {
    let training = call.int("training_mode", 0)? != 0 || call.node.outputs.len() > 1 || call.opset < 7;
    if training { Err("is in training mode: its mean is over all rows") } else { channel_norm(call) }
}

fn channel_norm(call: &Call<'_, '_>) -> Step {
    call.fixed_from(1)?;
    let dims = call.rows(0)?;
    if dims.len() < 2 {
        return Err("takes a tensor of too few dimensions");
    }
    Ok(vec![Value::shaped(dims.to_vec())])
}

fn quantize(call: &Call<'_, '_>) -> Step {
    // ONNX Runtime fuses blocks with the product after them into MatMulNBits, by default with int8 activations.
    if call.int("block_size", 0)? != 0 {
        return Err("is in blocks, which ONNX Runtime multiplies with int8 activations");
    }
    call.fixed_from(1)?;
    let dims = call.rows(0)?;
    let one_scale = matches!(call.rows(1)?, [] | [Size::Known(1)]);
    if !one_scale && call.axis("axis", 1, dims.len())? == 0 && dims.first() == Some(&Size::Batch) {
        return Err("has a scale for each row number");
    }
    Ok(vec![Value::shaped(dims.to_vec())])
}

/// A table of rows and columns; one dimension alone would be taken for one row.
fn table(call: &Call<'_, '_>) -> Step {
    match call.rows(0)? {
        dims @ [_, _] => Ok(vec![Value::shaped(dims.to_vec())]),
        _ => Err("takes the batch for one row"),
    }
}

/// Picks columns of its first input by the numbers of the second, however they lie.
fn extract(call: &Call<'_, '_>) -> Step {
    let (data, picked) = (call.rows(0)?, call.data(1)?.dims.as_ref().ok_or("takes a tensor of unknown shape")?);
    let one = |dim: &&Size| **dim != Size::Known(1);
    let mut sizes = picked.iter().filter(one);
    let count = match (sizes.next(), sizes.next()) {
        (None, _) => Size::Known(1),
        (Some(size), None) => *size,
        _ => Size::Other,
    };
    if count == Size::Other && picked.contains(&Size::Batch) {
        return Err("picks across rows");
    }
    let [outer @ .., last] = data else { return Err("takes a scalar") };
    if *last == Size::Batch || (outer.contains(&Size::Batch) && count == Size::Batch) {
        return Err("picks rows by their number");
    }
    let outer = if outer.is_empty() { &[Size::Known(1)][..] } else { outer };
    Ok(vec![Value::shaped([outer, &[count]].concat())])
}

fn skip_norm(call: &Call<'_, '_>) -> Step {
    call.fixed_from(2)?;
    let dims = broadcast_all([call.rows(0)?, call.rows(1)?].into_iter())?;
    let [outer @ .., last] = &*dims else { return Err("takes a scalar") };
    if *last == Size::Batch {
        return Err("works along dimension 0, the batch");
    }
    let statistics = Value::shaped([outer, &[Size::Known(1)]].concat());
    let whole = Value::shaped(dims.clone());
    Ok(vec![whole.clone(), statistics.clone(), statistics, whole])
}

fn matmul_bits(call: &Call<'_, '_>) -> Step {
    // 1 to 3: activations stay floats. 4 is int8, 0 leaves it to ONNX Runtime.
    if !matches!(call.int("accuracy_level", 0)?, 1..=3) {
        return Err("may make its activations int8, by kernels that depend on the number of rows");
    }
    call.fixed_from(1)?;
    let [outer @ .., _] = call.rows(0)? else { return Err("takes a scalar") };
    if outer.is_empty() {
        return Err("takes the batch for one row");
    }
    Ok(vec![Value::shaped([outer, &[Size::Known(call.int("N", 0)?)]].concat())])
}
