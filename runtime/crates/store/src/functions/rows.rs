//! How versions of functions are read.

use super::{FunctionVersion, ModelBinding};
use crate::compiled::CompiledRecord;
use crate::db::{parsed, unsigned};
use crate::error::StoreError;
use crate::models::version;
use crate::things::Revision;
use rusqlite::{Params, Row, Transaction};

pub(crate) const SELECT: &str = "SELECT f.*, a.version IS NOT NULL AS is_live, (SELECT revision FROM revision_told r
    WHERE r.kind = 'function' AND r.tenant = f.tenant AND r.name = f.name) AS revision FROM function_version f
    LEFT JOIN function_alias a ON a.tenant = f.tenant AND a.name = f.name AND a.version = f.version AND a.alias = 'live'";

/// Of each function the live version alone; the others are not looked at.
pub(super) const SELECT_LIVE: &str = "SELECT f.*, true AS is_live, (SELECT revision FROM revision_told r
    WHERE r.kind = 'function' AND r.tenant = f.tenant AND r.name = f.name) AS revision FROM function_alias a
    CROSS JOIN function_version f ON f.tenant = a.tenant AND f.name = a.name AND f.version = a.version WHERE a.alias = 'live'";

pub(crate) fn list(tx: &Transaction<'_>, sql: &str, params: impl Params) -> Result<Vec<FunctionVersion>, StoreError> {
    let mut query = tx.prepare_cached(sql)?;
    let rows = query.query_map(params, |row| Ok((row.get::<_, i64>("id")?, function(row)?)))?;
    let mut found = rows.collect::<Result<Vec<_>, _>>()?;
    for (id, function) in &mut found {
        function.models = bindings(tx, *id)?;
    }
    Ok(found.into_iter().map(|(_, function)| function).collect())
}

fn function(row: &Row<'_>) -> rusqlite::Result<FunctionVersion> {
    Ok(FunctionVersion {
        tenant: parsed(row, "tenant")?,
        name: parsed(row, "name")?,
        version: version(row)?,
        component: parsed(row, "component")?,
        compiled: CompiledRecord {
            digest: parsed(row, "compiled_digest")?,
            engine: row.get("compiled_engine")?,
            image: row.get("image")?,
        },
        manifest_json: row.get("manifest")?,
        models: Vec::new(),
        not_reused: row.get("not_reused")?,
        is_live: row.get("is_live")?,
        created_ms: unsigned(row, "created_ms")?,
        revision: Revision::read(row)?,
    })
}

fn bindings(tx: &Transaction<'_>, function: i64) -> Result<Vec<ModelBinding>, StoreError> {
    let mut query = tx.prepare_cached(
        "SELECT b.alias, m.tenant, m.name, m.version, m.digest, m.card FROM function_model b
         JOIN model_version m ON m.id = b.model WHERE b.function = ?1 ORDER BY b.alias",
    )?;
    let rows = query.query_map([function], |row| {
        Ok(ModelBinding {
            alias: row.get("alias")?,
            owner: parsed(row, "tenant")?,
            name: parsed(row, "name")?,
            version: version(row)?,
            digest: parsed(row, "digest")?,
            card_json: row.get("card")?,
        })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Store;

    #[test]
    fn of_live_functions_no_other_versions_are_looked_at() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(&dir.path().join("data")).unwrap();
        let plan = |rest: &str| {
            let plan = store.db.read(|tx| {
                let mut query = tx.prepare(&format!("EXPLAIN QUERY PLAN {SELECT_LIVE} {rest}"))?;
                let rows = query.raw_query().mapped(|row| row.get::<_, String>("detail"));
                Ok(rows.collect::<Result<Vec<_>, _>>()?.join("; "))
            });
            plan.unwrap()
        };
        for (rest, wanted) in [
            ("AND a.tenant = ?1 AND a.name = ?2", "(tenant=? AND name=? AND alias=?)"),
            ("AND a.tenant = ?1 AND a.name > ?2 ORDER BY a.name LIMIT ?3", "(tenant=? AND name>?)"),
            ("AND a.tenant = ?1 ORDER BY a.name", "(tenant=?)"),
            ("AND ?1 IS NULL ORDER BY a.tenant, a.name", "SCAN a "),
        ] {
            let plan = plan(rest);
            assert!(plan.contains(wanted) && !plan.contains("TEMP B-TREE"), "{rest}: {plan}");
            assert!(
                plan.contains("SEARCH f ") && plan.contains("(tenant=? AND name=? AND version=?)"),
                "{rest}: {plan}"
            );
        }
    }
}
