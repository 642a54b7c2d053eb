//! Who changes things, and knows what was acknowledged.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, Result, bail};
use fastrand::Rng;
use modelet_control::wire;
use modelet_spec::Digest;

use crate::account::{self, Row};
use crate::components::numbered;
use crate::deed::Deed;
use crate::kept::Kept;
use crate::seen;
use crate::state::State;
use crate::support::places;
use crate::support::site::Site;

/// Functions and models that a writer has.
const THINGS: usize = 2;
const LABELS: [&str; 3] = ["stable", "canary", "old"];

/// Versions of a model beyond which one goes.
const VERSIONS_MAX: usize = 4;

/// Field 6 of ONNX's `ModelProto`, `doc_string`, as text: the last one counts, so a model that ends with one more is another.
const DOC_STRING: u8 = 6 << 3 | 2;

/// A writer's things are its own, so that it knows how they have to be.
pub(crate) struct Writer {
    prefix: String,
    random: Rng,
    state: State,
    /// The highest version that a model ever had; its number is never used again.
    newest: BTreeMap<String, u32>,
    /// What each version of a function answers, those that went included: no number is used again.
    stamps: BTreeMap<(String, u32), String>,
    /// The change of which nobody knows whether it was made.
    open: Option<Deed>,
    /// Counts what is made, so that nothing is twice the same.
    made: u32,
    /// The folder of each function, and the component in it.
    projects: BTreeMap<String, (PathBuf, String)>,
    model: Vec<u8>,
    model_file: PathBuf,
    /// A key, and its secret as far as it is known.
    key: String,
    secret: String,
    kept: Kept,
    /// The rows of the audit that the changes of this life must have left.
    rows: Vec<Row>,
}

/// The same model with these words in it, so that it is another.
///
/// # Errors
/// When there are more than 127 bytes of them.
pub(crate) fn renamed(model: &[u8], words: &str) -> Result<Vec<u8>> {
    let length = u8::try_from(words.len()).ok().filter(|length| *length < 0x80).context("too many words")?;
    Ok([model, &[DOC_STRING, length], words.as_bytes()].concat())
}

/// What a look at the server said.
#[derive(Debug)]
pub(crate) enum Compared {
    /// All that was acknowledged is there, and the open change is not.
    NotMade,
    /// All that was acknowledged is there, and so is the open change.
    Made,
    /// There was no open change, and all is there.
    Nothing,
    /// Something is missing, half done, or too much.
    Differs(String),
}

impl Writer {
    /// With nothing yet.
    ///
    /// # Errors
    /// When the guest or the model is not there.
    pub(crate) fn new(number: usize, site: &Site, random: Rng) -> Result<Self> {
        let prefix = format!("w{number}-");
        let component = fs::read(places::guest("settings")?)?;
        let mut projects = BTreeMap::new();
        for thing in 0..THINGS {
            let name = format!("{prefix}{thing}");
            let folder = PathBuf::from(site.project(&component, &name, "")?);
            projects.insert(name, (folder, Digest::of(&component).to_string()));
        }
        let model = fs::read(places::root().join("tests/models/identity_f32.onnx"))?;
        let folder = projects.values().next().context("a writer has functions")?.0.clone();
        let key: wire::KeyWithSecret =
            serde_json::from_str(&site.modelet(&["key", "create", "--scope", "read", "--json"])?)?;
        let secret = "the first value".to_owned();
        let kept = Kept::make(site, &format!("w{number}"), &secret, &component, &model)?;
        let imported = kept.imported(site)?;
        Ok(Self {
            prefix,
            random,
            state: State { key_opens: true, secret, imported, ..State::default() },
            kept,
            rows: Vec::new(),
            key: key.key.id,
            secret: key.secret,
            newest: BTreeMap::new(),
            stamps: BTreeMap::new(),
            open: None,
            made: 0,
            projects,
            model,
            model_file: folder.join("model.onnx"),
        })
    }

    /// Changes things until the server is gone; how many changes were acknowledged.
    ///
    /// # Errors
    /// When a change is refused by a server that lives.
    pub(crate) fn work(&mut self, site: &Site, is_dead: &AtomicBool) -> Result<u64> {
        let mut acknowledged = 0;
        while !is_dead.load(Ordering::SeqCst) {
            let deed = self.choose()?;
            let arguments = deed.arguments();
            let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
            match site.modelet(&arguments) {
                Ok(said) => {
                    self.done(&deed);
                    self.learn(&deed, &said)?;
                    acknowledged += 1;
                }
                Err(_) if is_dead.load(Ordering::SeqCst) => self.open = Some(deed),
                Err(error) => bail!("{deed:?} was refused: {error:#}"),
            }
        }
        Ok(acknowledged)
    }

    /// Compares what the server says with the account.
    ///
    /// # Errors
    /// When the server does not say.
    pub(crate) fn compare(&mut self, site: &Site, scales: &seen::Scales, noted: &[Row]) -> Result<Compared> {
        let seen = seen::state(site, &self.prefix, &self.secret, &self.kept, scales)?;
        let open = self.open.take();
        let noted: Vec<_> = noted.iter().filter(|row| self.is_own(row)).cloned().collect();
        // A key whose secret nobody knows and that is rotated once more looks the same: there only the audit tells.
        let is_told = |deed: &Deed| deed.apply(&self.state) != self.state || noted.len() > self.rows.len();
        let is_made = open.as_ref().filter(|deed| deed.apply(&self.state) == seen && is_told(deed));
        if let Some(deed) = is_made {
            self.done(deed);
        }
        if let Some(told) = account::difference(&std::mem::take(&mut self.rows), &noted) {
            self.state = seen;
            return Ok(Compared::Differs(format!("{told}; open was {open:?}")));
        }
        if is_made.is_some() {
            return Ok(Compared::Made);
        }
        if seen != self.state {
            let told = self.state.difference(&seen);
            self.state = seen;
            return Ok(Compared::Differs(format!("{told}; open was {open:?}")));
        }
        Ok(if open.is_some() { Compared::NotMade } else { Compared::Nothing })
    }

    /// Whether a row of the audit is of one of this writer's things.
    fn is_own(&self, row: &Row) -> bool {
        let is_named = [&row.tenant, &row.subject].iter().any(|name| name.starts_with(&self.prefix));
        // An import has as many rows as it changes things; the one of its tenant says that it was made.
        let is_import = row.tenant == self.kept.tenant && row.kind == "tenant.import";
        is_named || is_import || row.subject == self.key || row.subject == self.kept.secret
    }

    fn done(&mut self, deed: &Deed) {
        self.rows.extend(deed.rows(&self.state));
        self.state = deed.apply(&self.state);
        match deed {
            Deed::Push { model, version, .. } => _ = self.newest.insert(model.clone(), *version),
            Deed::Deploy { function, version, stamp, .. } => {
                _ = self.stamps.insert((function.clone(), *version), stamp.clone());
            }
            _ => {}
        }
    }

    /// What only the answer tells.
    fn learn(&mut self, deed: &Deed, said: &str) -> Result<()> {
        if let Deed::Rotate { .. } = deed {
            self.secret = serde_json::from_str::<wire::KeyWithSecret>(said)?.secret;
            self.state.key_opens = true;
        }
        Ok(())
    }

    /// Something that changes what can be seen.
    fn choose(&mut self) -> Result<Deed> {
        if !self.state.key_opens {
            // The server was killed when it had another secret, before it could say which.
            return Ok(Deed::Rotate { key: self.key.clone() });
        }
        loop {
            let chosen = match self.random.u8(..21) {
                0..3 => self.deploy()?,
                3 => self.scale(),
                4 => self.rollback(),
                5 => self.retire(),
                6 | 7 => Some(self.push()?),
                8 => self.label(),
                9 => self.unlabel(),
                10 => self.remove(),
                11 => Some(Deed::Rotate { key: self.key.clone() }),
                12 => Some(self.tenant()),
                13 => self.limit(),
                14 => self.dissolve(),
                15 => self.grant(),
                16 => self.revoke(),
                17 => self.share(),
                18 => Some(self.keep()?),
                19 => self.import()?,
                _ => self.unshare(),
            };
            if let Some(deed) = chosen.filter(|deed| deed.apply(&self.state) != self.state) {
                return Ok(deed);
            }
        }
    }

    fn deploy(&mut self) -> Result<Option<Deed>> {
        self.made += 1;
        let function = self.thing();
        if self.state.functions.get(&function).is_some_and(|deployed| !deployed.shares.is_empty()) {
            // It would not go live: that is another change.
            return Ok(None);
        }
        let (folder, component) = self.projects.get_mut(&function).context("each function has a folder")?;
        // Rarely: a component that nobody has seen is compiled.
        if self.random.u8(..4) == 0 {
            let bytes = numbered("settings", self.random.u32(..))?;
            fs::write(folder.join("guest.wasm"), &bytes)?;
            *component = Digest::of(&bytes).to_string();
        }
        let deployed = self.stamps.keys().rfind(|(name, _)| *name == function);
        Ok(Some(Deed::Deploy {
            folder: places::text(folder)?,
            component: component.clone(),
            version: deployed.map_or(1, |(_, newest)| newest + 1),
            stamp: self.made.to_string(),
            function,
        }))
    }

    fn rollback(&mut self) -> Option<Deed> {
        let function = self.thing();
        let versions: Vec<u32> = self.state.functions.get(&function)?.versions.keys().copied().collect();
        let version = self.random.choice(versions)?;
        let stamp = self.stamps.get(&(function.clone(), version))?.clone();
        Some(Deed::Rollback { function, version, stamp })
    }

    fn share(&mut self) -> Option<Deed> {
        let function = self.thing();
        let deployed = self.state.functions.get(&function)?;
        let live = deployed.live;
        let others: Vec<u32> = deployed.versions.keys().copied().filter(|version| *version != live).collect();
        Some(Deed::Share { other: self.random.choice(others)?, percent: self.random.u32(1..100), function, live })
    }

    fn unshare(&mut self) -> Option<Deed> {
        let function = self.thing();
        let is_shared = self.state.functions.get(&function).is_some_and(|deployed| !deployed.shares.is_empty());
        is_shared.then_some(Deed::Unshare { function })
    }

    /// No name is used again, whether or not its tenant was made.
    fn tenant(&mut self) -> Deed {
        self.made += 1;
        Deed::Tenant { name: format!("{}t{}", self.prefix, self.made) }
    }

    fn limit(&mut self) -> Option<Deed> {
        Some(Deed::Limit { name: self.any_tenant()?, functions: self.random.u32(1..100) })
    }

    fn dissolve(&mut self) -> Option<Deed> {
        Some(Deed::Dissolve { name: self.any_tenant()? })
    }

    fn any_tenant(&mut self) -> Option<String> {
        self.random.choice(self.state.tenants.keys().cloned().collect::<Vec<_>>())
    }

    fn grant(&mut self) -> Option<Deed> {
        let model = self.thing();
        let is_there = self.state.models.contains_key(&model);
        let to = self.any_tenant().filter(|_| is_there)?;
        Some(Deed::Grant { model, to, share: self.random.bool() })
    }

    fn revoke(&mut self) -> Option<Deed> {
        let model = self.thing();
        let granted: Vec<String> = self.state.models.get(&model)?.grants.keys().cloned().collect();
        Some(Deed::Revoke { to: self.random.choice(granted)?, model })
    }

    /// Rarely the whole function, else a version that is not live.
    fn retire(&mut self) -> Option<Deed> {
        let function = self.thing();
        let deployed = self.state.functions.get(&function)?;
        if self.random.u8(..4) == 0 {
            return Some(Deed::Drop { function });
        }
        let serves = |version: &u32| *version == deployed.live || deployed.shares.contains_key(version);
        let others: Vec<u32> = deployed.versions.keys().copied().filter(|version| !serves(version)).collect();
        Some(Deed::Retire { version: self.random.choice(others)?, function })
    }

    fn scale(&mut self) -> Option<Deed> {
        let function = self.thing();
        let is_there = self.state.functions.contains_key(&function);
        is_there.then(|| Deed::Scale { function, min: self.random.u32(..3) })
    }

    fn push(&mut self) -> Result<Deed> {
        self.made += 1;
        let model = self.thing();
        let bytes = renamed(&self.model, &format!("{}{}", self.prefix, self.made))?;
        fs::write(&self.model_file, &bytes)?;
        Ok(Deed::Push {
            version: self.newest.get(&model).map_or(1, |newest| newest + 1),
            file: places::text(&self.model_file)?,
            digest: Digest::of(&bytes).to_string(),
            label: self.random.bool().then(|| self.any_label()),
            model,
        })
    }

    fn keep(&mut self) -> Result<Deed> {
        self.made += 1;
        let value = format!("value {}", self.made);
        fs::write(&self.kept.secret_file, &value)?;
        Ok(Deed::Keep { secret: self.kept.secret.clone(), file: places::text(&self.kept.secret_file)?, value })
    }

    fn import(&mut self) -> Result<Option<Deed>> {
        let others = self.kept.archives.iter().filter(|(_, imported)| *imported != self.state.imported);
        let Some((archive, imported)) = self.random.choice(others.collect::<Vec<_>>()) else { return Ok(None) };
        let (tenant, imported) = (self.kept.tenant.clone(), imported.clone());
        Ok(Some(Deed::Import { tenant, archive: places::text(archive)?, imported }))
    }

    fn label(&mut self) -> Option<Deed> {
        let model = self.thing();
        let versions: Vec<u32> = self.state.models.get(&model)?.versions.keys().copied().collect();
        let version = self.random.choice(versions)?;
        Some(Deed::Label { model, version, label: self.any_label() })
    }

    fn unlabel(&mut self) -> Option<Deed> {
        let model = self.thing();
        let labels: Vec<String> = self.state.models.get(&model)?.labels.keys().cloned().collect();
        Some(Deed::Unlabel { label: self.random.choice(labels)?, model })
    }

    fn remove(&mut self) -> Option<Deed> {
        let model = self.thing();
        let versions: Vec<u32> = self.state.models.get(&model)?.versions.keys().copied().collect();
        let is_many = versions.len() > VERSIONS_MAX || self.random.u8(..4) == 0;
        let version = self.random.choice(versions).filter(|_| is_many)?;
        Some(Deed::Remove { model, version })
    }

    /// A name for a function, or a model.
    fn thing(&mut self) -> String {
        format!("{}{}", self.prefix, self.random.usize(..THINGS))
    }

    fn any_label(&mut self) -> String {
        self.random.choice(LABELS).unwrap_or_default().to_owned()
    }
}
