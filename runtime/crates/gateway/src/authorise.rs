//! Whether a request may call its route.

use http::{HeaderMap, HeaderValue};
use modelet_catalog::{Catalog, KeyRecord, Scope};
use modelet_spec::{Auth, TenantName};

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
    tenant: &TenantName,
    auth: Auth,
    headers: &mut HeaderMap,
) -> Result<bool, Refusal> {
    let key = headers::take_keys(headers, |secret| catalog.authorise(secret));
    let is_owner = key.is_some_and(|key| owns(key, tenant));
    let caller = decide(key, tenant, auth)?;
    // The client's own `modelet-*` goes before ours comes.
    headers::clean_request(headers);
    if let Some(id) = caller.and_then(|key| HeaderValue::try_from(&key.id).ok()) {
        headers.insert(headers::CALLER, id);
    }
    Ok(is_owner)
}

/// Whether the key is of those who deploy the function: a key that only calls it may be in anybody's hands.
fn owns(key: &KeyRecord, tenant: &TenantName) -> bool {
    key.tenant == *tenant && key.allows(Scope::Deploy)
}

/// The key whose id the guest may know: one of the function's own tenant.
fn decide<'k>(key: Option<&'k KeyRecord>, tenant: &TenantName, auth: Auth) -> Result<Option<&'k KeyRecord>, Refusal> {
    let allowed = key.filter(|key| key.tenant == *tenant && key.allows(Scope::Invoke));
    match (auth, key, allowed) {
        (Auth::None, _, allowed) => Ok(allowed),
        (Auth::Key, _, Some(allowed)) => Ok(Some(allowed)),
        (Auth::Key, Some(_), None) => Err(Refusal::Forbidden),
        (Auth::Key, None, None) => Err(Refusal::NoKey),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(tenant: &str, scopes: &[Scope]) -> KeyRecord {
        KeyRecord { id: "key-1".to_owned(), tenant: tenant.parse().unwrap(), scopes: scopes.to_vec(), hash: [0; 32] }
    }

    fn decided(key: Option<&KeyRecord>, auth: Auth) -> Result<bool, Refusal> {
        decide(key, &"acme".parse().unwrap(), auth).map(|caller| caller.is_some())
    }

    #[test]
    fn a_route_with_a_key_wants_one_of_its_tenant_with_the_scope() {
        assert_eq!(decided(None, Auth::Key), Err(Refusal::NoKey));
        for scope in [Scope::Invoke, Scope::Admin] {
            assert_eq!(decided(Some(&key("acme", &[Scope::Read, scope])), Auth::Key), Ok(true));
        }
        for scope in [Scope::Read, Scope::Deploy] {
            assert_eq!(decided(Some(&key("acme", &[scope])), Auth::Key), Err(Refusal::Forbidden));
        }
        assert_eq!(decided(Some(&key("acme", &[])), Auth::Key), Err(Refusal::Forbidden));
        assert_eq!(decided(Some(&key("other", &[Scope::Admin])), Auth::Key), Err(Refusal::Forbidden));
    }

    #[test]
    fn an_open_route_takes_everybody_and_names_only_its_own_tenants_callers() {
        assert_eq!(decided(None, Auth::None), Ok(false));
        assert_eq!(decided(Some(&key("acme", &[Scope::Invoke])), Auth::None), Ok(true));
        assert_eq!(decided(Some(&key("other", &[Scope::Invoke])), Auth::None), Ok(false));
    }

    #[test]
    fn an_owner_has_a_key_that_deploys_for_the_functions_tenant() {
        let acme = "acme".parse().unwrap();
        for (tenant, scope, is_owner) in [
            ("acme", Scope::Admin, true),
            ("acme", Scope::Deploy, true),
            ("acme", Scope::Invoke, false),
            ("acme", Scope::Read, false),
            ("other", Scope::Admin, false),
        ] {
            assert_eq!(owns(&key(tenant, &[scope]), &acme), is_owner, "{tenant} {scope}");
        }
    }
}
