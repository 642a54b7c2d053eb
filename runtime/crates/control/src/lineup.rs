//! What serves of a function, made of what is stored of it: the live version, and beside it those that its requests are shared
//! out among.
//!
//! What runs a version already is used again: its warm instances stay, and its counters.

use std::collections::HashSet;
use std::sync::Arc;

use modelet_catalog::{Arms, Entry, Shadow};
use modelet_engine::Function;
use modelet_engine::ports::Code;
use modelet_spec::{FunctionName, TenantName, Traffic, Version};
use modelet_store::Serving;

use crate::code::Coded;
use crate::control::{Control, FunctionEntry};
use crate::deploy::Draft;
use crate::error::ControlError;
use crate::restore::draft;
use crate::{push, secrets};

/// The versions of a function that its requests are shared out among, beside the live one.
pub(crate) type FunctionArms = Arms<Arc<Function>>;

/// What is to serve of a function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Plan {
    pub(crate) tenant: TenantName,
    pub(crate) name: FunctionName,
    /// The version that has the routes, and all requests where nothing else is said.
    pub(crate) live: Version,
    /// How requests are shared out.
    pub(crate) traffic: Option<Traffic>,
}

/// A version that is about to be stored.
pub(crate) struct Fresh<'a> {
    pub(crate) draft: &'a Draft,
    pub(crate) version: Version,
    pub(crate) code: Arc<dyn Code>,
}

impl Plan {
    /// What the store says that serves.
    pub(crate) fn of(serving: Serving) -> Result<Self, ControlError> {
        let Serving { tenant, name, live, traffic_json } = serving;
        let read = |json: String| {
            serde_json::from_str(&json).map_err(|e| ControlError::Internal(format!("a stored traffic: {e}")))
        };
        Ok(Self { tenant, name, live, traffic: traffic_json.map(read).transpose()? })
    }

    /// The same as it is stored.
    pub(crate) fn stored(&self) -> Result<Serving, ControlError> {
        let Self { tenant, name, live, traffic } = self.clone();
        let traffic_json = traffic.as_ref().map(traffic_json).transpose()?;
        Ok(Serving { tenant, name, live, traffic_json })
    }

    /// Makes the entry of a catalog. Blocks: code that an update of the server has left behind is compiled here.
    pub(crate) fn line_up(
        &self,
        control: &Control,
        fresh: Option<&Fresh<'_>>,
    ) -> Result<Arc<FunctionEntry>, ControlError> {
        let before = control.serving(&self.tenant, &self.name);
        let stand = |version: Version| match fresh.filter(|fresh| fresh.version == version) {
            Some(fresh) => {
                // Again: it may have been removed since the deploy began.
                secrets::check(control, &self.tenant, &fresh.draft.manifest)?;
                fresh.draft.entry(control, version, Arc::clone(&fresh.code))
            }
            None => self.stand(control, before.as_ref(), version),
        };
        let live = stand(self.live)?;
        let arms = self.arms(control, before.as_ref(), stand)?;
        Ok(Arc::new(Entry { arms, ..live }))
    }

    /// The versions beside the live one, with nothing of what runs: its limits are others now. Blocks.
    pub(crate) fn arms_anew(&self, control: &Control) -> Result<Option<Box<FunctionArms>>, ControlError> {
        self.arms(control, None, |version| self.stand(control, None, version))
    }

    fn arms(
        &self,
        control: &Control,
        before: Option<&Arc<FunctionEntry>>,
        stand: impl Fn(Version) -> Result<FunctionEntry, ControlError>,
    ) -> Result<Option<Box<FunctionArms>>, ControlError> {
        let Some(traffic) = &self.traffic else { return Ok(None) };
        let others = traffic.parts().iter().map(|part| part.version).filter(|version| *version != self.live);
        let others = others.map(|version| stand(version).map(Arc::new)).collect::<Result<Vec<_>, _>>()?;
        let shadow = traffic.shadow().map(|version| self.shadow(control, before, version)).transpose()?;
        Ok(Some(Box::new(Arms::new((&self.tenant, &self.name), traffic.clone(), others, shadow))))
    }

    /// A stored version; one that was removed where it is about to come back.
    fn stand(
        &self,
        control: &Control,
        before: Option<&Arc<FunctionEntry>>,
        version: Version,
    ) -> Result<FunctionEntry, ControlError> {
        let stored = control.store.function_version_kept(&self.tenant, &self.name, version)?;
        let draft = draft(&stored)?;
        if let Some(serving) = before.and_then(|before| before.at(version)) {
            return Ok(draft.entry_of(control, version, Arc::clone(&serving.handle)));
        }
        secrets::check(control, &self.tenant, &draft.manifest)?;
        let of = Coded::of(&stored);
        control.codes.ensure(&of, &mut HashSet::new())?;
        draft.entry(control, version, control.codes.stored(of, &stored.compiled))
    }

    /// A stored version that changes nothing outside. One that was the shadow already goes on counting.
    fn shadow(
        &self,
        control: &Control,
        before: Option<&Arc<FunctionEntry>>,
        version: Version,
    ) -> Result<Shadow<Arc<Function>>, ControlError> {
        let shadow = before.and_then(|before| before.arms.as_ref()?.shadow());
        if let Some(shadow) = shadow.filter(|shadow| shadow.entry.version == version) {
            return Ok(Shadow { entry: Arc::clone(&shadow.entry), tally: Arc::clone(&shadow.tally) });
        }
        let stored = control.store.function_version_kept(&self.tenant, &self.name, version)?;
        let draft = draft(&stored)?;
        secrets::check(control, &self.tenant, &draft.manifest)?;
        let of = Coded::of(&stored);
        control.codes.ensure(&of, &mut HashSet::new())?;
        let code = control.codes.stored(of, &stored.compiled);
        let handle = control.engine.rehearsal(code, draft.spec(control, version)?);
        Ok(Shadow { entry: Arc::new(draft.entry_of(control, version, handle)), tally: Arc::default() })
    }
}

/// As the store keeps it.
pub(crate) fn traffic_json(traffic: &Traffic) -> Result<String, ControlError> {
    push::json(traffic, "traffic")
}
