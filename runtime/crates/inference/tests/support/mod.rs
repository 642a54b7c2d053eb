//! What the tests share: the runtime as a server would open it, the repository's models, waiting on a condition.

#![allow(dead_code, reason = "each test binary uses a part of it")]

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use modelet_inference::{AlignedBuf, ElementType, LibrarySource, Model, ModelOptions, Shape, Tensor, library};
use modelet_inference::{Runtime, RuntimeConfig};
use modelet_spec::Flow;

/// The library where `cargo xtask setup` puts it.
pub(crate) fn library() -> LibrarySource {
    let variable = |name| std::env::var_os(name).map(PathBuf::from);
    let (xdg, home) = (variable("XDG_CACHE_HOME"), variable("HOME"));
    let cache_dir = library::user_cache(xdg.as_deref(), home.as_deref());
    LibrarySource { cache_dir, ..LibrarySource::default() }
}

pub(crate) fn open(config: &RuntimeConfig) -> Runtime {
    Runtime::open(config).unwrap_or_else(|error| panic!("{error}"))
}

pub(crate) fn model_bytes(name: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../tests/models").join(name);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

pub(crate) fn load(runtime: &Runtime, name: &str) -> Arc<Model> {
    load_with(runtime, name, |_| {})
}

pub(crate) fn load_with(runtime: &Runtime, name: &str, change: impl FnOnce(&mut ModelOptions)) -> Arc<Model> {
    let mut options = ModelOptions::named(name);
    change(&mut options);
    runtime.load(model_bytes(name), options).unwrap_or_else(|error| panic!("{name}: {error}"))
}

pub(crate) fn tensor(element: ElementType, dims: &[u64], bytes: &[u8]) -> Tensor {
    Tensor::new(element, Shape::new(dims).unwrap(), AlignedBuf::copy_of(bytes)).unwrap()
}

pub(crate) fn f32s(dims: &[u64], values: &[f32]) -> Tensor {
    tensor(ElementType::F32, dims, &values.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<_>>())
}

pub(crate) fn i64s(dims: &[u64], values: &[i64]) -> Tensor {
    tensor(ElementType::I64, dims, &values.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<_>>())
}

pub(crate) fn as_f32s(tensor: &Tensor) -> Vec<f32> {
    assert_eq!(tensor.element_type(), ElementType::F32);
    tensor.bytes().chunks_exact(4).map(|bytes| f32::from_le_bytes(bytes.try_into().unwrap())).collect()
}

pub(crate) fn as_i64s(tensor: &Tensor) -> Vec<i64> {
    assert_eq!(tensor.element_type(), ElementType::I64);
    tensor.bytes().chunks_exact(8).map(|bytes| i64::from_le_bytes(bytes.try_into().unwrap())).collect()
}

pub(crate) fn named(inputs: Vec<(&str, Tensor)>) -> Vec<(String, Tensor)> {
    inputs.into_iter().map(|(name, tensor)| (name.to_owned(), tensor)).collect()
}

/// Nobody in particular, in no hurry.
pub(crate) fn flow() -> Flow {
    Flow::new(1, 1)
}

pub(crate) fn within(time: Duration) -> Flow {
    flow().until(Instant::now() + time)
}

/// Waits until `condition` holds, at most 30 s.
pub(crate) async fn until(what: &str, condition: impl Fn() -> bool) {
    let end = Instant::now() + Duration::from_secs(30);
    while !condition() {
        assert!(Instant::now() < end, "never came: {what}");
        tokio::task::yield_now().await;
    }
}
