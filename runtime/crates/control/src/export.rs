//! Desired state goes out: what the store has becomes an archive, streamed.

mod pieces;
mod state;

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use axum::body::Body;
use modelet_spec::{Digest, SecretValue, TenantName, Timestamp};
use modelet_store::Store;

use crate::acting::Acting;
use crate::archive::{self, ArchiveManifest, ArchiveTenant};
use crate::clock::now_ms;
use crate::control::blocking;
use crate::error::ControlError;
use crate::secrets;
use crate::wire::Blob;
use pieces::{PIECE, pieces};
use state::State;

/// Whose a content is: one of its owners.
type Contents = BTreeMap<Digest, TenantName>;

/// The archive of one tenant, or of all, as a body. What cannot be read in the middle of it breaks the body off.
/// With a passphrase the secrets are in it, sealed.
pub(crate) async fn export(
    control: &Acting,
    tenant: Option<TenantName>,
    passphrase: Option<SecretValue>,
) -> Result<Body, ControlError> {
    let this = control.clone();
    let (manifest, contents) = blocking(move || manifest(&this, tenant.as_ref(), passphrase.as_ref())).await?;
    let (pieces, streamed) = pieces();
    let store = Arc::clone(&control.store);
    tokio::task::spawn_blocking(move || {
        let place = |digest: &Digest| match contents.get(digest) {
            Some(owner) => store.blob_path(owner, digest),
            None => store.data_dir().join("nowhere"),
        };
        let to = io::BufWriter::with_capacity(PIECE, pieces.clone());
        if let Err(error) = archive::write(to, &manifest, place) {
            tracing::error!(%error, "an export broke off");
            pieces.break_off(error);
        }
    });
    Ok(Body::new(streamed))
}

/// All that there is, in the words of an archive, and whose its contents are. Blocks.
fn manifest(
    control: &Acting,
    tenant: Option<&TenantName>,
    passphrase: Option<&SecretValue>,
) -> Result<(ArchiveManifest, Contents), ControlError> {
    let exported = control.store.export(tenant)?;
    let mut state = State::of(&exported, tenant.is_none())?;
    let mut tenants = state.tenants()?;
    let mut seal = None;
    if let Some(passphrase) = passphrase {
        let (sealed_how, mut sealed) = secrets::export(control, &exported.secrets, passphrase)?;
        seal = Some(sealed_how);
        tenants.iter_mut().for_each(|tenant| tenant.secrets = sealed.remove(&tenant.name).unwrap_or_default());
    }
    let contents = contents(&tenants);
    let manifest = ArchiveManifest {
        format: archive::FORMAT.to_owned(),
        version: archive::FORMAT_VERSION,
        modelet: control.config.version.to_owned(),
        exported: Timestamp::from_ms(now_ms()),
        not_included: archive::not_included(seal.is_some()),
        left_out: state.left_out,
        seal,
        tenants,
        blobs: blobs(&control.store, &contents)?,
    };
    Ok((manifest, contents))
}

fn contents(tenants: &[ArchiveTenant]) -> Contents {
    let mut contents = Contents::new();
    for tenant in tenants {
        let files = tenant.models.iter().flat_map(|model| &model.versions).flat_map(|version| &version.files);
        let components = tenant.functions.iter().flat_map(|function| &function.versions).map(|v| v.component);
        for digest in files.map(|file| file.digest).chain(components) {
            contents.entry(digest).or_insert_with(|| tenant.name.clone());
        }
    }
    contents
}

/// The contents by digest, with their lengths.
fn blobs(store: &Store, contents: &Contents) -> Result<Vec<Blob>, ControlError> {
    let blob = |(digest, owner): (&Digest, &TenantName)| {
        let none = || ControlError::Internal(format!("the content {digest} of {owner} is not on the disk"));
        Ok(Blob { digest: *digest, bytes: store.blob_bytes(owner, digest).ok_or_else(none)? })
    };
    contents.iter().map(blob).collect()
}
