//! What was said of instances: kept over a restart and over new versions, said again as often as anybody likes.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says so by a panic")]

use modelet_spec::{FunctionName, TenantName};
use modelet_store::{Actor, NewFunctionVersion, Store};

const WHY: &str = "it answers once";

#[test]
fn how_many_are_kept_warm_and_why_one_is_not_reused_survive_a_restart() {
    let scratch = tempfile::tempdir().unwrap();
    let dir = scratch.path().join("data");
    let (tenant, name): (_, FunctionName) = (TenantName::default_tenant(), "f".parse().unwrap());
    {
        let store = Store::open(&dir).unwrap();
        let component = store.put_blob(&tenant, b"component", u64::MAX).unwrap();
        let new = NewFunctionVersion {
            tenant: tenant.clone(),
            name: name.clone(),
            component,
            compiled: store.write_compiled(&component, "engine", b"code").unwrap(),
            manifest_json: "{}".to_owned(),
            models: Vec::new(),
            not_reused: Some(WHY.to_owned()),
        };
        store.by(&Actor::Server).put_function(&new).unwrap();
        assert_eq!(store.scale(&tenant, &name).unwrap(), None);
        store.by(&Actor::Server).set_scale(&tenant, &name, 3).unwrap();
        store.by(&Actor::Server).set_scale(&tenant, &name, 2).unwrap();
    }
    let store = Store::open(&dir).unwrap();
    assert_eq!(store.scale(&tenant, &name).unwrap(), Some(2));
    assert_eq!(store.scales().unwrap(), [(tenant.clone(), name.clone(), 2)]);
    assert_eq!(store.function(&tenant, &name).unwrap().unwrap().not_reused.as_deref(), Some(WHY));
    assert!(
        store.by(&Actor::Server).set_scale(&"nobody".parse().unwrap(), &name, 1).is_err(),
        "there is no such tenant"
    );
}
