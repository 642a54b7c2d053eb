//! Back to what stood at a moment: functions, how their requests are shared out, versions of models, labels. Nothing else: neither
//! keys nor limits, and no event is taken back. It is a change like others, and can be gone back from.

use super::then::serving_at;
use super::{Item, Moment, then};
use crate::changes::{Changes, Changing};
use crate::db::parsed;
use crate::error::StoreError;
use crate::events::Note;
use crate::functions::{self, Serving};
use crate::grants;
use crate::models::{self, ModelVersion};
use crate::store::Store;
use modelet_spec::{FunctionName, Label, ModelName, Pick, TenantName, Version};
use rusqlite::{Transaction, params};
use std::collections::{BTreeMap, BTreeSet};

/// What going back changes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Restored {
    /// In the order: functions, models, labels.
    pub changes: Vec<Change>,
    /// What cannot be as it was, and why.
    pub missing: Vec<String>,
}

/// One thing that is another afterwards.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// A function is served otherwise; `None`: not at all.
    Function {
        /// Which.
        name: FunctionName,
        /// What serves before.
        before: Option<Serving>,
        /// What serves afterwards.
        after: Option<Serving>,
    },
    /// A version of a model comes back, or goes because it came later.
    Model {
        /// The version.
        model: Box<ModelVersion>,
        /// Whether it comes back.
        comes: bool,
    },
    /// A label stands at another version; `None`: nowhere.
    Label {
        /// Of which model.
        model: ModelName,
        /// Which label.
        label: Label,
        /// Where it stands before.
        before: Option<Version>,
        /// Where it stands afterwards.
        after: Option<Version>,
    },
}

impl Changes<'_> {
    /// Goes back to a moment, in one transaction with an event for each change.
    ///
    /// # Errors
    /// When the metadata cannot be read or written. Then nothing has changed.
    pub fn restore(&self, tenant: &TenantName, moment: Moment, detail: &str) -> Result<Restored, StoreError> {
        self.write(|tx| {
            let restored = self.difference(tx, tenant, moment)?;
            if !restored.changes.is_empty() {
                Note::new("tenant.restore", tenant, tenant.as_str()).detail(detail).write(tx)?;
            }
            restored.changes.iter().try_for_each(|change| apply(tx, tenant, change))?;
            Ok(restored)
        })
    }
}

impl Store {
    /// What going back to a moment would change of a tenant.
    ///
    /// # Errors
    /// When the metadata cannot be read.
    pub fn would_restore(&self, tenant: &TenantName, moment: Moment) -> Result<Restored, StoreError> {
        self.db.read(|tx| self.difference(tx, tenant, moment))
    }

    fn difference(&self, tx: &Transaction<'_>, tenant: &TenantName, moment: Moment) -> Result<Restored, StoreError> {
        let (mut restored, mut of_models) = (Restored::default(), Restored::default());
        // What becomes of the models first: a function whose model is gone afterwards does not come back.
        let there = self.models_between(tx, tenant, moment, &mut of_models)?;
        self.functions_between(tx, (tenant, moment), &there, &mut restored)?;
        restored.changes.extend(of_models.changes);
        restored.missing.extend(of_models.missing);
        labels_between(tx, (tenant, moment), &there, &mut restored)?;
        Ok(restored)
    }

    fn functions_between(
        &self,
        tx: &Transaction<'_>,
        (tenant, moment): (&TenantName, Moment),
        there: &BTreeSet<(ModelName, Version)>,
        restored: &mut Restored,
    ) -> Result<(), StoreError> {
        let by_name = |all: Vec<Serving>| all.into_iter().map(|serving| (serving.name.clone(), serving)).collect();
        let mut now: BTreeMap<FunctionName, Serving> = by_name(functions::serving::everything(tx, Some(tenant))?);
        let mut then: BTreeMap<FunctionName, Serving> = by_name(serving_at(tx, tenant, moment)?);
        let names: BTreeSet<FunctionName> = now.keys().chain(then.keys()).cloned().collect();
        for name in names {
            let (before, after) = (now.remove(&name), then.remove(&name));
            if before == after {
                continue;
            }
            let gone = match &after {
                Some(after) => self.part_gone(tx, after, there)?,
                None => None,
            };
            match gone {
                Some(what) => restored.missing.push(format!("function {name}: {what}")),
                None => restored.changes.push(Change::Function { name, before, after }),
            }
        }
        Ok(())
    }

    /// What a version that is to serve needs and is not there afterwards, in words.
    fn part_gone(
        &self,
        tx: &Transaction<'_>,
        serving: &Serving,
        there: &BTreeSet<(ModelName, Version)>,
    ) -> Result<Option<String>, StoreError> {
        for version in versions_of(tx, serving)? {
            let found = functions::find(tx, &serving.tenant, &serving.name, version)?;
            let found = found.filter(|found| self.blob_bytes(&found.tenant, &found.component).is_some());
            let Some(found) = found else {
                return Ok(Some(format!("the component of version {version} is gone")));
            };
            for model in found.models {
                let is_own = model.owner == serving.tenant;
                let is_there = match is_own {
                    true => there.contains(&(model.name.clone(), model.version)),
                    false => grants::is_usable(tx, &serving.tenant, &model.owner, &model.name, model.version)?,
                };
                if !is_there {
                    let owner = if is_own { String::new() } else { format!("{}/", model.owner) };
                    let model = format!("{owner}{}@{}", model.name, model.version);
                    return Ok(Some(format!("the model {model} of version {version} is gone, or granted no longer")));
                }
            }
        }
        Ok(None)
    }

    /// Returns the versions of models that there are afterwards.
    fn models_between(
        &self,
        tx: &Transaction<'_>,
        tenant: &TenantName,
        moment: Moment,
        restored: &mut Restored,
    ) -> Result<BTreeSet<(ModelName, Version)>, StoreError> {
        let mut query = tx.prepare_cached(&format!(
            "SELECT v.name, v.version, v.removed_ms IS NULL AS is_now, EXISTS (SELECT 1 FROM period p WHERE p.kind = 'model'
                 AND p.tenant = v.tenant AND p.name = v.name AND CAST(p.item AS INTEGER) = v.version AND {}) AS is_then
             FROM model_version v WHERE v.tenant = ?2 ORDER BY v.name, v.version",
            then::LASTED
        ))?;
        let rows = query.query_map((moment.0, tenant.as_str()), |row| {
            let (name, version): (ModelName, Version) = (parsed(row, "name")?, models::version(row)?);
            Ok((name, version, row.get::<_, bool>("is_now")?, row.get::<_, bool>("is_then")?))
        })?;
        let mut there = BTreeSet::new();
        for row in rows {
            let (name, version, is_now, is_then) = row?;
            let model = models::find_kept(tx, tenant, &name, version)?;
            match (model, is_now, is_then) {
                (_, true, true) => drop(there.insert((name, version))),
                (Some(model), true, false) => {
                    restored.changes.push(Change::Model { model: Box::new(model), comes: false })
                }
                (Some(model), false, true) if self.has_files(&model) => {
                    restored.changes.push(Change::Model { model: Box::new(model), comes: true });
                    there.insert((name, version));
                }
                (_, false, true) => restored.missing.push(format!("model {name}@{version}: its files are gone")),
                (None, true, false) | (_, false, false) => {}
            }
        }
        Ok(there)
    }

    fn has_files(&self, model: &ModelVersion) -> bool {
        let is_there = |file: &models::FileEntry| self.blob_bytes(&model.tenant, &file.digest) == Some(file.bytes);
        model.main().is_some() && model.files.iter().all(is_there)
    }
}

/// The versions that somebody's request may reach, or a copy of it.
fn versions_of(tx: &Transaction<'_>, serving: &Serving) -> Result<BTreeSet<Version>, StoreError> {
    let mut versions = BTreeSet::from([serving.live]);
    if let Some(traffic) = &serving.traffic_json {
        let mut query = tx.prepare_cached(
            "SELECT value ->> '$.version' AS version FROM json_each(?1, '$.parts')
             UNION SELECT ?1 ->> '$.shadow' WHERE ?1 ->> '$.shadow' IS NOT NULL",
        )?;
        let rows = query.query_map([traffic], models::version)?;
        versions.extend(rows.collect::<Result<Vec<_>, _>>()?);
    }
    Ok(versions)
}

fn labels_between(
    tx: &Transaction<'_>,
    (tenant, moment): (&TenantName, Moment),
    there: &BTreeSet<(ModelName, Version)>,
    restored: &mut Restored,
) -> Result<(), StoreError> {
    type Labels = BTreeMap<(ModelName, Label), Version>;
    let labels = |sql: &str, moment: Option<i64>| -> Result<Labels, StoreError> {
        let mut query = tx.prepare_cached(sql)?;
        let rows = query.query_map((moment, tenant.as_str()), |row| {
            let model: (ModelName, Label) = (parsed(row, "name")?, parsed(row, "label")?);
            Ok((model, models::version(row)?))
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    };
    let now = labels("SELECT name, label, version FROM model_label WHERE tenant = ?2 AND ?1 IS NULL", None)?;
    let then = format!(
        "SELECT p.name, p.item AS label, CAST(p.value AS INTEGER) AS version FROM period p
         WHERE p.kind = 'label' AND p.tenant = ?2 AND {}",
        then::LASTED
    );
    let then = labels(&then, Some(moment.0))?;
    let all: BTreeSet<&(ModelName, Label)> = now.keys().chain(then.keys()).collect();
    for of in all {
        let (before, after) = (now.get(of).copied(), then.get(of).copied());
        let after = after.filter(|version| there.contains(&(of.0.clone(), *version)));
        if before != after {
            restored.changes.push(Change::Label { model: of.0.clone(), label: of.1.clone(), before, after });
        }
    }
    Ok(())
}

fn apply(tx: &Changing<'_>, tenant: &TenantName, change: &Change) -> Result<(), StoreError> {
    match change {
        Change::Function { after: Some(after), .. } => serve_again(tx, after),
        Change::Function { name, after: None, .. } => {
            let before = functions::serving::told(tx, tenant, name)?;
            let note = Note::new("function.stop", tenant, name.as_str());
            let event = note.values(before.as_deref(), None).write(tx)?.id;
            functions::serving::stop(tx, tenant, name, event)
        }
        Change::Model { model, comes: true } => come_back(tx, model),
        Change::Model { model, comes: false } => models::remove::remove(tx, model),
        Change::Label { model, label, after: Some(after), .. } => {
            let model = models::require(tx, tenant, model, &Pick::Version(*after))?;
            models::labels::put(tx, &model, label)
        }
        Change::Label { model, label, after: None, .. } => {
            // It may have gone with its version.
            match models::find(tx, tenant, model, &Pick::Label(label.clone()))? {
                Some(model) => models::labels::take(tx, &model, label),
                None => Ok(()),
            }
        }
    }
}

fn serve_again(tx: &Changing<'_>, serving: &Serving) -> Result<(), StoreError> {
    let Serving { tenant, name, live, traffic_json } = serving;
    let detail = traffic_json.as_deref().unwrap_or_default();
    let (before, after) = (functions::serving::told(tx, tenant, name)?, functions::serving::told_of(tx, serving)?);
    let subject = format!("{name}@{live}");
    let note = Note::new("function.restore", tenant, &subject).detail(detail);
    let event = note.values(before.as_deref(), Some(&after)).write(tx)?.id;
    for version in versions_of(tx, serving)? {
        let number = version.to_string();
        tx.execute(
            "UPDATE function_version SET removed_ms = NULL WHERE tenant = ?1 AND name = ?2 AND version = ?3",
            params![tenant.as_str(), name.as_str(), version.get()],
        )?;
        Item::function(tenant, name.as_str(), &number).begins(tx, "", event)?;
    }
    functions::serving::set(tx, serving, event)
}

fn come_back(tx: &Changing<'_>, model: &ModelVersion) -> Result<(), StoreError> {
    let number = model.version.to_string();
    let subject = format!("{}@{number}", model.name);
    let digest = model.digest.to_string();
    let note = Note::new("model.restore", &model.tenant, &subject).detail(&digest);
    let event = note.values(None, Some(&digest)).write(tx)?.id;
    tx.execute(
        "UPDATE model_version SET removed_ms = NULL WHERE tenant = ?1 AND name = ?2 AND version = ?3",
        params![model.tenant.as_str(), model.name.as_str(), model.version.get()],
    )?;
    Item::model(&model.tenant, model.name.as_str(), &number).begins(tx, "", event)
}
