//! Operators that pick parts and join them.

use super::value::{Call, LENGTH_MAX, Size, Step, Value, Why, normal};

/// Exporters write the largest number of 32 or 64 bits for "to the end", or 10^9. No batch has half as many rows.
const TO_THE_END: i64 = 1 << 29;

/// More parts than any model splits a tensor into; each is kept as a value.
const PARTS_MAX: usize = 1024;

/// The rule of an operator, if it is one of these.
pub(super) fn rule(op: &str) -> Option<super::Rule> {
    match op {
        "Concat" => Some(concat),
        "Split" => Some(split),
        "Slice" => Some(slice),
        "Gather" => Some(gather),
        "GatherElements" => Some(gather_elements),
        "Range" => Some(range),
        _ => None,
    }
}

fn concat(call: &Call<'_, '_>) -> Step {
    let shapes: Option<Vec<&[Size]>> =
        call.inputs.iter().map(|value| value.and_then(|value| value.ints.as_deref())).collect();
    let lists = call.inputs.iter().all(|value| value.is_some_and(|value| value.rank() == Some(1)));
    if let (Some(shapes), true) = (shapes, lists) {
        let fits = shapes.iter().map(|shape| shape.len()).sum::<usize>() <= LENGTH_MAX;
        return if fits {
            Ok(vec![Value::of_ints(shapes.concat(), false)])
        } else {
            Err("joins more numbers than a shape has")
        };
    }
    let mut parts = Vec::new();
    for at in 0..call.inputs.len() {
        parts.push(call.data(at)?.dims.as_deref().ok_or("takes a tensor of unknown shape")?);
    }
    let rank = parts.first().map_or(0, |part| part.len());
    let axis = call.axis("axis", 1, rank)?;
    let mut whole = Vec::new();
    for at in 0..rank {
        let sizes: Option<Vec<Size>> = parts.iter().map(|part| part.get(at).copied()).collect();
        let sizes = sizes.ok_or("joins tensors of different ranks")?;
        whole.push(if at == axis { sum(&sizes)? } else { same(&sizes)? });
    }
    Ok(vec![Value::shaped(whole)])
}

fn sum(sizes: &[Size]) -> Result<Size, Why> {
    let mut sum = Some(0i64);
    for size in sizes {
        match size {
            Size::Batch => return Err("joins along dimension 0, the batch"),
            Size::Known(size) => sum = sum.and_then(|sum| sum.checked_add(*size)),
            Size::Other => sum = None,
        }
    }
    Ok(sum.map_or(Size::Other, Size::Known))
}

fn same(sizes: &[Size]) -> Result<Size, Why> {
    let batches = sizes.iter().filter(|size| **size == Size::Batch).count();
    let known = sizes.iter().find(|size| **size != Size::Other);
    match (batches, known) {
        (0, known) => Ok(known.copied().unwrap_or(Size::Other)),
        (batches, _) if batches == sizes.len() => Ok(Size::Batch),
        _ => Err("joins rows to something that is not the batch"),
    }
}

fn split(call: &Call<'_, '_>) -> Step {
    let dims = call.data(0)?.dims.as_ref().ok_or("takes a tensor of unknown shape")?;
    let axis = call.axis("axis", 0, dims.len())?;
    let parts = call.node.outputs.len();
    if parts > PARTS_MAX {
        return Err("splits into too many parts to follow");
    }
    let even = || match dims.get(axis) {
        Some(Size::Known(whole)) => {
            i64::try_from(parts).ok().filter(|parts| *parts > 0 && whole % parts == 0).map(|parts| whole / parts)
        }
        _ => None,
    };
    if dims.get(axis) == Some(&Size::Batch) {
        return Err("splits dimension 0, the batch");
    }
    let sizes = call.list("split", 1)?;
    let part = |at: usize| {
        let size = match &sizes {
            Some(sizes) => sizes.get(at).copied(),
            None => even(),
        };
        let size = size.map_or(Size::Other, Size::Known);
        Value::shaped(dims.iter().enumerate().map(|(at, dim)| if at == axis { size } else { *dim }).collect())
    };
    Ok((0..parts).map(part).collect())
}

fn slice(call: &Call<'_, '_>) -> Step {
    let value = call.maybe(0).ok_or("lacks an input")?;
    let dims = value.dims.as_ref().ok_or("takes a tensor of unknown shape")?;
    let (starts, ends) = (call.list("starts", 1).ok().flatten(), call.list("ends", 2).ok().flatten());
    let count = starts.as_ref().or(ends.as_ref()).map_or(0, Vec::len);
    let axes = match call.list("axes", 3)? {
        Some(axes) => axes,
        None if count > 0 => (0..i64::try_from(count).unwrap_or(0)).collect(),
        None => return Err("cuts along unknown dimensions"),
    };
    let steps = call.list("steps", 4)?;
    let cut = |at: usize| {
        let of = |list: &Option<Vec<i64>>| list.as_ref().and_then(|list| list.get(at).copied());
        let step = if steps.is_some() { of(&steps) } else { Some(1) };
        Some((of(&starts)?, of(&ends)?, step?))
    };
    if let (Some(ints), [0 | -1], Some((start, end, 1))) = (&value.ints, &*axes, cut(0)) {
        let (start, end) = clamped(start, end, ints.len());
        return Ok(vec![Value::of_ints(ints.get(start..end).unwrap_or_default().to_vec(), false)]);
    }
    call.data(0)?;
    call.fixed_from(1)?;
    let mut left = dims.clone();
    for (at, axis) in axes.iter().enumerate() {
        let axis = normal(*axis, dims.len())?;
        let Some(dim) = left.get_mut(axis) else { continue };
        *dim = match (*dim, cut(at)) {
            (whole @ (Size::Batch | Size::Other), Some((0, TO_THE_END.., 1))) => whole,
            (Size::Batch, _) => return Err("cuts dimension 0, the batch"),
            (Size::Known(size), Some((start, end, 1))) => {
                let (start, end) = clamped(start, end, usize::try_from(size).unwrap_or(0));
                Size::Known(i64::try_from(end.saturating_sub(start)).unwrap_or(0))
            }
            _ => Size::Other,
        };
    }
    Ok(vec![Value::shaped(left)])
}

/// Where a slice of a list begins and ends, counted from the front.
fn clamped(start: i64, end: i64, len: usize) -> (usize, usize) {
    let from_front = |at: i64| {
        let at = if at < 0 { at.saturating_add_unsigned(len as u64).max(0) } else { at };
        usize::try_from(at).unwrap_or(usize::MAX).min(len)
    };
    let (start, end) = (from_front(start), from_front(end));
    (start, end.max(start))
}

fn gather(call: &Call<'_, '_>) -> Step {
    let data = call.maybe(0).ok_or("lacks an input")?;
    let picked = call.data(1)?;
    if let (Some(ints), Some(1), Some(at)) = (&data.ints, data.rank(), &picked.ints) {
        let pick = |at: &Size| match at {
            Size::Known(at) => normal(*at, ints.len()).ok().and_then(|at| ints.get(at).copied()),
            _ => None,
        };
        if let Some(made) = at.iter().map(pick).collect::<Option<Vec<_>>>() {
            return Ok(vec![Value::of_ints(made, picked.rank() == Some(0))]);
        }
    }
    let dims = call.data(0)?.dims.as_ref().ok_or("takes a tensor of unknown shape")?;
    let picked_dims = picked.dims.as_ref().ok_or("takes a tensor of unknown shape")?;
    let axis = call.axis("axis", 0, dims.len())?;
    if dims.get(axis) == Some(&Size::Batch) {
        return Err("picks rows by their number");
    }
    if data.batch.is_some() && picked.batch.is_some() {
        return Err("pairs rows with rows");
    }
    let (before, after) = (dims.get(..axis).unwrap_or_default(), dims.get(axis + 1..).unwrap_or_default());
    Ok(vec![Value::shaped([before, picked_dims, after].concat())])
}

fn gather_elements(call: &Call<'_, '_>) -> Step {
    let (dims, picked) = (call.rows(0)?, call.rows(1)?);
    let axis = call.axis("axis", 0, dims.len())?;
    let both = dims.first() == Some(&Size::Batch) && picked.first() == Some(&Size::Batch);
    if both && axis > 0 { Ok(vec![Value::shaped(picked.to_vec())]) } else { Err("picks across rows") }
}

fn range(call: &Call<'_, '_>) -> Step {
    for at in 0..3 {
        if !call.data(at)?.is_fixed() {
            return Err("counts by what the batch holds");
        }
    }
    Ok(vec![Value::shaped(vec![Size::Other])])
}
