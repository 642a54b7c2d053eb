//! How secrets are sealed: ChaCha20-Poly1305, under a key that is in a file of its own, or was made of a passphrase.
//!
//! What a seal holds together is the value, its tenant, its name and its version: in another row it does not open. Nonces are
//! random; with 96 bits one key seals far more values than anybody ever sets (2³² before two are likely to be the same).

use std::fmt;

use modelet_spec::{Digest, SecretName, SecretValue, TenantName};
use modelet_store::{Seal, StoredSealed};
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use zeroize::{Zeroize, Zeroizing};

/// Bytes of a key.
pub(super) const KEY_BYTES: usize = 32;
/// Bytes of a key's id: enough that two keys never have the same.
const ID_BYTES: usize = 8;

/// A key that seals and opens.
pub(super) struct SealKey {
    bytes: Zeroizing<[u8; KEY_BYTES]>,
    id: String,
    key: LessSafeKey,
}

impl fmt::Debug for SealKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SealKey({})", self.id)
    }
}

/// Whose value a seal holds.
#[derive(Debug, Clone, Copy)]
pub(super) struct Of<'a> {
    pub(super) tenant: &'a TenantName,
    pub(super) name: &'a SecretName,
    pub(super) version: u64,
}

impl<'a> Of<'a> {
    pub(super) fn stored(stored: &'a StoredSealed) -> Self {
        Self { tenant: &stored.tenant, name: &stored.name, version: stored.version }
    }

    /// Names have no NUL, so that no two are written alike.
    fn bound(&self) -> Vec<u8> {
        format!("modelet secret 1\0{}\0{}\0{}", self.tenant, self.name, self.version).into_bytes()
    }
}

impl SealKey {
    /// `None`: the library takes no such key, which does not happen.
    pub(super) fn new(bytes: [u8; KEY_BYTES]) -> Option<Self> {
        let bytes = Zeroizing::new(bytes);
        let key = LessSafeKey::new(UnboundKey::new(&CHACHA20_POLY1305, &*bytes).ok()?);
        let mut id = b"modelet secret key id\0".to_vec();
        id.extend_from_slice(&*bytes);
        // Of 256 random bits: it tells nothing of them.
        let hex = Digest::of(&id).hex();
        id.zeroize();
        Some(Self { bytes, id: hex.get(..2 * ID_BYTES).unwrap_or(&hex).to_owned(), key })
    }

    pub(super) fn id(&self) -> &str {
        &self.id
    }

    /// The key as its file has it.
    pub(super) fn hex(&self) -> Zeroizing<String> {
        Zeroizing::new(Digest::from_bytes(*self.bytes).hex())
    }

    /// `None`: there are no random bytes.
    pub(super) fn seal(&self, of: Of<'_>, value: &SecretValue) -> Option<Seal> {
        let bytes = self.seal_bytes(&of.bound(), value.reveal().as_bytes())?;
        Some(Seal { key_id: self.id.clone(), bytes })
    }

    /// `None`: it is not what this key has sealed for this very row.
    pub(super) fn open(&self, of: Of<'_>, seal: &Seal) -> Option<SecretValue> {
        let plain = self.open_bytes(&of.bound(), &seal.bytes)?;
        SecretValue::new(plain.to_vec()).ok()
    }

    /// Bytes under a nonce of their own, which is before them, held together with what they are bound to. `None`: there are no random
    /// bytes.
    pub(super) fn seal_bytes(&self, bound: &[u8], plain: &[u8]) -> Option<Vec<u8>> {
        let mut nonce = [0; NONCE_LEN];
        getrandom::fill(&mut nonce).ok()?;
        let mut bytes = Vec::with_capacity(NONCE_LEN + plain.len() + CHACHA20_POLY1305.tag_len());
        bytes.extend_from_slice(&nonce);
        bytes.extend_from_slice(plain);
        let (nonce, rest) = (Nonce::assume_unique_for_key(nonce), bytes.get_mut(NONCE_LEN..)?);
        let tag = self.key.seal_in_place_separate_tag(nonce, Aad::from(bound), rest).ok()?;
        bytes.extend_from_slice(tag.as_ref());
        Some(bytes)
    }

    /// `None`: they are not what this key has sealed, bound to that.
    pub(super) fn open_bytes(&self, bound: &[u8], sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let (nonce, sealed) = sealed.split_at_checked(NONCE_LEN)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let mut sealed = Zeroizing::new(sealed.to_vec());
        let plain = self.key.open_in_place(nonce, Aad::from(bound), &mut sealed).ok()?;
        Some(Zeroizing::new(plain.to_vec()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> SecretName {
        text.parse().unwrap()
    }

    #[test]
    fn a_seal_opens_with_its_key_in_its_row_and_nowhere_else() {
        let (key, other) = (SealKey::new([1; 32]).unwrap(), SealKey::new([2; 32]).unwrap());
        let (acme, beta): (TenantName, TenantName) = ("acme".parse().unwrap(), "beta".parse().unwrap());
        let (one, two) = (name("one"), name("two"));
        let value = SecretValue::new(b"s3cr3t".to_vec()).unwrap();
        let of = Of { tenant: &acme, name: &one, version: 7 };
        let seal = key.seal(of, &value).unwrap();
        assert_eq!(key.open(of, &seal).as_ref(), Some(&value));
        assert!(!seal.bytes.windows(6).any(|window| window == b"s3cr3t"));
        assert_ne!(key.seal(of, &value).unwrap(), seal, "a nonce of its own");
        assert_eq!((seal.key_id == key.id(), seal.key_id == other.id()), (true, false));
        for elsewhere in [Of { tenant: &beta, ..of }, Of { name: &two, ..of }, Of { version: 8, ..of }] {
            assert!(key.open(elsewhere, &seal).is_none(), "{elsewhere:?}");
        }
        assert!(other.open(of, &seal).is_none());
        for at in 0..seal.bytes.len() {
            let mut bytes = seal.bytes.clone();
            bytes[at] ^= 1;
            assert!(key.open(of, &Seal { bytes, ..seal.clone() }).is_none(), "byte {at}");
            let cut = Seal { bytes: seal.bytes[..at].to_vec(), ..seal.clone() };
            assert!(key.open(of, &cut).is_none(), "cut to {at}");
        }
    }

    #[test]
    fn a_key_does_not_show_itself() {
        let key = SealKey::new([1; 32]).unwrap();
        assert_eq!(format!("{key:?}"), format!("SealKey({})", key.id()));
        assert_eq!(key.hex().len(), 64);
        assert!(!key.hex().contains(key.id()));
    }
}
