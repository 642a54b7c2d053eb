//! What is remembered of calls, and what a load is warmed with: the shapes of its own owner's last calls, and nothing of others'.

use std::sync::Arc;

use modelet_inference::{LoadContext, LoadError, Loader, Model, ModelHandle, ModelOptions, Runtime, Unload};
use modelet_spec::Device;
use modelet_spec::manifest::BatchRule;

use crate::build::{F32, Graph, raw};
use crate::staged::Staged;
use crate::support::{f32s, flow, named, until};
use crate::{Host, block_on, key};

fn call(handle: &ModelHandle, rows: u64) {
    let x = named(vec![("X", f32s(&[rows, 64], &vec![0.25; 64 * rows as usize]))]);
    block_on(async { handle.get().await.unwrap().run_with(flow(), &BatchRule::default(), x).await }).unwrap();
}

/// Takes it out of memory, and waits for the worker that may still hold it for the moment after its answer.
fn unload(host: &Host, handle: &ModelHandle) {
    assert_eq!(handle.unload(false), Unload::Done);
    block_on(until("it is gone", || host.bytes() == 0));
}

fn remembered(handle: &ModelHandle) -> Vec<String> {
    handle.seen().recorded.iter().map(ToString::to_string).collect()
}

#[test]
fn a_load_after_an_unload_is_warmed_with_the_shapes_of_the_calls_before() {
    let host = Host::new(|_| {});
    let loader = Staged::of(&host.runtime, "digits.onnx");
    let handle = host.handle("digits", &loader);
    call(&handle, 9);
    assert_eq!(remembered(&handle), [""; 0], "nobody asked for it");
    handle.record(true);
    [1, 3, 1, 3].into_iter().for_each(|rows| call(&handle, rows));
    assert_eq!((loader.loads(), loader.recorded()), (1, vec![]));
    unload(&host, &handle);
    assert_eq!(remembered(&handle), ["X f32 [1, 64]", "X f32 [3, 64]"]);
    call(&handle, 1);
    assert_eq!((loader.loads(), loader.recorded()), (2, remembered(&handle)));
    handle.record(false);
    unload(&host, &handle);
    assert_eq!(remembered(&handle), [""; 0]);
    call(&handle, 1);
    assert_eq!((loader.loads(), loader.recorded()), (3, vec![]));
}

#[test]
fn a_call_that_is_refused_is_not_remembered() {
    let host = Host::new(|_| {});
    let handle = host.handle("digits", &Staged::of(&host.runtime, "digits.onnx"));
    handle.record(true);
    let wrong = named(vec![("X", f32s(&[1, 3], &[0.0; 3]))]);
    let refused = block_on(async { handle.get().await.unwrap().run_with(flow(), &BatchRule::default(), wrong).await });
    assert!(refused.is_err());
    assert_eq!(remembered(&handle), [""; 0]);
}

#[test]
fn a_load_is_never_warmed_with_a_strangers_calls() {
    let host = Host::new(|_| {});
    let loader = Staged::of(&host.runtime, "digits.onnx");
    let (acme, beta) = (host.handle("digits", &loader), host.handle("digits", &loader));
    acme.record(true);
    beta.record(true);
    call(&acme, 5);
    unload(&host, &acme);
    call(&beta, 2);
    assert_eq!((loader.loads(), loader.recorded(), remembered(&beta)), (2, vec![], vec!["X f32 [2, 64]".to_owned()]));
    // Two who wait for one load: what warms it is of one of them.
    unload(&host, &beta);
    loader.shut();
    block_on(async {
        let waits = tokio::spawn({
            let acme = acme.clone();
            async move { acme.load().await }
        });
        let (two, ()) = tokio::join!(beta.load(), async { loader.open() });
        two.unwrap();
        waits.await.unwrap().unwrap();
    });
    let told = loader.recorded();
    assert!(told == remembered(&acme) || told == remembered(&beta), "{told:?}");
}

#[test]
fn a_new_version_remembers_what_is_handed_to_it() {
    let host = Host::new(|_| {});
    let (old, loader) =
        (host.handle("old", &Staged::of(&host.runtime, "digits.onnx")), Staged::of(&host.runtime, "digits.onnx"));
    old.record(true);
    call(&old, 7);
    let new = host.handle("new", &loader);
    new.recall(old.seen().recorded);
    assert_eq!(remembered(&new), [""; 0], "its card wants none");
    new.record(true);
    new.recall(old.seen().recorded);
    call(&new, 1);
    assert_eq!((loader.recorded(), remembered(&new).len()), (vec!["X f32 [7, 64]".to_owned()], 2));
}

/// `y = x · W`: 16 KiB for each row of one number.
struct Wide(Runtime);

impl Loader for Wide {
    fn bytes(&self) -> u64 {
        1 << 20
    }

    fn load(&self, _: Device, context: &LoadContext) -> Result<Arc<Model>, LoadError> {
        let product = Graph::default()
            .node("MatMul", &["x", "w"], &["y"], vec![])
            .constant(raw("w", F32, &[1, 4096], &[0; 4 * 4096]))
            .input("x", F32, &[-1, 1])
            .output_of("y", F32, &[-1, 4096]);
        let warm_up = context.recorded().iter().map(|call| call.made_up().unwrap()).collect();
        self.0.load(product.model().0, ModelOptions { warm_up, ..ModelOptions::named("wide") })
    }
}

#[test]
fn a_replay_runs_before_anybody_waits_for_the_session() {
    let host = Host::new(|_| {});
    let grown = |records: bool| {
        let handle = host.residency.handle(key("wide"), Arc::new(Wide(host.runtime.clone())));
        handle.record(records);
        let x = named(vec![("x", f32s(&[4096, 1], &[0.5; 4096]))]);
        block_on(async { handle.get().await.unwrap().run_with(flow(), &BatchRule::default(), x).await }).unwrap();
        unload(&host, &handle);
        host.runtime.shrink_arena();
        let before = host.runtime.stats().arena_reserved.unwrap();
        let runs = block_on(async { handle.get().await.unwrap().runs() });
        assert_eq!(runs, 0, "it is nobody's run");
        let after = host.runtime.stats().arena_reserved.unwrap();
        assert_eq!(handle.unload(true), Unload::Done);
        after.saturating_sub(before)
    };
    // The answer of that shape takes 64 MiB of the arena, and nothing else here does.
    assert!(grown(false) < 32 << 20);
    assert!(grown(true) >= 64 << 20);
}
