//! A victim beside an aggressor that asks for more than there is: through the front door, and in the metrics.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use modelet_inference::{Model, RunError};
use modelet_spec::Flow;
use modelet_spec::manifest::{BatchRule, Share};
use prometheus_client::registry::Registry;

use crate::onnx;
use crate::support::{as_f32s, f32s, named, until};

const AGGRESSOR: Flow = Flow { id: 11, group: 1, circle: 0, weight: 1, priority: 0, deadline: None };
const VICTIM: Flow = Flow { id: 22, group: 2, circle: 0, weight: 1, priority: 0, deadline: None };

fn x(value: f32) -> Vec<(String, modelet_inference::Tensor)> {
    named(vec![("x", f32s(&[1, 1], &[value]))])
}

/// Turns that take longer than a run on its caller's thread may: a model that is run there has no queue.
const TURNS: f32 = 5000.0;

/// Calls without a pause, and at once again when it is turned away.
async fn flood(model: Arc<Model>, rule: BatchRule, is_over: Arc<AtomicBool>) {
    while !is_over.load(Relaxed) {
        match model.run_with(AGGRESSOR, &rule, x(TURNS)).await {
            Ok(outputs) => assert_eq!(as_f32s(&outputs[0].1), [TURNS]),
            Err(RunError::Busy { .. }) => tokio::task::yield_now().await,
            Err(error) => panic!("{error}"),
        }
    }
}

#[tokio::test]
async fn the_aggressor_is_shed_and_counted_and_the_victim_never() {
    for max in [1, 8] {
        let model = onnx::load(onnx::turns(), |options| options.sessions_max = Some(1));
        let (rule, is_over) = (BatchRule { max, share: Share::All, ..BatchRule::default() }, Arc::default());
        // Half again as many callers as there are places.
        let callers = crate::QUEUE_MAX * 3 / 2;
        let floods: Vec<_> =
            (0..callers).map(|_| tokio::spawn(flood(Arc::clone(&model), rule.clone(), Arc::clone(&is_over)))).collect();
        until("a full queue", || model.queue_depth() == crate::QUEUE_MAX).await;
        for n in 0..50 {
            let outputs = model.run_with(VICTIM, &rule, x(n as f32)).await.unwrap();
            assert_eq!(as_f32s(&outputs[0].1), [n as f32]);
        }
        is_over.store(true, Relaxed);
        for flood in floods {
            flood.await.unwrap();
        }
        let mut registry = Registry::default();
        crate::runtime().register(&mut registry);
        let mut metrics = String::new();
        prometheus_client::encoding::text::encode(&mut metrics, &registry).unwrap();
        let of = |flow: Flow| {
            let series = format!("modelet_model_rejected_total{{flow=\"{}\"}} ", flow.id);
            metrics.lines().find_map(|line| line.strip_prefix(&series)?.parse::<u64>().ok())
        };
        assert!(of(AGGRESSOR).is_some_and(|shed| shed > 0), "{metrics}");
        assert_eq!(of(VICTIM), None, "{metrics}");
    }
}
