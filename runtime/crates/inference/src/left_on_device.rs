//! Runs by binding against plain runs, and tensors that stay where they were made. Main memory stands in for a device's:
//! the way through the code is the same, the copies can be counted.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::onnx::{self, DeviceMemory, Loaded, Session, SessionPlace, Stop, Wish};
use crate::stop::LoadStop;
use crate::{AlignedBuf, ElementType, LibrarySource, Runtime, RuntimeConfig, Shape, Tensor, library};

fn runtime() -> Runtime {
    let variable = |name| std::env::var_os(name).map(std::path::PathBuf::from);
    let cache_dir = library::user_cache(variable("XDG_CACHE_HOME").as_deref(), variable("HOME").as_deref());
    let library = LibrarySource { cache_dir, ..LibrarySource::default() };
    let config = RuntimeConfig { library, inline_under: Duration::from_millis(2), ..RuntimeConfig::default() };
    Runtime::open(&config).unwrap_or_else(|error| panic!("{error}"))
}

/// A device of main memory.
fn device(runtime: &Runtime) -> Arc<DeviceMemory> {
    let info = onnx::ffi::cpu_memory(ort::memory::AllocatorType::Device).unwrap();
    DeviceMemory::new(runtime.environment().0, onnx::Target::cpu(), info)
}

fn load(runtime: &Runtime, model: &str, place: SessionPlace) -> Session {
    let path = format!("{}/../../../tests/models/{model}", env!("CARGO_MANIFEST_DIR"));
    load_bytes(runtime, std::fs::read(path).unwrap(), place)
}

fn load_bytes(runtime: &Runtime, model: Vec<u8>, place: SessionPlace) -> Session {
    let wish = Wish { intra_threads: 1, optimise: true, prepack: true, optimised_to: None, place };
    let Loaded { session, .. } = onnx::load(runtime.environment().0, model.into(), wish, &LoadStop::default()).unwrap();
    session
}

fn on_device(memory: &Arc<DeviceMemory>) -> SessionPlace {
    SessionPlace { memory: Some(Arc::clone(memory)), binds: true, ..SessionPlace::cpu() }
}

fn run(session: &mut Session, feeds: &[Tensor]) -> Vec<Tensor> {
    let now = Instant::now();
    session.control().begin(now, false, Duration::from_secs(60));
    let ran = session.run(feeds, now);
    assert_eq!((ran.stopped, ran.copied), (None, 0));
    ran.result.unwrap().into_iter().map(|(_, tensor)| tensor).collect()
}

fn f32s(dims: &[u64], values: impl Iterator<Item = f32>) -> Tensor {
    let bytes: Vec<u8> = values.flat_map(f32::to_le_bytes).collect();
    Tensor::new(ElementType::F32, Shape::new(dims).unwrap(), AlignedBuf::copy_of(&bytes)).unwrap()
}

fn pictures(rows: u64) -> Tensor {
    f32s(&[rows, 64], (0..rows * 64).map(|at| (at % 17) as f32))
}

#[test]
fn a_run_by_binding_gives_what_a_plain_run_gives() {
    let runtime = runtime();
    let memory = device(&runtime);
    let mut plain = load(&runtime, "digits.onnx", SessionPlace::cpu());
    let mut bound = load(&runtime, "digits.onnx", SessionPlace { binds: true, ..SessionPlace::cpu() });
    let mut far = load(&runtime, "digits.onnx", on_device(&memory));
    for rows in [1, 3, 3, 1, 32] {
        let feeds = [pictures(rows)];
        let (expected, got, left) = (run(&mut plain, &feeds), run(&mut bound, &feeds), run(&mut far, &feeds));
        assert_eq!(expected.len(), got.len());
        for ((expected, got), left) in expected.iter().zip(&got).zip(&left) {
            assert_eq!((expected.element_type(), expected.shape()), (got.element_type(), got.shape()));
            assert_eq!((expected.shape(), expected.bytes()), (left.shape(), left.host_bytes().unwrap()));
            assert_eq!(expected.bytes(), got.bytes());
            assert!(got.is_on_host() && !left.is_on_host());
        }
    }
}

#[test]
fn an_output_stays_where_it_was_made_until_its_bytes_are_asked_for_once() {
    let runtime = runtime();
    let memory = device(&runtime);
    let mut digits = load(&runtime, "digits.onnx", on_device(&memory));
    let outputs = run(&mut digits, &[pictures(2)]);
    let made = outputs.iter().find(|tensor| tensor.element_type() == ElementType::F32).unwrap();
    assert_eq!((made.byte_len(), made.held_bytes(), memory.copied()), (80, 80, 0));
    let row = made.part(Shape::new(&[1, 10]).unwrap(), 40..80).unwrap();
    assert_eq!((row.byte_len(), memory.copied()), (40, 0));
    let clone = made.clone();
    let bytes = made.host_bytes().unwrap().to_vec();
    assert_eq!(memory.copied(), 1);
    assert_eq!((clone.bytes(), row.bytes(), clone.byte_owner().as_ref()), (&bytes[..], &bytes[40..], &bytes[..]));
    assert_eq!(memory.copied(), 1, "copied once, for every clone and part");
    let kept = row.into_kept().unwrap();
    assert_eq!(kept.bytes(), &bytes[40..]);
    drop((outputs, digits));
    assert_eq!(clone.bytes(), bytes, "it outlives its session");
}

#[test]
fn a_chain_of_runs_on_one_device_copies_nothing() {
    let runtime = runtime();
    let memory = device(&runtime);
    let mut session = load_bytes(&runtime, onnx::tiny::doubling(), on_device(&memory));
    let mut plain = load_bytes(&runtime, onnx::tiny::doubling(), SessionPlace::cpu());
    let given = f32s(&[2], [1.0, -2.0].into_iter());
    let (mut near, mut far) = (given.clone(), given);
    for _ in 0..5 {
        near = run(&mut plain, &[near]).remove(0);
        far = run(&mut session, &[far]).remove(0);
    }
    assert_eq!(memory.copied(), 0);
    assert_eq!(far.host_bytes().unwrap(), near.bytes());
    assert_eq!(memory.copied(), 1);
    // A session that runs elsewhere takes it from main memory.
    assert_eq!(run(&mut plain, std::slice::from_ref(&far))[0].bytes(), run(&mut plain, &[near])[0].bytes());
    assert_eq!(memory.copied(), 1);
}

#[test]
fn a_stopped_run_leaves_a_session_that_runs() {
    let runtime = runtime();
    for place in [SessionPlace { binds: true, ..SessionPlace::cpu() }, on_device(&device(&runtime))] {
        let mut session = load(&runtime, "slow_loop.onnx", place);
        let turns = |n: i64| {
            Tensor::new(ElementType::I64, Shape::new(&[1]).unwrap(), AlignedBuf::copy_of(&n.to_le_bytes())).unwrap()
        };
        let expected = run(&mut session, &[turns(10)])[0].host_bytes().unwrap().to_vec();
        let control = Arc::clone(session.control());
        let now = Instant::now();
        let id = control.begin(now, false, Duration::from_secs(60));
        // Stopped before it began: nothing has to be waited for.
        control.stop(id, Stop::Abandoned);
        let ran = session.run(&[turns(i64::MAX)], now);
        assert_eq!(ran.stopped, Some(Stop::Abandoned));
        assert!(ran.result.is_err());
        assert_eq!(run(&mut session, &[turns(10)])[0].host_bytes().unwrap(), expected);
    }
}

#[test]
fn strings_and_odd_types_go_by_binding_too() {
    let runtime = runtime();
    let memory = device(&runtime);
    let mut session = load(&runtime, "identity_string.onnx", on_device(&memory));
    let texts = vec!["one".to_owned(), String::new(), "drei".to_owned()];
    let given = Tensor::strings(Shape::new(&[3]).unwrap(), texts.clone()).unwrap();
    let got = run(&mut session, &[given]);
    assert_eq!(got[0].as_strings(), Some(&texts[..]));
    assert!(got[0].is_on_host(), "strings cannot be elsewhere");
}
