//! Optimised forms: written by a trial, used where they lie, shared by all sessions. A process of its own, one test at a time:
//! they look at the whole process.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test says so by panicking, in its helpers too"
)]

#[path = "admission/build.rs"]
mod build;
#[path = "support/mod.rs"]
mod support;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use build::{F32, Graph, I64, Message, raw, value};
use modelet_inference::{BatchVerdict, Facts, LoadError, LoadStop, Model, ModelFile, ModelOptions, OptimisedFile};
use modelet_inference::{Runtime, RuntimeConfig, Trial, TrialError};
use modelet_spec::Digest;
use support::{as_f32s, f32s, flow, i64s, model_bytes, named};

const MIB: u64 = 1 << 20;
/// 32 MiB of weights that no kernel rearranges.
const TABLE: [i64; 2] = [1 << 17, 64];

static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

struct Place {
    runtime: Runtime,
    folder: tempfile::TempDir,
    _alone: MutexGuard<'static, ()>,
}

impl Place {
    fn new() -> Self {
        let alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
        let config =
            RuntimeConfig { library: support::library(), arena_max_bytes: 512 * MIB, ..RuntimeConfig::default() };
        Self { runtime: support::open(&config), folder: tempfile::tempdir().unwrap(), _alone: alone }
    }

    fn form(&self) -> PathBuf {
        self.folder.path().join("form.ort")
    }

    fn trial(&self, bytes: Vec<u8>) -> Result<Facts, TrialError> {
        self.trial_with(bytes, vec![])
    }

    fn trial_with(
        &self,
        bytes: Vec<u8>,
        samples: Vec<(String, modelet_inference::Inputs)>,
    ) -> Result<Facts, TrialError> {
        let options = ModelOptions::named("tried");
        let trial = Trial { file: bytes.into(), options, samples, optimised_to: Some(self.form()) };
        block_on(self.runtime.trial(trial))
    }

    /// The model from its optimised form, which is written by a trial first.
    fn optimised(&self, bytes: Vec<u8>, change: impl FnOnce(&mut ModelOptions)) -> Arc<Model> {
        let facts = self.trial(bytes).unwrap();
        assert_eq!(facts.no_optimised_form, None);
        let mut options = ModelOptions::named("optimised");
        change(&mut options);
        self.runtime.load(open(&self.form(), facts), options).unwrap()
    }
}

fn open(path: &Path, facts: Facts) -> OptimisedFile {
    OptimisedFile::open(path, &Digest::of(&std::fs::read(path).unwrap()), facts).unwrap()
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

/// y = table[ids]
fn table() -> Vec<u8> {
    let numbers = (0..TABLE[0] * TABLE[1]).flat_map(|at| (at as f32).to_le_bytes()).collect::<Vec<_>>();
    let graph = Graph::default().constant(raw("table", F32, &TABLE, &numbers)).input("ids", I64, &[-1]);
    let graph = graph.node("Gather", &["table", "ids"], &["y"], vec![]);
    Graph(graph.0.bytes(12, value("y", F32, &[-1, TABLE[1]]))).model().0
}

/// w, whatever x is: a weight is an answer.
fn constant() -> Vec<u8> {
    let numbers = (0..64_u8).flat_map(|at| f32::from(at).to_le_bytes()).collect::<Vec<_>>();
    let graph = Graph::default().constant(raw("w", F32, &[64], &numbers)).input("x", F32, &[1]);
    let graph = graph.node("Identity", &["w"], &["y"], vec![]).node("Neg", &["x"], &["z"], vec![]);
    Graph(graph.0.bytes(12, value("y", F32, &[64])).bytes(12, value("z", F32, &[1]))).model().0
}

/// Memory that no file stands behind, in bytes.
fn anonymous() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).unwrap();
    line.split_whitespace().next().unwrap().parse::<u64>().unwrap() << 10
}

/// Lines of this process's memory map that name the form.
fn maps(form: &Path) -> usize {
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
    maps.lines().filter(|line| line.contains(form.to_str().unwrap())).count()
}

/// Waits until nothing maps the form: a worker may hold a model for the moment after its answer.
fn unmapped(place: &Place) {
    block_on(support::until("the form to be unmapped", || maps(&place.form()) == 0));
}

/// Makes calls until the model has so many sessions.
fn grow(model: &Arc<Model>, sessions: usize) {
    let end = Instant::now() + Duration::from_secs(30);
    block_on(async {
        while model.sessions() < sessions {
            assert!(Instant::now() < end, "it never grows");
            let ids = || named(vec![("ids", i64s(&[4096], &[7; 4096]))]);
            let (one, two, three) =
                tokio::join!(model.run(flow(), ids()), model.run(flow(), ids()), model.run(flow(), ids()));
            for answer in [one, two, three] {
                assert_eq!(as_f32s(&answer.unwrap()[0].1)[0], 7.0 * 64.0);
            }
        }
    });
}

#[test]
fn sessions_share_one_map_and_the_second_adds_little() {
    let place = Place::new();
    let facts = place.trial(table()).unwrap();
    assert!(facts.memory.shared_bytes >= 32 * MIB && facts.memory.session_bytes < 8 * MIB, "{:?}", facts.memory);
    let three = |options: &mut ModelOptions| options.sessions_max = Some(3);
    let model = place.optimised(table(), three);
    let (arena, anon) = (place.runtime.stats().arena_in_use.unwrap(), anonymous());
    grow(&model, 3);
    let (arena, anon) = (place.runtime.stats().arena_in_use.unwrap() - arena, anonymous().saturating_sub(anon));
    println!("two further sessions in place: {} KiB of the arena, {} KiB in all", arena >> 10, anon >> 10);
    assert!(arena < 4 * MIB && anon < 24 * MIB, "{arena} and {anon} bytes for two further sessions");
    assert_eq!(maps(&place.form()), 1, "one map for all");
    drop(model);
    unmapped(&place);

    // The same from the ONNX file: each session has a copy of its own.
    let mut options = ModelOptions::named("onnx");
    three(&mut options);
    let model = place.runtime.load(table(), options).unwrap();
    let anon = anonymous();
    grow(&model, 3);
    let anon = anonymous().saturating_sub(anon);
    println!("two further sessions from ONNX: {} KiB in all", anon >> 10);
    assert!(anon >= 60 * MIB, "{anon}");
}

#[test]
fn an_answer_that_is_a_weight_outlives_the_map() {
    let place = Place::new();
    let model = place.optimised(constant(), |_| {});
    let answers = block_on(model.run(flow(), named(vec![("x", f32s(&[1], &[1.0]))]))).unwrap();
    drop(model);
    unmapped(&place);
    assert_eq!(as_f32s(&answers[0].1), (0..64).map(|at| at as f32).collect::<Vec<_>>());
    assert_eq!(as_f32s(&answers[1].1), [-1.0]);
}

#[test]
fn the_optimised_form_answers_as_the_model_does() {
    let place = Place::new();
    for name in ["digits.onnx", "tiny_encoder.onnx", "dynamic_batch.onnx"] {
        let facts = place.trial(model_bytes(name)).unwrap();
        assert_eq!(facts.no_optimised_form, None, "{name}");
        let expected = place.runtime.load(model_bytes(name), ModelOptions::named(name)).unwrap();
        let model = place.runtime.load(open(&place.form(), facts), ModelOptions::named(name)).unwrap();
        assert_eq!(format!("{:?}", model.description()), format!("{:?}", expected.description()), "{name}");
        let inputs = model.description().made_up(3, 5, 1).unwrap();
        let (ours, theirs) = block_on(async {
            (model.run(flow(), inputs.clone()).await.unwrap(), expected.run(flow(), inputs).await.unwrap())
        });
        for ((name, a), (_, b)) in ours.iter().zip(&theirs) {
            assert_eq!((a.shape().dims(), a.bytes()), (b.shape().dims(), b.bytes()), "{name}");
        }
    }
}

#[test]
fn a_model_that_the_format_does_not_hold_is_loaded_from_its_own_file() {
    let place = Place::new();
    // Subgraphs 31 deep: more tables inside each other than ONNX Runtime reads back.
    let facts = place.trial(model_bytes("nested_if.onnx")).unwrap();
    assert!(facts.no_optimised_form.unwrap().contains("it does not load"));
    assert!(!place.form().exists());
}

#[test]
fn facts_come_back_from_json_as_they_were() {
    let place = Place::new();
    let facts = place.trial(model_bytes("tiny_encoder.onnx")).unwrap();
    let again: Facts = serde_json::from_str(&serde_json::to_string(&facts).unwrap()).unwrap();
    assert_eq!(format!("{again:?}"), format!("{facts:?}"));
}

#[test]
fn the_trial_compares_joined_with_single_calls() {
    let place = Place::new();
    let verdict = |name: &str| place.trial(model_bytes(name)).unwrap().batch;
    assert_eq!(verdict("digits.onnx"), BatchVerdict::Equal);
    assert_eq!(verdict("tiny_encoder.onnx"), BatchVerdict::Equal);
    let scalars = verdict("add_scalars.onnx");
    assert!(!matches!(scalars, BatchVerdict::Equal), "{scalars:?}");
}

#[test]
fn a_sample_that_does_not_run_is_a_refusal_with_its_name() {
    let place = Place::new();
    let good = named(vec![("X", f32s(&[1, 64], &[0.5; 64]))]);
    let bad = named(vec![("X", f32s(&[1, 63], &[0.5; 63]))]);
    place.trial_with(model_bytes("digits.onnx"), vec![("one.json".to_owned(), good.clone())]).unwrap();
    let samples = vec![("one.json".to_owned(), good), ("two.json".to_owned(), bad)];
    let error = place.trial_with(model_bytes("digits.onnx"), samples).unwrap_err().to_string();
    assert!(error.starts_with("the sample `two.json` does not run: ") && error.contains("f32 [1, 63]"), "{error}");
}

#[test]
fn bytes_with_another_digest_are_not_mapped() {
    let place = Place::new();
    let facts = place.trial(model_bytes("digits.onnx")).unwrap();
    unmapped(&place);
    let mut bytes = std::fs::read(place.form()).unwrap();
    let digest = Digest::of(&bytes);
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(place.form(), &bytes).unwrap();
    let error = OptimisedFile::open(&place.form(), &digest, facts.clone()).unwrap_err();
    assert!(error.to_string().contains("its content has the digest sha256:"), "{error}");
    assert_eq!(maps(&place.form()), 0);
    assert!(OptimisedFile::open(&place.folder.path().join("none"), &digest, facts).is_err());
}

#[test]
fn a_load_can_be_cancelled_and_takes_nothing_with_it() {
    let place = Place::new();
    let stop = LoadStop::default();
    stop.cancel();
    let sessions = place.runtime.stats().sessions;
    let load =
        |stop: &LoadStop| place.runtime.load_until(model_bytes("digits.onnx"), ModelOptions::named("cancelled"), stop);
    assert!(matches!(load(&stop).err().unwrap(), LoadError::Cancelled));
    assert_eq!(place.runtime.stats().sessions, sessions);
    assert!(load(&LoadStop::default()).is_ok());
}

#[test]
fn a_session_begins_with_its_warm_up_and_one_that_fails_is_no_obstacle() {
    let place = Place::new();
    let load = |elements: &[i64]| {
        place.runtime.shrink_arena();
        let before = place.runtime.stats().arena_reserved.unwrap();
        let call = |elements| named(vec![("shape", i64s(&[1], &[elements]))]);
        let warm_up = elements.iter().copied().map(call).collect();
        let options = ModelOptions { warm_up, ..ModelOptions::named("warm") };
        let model = place.runtime.load(model_bytes("shape_bomb.onnx"), options).unwrap();
        assert_eq!(model.runs(), 0, "it is nobody's run");
        (model, place.runtime.stats().arena_reserved.unwrap().saturating_sub(before))
    };
    // An answer of 64 MiB takes that much from the system, and nothing else here does.
    assert!(load(&[]).1 < 32 * MIB);
    assert!(load(&[1, 16 << 20]).1 >= 64 * MIB);
    let (model, _) = load(&[i64::MAX, 1]);
    block_on(model.run(flow(), named(vec![("shape", i64s(&[1], &[1000]))]))).unwrap();
}

#[test]
fn weights_in_other_files_are_read_from_plain_files_of_the_folder_only() {
    let place = Place::new();
    let folder = place.folder.path();
    std::fs::write(folder.join("w.bin"), (0..64_u8).flat_map(|at| f32::from(at).to_le_bytes()).collect::<Vec<_>>())
        .unwrap();
    let entry = |key: &str, text: &str| Message::default().bytes(1, key).bytes(2, text);
    let weights = Message::default().number(1, 64).number(2, F32).bytes(8, "w").number(14, 1);
    let weights = weights.bytes(13, entry("location", "w.bin")).bytes(13, entry("length", "256"));
    let graph = Graph::default().constant(weights).input("x", F32, &[64]).node("Add", &["x", "w"], &["y"], vec![]);
    let bytes: Arc<[u8]> = Graph(graph.0.bytes(12, value("y", F32, &[64]))).model().0.into();
    let load = |folder: Option<PathBuf>| {
        place.runtime.load(ModelFile::Onnx { bytes: Arc::clone(&bytes), folder }, ModelOptions::named("external"))
    };
    assert!(load(None).is_err(), "no folder, no other files");
    let model = load(Some(folder.to_owned())).unwrap();
    let answers = block_on(model.run(flow(), named(vec![("x", f32s(&[64], &[1.0; 64]))]))).unwrap();
    assert_eq!(as_f32s(&answers[0].1)[63], 64.0);
    std::fs::rename(folder.join("w.bin"), folder.join("other.bin")).unwrap();
    std::os::unix::fs::symlink("other.bin", folder.join("w.bin")).unwrap();
    let error = load(Some(folder.to_owned())).err().unwrap().to_string();
    assert!(error.contains("`w.bin`") && error.contains("behind a link"), "{error}");
}
