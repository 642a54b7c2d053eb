//! Any interleaving of calls (of several rows and lengths, filled up where they are joined), loads that fail, unloads, evictions,
//! pins, cancels and deadlines, on two devices: the answer of a run alone or a typed error, never more than a device's budget,
//! and nothing left afterwards. The second device is one by name: its models are loaded where all are.

use std::sync::Arc;
use std::time::{Duration, Instant};

use modelet_inference::{LoadError, Loader, ModelHandle, ModelOptions, RunError, Tensor};
use modelet_spec::card::PadRule;
use modelet_spec::manifest::{BatchRule, Share};
use modelet_spec::{Device, Flow};
use proptest::prelude::*;

use crate::staged::Staged;
use crate::support::{as_f32s, i64s, model_bytes, named, until};
use crate::{Host, block_on, key};

/// Models of one content each.
const MODELS: usize = 4;
/// Owners of each.
const OWNERS: usize = 2;
/// Takes sentences of any length, with a mask.
const FILE: &str = "tiny_encoder.onnx";
/// Rows of different content, and the longest of them.
const ROWS: usize = 10;
const WORDS: usize = 5;
const DEVICES: [Device; 2] = [Device::Cpu, Device::Cuda(0)];

#[derive(Clone, Debug)]
enum Step {
    Call(Call),
    Pin { owner: usize, model: usize, wanted: bool },
    Unload { owner: usize, model: usize, force: bool },
    Sweep,
    Fail { model: usize, fails: bool },
}

#[derive(Clone, Debug)]
struct Call {
    owner: usize,
    model: usize,
    first_row: usize,
    rows: usize,
    /// In each row.
    words: usize,
    rule: BatchRule,
    deadline_us: Option<u64>,
    /// Its caller goes away after this many looks at it.
    polls: Option<u8>,
}

fn step() -> impl Strategy<Value = Step> {
    let share = prop_oneof![Just(Share::None), Just(Share::Function), Just(Share::Tenant), Just(Share::All)];
    let rule = (1_u32..9, share).prop_map(|(max, share)| BatchRule { max, wait: Duration::ZERO, share });
    let deadline_us = proptest::option::weighted(0.2, 1_u64..20_000);
    let polls = proptest::option::weighted(0.2, 0_u8..6);
    let size = (0..ROWS - 3, 1..4_usize, 1..=WORDS);
    let call = (0..OWNERS, 0..MODELS, size, rule, deadline_us, polls).prop_map(
        |(owner, model, (first_row, rows, words), rule, deadline_us, polls)| {
            Step::Call(Call { owner, model, first_row, rows, words, rule, deadline_us, polls })
        },
    );
    let pin =
        (0..OWNERS, 0..MODELS, any::<bool>()).prop_map(|(owner, model, wanted)| Step::Pin { owner, model, wanted });
    let unload =
        (0..OWNERS, 0..MODELS, any::<bool>()).prop_map(|(owner, model, force)| Step::Unload { owner, model, force });
    let fail = (0..MODELS, any::<bool>()).prop_map(|(model, fails)| Step::Fail { model, fails });
    prop_oneof![12 => call, 1 => pin, 2 => unload, 1 => Just(Step::Sweep), 1 => fail]
}

struct World {
    host: Host,
    loaders: Vec<Arc<Staged>>,
    /// By owner, by model.
    handles: Vec<Vec<ModelHandle>>,
    /// Of each device.
    budget: u64,
    /// The answer to each row at each length, from a run alone.
    expected: Vec<Vec<Vec<f32>>>,
}

impl World {
    /// A budget of `tenths` tenths of one model on each device.
    fn new(tenths: u64, loads_max: usize) -> Self {
        let mut world = Self::measured();
        let one = world.budget;
        drop(world.host);
        let budget = one * tenths / 10;
        world.host = Host::of(budget, |config| {
            (config.idle, config.loads_max) = (Duration::from_millis(50), loads_max);
            (config.room_wait, config.back_off) = (Duration::from_millis(5), Duration::ZERO);
            config.budgets.push((DEVICES[1], budget));
        });
        world.budget = budget;
        let loader = |_| Staged::made(&world.host.runtime, model_bytes(FILE), options()).expecting(one);
        world.loaders = (0..MODELS).map(loader).collect();
        let handle = |model: usize| {
            let loader = Arc::clone(&world.loaders[model]) as Arc<dyn Loader>;
            world.host.residency.handle(key(&model.to_string()).on(DEVICES[model % DEVICES.len()]), loader)
        };
        world.handles = (0..OWNERS).map(|_| (0..MODELS).map(handle).collect()).collect();
        world
    }

    /// What one model takes, and its answers.
    fn measured() -> Self {
        let host = Host::new(|_| {});
        let model = host.runtime.load(model_bytes(FILE), options()).unwrap();
        let answer = |row: usize, words: usize| {
            let outputs = block_on(model.run(Flow::new(1, 1), sentences(row, 1, words))).unwrap();
            as_f32s(&outputs[0].1)
        };
        let of_row = |row: usize| (1..=WORDS).map(|words| answer(row, words)).collect();
        let (budget, expected) = (model.footprint().total(), (0..ROWS).map(of_row).collect());
        Self { host, loaders: Vec::new(), handles: Vec::new(), budget, expected }
    }

    async fn play(self: Arc<Self>, step: Step) -> Result<(), TestCaseError> {
        match step {
            Step::Call(call) => self.call(call).await?,
            Step::Pin { owner, model, wanted } => self.handles[owner][model].pin(wanted),
            Step::Unload { owner, model, force } => drop(self.handles[owner][model].unload(force)),
            Step::Sweep => self.host.residency.sweep(),
            Step::Fail { model, fails } => {
                self.loaders[model].fail(fails.then(|| LoadError::Unavailable("on demand".to_owned())));
            }
        }
        for (name, device) in self.host.residency.stats().devices {
            prop_assert!(device.bytes <= self.budget, "{} over {} on {name}", device.bytes, self.budget);
        }
        Ok(())
    }

    async fn call(&self, call: Call) -> Result<(), TestCaseError> {
        let mut answer = Box::pin(self.answer(&call));
        for _ in 0..call.polls.unwrap_or(0) {
            tokio::select! {
                biased;
                answered = &mut answer => return answered,
                () = tokio::task::yield_now() => {}
            }
        }
        if call.polls.is_some() { Ok(()) } else { answer.await }
    }

    async fn answer(&self, call: &Call) -> Result<(), TestCaseError> {
        let deadline = call.deadline_us.map(|us| Instant::now() + Duration::from_micros(us));
        let flow = Flow { deadline, ..Flow::new(call.owner as u64, call.owner as u64) };
        let model = match self.handles[call.owner][call.model].get().await {
            Ok(model) => model,
            Err(LoadError::Busy { .. } | LoadError::TooLarge(_) | LoadError::Unavailable(_)) => return Ok(()),
            Err(error) => return Err(TestCaseError::fail(format!("{error:?}"))),
        };
        let inputs = sentences(call.first_row, call.rows, call.words);
        match model.run_with(flow, &call.rule, inputs).await {
            Ok(outputs) => {
                let got = as_f32s(&outputs[0].1);
                let row = |row: usize| self.expected[call.first_row + row][call.words - 1].clone();
                let expected: Vec<f32> = (0..call.rows).flat_map(row).collect();
                prop_assert_eq!(got.len(), expected.len());
                let is_close = |(a, b): (&f32, &f32)| (a - b).abs() <= 1e-5 + 1e-4 * b.abs();
                prop_assert!(got.iter().zip(&expected).all(is_close), "{:?} is not {:?}", got, expected);
            }
            Err(RunError::Timeout) => prop_assert!(deadline.is_some()),
            Err(RunError::Busy { .. }) => {}
            Err(error) => prop_assert!(false, "{error:?}"),
        }
        prop_assert_eq!((model.reason_against_batching(), model.reason_against_padding()), (None, None));
        Ok(())
    }

    /// After all that: everything can be let go, and then nothing is left.
    async fn is_empty_at_last(&self) -> Result<(), TestCaseError> {
        for handle in self.handles.iter().flatten() {
            prop_assert_eq!(handle.seen().current, 0);
            handle.pin(false);
        }
        let sessions = || self.host.runtime.stats().sessions;
        let is_empty = || {
            self.host.residency.sweep();
            let devices = self.host.residency.stats().devices;
            sessions() == 0 && devices.values().all(|device| (device.models, device.bytes) == (0, 0))
        };
        until("nothing is left", is_empty).await;
        Ok(())
    }
}

fn options() -> ModelOptions {
    let pad = |input: &str| (input.to_owned(), PadRule { dim: 1, value: 0.0 });
    ModelOptions { padding: [pad("ids"), pad("mask")].into(), ..ModelOptions::named(FILE) }
}

/// Rows of as many words; no two begin alike.
fn sentences(first: usize, rows: usize, words: usize) -> Vec<(String, Tensor)> {
    let ids: Vec<i64> =
        (first..first + rows).flat_map(|row| (0..words).map(move |at| (3 * row + 7 * at) as i64 % 32)).collect();
    let dims = [rows as u64, words as u64];
    named(vec![("ids", i64s(&dims, &ids)), ("mask", i64s(&dims, &vec![1; rows * words]))])
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_interleaving_answers_or_says_why_keeps_the_budget_and_leaves_nothing(
        tenths in 11_u64..35,
        loads_max in 1_usize..3,
        threads in 1_usize..4,
        steps in proptest::collection::vec(step(), 1..80),
    ) {
        let world = Arc::new(World::new(tenths, loads_max));
        let executor = tokio::runtime::Builder::new_multi_thread().worker_threads(threads).enable_all().build().unwrap();
        executor.block_on(async {
            let tasks: Vec<_> = steps.into_iter().map(|step| tokio::spawn(Arc::clone(&world).play(step))).collect();
            for task in tasks {
                task.await.unwrap()?;
            }
            world.is_empty_at_last().await
        })?;
    }
}
