//! What `/readyz` tells of functions that do not serve as they are stored: as long as that is so.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on says so by a panic")]

mod host;

use host::Host;
use modelet_control::wire::Readiness;
use modelet_spec::TenantName;

async fn failed(host: &Host) -> Vec<String> {
    let (_, text) = host.ask("GET", "/readyz", "").await;
    serde_json::from_str::<Readiness>(&text).unwrap().failed
}

#[tokio::test]
async fn functions_are_told_of_until_they_or_their_tenants_are_gone() {
    let host = Host::start();
    host.stores_function(&TenantName::default_tenant(), "f", r#"{"name":"f"}"#);
    host.control.load().await.unwrap();
    assert_eq!(host.ask("POST", "/v1/tenants", r#"{"name":"acme"}"#).await.0.as_u16(), 201);
    host.stores_function(&"acme".parse().unwrap(), "f", r#"{"name":"f"}"#);
    let told = failed(&host).await;
    assert!(matches!(told.as_slice(), [ours] if ours.starts_with("f: ")), "{told:?}");
    // Its functions are made anew under other limits, and this one cannot be.
    assert_eq!(host.ask("PATCH", "/v1/tenants/acme/limits", r#"{"concurrency":3}"#).await.0.as_u16(), 200);
    let told = failed(&host).await;
    assert!(matches!(told.as_slice(), [theirs, _] if theirs.starts_with("acme/f: ")), "{told:?}");
    assert_eq!(host.ask("DELETE", "/v1/tenants/acme?force=true", "").await.0.as_u16(), 200);
    let told = failed(&host).await;
    assert!(matches!(told.as_slice(), [ours] if ours.starts_with("f: ")), "{told:?}");
    assert_eq!(host.ask("DELETE", "/v1/functions/f", "").await.0.as_u16(), 200);
    assert!(failed(&host).await.is_empty());
}
