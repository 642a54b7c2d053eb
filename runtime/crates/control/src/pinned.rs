//! A version of a model that a function was bound to at its deploy: what it is, and how it is loaded.

use std::collections::HashSet;
use std::sync::Arc;

use arc_swap::ArcSwap;
use modelet_inference::LoadError;
use modelet_spec::{Digest, ModelCard, ModelName, Pick, TenantName, Version};
use modelet_store::{Dedupe, ModelBinding, ModelVersion, NewModelVersion, Store, StoreError};

use crate::artifact::Artifact;
use crate::error::ControlError;
use crate::forms::Source;
use crate::models::Owned;

/// A version of a model that a function was bound to at its deploy.
#[derive(Debug, Clone)]
pub(crate) struct Pinned {
    pub(crate) owner: TenantName,
    pub(crate) name: ModelName,
    pub(crate) version: Version,
    /// Its content.
    pub(crate) digest: Digest,
    pub(crate) card: Arc<ModelCard>,
    /// What it will be, while it is none yet: it comes with a deploy that is not done.
    pub(crate) fresh: Option<Arc<NewModelVersion>>,
}

impl Pinned {
    /// A version, as the store has it.
    pub(crate) fn of(version: ModelVersion) -> Result<Self, ControlError> {
        let ModelVersion { tenant: owner, name, version, digest, card_json, .. } = version;
        Ok(Self { owner, name, version, digest, card: card(&card_json)?.into(), fresh: None })
    }

    /// What will be a version of this number once a deploy is done.
    pub(crate) fn fresh(version: Version, new: NewModelVersion) -> Result<Self, ControlError> {
        let (owner, name, digest) = (new.tenant.clone(), new.name.clone(), new.digest);
        Ok(Self { owner, name, version, digest, card: card(&new.card_json)?.into(), fresh: Some(Arc::new(new)) })
    }

    /// What a stored function means by an alias.
    pub(crate) fn bound(binding: &ModelBinding) -> Result<Self, ControlError> {
        let ModelBinding { owner, name, version, digest, card_json, .. } = binding.clone();
        Ok(Self { owner, name, version, digest, card: card(&card_json)?.into(), fresh: None })
    }

    /// Whose it is, and which.
    pub(crate) fn owned(&self) -> Owned {
        (self.owner.clone(), self.name.clone(), self.version)
    }

    /// What it is called in logs and metrics.
    pub(crate) fn label(&self) -> String {
        format!("{}@{}", self.name, self.version)
    }

    /// What keeps two of the same content apart in memory: how their cards have them run, and their owners, if tenants
    /// share nothing. `None`: nothing does.
    pub(crate) fn scope(&self, dedupe: Dedupe) -> Option<Arc<str>> {
        let runs_alike =
            ModelCard { batch: self.card.batch.clone(), run: self.card.run.clone(), ..ModelCard::default() };
        let is_bare = runs_alike == ModelCard::default();
        let runs = if is_bare { String::new() } else { serde_json::to_string(&runs_alike).unwrap_or_default() };
        let owner = match dedupe {
            Dedupe::All => "",
            Dedupe::Tenant => self.owner.as_str(),
        };
        (!is_bare || !owner.is_empty()).then(|| format!("{owner} {runs}").into())
    }

    /// What it is loaded from, laid out on the disk. Blocks.
    pub(crate) fn source(&self, store: &Store) -> Result<Source, LoadError> {
        let artifact = |new: &NewModelVersion| Artifact {
            tenant: new.tenant.clone(),
            content: new.digest,
            files: new.files.clone(),
        };
        let unreadable = |error: StoreError| {
            tracing::error!(model = %self.label(), %error, "the files of a model could not be read");
            LoadError::Unavailable("its files could not be read".to_owned())
        };
        if let Some(new) = &self.fresh {
            return artifact(new).source(store, self.label(), &self.card).map_err(unreadable);
        }
        let version = store.model(&self.owner, &self.name, &Pick::Version(self.version)).map_err(unreadable)?;
        let version = version.ok_or_else(|| LoadError::Unavailable("it was removed".to_owned()))?;
        Artifact::of(&version).source(store, self.label(), &self.card).map_err(unreadable)
    }

    /// The same as far as its content tells: enough to ask what is known of it, not to load it.
    pub(crate) fn bare_source(&self, store: &Store) -> Source {
        let path = store.blob_path(&self.owner, &self.digest);
        let source = Source::of_file(self.label(), self.digest, path);
        Source { card: (*self.card).clone(), apart: apart(store, &self.owner), ..source }
    }
}

/// Whose alone the forms of a tenant's models are; `None`: all share them.
pub(crate) fn apart(store: &Store, owner: &TenantName) -> Option<TenantName> {
    (store.dedupe() == Dedupe::Tenant).then(|| owner.clone())
}

/// A card as it was stored.
pub(crate) fn card(json: &str) -> Result<ModelCard, ControlError> {
    serde_json::from_str(json).map_err(|e| ControlError::Internal(format!("a stored card: {e}")))
}

/// The versions that were removed while functions were bound to them: those functions find no such model.
#[derive(Debug, Default)]
pub(crate) struct Gone(ArcSwap<HashSet<Owned>>);

impl Gone {
    /// Those of an earlier run of the server.
    pub(crate) fn of(store: &Store) -> Result<Self, ControlError> {
        Ok(Self(ArcSwap::from_pointee(store.removed_in_use()?.into_iter().collect())))
    }

    /// Adds versions.
    pub(crate) fn add(&self, versions: &[ModelVersion]) {
        let named = versions.iter().map(|v| (v.tenant.clone(), v.name.clone(), v.version));
        let named: Vec<Owned> = named.collect();
        self.0.rcu(|gone| gone.iter().chain(&named).cloned().collect::<HashSet<_>>());
    }

    /// They are not gone any more.
    pub(crate) fn take_out(&self, versions: &[ModelVersion]) {
        let is_back =
            |owned: &Owned| versions.iter().any(|v| v.tenant == owned.0 && v.name == owned.1 && v.version == owned.2);
        self.0.rcu(|gone| gone.iter().filter(|owned| !is_back(owned)).cloned().collect::<HashSet<_>>());
    }

    /// Whether a version is gone.
    pub(crate) fn has(&self, pinned: &Pinned) -> bool {
        let gone = self.0.load();
        // Nearly always: then nothing is copied and compared.
        !gone.is_empty() && gone.contains(&pinned.owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pinned(owner: &str, card: &str) -> Pinned {
        Pinned {
            owner: owner.parse().unwrap(),
            name: "m".parse().unwrap(),
            version: Version::FIRST,
            digest: Digest::of(b"m"),
            card: ModelCard::parse(card, "card.toml").unwrap().into(),
            fresh: None,
        }
    }

    #[test]
    fn the_same_content_is_one_copy_unless_it_runs_differently_or_tenants_share_nothing() {
        let (bare, told) = (pinned("a", ""), pinned("b", "licence = \"MIT\""));
        assert_eq!((bare.scope(Dedupe::All), told.scope(Dedupe::All)), (None, None));
        assert_ne!(bare.scope(Dedupe::Tenant), told.scope(Dedupe::Tenant));
        let (one, two) = (pinned("a", "[run]\nsessions = 1"), pinned("a", "[run]\nsessions = 2"));
        assert!(one.scope(Dedupe::All).is_some());
        assert_ne!(one.scope(Dedupe::All), two.scope(Dedupe::All));
        assert_eq!(one.scope(Dedupe::All), pinned("b", "[run]\nsessions = 1").scope(Dedupe::All));
    }
}
