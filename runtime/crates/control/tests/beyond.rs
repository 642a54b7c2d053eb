//! An admin API that can be reached from other machines: what names tenants and functions needs a key.

#![allow(clippy::indexing_slicing, clippy::unwrap_used, reason = "a test that cannot go on says so by a panic")]

mod host;

use host::Host;
use modelet_spec::TenantName;

#[tokio::test]
async fn figures_need_a_key_of_the_operators_and_readiness_names_nobody_without_one() {
    let host = Host::reached_from(false);
    host.stores_function(&TenantName::default_tenant(), "broken", r#"{"name":"broken"}"#);
    host.control.load().await.unwrap();
    assert_eq!(host.ask("POST", "/v1/tenants", r#"{"name":"acme"}"#).await.0.as_u16(), 201);
    let (theirs, reader) = (host.make_key("acme", &["admin"]).await, host.make_key("default", &["read"]).await);
    let invoker = host.make_key("default", &["invoke"]).await;
    let get = async |path: &str, key: Option<&str>| {
        let (status, text) = host.send_with(key, "GET", path, String::new()).await;
        (status.as_u16(), text)
    };
    for (key, status) in [
        (None, 401),
        (Some("wrong"), 401),
        (Some(theirs.as_str()), 403),
        (Some(&invoker), 403),
        (Some(&reader), 200),
        (Some(&host.key), 200),
    ] {
        let (seen, text) = get("/metrics", key).await;
        assert_eq!((seen, text.contains("modelet_functions")), (status, status == 200), "{key:?}: {text}");
    }
    for (key, is_told) in [(None, false), (Some("wrong"), false), (Some(theirs.as_str()), false), (Some(&reader), true)]
    {
        let (status, text) = get("/readyz", key).await;
        // There is no ONNX Runtime here.
        assert_eq!(status, 503);
        assert_eq!((text.contains("broken"), text.contains("ONNX Runtime")), (is_told, is_told), "{key:?}: {text}");
        assert!(text.contains(r#""ready":false"#), "{text}");
    }
    assert_eq!(get("/healthz", None).await.0, 200);
    assert_eq!(get("/openapi.json", None).await.0, 200);
}
