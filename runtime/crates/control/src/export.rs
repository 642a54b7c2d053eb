//! Desired state goes out: what the store has becomes an archive, streamed.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use http_body::Frame;
use modelet_spec::{Digest, ModelName, TenantName, Timestamp, Version};
use modelet_store::{Exported, FunctionVersion, ModelVersion, Serving, Store};
use tokio::runtime::Handle;
use tokio::sync::mpsc;

use crate::archive::{
    self, ArchiveBinding, ArchiveFile, ArchiveFunction, ArchiveFunctionVersion, ArchiveGrant, ArchiveManifest,
    ArchiveModel, ArchiveModelVersion, ArchiveTenant,
};
use crate::clock::now_ms;
use crate::control::{Control, blocking};
use crate::error::ControlError;
use crate::lineup::Plan;
use crate::pinned::card;
use crate::wire::Blob;

/// Pieces between the disk and the socket, each of [`PIECE`] bytes.
const PIECES_MAX: usize = 4;
const PIECE: usize = 256 << 10;
/// A receiver that takes nothing for so long has gone.
const IDLE_MAX: Duration = Duration::from_secs(60);

/// The archive of one tenant, or of all, as a body. What cannot be read in the middle of it breaks the body off.
pub(crate) async fn export(control: &Arc<Control>, tenant: Option<TenantName>) -> Result<Body, ControlError> {
    let this = Arc::clone(control);
    let manifest = blocking(move || manifest(&this, tenant.as_ref())).await?;
    let (pieces, received) = mpsc::channel(PIECES_MAX);
    let (store, runtime) = (Arc::clone(&control.store), Handle::current());
    tokio::task::spawn_blocking(move || {
        let places = places(&manifest);
        let place = |digest: &Digest| match places.get(digest) {
            Some(owner) => store.blob_path(owner, digest),
            None => store.data_dir().join("nowhere"),
        };
        let to = io::BufWriter::with_capacity(PIECE, Pieces { pieces: pieces.clone(), runtime: runtime.clone() });
        if let Err(error) = archive::write(to, &manifest, place) {
            tracing::error!(%error, "an export broke off");
            // The body ends with an error, not as if it were whole.
            let _ = runtime.block_on(pieces.send(Err(error)));
        }
    });
    Ok(Body::new(Streamed(received)))
}

/// Whose a content is: one of its owners.
fn places(manifest: &ArchiveManifest) -> BTreeMap<Digest, TenantName> {
    let mut places = BTreeMap::new();
    for tenant in &manifest.tenants {
        let files = tenant.models.iter().flat_map(|model| &model.versions).flat_map(|version| &version.files);
        let components = tenant.functions.iter().flat_map(|function| &function.versions).map(|v| v.component);
        for digest in files.map(|file| file.digest).chain(components) {
            places.entry(digest).or_insert_with(|| tenant.name.clone());
        }
    }
    places
}

/// All that there is, in the words of an archive. Blocks.
pub(crate) fn manifest(control: &Control, tenant: Option<&TenantName>) -> Result<ArchiveManifest, ControlError> {
    let exported = control.store.export(tenant)?;
    let mut left_out = Vec::new();
    let mut tenants = Vec::new();
    for owner in &exported.tenants {
        let models = models(&exported, &owner.name)?;
        let functions = functions(&exported, &owner.name, tenant.is_none(), &mut left_out)?;
        tenants.push(ArchiveTenant {
            name: owner.name.clone(),
            hosts: owner.claims.hosts.clone(),
            paths: owner.claims.paths.clone(),
            limits: owner.limits.clone(),
            models,
            functions,
        });
    }
    let blobs = blobs(&control.store, &tenants)?;
    Ok(ArchiveManifest {
        format: archive::FORMAT.to_owned(),
        version: archive::FORMAT_VERSION,
        modelet: control.config.version.to_owned(),
        exported: Timestamp::from_ms(now_ms()),
        not_included: archive::NOT_INCLUDED.map(str::to_owned).to_vec(),
        left_out,
        tenants,
        blobs,
    })
}

/// The contents by digest, with their lengths.
fn blobs(store: &Store, tenants: &[ArchiveTenant]) -> Result<Vec<Blob>, ControlError> {
    let mut blobs = BTreeMap::new();
    for tenant in tenants {
        let files = tenant.models.iter().flat_map(|model| &model.versions).flat_map(|version| &version.files);
        let components = tenant.functions.iter().flat_map(|function| &function.versions).map(|v| v.component);
        for digest in files.map(|file| file.digest).chain(components) {
            let bytes = store.blob_bytes(&tenant.name, &digest).ok_or_else(|| {
                ControlError::Internal(format!("the content {digest} of {} is not on the disk", tenant.name))
            })?;
            blobs.insert(digest, bytes);
        }
    }
    Ok(blobs.into_iter().map(|(digest, bytes)| Blob { digest, bytes }).collect())
}

fn models(exported: &Exported, owner: &TenantName) -> Result<Vec<ArchiveModel>, ControlError> {
    let mut models: BTreeMap<&ModelName, ArchiveModel> = BTreeMap::new();
    for version in exported.models.iter().filter(|version| version.tenant == *owner) {
        let name = &version.name;
        let model = models.entry(name).or_insert_with(|| ArchiveModel {
            name: name.clone(),
            labels: BTreeMap::new(),
            pinned: BTreeSet::new(),
            grants: Vec::new(),
            versions: Vec::new(),
        });
        model.labels.extend(version.labels.iter().map(|label| (label.clone(), version.version)));
        model.versions.push(model_version(version)?);
    }
    for pin in exported.pins.iter().filter(|pin| pin.tenant == *owner) {
        models.entry(&pin.name).and_modify(|model| model.pinned.extend([pin.version]));
    }
    for grant in exported.grants.iter().filter(|grant| grant.owner == *owner) {
        let granted = ArchiveGrant { to: grant.to.clone(), share_batch: grant.share_batch };
        models.entry(&grant.model).and_modify(|model| model.grants.push(granted));
    }
    Ok(models.into_values().collect())
}

fn model_version(version: &ModelVersion) -> Result<ArchiveModelVersion, ControlError> {
    let file = |file: &modelet_store::FileEntry| ArchiveFile {
        path: file.path.clone(),
        role: file.role.to_string(),
        digest: file.digest,
    };
    Ok(ArchiveModelVersion {
        version: version.version,
        digest: version.digest,
        files: version.files.iter().map(file).collect(),
        card: card(&version.card_json)?,
    })
}

/// The functions of a tenant. What means a model that is gone or granted no longer could not be deployed again: it is left out.
fn functions(
    exported: &Exported,
    owner: &TenantName,
    is_whole: bool,
    left_out: &mut Vec<String>,
) -> Result<Vec<ArchiveFunction>, ControlError> {
    let mut functions = Vec::new();
    for serving in exported.serving.iter().filter(|serving| serving.tenant == *owner) {
        let plan = Plan::of(Serving::clone(serving))?;
        let (mut versions, mut serves) = (Vec::new(), BTreeSet::from([plan.live]));
        serves.extend(plan.traffic.iter().flat_map(|traffic| traffic.versions().collect::<Vec<_>>()));
        let mut missing = None;
        let of_function = exported.functions.iter().filter(|v| v.tenant == *owner && v.name == serving.name);
        for version in of_function {
            match lost(exported, version, is_whole) {
                None => versions.push(function_version(version)?),
                Some(model) if serves.contains(&version.version) => missing = Some((version.version, model)),
                Some(model) => {
                    let name = format!("{owner}/{}@{}", version.name, version.version);
                    left_out.push(format!("function {name}: its model {model} is gone, or granted no longer"));
                }
            }
        }
        if let Some((version, model)) = missing {
            let name = &serving.name;
            left_out.push(format!(
                "function {owner}/{name}: version {version} serves, and its model {model} is gone, or granted no longer"
            ));
            continue;
        }
        let min = exported.scales.iter().find(|(tenant, name, _)| tenant == owner && *name == serving.name);
        functions.push(ArchiveFunction {
            name: serving.name.clone(),
            live: plan.live,
            traffic: plan.traffic.as_ref().map(Into::into),
            min: min.map(|(.., min)| *min),
            versions,
        });
    }
    Ok(functions)
}

/// A model that a version means and nobody can bind to any more.
fn lost(exported: &Exported, function: &FunctionVersion, is_whole: bool) -> Option<String> {
    let is_there = |owner: &TenantName, name: &ModelName, version: Version| {
        exported.models.iter().any(|v| v.tenant == *owner && v.name == *name && v.version == version)
    };
    let lost = function.models.iter().find(|model| {
        let is_own = model.owner == function.tenant;
        let granted = is_own
            || exported
                .grants
                .iter()
                .any(|g| g.owner == model.owner && g.model == model.name && g.to == function.tenant);
        // Of other tenants' models an export of one tenant knows nothing.
        let there = (!is_own && !is_whole) || is_there(&model.owner, &model.name, model.version);
        !granted || !there
    })?;
    Some(format!("{}/{}@{}", lost.owner, lost.name, lost.version))
}

fn function_version(version: &FunctionVersion) -> Result<ArchiveFunctionVersion, ControlError> {
    let manifest = serde_json::from_str(&version.manifest_json)
        .map_err(|e| ControlError::Internal(format!("a stored manifest of {}: {e}", version.name)))?;
    let binding = |model: &modelet_store::ModelBinding| {
        let owner = (model.owner != version.tenant).then(|| model.owner.clone());
        let bound = ArchiveBinding { owner, name: model.name.clone(), version: model.version, digest: model.digest };
        (model.alias.clone(), bound)
    };
    Ok(ArchiveFunctionVersion {
        version: version.version,
        component: version.component,
        manifest,
        models: version.models.iter().map(binding).collect(),
    })
}

/// The archive's writer: each piece waits for its place on the way to the socket.
struct Pieces {
    pieces: mpsc::Sender<io::Result<Bytes>>,
    runtime: Handle,
}

impl Write for Pieces {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let sent = tokio::time::timeout(IDLE_MAX, self.pieces.send(Ok(Bytes::copy_from_slice(bytes))));
        match self.runtime.block_on(sent) {
            Ok(Ok(())) => Ok(bytes.len()),
            Ok(Err(_)) => Err(io::Error::new(io::ErrorKind::BrokenPipe, "its receiver has gone")),
            Err(_) => Err(io::Error::new(io::ErrorKind::TimedOut, "its receiver takes nothing any more")),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The other end, as a body.
struct Streamed(mpsc::Receiver<io::Result<Bytes>>);

impl http_body::Body for Streamed {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        self.0.poll_recv(context).map(|piece| piece.map(|piece| piece.map(Frame::data)))
    }
}
