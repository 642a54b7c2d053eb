//! Any interleaving of calls, loads that fail, unloads, evictions, pins, cancels and deadlines: the answer of a run alone or a
//! typed error, never more than the budget, and nothing left afterwards.

use std::sync::Arc;
use std::time::{Duration, Instant};

use modelet_inference::{LoadError, ModelHandle, ModelOptions, RunError};
use modelet_spec::Flow;
use modelet_spec::manifest::{BatchRule, Share};
use proptest::prelude::*;

use crate::staged::Staged;
use crate::support::{as_f32s, f32s, model_bytes, named, until};
use crate::{Host, block_on};

/// Models of one content each.
const MODELS: usize = 4;
/// Owners of each.
const OWNERS: usize = 2;
const FILE: &str = "digits.onnx";

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
    /// Each row is filled with its own number.
    first_row: usize,
    rows: usize,
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
    let call = (0..OWNERS, 0..MODELS, 0..8_usize, 1..4_usize, rule, deadline_us, polls).prop_map(
        |(owner, model, first_row, rows, rule, deadline_us, polls)| {
            Step::Call(Call { owner, model, first_row, rows, rule, deadline_us, polls })
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
    budget: u64,
    /// The probabilities of each row, from a run alone.
    expected: Vec<Vec<f32>>,
}

impl World {
    /// A budget of `tenths` tenths of one model.
    fn new(tenths: u64, loads_max: usize) -> Self {
        let mut world = Self::measured();
        let one = world.budget;
        drop(world.host);
        let budget = one * tenths / 10;
        world.host = Host::of(budget, |config| {
            (config.idle, config.loads_max) = (Duration::from_millis(50), loads_max);
            (config.room_wait, config.back_off) = (Duration::from_millis(5), Duration::ZERO);
        });
        world.budget = budget;
        let loader = |_| Staged::of(&world.host.runtime, FILE).expecting(one);
        world.loaders = (0..MODELS).map(loader).collect();
        let of_owner =
            |_| (0..MODELS).map(|model| world.host.handle(&model.to_string(), &world.loaders[model])).collect();
        world.handles = (0..OWNERS).map(of_owner).collect();
        world
    }

    /// What one model takes, and its answers.
    fn measured() -> Self {
        let host = Host::new(|_| {});
        let model = host.runtime.load(model_bytes(FILE), ModelOptions::named("alone")).unwrap();
        let row = |row: usize| {
            let outputs = block_on(model.run(Flow::new(1, 1), named(vec![("X", rows(row, 1))]))).unwrap();
            as_f32s(&outputs[1].1)
        };
        let (budget, expected) = (model.footprint().total(), (0..16).map(row).collect());
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
        prop_assert!(self.host.bytes() <= self.budget, "{} over {}", self.host.bytes(), self.budget);
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
        let inputs = named(vec![("X", rows(call.first_row, call.rows))]);
        match model.run_with(flow, &call.rule, inputs).await {
            Ok(outputs) => {
                let got = as_f32s(&outputs[1].1);
                let expected: Vec<f32> =
                    (0..call.rows).flat_map(|row| self.expected[call.first_row + row].clone()).collect();
                prop_assert_eq!(got.len(), expected.len());
                let is_close = |(a, b): (&f32, &f32)| (a - b).abs() <= 1e-5 + 1e-4 * b.abs();
                prop_assert!(got.iter().zip(&expected).all(is_close), "{:?} is not {:?}", got, expected);
            }
            Err(RunError::Timeout) => prop_assert!(deadline.is_some()),
            Err(RunError::Busy { .. }) => {}
            Err(error) => prop_assert!(false, "{error:?}"),
        }
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
            (self.host.models(), self.host.bytes(), sessions()) == (0, 0, 0)
        };
        until("nothing is left", is_empty).await;
        Ok(())
    }
}

fn rows(first: usize, count: usize) -> modelet_inference::Tensor {
    let values: Vec<f32> = (first..first + count).flat_map(|row| [row as f32; 64]).collect();
    f32s(&[count as u64, 64], &values)
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
