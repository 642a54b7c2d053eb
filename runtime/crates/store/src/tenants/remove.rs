//! A tenant goes, with all that it has.

use super::{claims, require};
use crate::changes::Changes;
use crate::db::parsed;
use crate::error::StoreError;
use crate::events::Note;
use crate::models::{ModelVersion, remove_all};
use crate::store::Store;
use modelet_spec::{FunctionName, ModelName, TenantName};
use rusqlite::Transaction;

/// What went with a tenant.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TenantRemoval {
    /// Its functions, sorted.
    pub functions: Vec<FunctionName>,
    /// The versions of its models.
    pub models: Vec<ModelVersion>,
}

impl Changes<'_> {
    /// Removes a tenant: its functions are live no longer, its models are removed, and what else it had is forgotten. Its name
    /// is never used again. What its functions keep goes with the next [`Store::collect`].
    ///
    /// # Errors
    /// Those of [`Store::check_tenant_removal`]. Then nothing has changed.
    pub fn remove_tenant(&self, name: &TenantName, force: bool) -> Result<TenantRemoval, StoreError> {
        self.write(|tx| {
            check(tx, name, force)?;
            let functions = functions(tx, name)?;
            let models = remove_all(tx, name)?;
            let before = claims(tx, name)?.to_string();
            let at_ms = Note::new("tenant.remove", name, name.as_str()).values(Some(&before), None).write(tx)?.at_ms;
            for table in ["function_alias", "function_scale", "upload", "tenant_claim", "key", "secret", "request"] {
                tx.execute(&format!("DELETE FROM {table} WHERE tenant = ?1"), [name.as_str()])?;
            }
            tx.execute("DELETE FROM model_grant WHERE tenant = ?1 OR grantee = ?1", [name.as_str()])?;
            tx.execute("UPDATE tenant SET removed_ms = ?2 WHERE name = ?1", (name.as_str(), at_ms))?;
            Ok(TenantRemoval { functions, models })
        })
    }
}

impl Store {
    /// Whether a tenant may be removed: it is there, is not the default one, and has no function and no model unless forced.
    ///
    /// # Errors
    /// [`StoreError::NoTenant`], [`StoreError::DefaultTenant`], [`StoreError::TenantInUse`], or the metadata cannot be read.
    pub fn check_tenant_removal(&self, name: &TenantName, force: bool) -> Result<(), StoreError> {
        self.db.read(|tx| check(tx, name, force))
    }

    /// Forgets what functions of tenants keep that are no more. Safe to repeat: the two databases have no transaction in common.
    pub(crate) fn forget_pairs(&self) -> Result<(), StoreError> {
        let gone: Vec<String> = self.db.read(|tx| {
            let mut query = tx.prepare_cached("SELECT name FROM tenant WHERE removed_ms IS NOT NULL")?;
            let rows = query.query_map([], |row| row.get("name"))?;
            Ok(rows.collect::<Result<_, _>>()?)
        })?;
        for name in gone {
            let is_there = "SELECT EXISTS (SELECT 1 FROM account WHERE tenant = ?1)";
            if self
                .pairs
                .read(|tx| Ok(tx.prepare_cached(is_there)?.query_row([&name], |row| row.get::<_, bool>(0))?))?
            {
                self.pairs.write(|tx| {
                    tx.execute("DELETE FROM pair WHERE tenant = ?1", [&name])?;
                    Ok(tx.execute("DELETE FROM account WHERE tenant = ?1", [&name])?)
                })?;
            }
        }
        Ok(())
    }
}

fn check(tx: &Transaction<'_>, name: &TenantName, force: bool) -> Result<(), StoreError> {
    require(tx, name)?;
    if *name == TenantName::default_tenant() {
        return Err(StoreError::DefaultTenant);
    }
    let (functions, models) = (functions(tx, name)?, models(tx, name)?);
    match force || functions.is_empty() && models.is_empty() {
        true => Ok(()),
        false => Err(StoreError::TenantInUse { tenant: name.clone(), functions, models }),
    }
}

fn functions(tx: &Transaction<'_>, name: &TenantName) -> Result<Vec<FunctionName>, StoreError> {
    let sql = "SELECT name FROM function_alias WHERE tenant = ?1 AND alias = 'live' ORDER BY name";
    let mut query = tx.prepare_cached(sql)?;
    let rows = query.query_map([name.as_str()], |row| parsed(row, "name"))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

fn models(tx: &Transaction<'_>, name: &TenantName) -> Result<Vec<ModelName>, StoreError> {
    let sql = "SELECT DISTINCT name FROM model_version WHERE tenant = ?1 AND removed_ms IS NULL ORDER BY name";
    let mut query = tx.prepare_cached(sql)?;
    let rows = query.query_map([name.as_str()], |row| parsed(row, "name"))?;
    Ok(rows.collect::<Result<_, _>>()?)
}
