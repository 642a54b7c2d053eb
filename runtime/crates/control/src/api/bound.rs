//! What a key reaches that is bound to functions and models.
//!
//! Looked at before anything else, by the path alone, so that no endpoint can forget it: below `/v1/functions/NAME` and
//! `/v1/models/NAME` the name must be one that the key is bound to, and otherwise there is no such thing. What has no name in its path
//! is let pass where its handler looks ([`super::caller`]), or where there is nothing to see; the rest is refused.

use http::Method;
use modelet_catalog::KeyRecord;

use crate::error::ControlError;

/// Paths whose handlers look at what the key is bound to, or show nothing of it.
const LOOKED_AT: [&str; 4] = ["/v1/functions", "/v1/models", "/v1/blobs", "/v1/server"];

/// Refuses what a bound key does not reach.
pub(super) fn check(key: &KeyRecord, method: &Method, path: &str) -> Result<(), ControlError> {
    if key.bound.is_none() || LOOKED_AT.contains(&path) {
        return Ok(());
    }
    let mut parts = path.strip_prefix("/v1/").unwrap_or_default().splitn(3, '/');
    match (parts.next(), parts.next()) {
        // A name that is written in another way, percent-encoded, is none that the key is bound to.
        (Some("functions"), Some(name)) if !key.reaches_function(name) => {
            Err(ControlError::NoFunction(name.to_owned()))
        }
        (Some("models"), Some(name)) if !key.reaches_model(name) => Err(ControlError::NoModel(name.to_owned())),
        (Some("functions" | "models"), Some(_)) => Ok(()),
        _ => Err(ControlError::Bound(format!("{method} {path}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use modelet_catalog::{Bound, LastUse};
    use modelet_spec::TenantName;

    #[test]
    fn a_bound_key_reaches_what_it_names_and_what_shows_nothing_else() {
        let bound = Bound { functions: ["f".parse().unwrap()].into(), models: ["m".parse().unwrap()].into() };
        let (id, tenant, last_use) = ("key".to_owned(), TenantName::default_tenant(), LastUse::default());
        let key = KeyRecord { id, tenant, scopes: Vec::new(), bound: Some(bound), expires_ms: None, last_use };
        let refused = |path: &str| check(&key, &Method::GET, path).err().map(|error| error.to_string());
        for path in
            ["/v1/functions/f", "/v1/functions/f/logs", "/v1/models/m", "/v1/models/m/labels/l", "/v1/functions"]
        {
            assert_eq!(refused(path), None, "{path}");
        }
        for (path, why) in [
            ("/v1/functions/g", "no function `g`"),
            ("/v1/functions/m/logs", "no function `m`"),
            ("/v1/functions/%66", "no function `%66`"),
            ("/v1/models/f", "no model `f`"),
            ("/v1/tenants", "bound to functions or models"),
            ("/v1/keys", "bound to functions or models"),
            ("/v1/secrets", "bound to functions or models"),
            ("/v1/secrets/f", "bound to functions or models"),
            ("/v1/later", "bound to functions or models"),
            ("/nothing", "bound to functions or models"),
        ] {
            assert!(refused(path).is_some_and(|text| text.contains(why)), "{path}: {:?}", refused(path));
        }
        let free = KeyRecord { bound: None, ..key.clone() };
        assert!(check(&free, &Method::GET, "/v1/tenants").is_ok());
    }
}
