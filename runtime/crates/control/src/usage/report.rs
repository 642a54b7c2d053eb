//! What was used, as it is asked for.

use modelet_spec::{TenantName, Timestamp, UsageCounts, Used, UsedKind};
use modelet_store::{USAGE_DAYS_KEPT, USAGE_HOURS_KEPT, UsagePlace, UsageQuery, UsageSpan};

use crate::clock::now_ms;
use crate::control::Control;
use crate::error::ControlError;
use crate::wire;

/// Rows of a page, unless fewer are asked for.
const ROWS_MAX: u32 = 1000;
const DAY_S: u64 = 86400;

/// Whose use is meant.
#[derive(Debug)]
pub(crate) enum Whose {
    /// Of a tenant that is there.
    Of(TenantName),
    /// Of one that the operator named: it may be gone.
    Named(TenantName),
    /// Of all, those that are gone among them.
    All,
}

/// A page of what was used. Blocks.
pub(crate) fn report(
    control: &Control,
    whose: Whose,
    asked: &wire::UsageQuery,
) -> Result<wire::UsageReport, ControlError> {
    let tenant = match whose {
        Whose::Named(tenant) if !control.store.had_tenant(&tenant)? => return Err(ControlError::NoTenant(tenant)),
        Whose::Of(tenant) | Whose::Named(tenant) => Some(tenant),
        Whose::All => None,
    };
    let (by, query) = (asked.by.unwrap_or_default(), query(tenant, asked, now_ms() / 1000)?);
    let page = control.store.usage(&query)?;
    let next = page.rows.last().filter(|_| page.has_more).map(|row| to_text(&row.place));
    let rows = page.rows.into_iter().map(|row| view(row.place, row.counts, query.is_sum)).collect();
    let (since, until) = (moment(query.since_s), moment(query.until_s));
    Ok(wire::UsageReport { since, until, by, rows, next })
}

fn query(tenant: Option<TenantName>, asked: &wire::UsageQuery, now_s: u64) -> Result<UsageQuery, ControlError> {
    use wire::UsageBy as By;
    let by = asked.by.unwrap_or_default();
    let now = moment(now_s);
    let default_s = if by == By::Hour { DAY_S } else { 30 * DAY_S };
    let since_s = asked.since.map_or(now_s.saturating_sub(default_s), |at| at.from(now).ms() / 1000);
    // What is of this second is in.
    let until_s = asked.until.map_or(now_s + 1, |at| at.from(now).ms().div_ceil(1000));
    if since_s >= until_s {
        return Err(ControlError::BadRequest("`since` is not before `until`".to_owned()));
    }
    let is_by_hours = since_s >= now_s.saturating_sub(USAGE_HOURS_KEPT.as_secs());
    let span = match by {
        By::Hour => UsageSpan::Hour,
        By::Day => UsageSpan::Day,
        // A sum is of whole hours as long as these are known.
        By::Function | By::Model if is_by_hours => UsageSpan::Hour,
        By::Function | By::Model => UsageSpan::Day,
    };
    let first_s = now_s.saturating_sub(USAGE_DAYS_KEPT.as_secs());
    Ok(UsageQuery {
        tenant,
        function: asked.function.clone(),
        model: asked.model.clone(),
        kind: match by {
            By::Hour | By::Day => None,
            By::Function => Some(UsedKind::Function),
            By::Model => Some(UsedKind::Model),
        },
        span,
        since_s: span.begin(since_s.max(first_s)),
        until_s,
        is_sum: matches!(by, By::Function | By::Model),
        after: asked.after.as_deref().map(from_text).transpose()?,
        rows_max: asked.limit.unwrap_or(ROWS_MAX).clamp(1, ROWS_MAX),
    })
}

fn moment(at_s: u64) -> Timestamp {
    Timestamp::from_ms(at_s.saturating_mul(1000))
}

fn view(place: UsagePlace, counts: UsageCounts, is_sum: bool) -> wire::UsageRow {
    let UsagePlace { start_s, used } = place;
    let is_function = used.kind == UsedKind::Function;
    let part = Some(used.part).filter(|part| !part.is_empty());
    let (function, model) = if is_function { (Some(used.name), None) } else { (None, Some(used.name)) };
    let (version, device) = if is_function { (part.and_then(|part| part.parse().ok()), None) } else { (None, part) };
    wire::UsageRow {
        start: (!is_sum).then(|| moment(start_s)),
        tenant: used.tenant,
        function,
        version,
        model,
        device,
        requests: counts.requests,
        failed: counts.unanswered.saturating_sub(counts.refused),
        refused: counts.refused,
        cpu_seconds: seconds(counts.cpu_us),
        bytes_in: counts.bytes_in,
        bytes_out: counts.bytes_out,
        runs: counts.runs,
        rows: counts.rows,
        inference_seconds: seconds(counts.busy_us),
    }
}

fn seconds(us: u64) -> f64 {
    us as f64 / 1e6
}

/// A place as the next page is asked for.
fn to_text(place: &UsagePlace) -> String {
    let UsagePlace { start_s, used: Used { tenant, kind, name, part } } = place;
    format!("{tenant},{start_s},{kind},{name},{part}")
}

fn from_text(text: &str) -> Result<UsagePlace, ControlError> {
    let read = || {
        let mut words = text.splitn(5, ',');
        let mut word = || words.next();
        let (tenant, start_s, kind, name, part) = (word()?, word()?, word()?, word()?, word()?);
        let tenant = tenant.parse().ok()?;
        let used = Used { tenant, kind: kind.parse().ok()?, name: name.to_owned(), part: part.to_owned() };
        Some(UsagePlace { start_s: start_s.parse().ok()?, used })
    };
    read().ok_or_else(|| ControlError::BadRequest("`after` is not the `next` of a page".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use modelet_spec::At;
    use wire::UsageBy;

    /// 2026-01-15, 10:30:10.
    const NOW_S: u64 = 1_768_473_010;

    fn asked(by: UsageBy, since: Option<&str>) -> UsageQuery {
        let since = since.map(|text| text.parse::<At>().unwrap());
        query(None, &wire::UsageQuery { by: Some(by), since, ..wire::UsageQuery::default() }, NOW_S).unwrap()
    }

    #[test]
    fn a_listing_begins_with_a_whole_step_and_a_sum_is_as_fine_as_is_known() {
        let hour = asked(UsageBy::Hour, None);
        assert_eq!((hour.span, NOW_S - hour.since_s), (UsageSpan::Hour, DAY_S + 30 * 60 + 10));
        let day = asked(UsageBy::Day, Some("1h"));
        assert_eq!((day.span, day.since_s % DAY_S, day.is_sum), (UsageSpan::Day, 0, false));
        let sum = asked(UsageBy::Function, Some("2h"));
        assert_eq!((sum.span, sum.is_sum, sum.kind), (UsageSpan::Hour, true, Some(UsedKind::Function)));
        assert_eq!(asked(UsageBy::Model, Some("15d")).span, UsageSpan::Day);
        let before = wire::UsageQuery { until: Some("3d".parse().unwrap()), ..wire::UsageQuery::default() };
        let since = |text: &str| wire::UsageQuery { since: Some(text.parse().unwrap()), ..before.clone() };
        assert!(query(None, &since("4d"), NOW_S).is_ok());
        assert!(query(None, &since("2d"), NOW_S).is_err());
    }

    #[test]
    fn a_place_is_read_as_it_is_written_and_nothing_else() {
        let tenant = TenantName::default_tenant();
        let used = Used { tenant, kind: UsedKind::Model, name: "acme/m".to_owned(), part: "cuda:0".to_owned() };
        let place = UsagePlace { start_s: 7, used };
        assert_eq!(from_text(&to_text(&place)).unwrap(), place);
        for text in ["", "a", "default,x,model,m,cpu", "default,7,thing,m,cpu", "default,7,model,m"] {
            assert!(from_text(text).is_err(), "{text}");
        }
    }
}
