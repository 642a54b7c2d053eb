//! Changes and who made them, for who may know.

use modelet_spec::{At, Digest, TenantName, Timestamp};
use modelet_store::{Actor, Anchor, AuditQuery, Event};

use crate::clock::now_ms;
use crate::control::Control;
use crate::error::ControlError;
use crate::page::Page;
use crate::wire;
use crate::wire::{Audit, AuditVerified, Audited, AuditedBy, AuditedKind};

/// Changes of a tenant's things, or of all. `reader` is the tenant whose administrator asks; `None`: the operator. Blocks.
pub(crate) fn list(
    control: &Control,
    query: wire::AuditQuery,
    reader: Option<&TenantName>,
) -> Result<Audit, ControlError> {
    let page = Page::of(query.limit, query.after.as_deref())?;
    let tenant = reader.or(query.tenant.as_ref());
    if reader.is_none()
        && let Some(named) = tenant
        && !control.store.had_tenant(named)?
    {
        return Err(ControlError::NoTenant(named.clone()));
    }
    let (since_ms, until_ms) = (query.since.map(ms), query.until.map(ms));
    if since_ms.zip(until_ms).is_some_and(|(since, until)| since > until) {
        return Err(ControlError::BadRequest("`since` is not before `until`".to_owned()));
    }
    let mut events = control.store.audit(&AuditQuery {
        tenant,
        kind: query.kind.as_deref(),
        subject: query.subject.as_deref(),
        since_ms,
        until_ms,
        before: page.number()?,
        count_max: page.count_max(),
    })?;
    let next = page.end(&mut events, |event| event.id.to_string());
    Ok(Audit { changes: events.into_iter().map(|event| view(event, reader)).collect(), next })
}

/// Checks the chain. Blocks.
pub(crate) fn verify(control: &Control, anchor: Option<String>) -> Result<AuditVerified, ControlError> {
    let anchor = anchor.map(|text| text.parse::<Anchor>()).transpose().map_err(ControlError::BadRequest)?;
    let verified = control.store.verify_audit(anchor)?;
    let fault = verified.fault.map(|fault| fault.to_string());
    if let Some(fault) = &fault {
        tracing::error!(fault, "the audit is not whole");
    }
    let head = verified.head.map(|head| head.to_string());
    Ok(AuditVerified { whole: fault.is_none(), rows: verified.rows, head, fault })
}

fn ms(at: At) -> u64 {
    at.from(Timestamp::from_ms(now_ms())).ms()
}

fn view(event: Event, reader: Option<&TenantName>) -> Audited {
    let Event { id, at_ms, kind, tenant, subject, detail, before, after, by, hash } = event;
    let hash = hash.map(|hash| Digest::from_bytes(hash).hex());
    Audited { id, at_ms, kind, tenant, subject, detail, before, after, by: actor(by, reader), hash }
}

fn actor(by: Option<Actor>, reader: Option<&TenantName>) -> AuditedBy {
    let nobody = |kind| AuditedBy { kind, key: None, tenant: None, scopes: Vec::new(), remote: None };
    match by {
        None => nobody(AuditedKind::Unknown),
        Some(Actor::Server) => nobody(AuditedKind::Server),
        // Only the operator changes another tenant's things.
        Some(Actor::Key { tenant, .. }) if reader.is_some_and(|reader| *reader != tenant) => {
            nobody(AuditedKind::Operator)
        }
        Some(Actor::Key { id, tenant, scopes, remote }) => AuditedBy {
            kind: AuditedKind::Key,
            key: Some(id),
            tenant: Some(tenant),
            scopes: scopes.split_whitespace().map(str::to_owned).collect(),
            remote,
        },
    }
}
