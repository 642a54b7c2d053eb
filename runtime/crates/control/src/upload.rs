//! A request's body becomes a blob: streamed, counted against its limit, never whole in memory. What is not wanted of it any more is let
//! go: `api/drain` sees to the rest.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use http_body_util::BodyExt;
use modelet_spec::{Digest, TenantName};
use modelet_store::Store;
use tokio::sync::mpsc;

use crate::error::ControlError;

/// Pieces between the socket and the disk; each is at most what hyper reads at once.
const PIECES_MAX: usize = 8;
/// A sender that sends nothing for so long has gone.
const IDLE_MAX: Duration = Duration::from_secs(60);

/// What whoever takes a body in is told. Dropping the channel without `End` throws everything away.
pub(crate) enum Piece {
    /// What came next.
    Bytes(Bytes),
    /// It was whole.
    End,
}

/// From the socket to whoever takes a body in.
pub(crate) fn pieces() -> (mpsc::Sender<Piece>, mpsc::Receiver<Piece>) {
    mpsc::channel(PIECES_MAX)
}

/// How much of what may be uploaded.
#[derive(Debug, Clone, Copy)]
pub(crate) struct UploadLimit {
    /// What it is called in the refusal.
    pub(crate) what: &'static str,
    /// Bytes.
    pub(crate) bytes: u64,
    /// The server limit behind it.
    pub(crate) key: &'static str,
    /// What the tenant may have in all, in bytes.
    pub(crate) quota: u64,
}

/// Stores a body that a tenant sends. One that breaks off, or goes over the limit or the tenant's quota, leaves nothing.
pub(crate) async fn receive(
    store: &Arc<Store>,
    tenant: &TenantName,
    body: Body,
    limit: UploadLimit,
) -> Result<(Digest, u64), ControlError> {
    let (pieces, mut received) = pieces();
    let (store, tenant) = (Arc::clone(store), tenant.clone());
    let writer = tokio::task::spawn_blocking(move || -> Result<Option<(Digest, u64)>, ControlError> {
        let mut upload = store.begin_upload(&tenant, limit.quota)?;
        while let Some(piece) = received.blocking_recv() {
            match piece {
                Piece::Bytes(bytes) => upload.write(&bytes)?,
                Piece::End => return Ok(Some(store.finish_upload(upload)?)),
            }
        }
        Ok(None)
    });
    let sent = send(body, limit, pieces).await;
    // The writer's own failure (a full disk, a quota) is the cause when both failed.
    let written = writer.await??;
    sent?;
    written.ok_or_else(|| ControlError::Internal("a blob was not finished".to_owned()))
}

async fn send(body: Body, limit: UploadLimit, pieces: mpsc::Sender<Piece>) -> Result<(), ControlError> {
    let too_large = || ControlError::TooLarge { what: limit.what, limit: limit.bytes, key: limit.key };
    if http_body::Body::size_hint(&body).lower() > limit.bytes {
        return Err(too_large());
    }
    let mut left = limit.bytes;
    pass_on(body, pieces, |bytes| {
        left = left.checked_sub(bytes).ok_or_else(too_large)?;
        Ok(())
    })
    .await
}

/// Passes a body on to whoever takes it in, until that one has ended or `admit` refuses a piece of so many bytes.
pub(crate) async fn pass_on(
    mut body: Body,
    pieces: mpsc::Sender<Piece>,
    mut admit: impl FnMut(u64) -> Result<(), ControlError>,
) -> Result<(), ControlError> {
    loop {
        let frame = tokio::select! {
            // It has ended with an error, and that is the one to tell.
            () = pieces.closed() => return Ok(()),
            frame = tokio::time::timeout(IDLE_MAX, body.frame()) => frame,
        };
        let Some(frame) =
            frame.map_err(|_| ControlError::Body(format!("nothing came for {} s", IDLE_MAX.as_secs())))?
        else {
            break;
        };
        let frame = frame.map_err(|e| ControlError::Body(e.to_string()))?;
        let Ok(bytes) = frame.into_data() else { continue };
        admit(bytes.len() as u64)?;
        if pieces.send(Piece::Bytes(bytes)).await.is_err() {
            return Ok(());
        }
    }
    let _ = pieces.send(Piece::End).await;
    Ok(())
}
