//! Operators that move elements, and those that work on shapes.

use super::value::{Call, Size, Step, Value, Why, broadcast_all, normal};

const FOLDS: Why = "folds the batch into another dimension, or a fixed number of rows";

/// The rule of an operator, if it is one of these.
pub(super) fn rule(op: &str) -> Option<super::Rule> {
    match op {
        "Shape" => Some(shape),
        "Reshape" => Some(reshape),
        "Flatten" => Some(flatten),
        "Transpose" => Some(transpose),
        "Unsqueeze" => Some(unsqueeze),
        "Squeeze" => Some(squeeze),
        "Expand" => Some(expand),
        "ConstantOfShape" => Some(constant_of_shape),
        "Tile" => Some(tile),
        "Pad" => Some(pad),
        "OneHot" => Some(one_hot),
        "Trilu" => Some(trilu),
        "NonZero" | "Unique" | "Compress" | "NonMaxSuppression" => {
            Some(|_| Err("finds as much as all rows together hold"))
        }
        _ => super::select::rule(op),
    }
}

fn shape(call: &Call<'_, '_>) -> Step {
    let dims = call.maybe(0).and_then(|value| value.dims.as_ref()).ok_or("takes a tensor of unknown shape")?;
    let bound = |name, default: usize| {
        let at = call.int(name, i64::try_from(default).unwrap_or(i64::MAX))?;
        let at = if at < 0 { at.saturating_add_unsigned(dims.len() as u64).max(0) } else { at };
        Ok::<_, Why>(usize::try_from(at).unwrap_or(usize::MAX).min(dims.len()))
    };
    let (start, end) = (bound("start", 0)?, bound("end", dims.len())?);
    Ok(vec![Value::of_ints(dims.get(start..end).unwrap_or_default().to_vec(), false)])
}

fn reshape(call: &Call<'_, '_>) -> Step {
    let value = call.maybe(0).ok_or("lacks an input")?;
    let attribute = match call.node.attribute("shape") {
        Some(_) => call.list("shape", usize::MAX)?.map(|list| list.into_iter().map(Size::Known).collect::<Vec<_>>()),
        None => None,
    };
    let target = match &attribute {
        Some(target) => target,
        None => call.shape(1)?,
    };
    if let (Some(ints), true) = (&value.ints, target.len() < 2) {
        return Ok(vec![Value::of_ints(ints.clone(), target.is_empty())]);
    }
    let dims = call.data(0)?.dims.as_ref().ok_or("takes a tensor of unknown shape")?;
    let copies_zero = call.int("allowzero", 0)? == 0;
    let Some(batch) = value.batch else {
        let plain = target.iter().all(|size| matches!(size, Size::Known(1..)));
        // Otherwise it is a constant of unknown shape, if the shape is one: see `step`.
        return if plain { Ok(vec![Value::shaped(target.to_vec())]) } else { Err("gives a constant the batch") };
    };
    // Dimensions of 1 before the batch do not change which row an element is of.
    let (before, rows) = dims.split_at_checked(batch).ok_or(FOLDS)?;
    let (Some(first), Some(row)) = (target.first(), rows.get(1..)) else { return Err(FOLDS) };
    let copies = |size: &Size| *size == Size::Known(0) && copies_zero;
    if before.iter().any(|dim| *dim != Size::Known(1)) || (batch > 0 && target.iter().any(copies)) {
        return Err(FOLDS);
    }
    let mut rest = Vec::new();
    for (at, size) in target.iter().enumerate().skip(1) {
        match size {
            size if copies(size) => rest.push(*dims.get(at).ok_or(FOLDS)?),
            Size::Batch => return Err(FOLDS),
            size => rest.push(*size),
        }
    }
    match first {
        Size::Batch => {}
        first if copies(first) => {}
        Size::Known(-1) if product(row).is_some() && product(row) == product(&rest) => {}
        _ => return Err(FOLDS),
    }
    let open = |size: &Size| if *size == Size::Known(-1) { left_for(row, &rest) } else { *size };
    Ok(vec![Value::rows([Size::Batch].into_iter().chain(rest.iter().map(open)).collect())])
}

/// The product of sizes that are all known and not open.
fn product(sizes: &[Size]) -> Option<i64> {
    sizes.iter().try_fold(1i64, |product, size| match size {
        Size::Known(size @ 0..) => product.checked_mul(*size),
        _ => None,
    })
}

/// What a -1 stands for.
fn left_for(row: &[Size], rest: &[Size]) -> Size {
    let others: Vec<Size> = rest.iter().copied().filter(|size| *size != Size::Known(-1)).collect();
    match (product(row), product(&others)) {
        (Some(whole), Some(others @ 1..)) if whole % others == 0 => Size::Known(whole / others),
        _ => Size::Other,
    }
}

fn flatten(call: &Call<'_, '_>) -> Step {
    let dims = call.rows(0)?;
    let (1, Some(row)) = (call.int("axis", 1)?, dims.get(1..)) else { return Err(FOLDS) };
    Ok(vec![Value::shaped(vec![*dims.first().ok_or(FOLDS)?, product(row).map_or(Size::Other, Size::Known)])])
}

fn transpose(call: &Call<'_, '_>) -> Step {
    let dims = call.data(0)?.dims.as_ref().ok_or("takes a tensor of unknown shape")?;
    let reversed = || (0..dims.len()).rev().filter_map(|at| i64::try_from(at).ok()).collect();
    let perm: Vec<i64> = match call.node.attribute("perm") {
        Some(_) => call.list("perm", usize::MAX)?.ok_or("has an unknown order")?,
        None => reversed(),
    };
    let mut seen = vec![false; dims.len()];
    let mut moved = Vec::new();
    for from in perm {
        let from = normal(from, dims.len())?;
        if seen.get_mut(from).is_none_or(|seen| std::mem::replace(seen, true)) {
            return Err("has an order that names a dimension twice");
        }
        moved.extend(dims.get(from));
    }
    if moved.len() == dims.len() { Ok(vec![Value::shaped(moved)]) } else { Err("has an order of another rank") }
}

fn unsqueeze(call: &Call<'_, '_>) -> Step {
    let axes = call.list("axes", 1)?.ok_or("names no dimension")?;
    let value = call.maybe(0).ok_or("lacks an input")?;
    if let (Some(ints), Some(0), [0 | -1]) = (&value.ints, value.rank(), &*axes) {
        return Ok(vec![Value::of_ints(ints.clone(), false)]);
    }
    let dims = call.data(0)?.dims.as_ref().ok_or("takes a tensor of unknown shape")?;
    let rank = dims.len() + axes.len();
    let new: Vec<usize> = axes.iter().map(|axis| normal(*axis, rank)).collect::<Result<_, _>>()?;
    let mut old = dims.iter();
    let wider = (0..rank).map(|at| if new.contains(&at) { Some(Size::Known(1)) } else { old.next().copied() });
    let wider: Option<Vec<Size>> = wider.collect();
    Ok(vec![Value::shaped(wider.ok_or("names a dimension twice")?)])
}

fn squeeze(call: &Call<'_, '_>) -> Step {
    let value = call.maybe(0).ok_or("lacks an input")?;
    let axes = call.list("axes", 1)?;
    if let (Some(ints @ [_]), Some(1), Some([0 | -1])) = (value.ints.as_deref(), value.rank(), axes.as_deref()) {
        return Ok(vec![Value::of_ints(ints.to_vec(), true)]);
    }
    let dims = call.data(0)?.dims.as_ref().ok_or("takes a tensor of unknown shape")?;
    let axes = axes.ok_or("removes whatever is 1, perhaps the batch")?;
    let gone: Vec<usize> = axes.iter().map(|axis| normal(*axis, dims.len())).collect::<Result<_, _>>()?;
    if gone.iter().any(|at| dims.get(*at) == Some(&Size::Batch)) {
        return Err("removes the batch");
    }
    let left = dims.iter().enumerate().filter(|(at, _)| !gone.contains(at)).map(|(_, dim)| *dim);
    Ok(vec![Value::shaped(left.collect())])
}

fn expand(call: &Call<'_, '_>) -> Step {
    let dims = call.data(0)?.dims.as_ref().ok_or("takes a tensor of unknown shape")?;
    let target = call.shape(1)?;
    if target.iter().any(|size| matches!(size, Size::Known(..=0))) {
        return Err("expands to an odd shape");
    }
    Ok(vec![Value::shaped(broadcast_all([&**dims, target].into_iter())?)])
}

fn constant_of_shape(call: &Call<'_, '_>) -> Step {
    let target = call.shape(0)?;
    // As if one element were expanded: the batch at most once.
    Ok(vec![Value::shaped(broadcast_all([target].into_iter())?)])
}

fn tile(call: &Call<'_, '_>) -> Step {
    let dims = call.data(0)?.dims.as_ref().ok_or("takes a tensor of unknown shape")?;
    let times =
        call.list("repeats", 1)?.filter(|times| times.len() == dims.len()).ok_or("repeats by an unknown list")?;
    let tiled = dims.iter().zip(times).map(|pair| match pair {
        (dim, 1) => Ok(*dim),
        (Size::Batch, _) => Err("repeats the batch"),
        (Size::Known(dim), times) => Ok(dim.checked_mul(times).map_or(Size::Other, Size::Known)),
        (Size::Other, _) => Ok(Size::Other),
    });
    Ok(vec![Value::shaped(tiled.collect::<Result<_, Why>>()?)])
}

fn pad(call: &Call<'_, '_>) -> Step {
    let dims = call.rows(0)?;
    call.fixed_from(1)?;
    let pads = call.list("pads", 1)?.filter(|pads| pads.len() == 2 * dims.len() && call.maybe(3).is_none());
    let pads = pads.ok_or("pads by an unknown list")?;
    let (before, after) = pads.split_at_checked(dims.len()).ok_or("pads by an unknown list")?;
    let padded = dims.iter().zip(before.iter().zip(after)).map(|pair| match pair {
        (dim, (0, 0)) => Ok(*dim),
        (Size::Batch, _) => Err("pads the batch"),
        (Size::Known(dim), (before, after)) => {
            Ok(dim.checked_add(*before).and_then(|dim| dim.checked_add(*after)).map_or(Size::Other, Size::Known))
        }
        (Size::Other, _) => Ok(Size::Other),
    });
    Ok(vec![Value::shaped(padded.collect::<Result<_, Why>>()?)])
}

fn one_hot(call: &Call<'_, '_>) -> Step {
    let dims = call.data(0)?.dims.as_ref().ok_or("takes a tensor of unknown shape")?;
    call.fixed_from(1)?;
    let at = call.axis("axis", -1, dims.len() + 1)?;
    let depth = call.maybe(1).and_then(|depth| depth.ints.as_ref()).and_then(|depth| depth.first().copied());
    let mut wider = dims.clone();
    wider.insert(at, depth.unwrap_or(Size::Other));
    Ok(vec![Value::shaped(wider)])
}

/// It works on the last two dimensions.
fn trilu(call: &Call<'_, '_>) -> Step {
    let dims = call.rows(0)?;
    call.fixed_from(1)?;
    if dims.len() > 2 { Ok(vec![Value::shaped(dims.to_vec())]) } else { Err("works across the batch") }
}
