//! What a run costs over ONNX Runtime's own call, on the digits model: the price of every check and lock above it.

use std::time::{Duration, Instant};

use modelet_spec::Flow;

use crate::onnx::{self, ffi};
use crate::{
    AlignedBuf, ElementType, LibrarySource, LoadStop, ModelOptions, Runtime, RuntimeConfig, Shape, Tensor, library,
};

const ROUNDS: usize = 4000;

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

/// As all tests of this binary open it: a process opens ONNX Runtime once.
pub(crate) fn runtime() -> Runtime {
    let variable = |name| std::env::var_os(name).map(std::path::PathBuf::from);
    let cache_dir = library::user_cache(variable("XDG_CACHE_HOME").as_deref(), variable("HOME").as_deref());
    let library = LibrarySource { cache_dir, ..LibrarySource::default() };
    let config = RuntimeConfig { library, inline_under: Duration::from_millis(2), ..RuntimeConfig::default() };
    Runtime::open(&config).unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn an_inline_run_costs_little_over_the_bare_call() {
    let bytes = std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../tests/models/digits.onnx")).unwrap();
    let runtime = runtime();
    let model = runtime.load(bytes.clone(), ModelOptions::named("digits")).unwrap();
    let shape = Shape::new(&[1, 64]).unwrap();
    let input = Tensor::new(ElementType::F32, shape.clone(), AlignedBuf::zeroed(256).unwrap()).unwrap();
    let executor = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let run = || executor.block_on(model.run(Flow::new(1, 1), vec![("X".to_owned(), input.clone())])).unwrap();
    let end = Instant::now() + Duration::from_secs(30);
    while !model.runs_inline() {
        assert!(Instant::now() < end, "never measured as short");
        run();
    }
    // The same session options, input value made once, outputs dropped, nothing else.
    let (environment, memory) = runtime.environment();
    let wish = onnx::Wish {
        intra_threads: 1,
        optimise: true,
        prepack: true,
        optimised_to: None,
        place: onnx::SessionPlace::cpu(),
    };
    let bare_session = onnx::load(environment, bytes.into(), wish, &LoadStop::default()).unwrap().session;
    let mut bare_run =
        bare_session.into_bare(ffi::InputValue::over_bytes(memory, ElementType::F32, &shape, input.bytes()).unwrap());
    let (mut bare, mut whole) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let began = Instant::now();
        bare_run().unwrap();
        bare.push(began.elapsed());
        let began = Instant::now();
        drop(run());
        whole.push(began.elapsed());
    }
    let (bare, whole) = (median(bare), median(whole));
    println!("digits: bare Run {bare:?}, Model::run {whole:?}");
    assert!(whole < bare + Duration::from_micros(50), "bare {bare:?}, whole {whole:?}");
}
