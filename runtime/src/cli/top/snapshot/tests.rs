//! Rows, from two readings.

use super::*;
use std::time::{Duration, Instant};

const BEFORE: &str = r#"
modelet_requests_total{tenant="default",function="a",version="1",status="200",reason="answered"} 100
modelet_request_seconds_bucket{tenant="default",function="a",version="1",le="0.001"} 100
modelet_request_seconds_bucket{tenant="default",function="a",version="1",le="0.01"} 100
modelet_request_seconds_bucket{tenant="default",function="a",version="1",le="+Inf"} 100
modelet_cold_starts_total{function="a",level="component"} 1
process_cpu_seconds_total 3
"#;

const AFTER: &str = r#"
modelet_requests_total{tenant="default",function="a",version="1",status="200",reason="answered"} 120
modelet_requests_total{tenant="default",function="a",version="2",status="502",reason="function-trapped"} 4
modelet_requests_total{tenant="acme",function="a",version="7",status="200",reason="answered"} 2
modelet_requests_total{tenant="",function="",version="",status="404",reason="not-found"} 2
modelet_request_seconds_bucket{tenant="default",function="a",version="1",le="0.001"} 110
modelet_request_seconds_bucket{tenant="default",function="a",version="1",le="0.01"} 119
modelet_request_seconds_bucket{tenant="default",function="a",version="1",le="+Inf"} 120
modelet_instances{function="a",state="busy"} 1
modelet_instances{function="a",state="idle"} 2
modelet_instances{function="acme/a",state="idle"} 1
modelet_functions{level="disk"} 9998
modelet_functions{level="warm"} 1
modelet_functions{level="busy"} 1
modelet_cold_starts_total{function="a",level="component"} 1
modelet_cold_starts_total{function="acme/a",level="component"} 1
modelet_model_requests_total{model="digits",version="1",method="compute"} 8
modelet_model_resident_bytes{model="digits",device="cpu:0"} 4096
modelet_sessions{model="digits",device="cpu:0"} 2
modelet_queue_depth{model="acme/m"} 3
modelet_inference_arena_bytes{state="in_use"} 1000
modelet_inference_arena_bytes{state="max"} 5000
process_cpu_seconds_total 4
process_resident_memory_bytes 1048576
"#;

fn snapshot(tenant: Option<&str>) -> Snapshot {
    let now = Instant::now();
    let (before, after) = (Scrape::parse(BEFORE, now), Scrape::parse(AFTER, now + Duration::from_secs(2)));
    let tenant = tenant.map(|name| name.parse().unwrap());
    Snapshot::between(&before, &after, tenant.as_ref())
}

#[test]
fn a_functions_versions_are_one_row() {
    let snapshot = snapshot(None);
    let names: Vec<&str> = snapshot.functions.iter().map(|function| function.function.as_str()).collect();
    assert_eq!(names, ["a", "acme/a"], "what no route took is no function");
    let a = &snapshot.functions[0];
    assert_eq!((a.version.as_str(), a.busy, a.idle), ("2", 1.0, 2.0));
    assert_eq!((a.requests.requests_per_second, a.requests.errors_per_second), (12.0, 2.0));
    // 20 took part: the tenth lies at the end of the first bucket, all but a fifth of one within the second.
    assert_eq!(a.requests.p50_ms, Some(1.0));
    let p99 = a.requests.p99_ms.unwrap();
    assert!((p99 - 10.0).abs() < 1e-9, "{p99}");
    assert_eq!(snapshot.functions[1].requests.p50_ms, None, "it has no durations");
}

#[test]
fn the_server_is_the_sum_whosever_the_functions_are() {
    for tenant in [None, Some("acme")] {
        let server = snapshot(tenant).server;
        assert_eq!(server.requests.requests_per_second, 14.0);
        assert_eq!((server.instances_busy, server.instances_idle), (1.0, 3.0));
        assert_eq!(server.levels, Levels { disk: 9998.0, component: 0.0, warm: 1.0, busy: 1.0 });
        assert_eq!(server.cold_starts_per_second, ColdStarts { component: 0.5, instance: 0.0, model: 0.0 });
        assert!(server.rejected_per_second.is_sign_positive(), "no `-0.0` on a screen");
        assert_eq!((server.cores, server.resident_bytes), (Some(0.5), Some(1048576.0)));
        assert_eq!((server.models_bytes, server.models_bytes_max), (Some(1000.0), Some(5000.0)));
    }
}

#[test]
fn a_tenant_sees_its_own_rows() {
    let acme = snapshot(Some("acme"));
    assert_eq!(acme.functions.len(), 1);
    assert_eq!(acme.functions[0].requests.requests_per_second, 1.0);
    assert_eq!(acme.models.len(), 1);
    assert_eq!((acme.models[0].model.as_str(), acme.models[0].waiting), ("acme/m", 3.0));
    let digits = &snapshot(Some("default")).models[0];
    assert_eq!((digits.model.as_str(), digits.calls_per_second, digits.sessions), ("digits", 4.0, 2.0));
    assert_eq!((digits.devices.as_slice(), digits.resident_bytes), (["cpu:0".to_owned()].as_slice(), 4096.0));
}

#[test]
fn rows_are_sorted_by_what_is_asked_and_then_by_name() {
    let row = |name: &str, rate, p99_ms| {
        let requests = Requests { requests_per_second: rate, p99_ms, ..Requests::default() };
        Function { function: name.to_owned(), requests, ..Function::default() }
    };
    let functions = vec![row("b", 1.0, None), row("c", 5.0, Some(1.0)), row("a", 1.0, Some(3.0))];
    let mut snapshot = Snapshot { functions, ..Snapshot::default() };
    let mut sorted = |by| {
        snapshot.sort(by);
        snapshot.functions.iter().map(|function| function.function.clone()).collect::<Vec<_>>().concat()
    };
    assert_eq!(sorted(Sort::Requests), "cab");
    assert_eq!(sorted(Sort::P99), "acb");
    assert_eq!(sorted(Sort::Name), "abc");
}

#[test]
fn a_duration_beyond_all_bounds_counts_as_the_last_bound() {
    let mut buckets = Buckets::default();
    [(f64::INFINITY, 2.0), (1.0, 1.0)].iter().for_each(|(bound, count)| buckets.add(*bound, *count));
    assert_eq!((buckets.quantile(0.5), buckets.quantile(0.99)), (Some(1.0), Some(1.0)));
    assert_eq!(Buckets::default().quantile(0.5), None);
}
