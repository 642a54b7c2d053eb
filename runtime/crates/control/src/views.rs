//! What the store and the catalog know, in the words of the API.

use std::sync::Arc;
use std::time::Duration;

use modelet_catalog::{Difference, Shadow};
use modelet_engine::Function;
use modelet_inference::ModelUse;
use modelet_spec::{EffectiveLimits, Timestamp, Traffic, Version};
use modelet_store::{Change, FileEntry, FunctionVersion, ModelVersion, Serving};

use crate::compile::{Image, Took};
use crate::control::{Control, FunctionEntry, blocking};
use crate::deploy::{Draft, Shown};
use crate::error::ControlError;
use crate::pinned::card;
use crate::restore::draft;
use crate::wire;

/// The live version of a function.
pub(crate) fn function(entry: &FunctionEntry, shown: Shown) -> wire::Function {
    version(entry, entry, shown)
}

/// A version of a function, beside the one that is live.
fn version(live: &FunctionEntry, entry: &FunctionEntry, shown: Shown) -> wire::Function {
    wire::Function {
        tenant: entry.tenant.clone(),
        name: entry.function.clone(),
        version: entry.version,
        digest: entry.digest,
        serving: true,
        live: live.version == entry.version,
        percent: percent(live, entry.version),
        traffic: live.arms.as_ref().map(|arms| arms.traffic().into()),
        routes: entry.routes.iter().map(route).collect(),
        models: shown.models,
        limits: limits(&entry.limits),
        reuse: entry.handle.spec().instances.reuse,
        world: entry.handle.world().map(|world| world.name().to_owned()),
        instances: instances(&entry.handle),
        notes: shown.notes,
        image: shown.image,
        compile: None,
        etag: None,
    }
}

/// A version that was just deployed. Where all that is shared out goes to others already, nobody can reach it.
pub(crate) async fn deployed(
    control: &Arc<Control>,
    live: &Arc<FunctionEntry>,
    number: Version,
    shown: Shown,
) -> Result<wire::Function, ControlError> {
    if let Some(entry) = live.at(number) {
        return Ok(version(live, entry, shown));
    }
    let (control, tenant, name) = (Arc::clone(control), live.tenant.clone(), live.function.clone());
    blocking(move || {
        let stored = control.store.function_version(&tenant, &name, number)?;
        Ok(not_serving(&control, &stored, &draft(&stored)?))
    })
    .await
}

/// What a version gets of a function's requests.
pub(crate) fn percent(live: &FunctionEntry, version: Version) -> u8 {
    match &live.arms {
        Some(arms) => arms.traffic().percent(version).unwrap_or(0),
        None if live.version == version => 100,
        None => 0,
    }
}

/// A version that is stored, and that nobody can reach.
pub(crate) fn not_serving(control: &Control, version: &FunctionVersion, draft: &Draft) -> wire::Function {
    wire::Function {
        tenant: version.tenant.clone(),
        name: version.name.clone(),
        version: version.version,
        digest: version.component,
        serving: false,
        live: version.is_live,
        percent: 0,
        traffic: None,
        routes: draft.routes(control).iter().map(route).collect(),
        models: draft.models(),
        limits: limits(&draft.limits(control)),
        reuse: draft.instances().reuse,
        world: None,
        instances: wire::Instances::default(),
        notes: draft.notes(),
        image: draft.image.as_ref().map(image),
        compile: None,
        etag: None,
    }
}

/// One line of a function's versions. `live`: what serves of it.
pub(crate) fn function_version(
    live: Option<&Arc<FunctionEntry>>,
    stored: &FunctionVersion,
) -> Result<wire::FunctionVersion, ControlError> {
    let number = stored.version;
    let entry = live.and_then(|live| live.at(number));
    let shadow = live.and_then(|live| live.arms.as_ref()?.shadow()).filter(|shadow| shadow.entry.version == number);
    let runs = entry.or(shadow.map(|shadow| &shadow.entry));
    let draft = draft(stored)?;
    Ok(wire::FunctionVersion {
        version: number,
        digest: stored.component,
        deployed: Timestamp::from_ms(stored.created_ms),
        live: stored.is_live,
        percent: live.map_or(0, |live| percent(live, number)),
        shadow: shadow.is_some(),
        reachable: entry.is_some(),
        models: draft.models(),
        instances: runs.map(|entry| instances(&entry.handle)).unwrap_or_default(),
        manifest: Some(draft.manifest),
    })
}

/// A live version of an earlier moment, with how requests were shared out.
pub(crate) fn then(
    control: &Control,
    version: &FunctionVersion,
    draft: &Draft,
    traffic: Option<&Traffic>,
) -> Result<wire::Function, ControlError> {
    Ok(wire::Function {
        serving: true,
        live: true,
        percent: traffic.map_or(100, |traffic| traffic.percent(version.version).unwrap_or(0)),
        traffic: traffic.map(Into::into),
        ..not_serving(control, version, draft)
    })
}

/// One line of a function's versions of an earlier moment.
pub(crate) fn function_version_then(
    stored: &FunctionVersion,
    traffic: Option<&Traffic>,
) -> Result<wire::FunctionVersion, ControlError> {
    let alone = || if stored.is_live { 100 } else { 0 };
    let part = traffic.map(|traffic| traffic.percent(stored.version));
    Ok(wire::FunctionVersion {
        percent: part.map_or_else(alone, Option::unwrap_or_default),
        shadow: traffic.is_some_and(|traffic| traffic.shadow() == Some(stored.version)),
        reachable: part.map_or(stored.is_live, |part| part.is_some()),
        ..function_version(None, stored)?
    })
}

/// What going back has changed, or would.
pub(crate) fn restored(at: Timestamp, restored: modelet_store::Restored, dry_run: bool) -> wire::Restored {
    let served = |serving: &Serving| match &serving.traffic_json {
        None => format!("version {}", serving.live),
        Some(traffic) => format!("version {}, shared out: {traffic}", serving.live),
    };
    let at_version = |version: Option<Version>| version.map(|version| format!("version {version}"));
    let change = |change: Change| match change {
        Change::Function { name, before, after } => wire::Changed {
            kind: "function".to_owned(),
            name: name.to_string(),
            before: before.as_ref().map(served),
            after: after.as_ref().map(served),
        },
        Change::Model { model, comes } => wire::Changed {
            kind: "model".to_owned(),
            name: format!("{}@{}", model.name, model.version),
            before: (!comes).then(|| model.digest.to_string()),
            after: comes.then(|| model.digest.to_string()),
        },
        Change::Label { model, label, before, after } => wire::Changed {
            kind: "label".to_owned(),
            name: format!("{model} {label}"),
            before: at_version(before),
            after: at_version(after),
        },
    };
    let changes = restored.changes.into_iter().map(change).collect();
    wire::Restored { at, dry_run, changes, missing: restored.missing }
}

/// How a function's requests are shared out.
pub(crate) fn traffic(live: &FunctionEntry, notes: Vec<String>) -> wire::TrafficReport {
    let arms = live.arms.as_ref();
    wire::TrafficReport {
        name: live.function.clone(),
        live: live.version,
        traffic: arms.map(|arms| arms.traffic().into()),
        shadow: arms.and_then(|arms| arms.shadow()).map(shadow),
        notes,
    }
}

fn shadow(shadow: &Shadow<Arc<Function>>) -> wire::ShadowReport {
    let difference = |difference: Difference| wire::ShadowDifference {
        invocation: difference.invocation,
        verdict: difference.verdict.name().to_owned(),
        status: difference.status.to_owned(),
        shadow: difference.shadow.to_owned(),
    };
    let verdicts = shadow.tally.counts().into_iter().map(|(verdict, count)| (verdict.name().to_owned(), count));
    wire::ShadowReport {
        version: shadow.entry.version,
        verdicts: verdicts.collect(),
        recent: shadow.tally.recent().into_iter().map(difference).collect(),
    }
}

/// The live sandboxes of a function.
pub(crate) fn instances(function: &Function) -> wire::Instances {
    let (busy, idle) = function.instances();
    wire::Instances {
        busy: busy as u64,
        idle: idle as u64,
        kept: function.kept() as u64,
        warmth: function.warmth().name().to_owned(),
    }
}

/// What became of a component's `init`.
pub(crate) fn image(image: &Image) -> wire::Image {
    match image {
        Image::None { .. } => wire::Image { made: false, before_us: None, after_us: None },
        Image::Made { first } => wire::Image {
            made: true,
            before_us: first.map(|first| us(first.before)),
            after_us: first.map(|first| us(first.after)),
        },
    }
}

/// How long it took to compile.
pub(crate) fn compile(took: Took) -> wire::Compile {
    wire::Compile { ms: ms(took.time), cpu_ms: ms(took.cpu) }
}

/// A time that no integer holds is none that anybody waited.
fn ms(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

fn us(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

/// A model's version.
pub(crate) fn model(version: ModelVersion) -> Result<wire::Model, ControlError> {
    let description = serde_json::from_str(&version.description_json);
    let described = description.map_err(|e| ControlError::Internal(format!("a stored description: {e}")))?;
    Ok(wire::Model {
        tenant: version.tenant,
        name: version.name,
        version: version.version,
        digest: version.digest,
        bytes: version.bytes,
        created: None,
        labels: version.labels.iter().map(ToString::to_string).collect(),
        description: described,
        card: card(&version.card_json)?,
        files: version.files.into_iter().map(file).collect(),
        memory: wire::Memory::default(),
        optimised: None,
        etag: None,
    })
}

/// The same, with what is known of it in memory.
pub(crate) fn model_in_memory(control: &Control, version: ModelVersion) -> Result<wire::Model, ControlError> {
    let owned = (version.tenant.clone(), version.name.clone(), version.version);
    let memory = control.models.seen_of(&owned).map(memory).unwrap_or_default();
    Ok(wire::Model { memory, ..model(version)? })
}

fn memory(seen: ModelUse) -> wire::Memory {
    wire::Memory {
        resident: seen.is_resident,
        device: seen.device,
        resident_bytes: seen.bytes,
        sessions: seen.sessions as u64,
        pinned: seen.is_pinned,
        calls: seen.uses,
        loads: seen.loads,
        load_ms: seen.load_time.map(ms),
        last_use_ms: seen.last_use.map(ms),
        recorded: seen.recorded.iter().map(ToString::to_string).collect(),
    }
}

fn file(file: FileEntry) -> wire::ModelFile {
    wire::ModelFile { path: file.path, role: file.role.to_string(), digest: file.digest, bytes: file.bytes }
}

/// How a version was made of another, as it was stored.
pub(crate) fn optimised(json: &str) -> Result<wire::optimise::Optimised, ControlError> {
    serde_json::from_str(json).map_err(|e| ControlError::Internal(format!("a stored report: {e}")))
}

/// What a function may use at most.
fn limits(limits: &EffectiveLimits) -> wire::Limits {
    wire::Limits {
        memory_bytes: limits.memory,
        time_ms: ms(limits.time),
        cpu_ms: ms(limits.cpu),
        request_body_bytes: limits.request_body,
        response_body_bytes: limits.response_body,
        concurrency: limits.concurrency,
        queue: limits.queue,
    }
}

fn route(route: &modelet_catalog::Route) -> wire::Route {
    wire::Route {
        host: route.host.clone(),
        path: route.path.to_string(),
        methods: route.methods.clone(),
        auth: route.auth,
    }
}
