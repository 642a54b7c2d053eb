//! What a token is worth: its claims become a tenant, scopes and a name, as the configuration maps them.

use std::collections::BTreeMap;

use modelet_catalog::{KeyRecord, LastUse, Scope};
use modelet_spec::TenantName;
use serde_json::Value;

use super::token::{LEEWAY_S, Refused, Token};

/// The longest name of a subject: it goes into a header of each request.
const SUBJECT_BYTES_MAX: usize = 200;

/// Whose a token is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TenantRule {
    /// All tokens of the issuer are this tenant's.
    Fixed(TenantName),
    /// A claim says it: by this map, or where there is none by the tenant's name.
    Claim {
        /// The claim.
        claim: String,
        /// What its values mean.
        map: BTreeMap<String, TenantName>,
    },
}

/// What a token may do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScopeRule {
    /// The claim: words with spaces between, or a list.
    pub claim: String,
    /// What its values mean; where it is empty, a scope's own name means the scope.
    pub map: BTreeMap<String, Scope>,
}

/// The key that a token is worth. That there is such a tenant is for the caller to see to.
pub(super) fn grant(
    token: &Token<'_>,
    issuer: Option<&str>,
    (tenant, scopes): (&TenantRule, &ScopeRule),
    end_s: u64,
) -> Result<KeyRecord, Refused> {
    let subject = token.text("sub").filter(|subject| !subject.is_empty()).ok_or(Refused::Malformed)?;
    let subject = plain(subject);
    if subject.len() > SUBJECT_BYTES_MAX {
        return Err(Refused::Malformed);
    }
    let issuer = issuer.map(|issuer| format!("{issuer}/")).unwrap_or_default();
    Ok(KeyRecord {
        id: format!("jwt:{issuer}{subject}"),
        tenant: tenant_of(token, tenant)?,
        scopes: scopes_of(token, scopes),
        bound: None,
        expires_ms: Some(end_s.saturating_add(LEEWAY_S).saturating_mul(1000)),
        last_use: LastUse::default(),
    })
}

fn tenant_of(token: &Token<'_>, rule: &TenantRule) -> Result<TenantName, Refused> {
    match rule {
        TenantRule::Fixed(tenant) => Ok(tenant.clone()),
        TenantRule::Claim { claim, map } => {
            let value = token.text(claim).ok_or(Refused::Tenant)?;
            match map.is_empty() {
                true => value.parse().map_err(|_| Refused::Tenant),
                false => map.get(value).cloned().ok_or(Refused::Tenant),
            }
        }
    }
}

/// What means nothing here is passed over: a token may be for others, too.
fn scopes_of(token: &Token<'_>, rule: &ScopeRule) -> Vec<Scope> {
    let values: Vec<&str> = match token.claims.get(&rule.claim) {
        Some(Value::String(words)) => words.split_ascii_whitespace().collect(),
        Some(Value::Array(list)) => list.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    let meant = |value: &&str| match rule.map.is_empty() {
        true => value.parse().ok(),
        false => rule.map.get(*value).copied(),
    };
    let mut scopes: Vec<Scope> = values.iter().filter_map(meant).collect();
    scopes.sort_unstable();
    scopes.dedup();
    scopes
}

/// A subject that can stand in a header and in a log; no two become the same.
fn plain(subject: &str) -> String {
    let mut text = String::new();
    for byte in subject.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'.' | b'_' | b'-' | b'@' | b'|' | b':' | b'+' => {
                text.push(char::from(byte));
            }
            other => text.push_str(&format!("%{other:02X}")),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subjects_stay_apart_and_fit_a_header() {
        for (subject, expected) in [
            ("alice@acme.example", "alice@acme.example"),
            ("auth0|1234", "auth0|1234"),
            ("a b", "a%20b"),
            ("a%20b", "a%2520b"),
            ("x\r\ny/é", "x%0D%0Ay%2F%C3%A9"),
        ] {
            assert_eq!(plain(subject), expected);
        }
    }
}
