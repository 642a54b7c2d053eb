//! What serves of a function: the version that is live, and how requests are shared out where somebody has said so.

use super::require;
use crate::changes::Changes;
use crate::db::parsed;
use crate::error::StoreError;
use crate::events::Note;
use crate::history::Item;
use crate::models::version;
use crate::store::Store;
use modelet_spec::{FunctionName, TenantName, Version};
use rusqlite::{OptionalExtension, Transaction, params};

/// What serves of a function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Serving {
    /// Whose function.
    pub tenant: TenantName,
    /// Which function.
    pub name: FunctionName,
    /// The version that routes use.
    pub live: Version,
    /// How its requests are shared out among versions, as JSON: opaque here. `None`: the live version has all.
    pub traffic_json: Option<String>,
}

/// What is to serve of a function from now on, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewServing<'a> {
    /// What serves.
    pub serving: &'a Serving,
    /// The kind of the event, such as `function.rollback`.
    pub kind: &'static str,
    /// What else is worth to know.
    pub detail: &'a str,
}

impl Changes<'_> {
    /// Has a function served as said; in one transaction, with an event.
    ///
    /// # Errors
    /// [`StoreError::FunctionMissing`] when the live version is not there, or the metadata cannot be written. Then nothing has
    /// changed.
    pub fn serve(&self, new: &NewServing<'_>) -> Result<(), StoreError> {
        let Serving { tenant, name, live, .. } = new.serving;
        self.write(|tx| {
            require(tx, tenant, name, *live)?;
            let (before, after) = (told(tx, tenant, name)?, told_of(tx, new.serving)?);
            let subject = format!("{name}@{live}");
            let note = Note::new(new.kind, tenant, &subject).detail(new.detail);
            let event = note.values(before.as_deref(), Some(&after)).write(tx)?;
            set(tx, new.serving, event.id)
        })
    }
}

impl Store {
    /// What serves of a function; `None` when nothing does.
    ///
    /// # Errors
    /// When the metadata cannot be read.
    pub fn serving(&self, tenant: &TenantName, name: &FunctionName) -> Result<Option<Serving>, StoreError> {
        self.db.read(|tx| {
            let mut query = tx.prepare_cached(&format!("{SERVING} AND a.tenant = ?1 AND a.name = ?2"))?;
            Ok(query.query_row((tenant.as_str(), name.as_str()), serving).optional()?)
        })
    }

    /// What serves of all functions whose requests are shared out, of one tenant or of all.
    ///
    /// # Errors
    /// When the metadata cannot be read.
    pub fn shared_out(&self, tenant: Option<&TenantName>) -> Result<Vec<Serving>, StoreError> {
        self.db.read(|tx| {
            let sql = format!("{SERVING} AND t.traffic IS NOT NULL AND (?1 IS NULL OR a.tenant = ?1)");
            let mut query = tx.prepare_cached(&sql)?;
            let rows = query.query_map([tenant.map(TenantName::as_str)], serving)?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
    }
}

const SERVING: &str = "SELECT a.tenant, a.name, a.version, t.traffic FROM function_alias a
    LEFT JOIN function_traffic t ON t.tenant = a.tenant AND t.name = a.name WHERE a.alias = 'live'";

fn serving(row: &rusqlite::Row<'_>) -> rusqlite::Result<Serving> {
    let (tenant, name) = (parsed(row, "tenant")?, parsed(row, "name")?);
    Ok(Serving { tenant, name, live: version(row)?, traffic_json: row.get("traffic")? })
}

/// What serves of the functions of one tenant or of all, sorted by tenant and name.
pub(crate) fn everything(tx: &Transaction<'_>, tenant: Option<&TenantName>) -> Result<Vec<Serving>, StoreError> {
    let sql = format!("{SERVING} AND (?1 IS NULL OR a.tenant = ?1) ORDER BY a.tenant, a.name");
    let mut query = tx.prepare_cached(&sql)?;
    let rows = query.query_map([tenant.map(TenantName::as_str)], serving)?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// What serves of a function, as an audit tells it; `None`: nothing.
pub(crate) fn told(
    tx: &Transaction<'_>,
    tenant: &TenantName,
    name: &FunctionName,
) -> Result<Option<String>, StoreError> {
    let mut query = tx.prepare_cached(&format!("{SERVING} AND a.tenant = ?1 AND a.name = ?2"))?;
    let now = query.query_row((tenant.as_str(), name.as_str()), serving).optional()?;
    now.map(|now| told_of(tx, &now)).transpose()
}

/// What is to serve, as an audit tells it: the live version, its component, and how requests are shared out.
pub(crate) fn told_of(tx: &Transaction<'_>, serving: &Serving) -> Result<String, StoreError> {
    let sql = "SELECT component FROM function_version WHERE tenant = ?1 AND name = ?2 AND version = ?3";
    let of = params![serving.tenant.as_str(), serving.name.as_str(), serving.live.get()];
    let component: Option<String> = tx.prepare_cached(sql)?.query_row(of, |row| row.get(0)).optional()?;
    let parts = [Some(serving.live.to_string()), component, serving.traffic_json.clone()];
    Ok(parts.into_iter().flatten().collect::<Vec<_>>().join(" "))
}

/// Has a function served as said, from an event on.
pub(crate) fn set(tx: &Transaction<'_>, serving: &Serving, event: i64) -> Result<(), StoreError> {
    let Serving { tenant, name, live, traffic_json } = serving;
    set_live(tx, tenant, name, *live, event)?;
    set_traffic(tx, tenant, name, traffic_json.as_deref(), event)
}

/// Nothing of a function serves any more, from an event on.
pub(crate) fn stop(
    tx: &Transaction<'_>,
    tenant: &TenantName,
    name: &FunctionName,
    event: i64,
) -> Result<(), StoreError> {
    set_traffic(tx, tenant, name, None, event)?;
    tx.execute("DELETE FROM function_alias WHERE tenant = ?1 AND name = ?2", (tenant.as_str(), name.as_str()))?;
    Item::live(tenant, name.as_str()).ends(tx, event)
}

/// Moves the alias that routes use.
pub(super) fn set_live(
    tx: &Transaction<'_>,
    tenant: &TenantName,
    name: &FunctionName,
    version: Version,
    event: i64,
) -> Result<(), StoreError> {
    Item::live(tenant, name.as_str()).begins(tx, &version.to_string(), event)?;
    let mut upsert = tx.prepare_cached(
        "INSERT INTO function_alias (tenant, name, alias, version) VALUES (?1, ?2, 'live', ?3)
         ON CONFLICT (tenant, name, alias) DO UPDATE SET version = ?3",
    )?;
    upsert.execute(params![tenant.as_str(), name.as_str(), version.get()])?;
    Ok(())
}

/// Says how requests are shared out, or takes that back.
pub(super) fn set_traffic(
    tx: &Transaction<'_>,
    tenant: &TenantName,
    name: &FunctionName,
    traffic_json: Option<&str>,
    event: i64,
) -> Result<(), StoreError> {
    match traffic_json {
        Some(traffic) => Item::traffic(tenant, name.as_str()).begins(tx, traffic, event)?,
        None => Item::traffic(tenant, name.as_str()).ends(tx, event)?,
    }
    let of = (tenant.as_str(), name.as_str());
    match traffic_json {
        Some(traffic) => {
            let upsert = "INSERT INTO function_traffic (tenant, name, traffic) VALUES (?1, ?2, ?3)
                ON CONFLICT (tenant, name) DO UPDATE SET traffic = ?3";
            tx.prepare_cached(upsert)?.execute((of.0, of.1, traffic))?
        }
        None => tx.prepare_cached("DELETE FROM function_traffic WHERE tenant = ?1 AND name = ?2")?.execute(of)?,
    };
    Ok(())
}
