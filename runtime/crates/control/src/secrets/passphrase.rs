//! Secrets that travel in an archive, under a passphrase: the one way in which a value leaves the server but by `wasi:config`.
//!
//! Argon2id makes a key of the passphrase, and each value is sealed with it, bound to its tenant and its name. What an archive says of
//! its sealing is anybody's word: the work that it asks for is bounded before any is done. One value without content, bound to the names of
//! all others, tells a wrong passphrase, and a secret that was put in or taken out, from one that was damaged.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use argon2::{Algorithm, Argon2, Params, Version};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use modelet_spec::{SecretName, SecretValue, TenantName};
use zeroize::Zeroizing;

use super::seal::{KEY_BYTES, SealKey};
use crate::archive::{ArchiveManifest, ArchiveSeal, ArchiveSecret};
use crate::error::ControlError;

/// What secrets are called, by whose they are.
pub(crate) type Values = BTreeMap<(TenantName, SecretName), SecretValue>;
/// The secrets of an archive, by their tenants.
pub(crate) type Sealed = BTreeMap<TenantName, Vec<ArchiveSecret>>;

/// The fewest bytes of a passphrase that an export takes: who has the file has all the time there is.
const PASSPHRASE_BYTES_MIN: u64 = 12;
/// Of the salt, random for each archive.
const SALT_BYTES: usize = 16;
/// What an export asks for: RFC 9106's second choice for memory and passes, in one lane.
const COST: Cost = Cost { memory_kib: 64 << 10, passes: 3, lanes: 1 };
/// The most that an archive may ask for.
const COST_MAX: Cost = Cost { memory_kib: 256 << 10, passes: 10, lanes: 8 };

/// One key is made at a time: so much memory, whoever asks how often.
static MAKING: Mutex<()> = Mutex::new(());

/// What it costs to make a key of a passphrase.
#[derive(Debug, Clone, Copy)]
struct Cost {
    memory_kib: u32,
    passes: u32,
    lanes: u32,
}

/// Seals values for an archive. Blocks, for a while.
pub(crate) fn seal(values: &Values, passphrase: &SecretValue) -> Result<(ArchiveSeal, Sealed), ControlError> {
    if passphrase.bytes() < PASSPHRASE_BYTES_MIN {
        return Err(ControlError::BadRequest(format!(
            "the passphrase has less than {PASSPHRASE_BYTES_MIN} bytes: who has the file can try as long as they like; take a longer one"
        )));
    }
    let none = || ControlError::Internal("a secret was not sealed for an archive: no random bytes".to_owned());
    let mut salt = [0; SALT_BYTES];
    getrandom::fill(&mut salt).map_err(|_| none())?;
    let key = key(passphrase, &salt, COST)?;
    let mut sealed = Sealed::new();
    for ((tenant, name), value) in values {
        let bytes = key.seal_bytes(&bound(tenant, name), value.reveal().as_bytes()).ok_or_else(none)?;
        let secret = ArchiveSecret { name: name.clone(), sealed: STANDARD.encode(bytes) };
        sealed.entry(tenant.clone()).or_default().push(secret);
    }
    let check = key.seal_bytes(&bound_to_all(values.keys().map(|(tenant, name)| (tenant, name))), &[]);
    let Cost { memory_kib, passes, lanes } = COST;
    let seal = ArchiveSeal {
        kdf: KDF.to_owned(),
        memory_kib,
        passes,
        lanes,
        salt: STANDARD.encode(salt),
        aead: AEAD.to_owned(),
        check: STANDARD.encode(check.ok_or_else(none)?),
    };
    Ok((seal, sealed))
}

/// Opens the values of an archive, by the names that they have in it. Blocks, for a while.
pub(crate) fn open(manifest: &ArchiveManifest, passphrase: &SecretValue) -> Result<Values, ControlError> {
    let Some(seal) = &manifest.seal else { return Ok(Values::new()) };
    let (cost, salt) = cost(seal)?;
    let key = key(passphrase, &salt, cost)?;
    let all = || manifest.tenants.iter().flat_map(|tenant| tenant.secrets.iter().map(move |one| (&tenant.name, one)));
    let mut names: Vec<_> = all().map(|(tenant, one)| (tenant, &one.name)).collect();
    names.sort();
    let check = decoded(&seal.check, "`check`")?;
    key.open_bytes(&bound_to_all(names.into_iter()), &check).ok_or(ControlError::WrongPassphrase)?;
    let mut values = Values::new();
    for (tenant, secret) in all() {
        let of = format!("the secret {tenant}/{}", secret.name);
        let plain = key.open_bytes(&bound(tenant, &secret.name), &decoded(&secret.sealed, &of)?);
        let damaged = || ControlError::Archive(format!("{of} is damaged, or another's was put in its place"));
        let value = plain.and_then(|plain| SecretValue::new(plain.to_vec()).ok()).ok_or_else(damaged)?;
        values.insert((tenant.clone(), secret.name.clone()), value);
    }
    Ok(values)
}

/// How secrets are sealed, as archives call it.
const KDF: &str = "argon2id";
const AEAD: &str = "chacha20-poly1305";

/// What an archive asks for, if that is within what is done for anybody.
fn cost(seal: &ArchiveSeal) -> Result<(Cost, Vec<u8>), ControlError> {
    if seal.kdf != KDF || seal.aead != AEAD {
        let (kdf, aead) = (&seal.kdf, &seal.aead);
        return Err(bad(format!("with {kdf:?} and {aead:?}, and this modelet knows {KDF:?} and {AEAD:?}")));
    }
    let ArchiveSeal { memory_kib, passes, lanes, .. } = *seal;
    for (what, asked, max) in [
        ("memory_kib", memory_kib, COST_MAX.memory_kib),
        ("passes", passes, COST_MAX.passes),
        ("lanes", lanes, COST_MAX.lanes),
    ] {
        if asked > max {
            return Err(bad(format!("with `{what}` {asked}, and {max} is the most")));
        }
    }
    let salt = decoded(&seal.salt, "`salt`")?;
    match salt.len() {
        SALT_BYTES => Ok((Cost { memory_kib, passes, lanes }, salt)),
        bytes => Err(bad(format!("with a salt of {bytes} bytes, and {SALT_BYTES} are needed"))),
    }
}

fn key(passphrase: &SecretValue, salt: &[u8], cost: Cost) -> Result<SealKey, ControlError> {
    let wrong = |error: argon2::Error| bad(format!("as nothing can be: {error}"));
    let params = Params::new(cost.memory_kib, cost.passes, cost.lanes, Some(KEY_BYTES)).map_err(wrong)?;
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    let mut bytes = Zeroizing::new([0; KEY_BYTES]);
    {
        let _one = MAKING.lock().unwrap_or_else(PoisonError::into_inner);
        argon2.hash_password_into(passphrase.reveal().as_bytes(), salt, &mut *bytes).map_err(wrong)?;
    }
    SealKey::new(*bytes).ok_or_else(|| ControlError::Internal("a key for an archive was not taken".to_owned()))
}

/// What a value is bound to. Names have no NUL, so that no two are written alike.
fn bound(tenant: &TenantName, name: &SecretName) -> Vec<u8> {
    format!("modelet export secret 1\0{tenant}\0{name}").into_bytes()
}

fn bound_to_all<'a>(names: impl Iterator<Item = (&'a TenantName, &'a SecretName)>) -> Vec<u8> {
    let mut bound = b"modelet export secrets 1".to_vec();
    for (tenant, name) in names {
        bound.extend_from_slice(format!("\0{tenant}\0{name}").as_bytes());
    }
    bound
}

fn decoded(text: &str, what: &str) -> Result<Vec<u8>, ControlError> {
    STANDARD.decode(text).map_err(|_| ControlError::Archive(format!("{what} of its secrets is no base64")))
}

fn bad(why: String) -> ControlError {
    ControlError::Archive(format!("its secrets are sealed {why}"))
}
