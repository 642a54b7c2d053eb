//! An archive arrives: its contents go to the disk as they come, each compared with its digest before it has a name there.

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::Body;
use bytes::{Buf, Bytes};
use modelet_spec::{Digest, TenantName};
use modelet_store::{Reserved, Store, StoreError};
use tokio::sync::mpsc;

use super::plan::{Plan, plan};
use super::{Wish, secrets};
use crate::archive::{self, ArchiveManifest, Sink, damaged, in_pieces, verify};
use crate::control::{Control, blocking};
use crate::error::ControlError;
use crate::secrets::Values;
use crate::upload::{Piece, pass_on, pieces};
use crate::wire::Blob;

/// What nothing names yet stays on the disk for an hour; so often it is said that it is wanted.
const REFRESH_EVERY: Duration = Duration::from_secs(600);

/// An archive that is here.
pub(super) struct Received {
    pub(super) manifest: ArchiveManifest,
    pub(super) plan: Plan,
    /// The values of its secrets, by the names that they are to have here.
    pub(super) secrets: Values,
    pub(super) kept: Kept,
    /// Given back when all is done: what was kept is counted then.
    _reserved: Vec<Reserved>,
}

/// Contents that are on the disk, and that nothing names yet.
#[derive(Debug, Clone)]
pub(super) struct Kept {
    contents: BTreeMap<Digest, Vec<TenantName>>,
    refreshed: Instant,
}

impl Kept {
    /// Says of all that they are wanted.
    pub(super) fn refresh(&mut self, store: &Store) -> Result<(), ControlError> {
        for (digest, tenants) in &self.contents {
            tenants.iter().try_for_each(|tenant| store.refresh(tenant, digest))?;
        }
        self.refreshed = Instant::now();
        Ok(())
    }

    /// The same, if that was long ago.
    pub(super) fn refresh_if_due(&mut self, store: &Store) -> Result<(), ControlError> {
        if self.is_due() { self.refresh(store) } else { Ok(()) }
    }

    /// Whether that was long ago.
    pub(super) fn is_due(&self) -> bool {
        self.refreshed.elapsed() >= REFRESH_EVERY
    }
}

/// Takes an archive in. One that is refused, or breaks off, leaves contents that nothing names, and no more.
pub(super) async fn receive(control: &Arc<Control>, wish: &Wish, body: Body) -> Result<Received, ControlError> {
    let (pieces, received) = pieces();
    let (this, wish) = (Arc::clone(control), wish.clone());
    let reader = tokio::spawn(blocking(move || {
        let kept = Kept { contents: BTreeMap::new(), refreshed: Instant::now() };
        let (plan, secrets, reserved) = (Plan::default(), Values::new(), Vec::new());
        let mut sink = Receiving { control: &this, wish, plan, secrets, kept, reserved };
        let from = Incoming { pieces: received, current: Bytes::new(), is_whole: false };
        let manifest = archive::read(from, &mut sink)?;
        let Receiving { plan, secrets, kept, reserved, .. } = sink;
        Ok(Received { manifest, plan, secrets, kept, _reserved: reserved })
    }));
    let sent = pass_on(body, pieces, |_| Ok(())).await;
    let read = reader.await?;
    // What the sender did is the cause of an archive that breaks off.
    sent?;
    read
}

/// A body, as what reads archives wants it.
struct Incoming {
    /// A channel that closes without its end has broken off.
    pieces: mpsc::Receiver<Piece>,
    current: Bytes,
    is_whole: bool,
}

impl Read for Incoming {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.current.is_empty() {
            if self.is_whole {
                return Ok(0);
            }
            match self.pieces.blocking_recv() {
                Some(Piece::Bytes(bytes)) => self.current = bytes,
                Some(Piece::End) => self.is_whole = true,
                None => return Err(io::ErrorKind::UnexpectedEof.into()),
            }
        }
        let count = buffer.len().min(self.current.len());
        if let (Some(to), Some(from)) = (buffer.get_mut(..count), self.current.get(..count)) {
            to.copy_from_slice(from);
        }
        self.current.advance(count);
        Ok(count)
    }
}

struct Receiving<'a> {
    control: &'a Control,
    wish: Wish,
    plan: Plan,
    secrets: Values,
    kept: Kept,
    reserved: Vec<Reserved>,
}

impl Sink for Receiving<'_> {
    fn begin(&mut self, manifest: &ArchiveManifest) -> Result<(), ControlError> {
        self.secrets = secrets::opened(manifest, &self.wish)?;
        self.plan = plan(self.control, manifest, &self.wish, &self.secrets)?;
        if self.plan.tenants.iter().any(|tenant| !tenant.models.is_empty()) {
            // Before gigabytes are sent in vain.
            self.control.inference.ready()?;
        }
        let lengths = manifest.lengths();
        for tenant in &self.plan.tenants {
            let files = tenant.models.iter().flat_map(|model| &model.files);
            let files: BTreeMap<Digest, u64> = files.map(|file| (file.digest, file.bytes)).collect();
            let components = tenant.functions.iter().map(|function| function.component);
            let components = components.filter_map(|digest| Some((digest, *lengths.get(&digest)?)));
            let bytes = files.into_iter().chain(components).collect::<BTreeMap<_, _>>();
            let bytes = bytes.values().fold(0u64, |sum, bytes| sum.saturating_add(*bytes));
            if tenant.is_new && bytes > tenant.quota {
                let (quota, wanted) = (tenant.quota, bytes);
                return Err(ControlError::Quota { quota, used: 0, wanted });
            }
            if !tenant.is_new && bytes > 0 {
                self.reserved.push(self.control.store.reserve(&tenant.name, bytes, tenant.quota)?);
            }
        }
        Ok(())
    }

    fn blob(&mut self, blob: &Blob, bytes: &mut dyn Read) -> Result<(), ControlError> {
        let store = &self.control.store;
        let wanted = self.plan.wanted.get(&blob.digest).filter(|_| !self.wish.dry_run);
        let Some(tenants) = wanted else { return verify(blob, bytes) };
        let mut staged = store.stage()?;
        in_pieces(blob, bytes, |piece| Ok(staged.write(piece)?))?;
        let tenants: Vec<TenantName> = tenants.iter().cloned().collect();
        // Its digest was made while it was written.
        store.keep_staged(staged, &blob.digest, &tenants).map_err(|error| match error {
            StoreError::OtherDigest { found, .. } => damaged(blob, &found),
            failed => failed.into(),
        })?;
        self.kept.contents.insert(blob.digest, tenants);
        self.kept.refresh_if_due(store)
    }
}
