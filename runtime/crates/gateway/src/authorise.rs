//! Whether a request may call its route.

use std::sync::Arc;

use http::{HeaderMap, HeaderValue};
use modelet_catalog::{Catalog, Entry, KeyRecord, Scope};
use modelet_spec::Auth;

use crate::error::Refusal;
use crate::headers;

/// Takes our keys out of the headers and, for a key that opens the route, tells the guest whose it is.
///
/// A key is taken out on an open route, too: it would otherwise reach the guest. Returns whether who asks owns the function, and may
/// see its insides.
///
/// # Errors
/// The route wants a key, and there is none or one without the right.
pub(crate) fn authorise<F>(
    catalog: &Catalog<F>,
    (entry, auth): (&Entry<F>, Auth),
    headers: &mut HeaderMap,
    now_ms: u64,
) -> Result<bool, Refusal> {
    let key = headers::take_keys(headers, |secret| catalog.authorise(secret, now_ms), |token| catalog.is_ours(token));
    let is_owner = key.as_ref().is_some_and(|key| owns(key, entry));
    let caller = decide(key, entry, auth)?;
    // The client's own `modelet-*` goes before ours comes.
    headers::clean_request(headers);
    if let Some(id) = caller.and_then(|key| HeaderValue::try_from(&key.id).ok()) {
        headers.insert(headers::CALLER, id);
    }
    Ok(is_owner)
}

/// Whether the key is of those who deploy the function: a key that only calls it may be in anybody's hands.
fn owns<F>(key: &KeyRecord, entry: &Entry<F>) -> bool {
    reaches(key, entry) && key.allows(Scope::Deploy)
}

/// Whether the function is there for the key: its tenant's, and among those that it is bound to.
fn reaches<F>(key: &KeyRecord, entry: &Entry<F>) -> bool {
    key.tenant == entry.tenant && key.reaches_function(entry.function.as_str())
}

/// The key whose id the guest may know: one of the function's own tenant.
fn decide<F>(key: Option<Arc<KeyRecord>>, entry: &Entry<F>, auth: Auth) -> Result<Option<Arc<KeyRecord>>, Refusal> {
    let is_known = key.is_some();
    let allowed = key.filter(|key| reaches(key, entry) && key.allows(Scope::Invoke));
    match (auth, allowed) {
        (Auth::None, allowed) => Ok(allowed),
        (Auth::Key, Some(allowed)) => Ok(Some(allowed)),
        (Auth::Key, None) if is_known => Err(Refusal::Forbidden),
        (Auth::Key, None) => Err(Refusal::NoKey),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use modelet_catalog::{Bound, LastUse};
    use modelet_spec::{Digest, EffectiveLimits, FunctionLimits, ServerLimits, TenantLimits, Version};

    fn key(tenant: &str, scopes: &[Scope]) -> KeyRecord {
        KeyRecord {
            id: "key-1".to_owned(),
            tenant: tenant.parse().unwrap(),
            scopes: scopes.to_vec(),
            bound: None,
            expires_ms: None,
            last_use: LastUse::default(),
        }
    }

    fn bound(function: &str, scopes: &[Scope]) -> KeyRecord {
        let functions = [function.parse().unwrap()].into();
        KeyRecord { bound: Some(Bound { functions, ..Bound::default() }), ..key("acme", scopes) }
    }

    fn entry() -> Entry<()> {
        Entry {
            tenant: "acme".parse().unwrap(),
            function: "f".parse().unwrap(),
            version: Version::FIRST,
            digest: Digest::of(b""),
            limits: EffectiveLimits::of(&ServerLimits::default(), &TenantLimits::default(), &FunctionLimits::default()),
            routes: Vec::new(),
            handle: (),
            arms: None,
        }
    }

    fn decided(key: Option<KeyRecord>, auth: Auth) -> Result<bool, Refusal> {
        decide(key.map(Arc::new), &entry(), auth).map(|caller| caller.is_some())
    }

    #[test]
    fn a_route_with_a_key_wants_one_of_its_tenant_with_the_scope() {
        assert_eq!(decided(None, Auth::Key), Err(Refusal::NoKey));
        for scope in [Scope::Invoke, Scope::Admin] {
            assert_eq!(decided(Some(key("acme", &[Scope::Read, scope])), Auth::Key), Ok(true));
        }
        for scope in [Scope::Read, Scope::Deploy] {
            assert_eq!(decided(Some(key("acme", &[scope])), Auth::Key), Err(Refusal::Forbidden));
        }
        assert_eq!(decided(Some(key("acme", &[])), Auth::Key), Err(Refusal::Forbidden));
        assert_eq!(decided(Some(key("other", &[Scope::Admin])), Auth::Key), Err(Refusal::Forbidden));
    }

    #[test]
    fn a_bound_key_opens_what_it_is_bound_to() {
        assert_eq!(decided(Some(bound("f", &[Scope::Invoke])), Auth::Key), Ok(true));
        assert_eq!(decided(Some(bound("g", &[Scope::Invoke])), Auth::Key), Err(Refusal::Forbidden));
        assert_eq!(decided(Some(bound("g", &[Scope::Invoke])), Auth::None), Ok(false), "and is not told elsewhere");
    }

    #[test]
    fn an_open_route_takes_everybody_and_names_only_its_own_tenants_callers() {
        assert_eq!(decided(None, Auth::None), Ok(false));
        assert_eq!(decided(Some(key("acme", &[Scope::Invoke])), Auth::None), Ok(true));
        assert_eq!(decided(Some(key("other", &[Scope::Invoke])), Auth::None), Ok(false));
    }

    #[test]
    fn an_owner_has_a_key_that_deploys_for_the_functions_tenant() {
        for (tenant, scope, is_owner) in [
            ("acme", Scope::Admin, true),
            ("acme", Scope::Deploy, true),
            ("acme", Scope::Invoke, false),
            ("acme", Scope::Read, false),
            ("other", Scope::Admin, false),
        ] {
            assert_eq!(owns(&key(tenant, &[scope]), &entry()), is_owner, "{tenant} {scope}");
        }
        assert!(owns(&bound("f", &[Scope::Deploy]), &entry()) && !owns(&bound("g", &[Scope::Deploy]), &entry()));
    }
}
