//! `modelet audit`: who changed what, when, from where, from what to what; and whether that is all as it was written.

use anyhow::bail;
use clap::Args;
use modelet_control::wire::{Audit, AuditVerified, Audited, AuditedBy, AuditedKind};
use modelet_spec::{At, Timestamp};

use super::client::{Client, query};
use super::{ServerArgs, output};

/// Changes that are asked for at a time.
const PAGE: u32 = 1000;
/// Values are longer than a line has room for: as much is shown of each.
const VALUE_CHARS: usize = 40;
/// How a digest begins, what follows, and how much of that is shown.
const DIGEST: &str = "sha256:";
const DIGEST_CHARS: usize = 64;
const DIGEST_SHOWN: usize = 8;

#[derive(Debug, Args)]
pub(crate) struct AuditArgs {
    /// Changes of this kind alone, such as key.put, or key for all that begin with it
    #[arg(long, value_name = "KIND")]
    kind: Option<String>,
    /// Changes of this thing alone, such as magika@2, or magika for all its versions
    #[arg(long, value_name = "NAME")]
    subject: Option<String>,
    /// Not before this moment: 2026-11-28T17:40:00Z, or 10m for ten minutes ago
    #[arg(long, value_name = "TIME")]
    since: Option<At>,
    /// Not after this moment
    #[arg(long, value_name = "TIME")]
    until: Option<At>,
    /// So many at most, the newest; 0: all
    #[arg(long, value_name = "N", default_value_t = 100)]
    limit: u32,
    /// Check every row of the whole server, and that none is missing; 1 is left as the status if one is
    #[arg(long, conflicts_with_all = ["kind", "subject", "since", "until", "limit"])]
    verify: bool,
    /// The head that an earlier check printed, kept elsewhere: the same row must still be there
    #[arg(long, value_name = "ROW:HASH", requires = "verify")]
    anchor: Option<String>,
    /// Print JSON only
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &AuditArgs, server: &ServerArgs) -> anyhow::Result<()> {
    let client = Client::new(server)?;
    if args.verify {
        return verify(&client, args);
    }
    let listed = list(&client, args, server)?;
    if args.json {
        return output::json(&listed);
    }
    if listed.changes.is_empty() {
        output::line("no such changes");
        return Ok(());
    }
    let rows: Vec<Vec<String>> = listed.changes.iter().map(row).collect();
    output::table(&["ROW", "WHEN", "WHO", "FROM", "WHAT", "TENANT", "OF", "BEFORE", "AFTER"], &rows);
    if listed.next.is_some() {
        output::note("there are older changes: --limit, --until");
    }
    Ok(())
}

/// Follows the pages until there are as many as wanted.
fn list(client: &Client, args: &AuditArgs, server: &ServerArgs) -> anyhow::Result<Audit> {
    let wanted = if args.limit == 0 { usize::MAX } else { usize::try_from(args.limit)? };
    let mut listed = Audit { changes: Vec::new(), next: None };
    loop {
        let left = u32::try_from(wanted.saturating_sub(listed.changes.len())).unwrap_or(u32::MAX);
        let path = query(
            "/v1/audit",
            &[
                ("tenant", server.tenant.as_ref().map(ToString::to_string)),
                ("kind", args.kind.as_deref().map(escaped)),
                ("subject", args.subject.as_deref().map(escaped)),
                ("since", args.since.map(|at| at.to_string())),
                ("until", args.until.map(|at| at.to_string())),
                ("limit", Some(left.min(PAGE).to_string())),
                ("after", listed.next.take()),
            ],
        );
        let page: Audit = client.get(&path)?;
        listed.changes.extend(page.changes);
        listed.next = page.next;
        if listed.next.is_none() || listed.changes.len() >= wanted {
            return Ok(listed);
        }
    }
}

fn verify(client: &Client, args: &AuditArgs) -> anyhow::Result<()> {
    let anchor = args.anchor.as_deref().map(escaped);
    let verified: AuditVerified = client.get(&query("/v1/audit/verify", &[("anchor", anchor)]))?;
    if args.json {
        output::json(&verified)?;
    }
    if let Some(fault) = &verified.fault {
        bail!("the audit is not whole: {fault}; {} rows from the first on are", verified.rows);
    }
    if !args.json {
        output::line(&format!("{} rows, all whole", verified.rows));
        verified.head.iter().for_each(|head| output::line(&format!("head {head}")));
    }
    Ok(())
}

fn row(change: &Audited) -> Vec<String> {
    let (who, from) = by(&change.by);
    let value = |value: &Option<String>| value.as_deref().map_or_else(|| "-".to_owned(), short);
    vec![
        change.id.to_string(),
        Timestamp::from_ms(change.at_ms).to_string(),
        who,
        from,
        change.kind.clone(),
        change.tenant.to_string(),
        change.subject.clone(),
        value(&change.before),
        value(&change.after),
    ]
}

/// Who, and from where.
fn by(by: &AuditedBy) -> (String, String) {
    let who = match (by.kind, &by.tenant) {
        (AuditedKind::Key, Some(tenant)) => format!("{tenant}/{}", by.key.as_deref().unwrap_or_default()),
        (AuditedKind::Key, None) => by.key.clone().unwrap_or_default(),
        (AuditedKind::Server, _) => "server".to_owned(),
        (AuditedKind::Operator, _) => "operator".to_owned(),
        (AuditedKind::Unknown, _) => "-".to_owned(),
    };
    (who, by.remote.clone().unwrap_or_else(|| "-".to_owned()))
}

fn short(value: &str) -> String {
    let value = &digests_cut(value);
    if value.chars().count() <= VALUE_CHARS {
        return value.to_owned();
    }
    value.chars().take(VALUE_CHARS - 1).chain(['…']).collect()
}

/// The same with as much of each digest as tells it from others.
fn digests_cut(value: &str) -> String {
    let mut pieces = value.split(DIGEST);
    let mut cut = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let is_digest = piece.len() >= DIGEST_CHARS && piece.bytes().take(DIGEST_CHARS).all(|b| b.is_ascii_hexdigit());
        cut.push_str(DIGEST);
        match piece.split_at_checked(DIGEST_CHARS) {
            Some((digest, rest)) if is_digest => {
                cut.extend(digest.chars().take(DIGEST_SHOWN).chain(['…']).chain(rest.chars()));
            }
            _ => cut.push_str(piece),
        }
    }
    cut
}

/// Text for a query.
fn escaped(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~@:".contains(&byte);
    let escape = |byte: u8| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") };
    text.bytes().map(escape).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_follows_a_digest_is_shown() {
        let digest = format!("sha256:{}", "0123456789abcdef".repeat(4));
        assert_eq!(short(&format!("2 {digest} traffic 1=90")), "2 sha256:01234567… traffic 1=90");
        assert_eq!(short("sha256:short"), "sha256:short");
        assert_eq!(short(&"x".repeat(50)).chars().count(), VALUE_CHARS);
    }
}
