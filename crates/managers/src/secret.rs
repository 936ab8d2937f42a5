//! Secrets at rest: AES-256-GCM under a key derived from the server's encryption key.
//!
//! A stored value is base64 of salt (16 bytes), nonce (12), ciphertext and tag (16). The AES key is
//! PBKDF2-HMAC-SHA256 of the encryption key and the salt. Every process draws one salt for all it writes and
//! keeps derived keys by salt, so that reading a list of agents does not pay the derivation for each secret.

use std::{
    collections::HashMap,
    fmt, io,
    num::NonZeroU32,
    path::Path,
    sync::{Arc, Mutex, OnceLock, PoisonError},
};

use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use ring::{
    aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey},
    pbkdf2,
    rand::{SecureRandom, SystemRandom},
};

use crate::error::{Error, Result};

const ITERATIONS: NonZeroU32 = match NonZeroU32::new(100_000) {
    Some(iterations) => iterations,
    None => NonZeroU32::MIN,
};
const SALT_LENGTH: usize = 16;
/// Shorter than this cannot be ours: salt, nonce, tag and at least one byte.
const MIN_SEALED_LENGTH: usize = 45;
/// How well-known API keys begin. A value like this is plaintext, however much it looks like base64.
const KEY_PREFIXES: &[&str] = &[
    "sk-", "pk-", "api-", "key-", "token-", "Bearer ", "xoxb-", "xoxp-", "ghp_", "gho_", "ghu_", "ghs_", "ghr_",
    "AKIA", "ABIA", "ACCA", "ASIA",
];
/// The file in the data directory that holds the encryption key when the environment gives none.
const KEY_FILE: &str = "encryption.key";

type Salt = [u8; SALT_LENGTH];

/// Seals and opens secrets. Cheap to clone; the clones share their derived keys.
#[derive(Clone)]
pub struct Cipher(Arc<Inner>);

struct Inner {
    secret: String,
    random: SystemRandom,
    /// The salt of everything this process writes, drawn at the first write.
    salt: OnceLock<Salt>,
    keys: Mutex<HashMap<Salt, Arc<LessSafeKey>>>,
}

impl Cipher {
    /// A cipher under this encryption key.
    pub fn new(secret: impl Into<String>) -> Self {
        Self(Arc::new(Inner {
            secret: secret.into(),
            random: SystemRandom::new(),
            salt: OnceLock::new(),
            keys: Mutex::new(HashMap::new()),
        }))
    }

    /// The cipher whose key is kept in a file of the data directory. The first start makes the file, readable
    /// by its owner alone.
    ///
    /// # Errors
    /// When the file can be neither read nor made, or is empty.
    pub fn from_data_dir(dir: &Path) -> io::Result<Self> {
        let path = dir.join(KEY_FILE);
        let secret = match std::fs::read_to_string(&path) {
            Ok(secret) => secret,
            Err(error) if error.kind() == io::ErrorKind::NotFound => make_key_file(dir, &path)?,
            Err(error) => return Err(error),
        };
        match secret.trim() {
            "" => Err(io::Error::new(
                io::ErrorKind::InvalidData,
                format!(
                    "{} is empty. Restore it from a backup; without its key stored secrets are lost.",
                    path.display()
                ),
            )),
            secret => Ok(Self::new(secret)),
        }
    }

    /// The stored form of a secret. Equal secrets give different texts.
    ///
    /// # Errors
    /// Only when the system gives no random bytes.
    pub fn seal(&self, plaintext: &str) -> Result<String> {
        let salt = self.own_salt()?;
        let nonce: [u8; NONCE_LEN] = self.random()?;
        let mut sealed = plaintext.as_bytes().to_vec();
        self.key(salt)?
            .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::empty(), &mut sealed)
            .map_err(|_| Error::Internal("a secret could not be encrypted".to_owned()))?;
        Ok(BASE64.encode([salt.as_slice(), &nonce, &sealed].concat()))
    }

    /// The secret behind a stored form. A text that no encryption of this format can have made is taken as a
    /// plaintext from before encryption was turned on.
    ///
    /// # Errors
    /// When the value was sealed under another key or damaged.
    pub fn open(&self, stored: &str) -> Result<String> {
        match self.decrypt(stored)? {
            Some(plaintext) => Ok(plaintext),
            None if looks_sealed(stored) => Err(Error::Internal(
                "a stored secret cannot be decrypted: the encryption key is not the one it was written with".to_owned(),
            )),
            None => Ok(stored.to_owned()),
        }
    }

    fn decrypt(&self, stored: &str) -> Result<Option<String>> {
        let Ok(bytes) = BASE64.decode(stored) else { return Ok(None) };
        let Some((salt, rest)) = bytes.split_first_chunk::<SALT_LENGTH>() else { return Ok(None) };
        let Some((nonce, sealed)) = rest.split_first_chunk::<NONCE_LEN>() else { return Ok(None) };
        if sealed.len() < AES_256_GCM.tag_len() {
            return Ok(None);
        }
        let mut sealed = sealed.to_vec();
        let opened = self.key(*salt)?.open_in_place(Nonce::assume_unique_for_key(*nonce), Aad::empty(), &mut sealed);
        Ok(opened.ok().and_then(|plaintext| String::from_utf8(plaintext.to_vec()).ok()))
    }

    fn own_salt(&self) -> Result<Salt> {
        if let Some(salt) = self.0.salt.get() {
            return Ok(*salt);
        }
        let drawn = self.random()?;
        Ok(*self.0.salt.get_or_init(|| drawn))
    }

    fn key(&self, salt: Salt) -> Result<Arc<LessSafeKey>> {
        let known = self.0.keys.lock().unwrap_or_else(PoisonError::into_inner).get(&salt).cloned();
        if let Some(key) = known {
            return Ok(key);
        }
        // Derived outside the lock: it takes tens of milliseconds, and doing it twice harms nobody.
        let mut bytes = [0; 32];
        pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA256, ITERATIONS, &salt, self.0.secret.as_bytes(), &mut bytes);
        let key = UnboundKey::new(&AES_256_GCM, &bytes)
            .map_err(|_| Error::Internal("an encryption key could not be derived".to_owned()))?;
        let key = Arc::new(LessSafeKey::new(key));
        self.0.keys.lock().unwrap_or_else(PoisonError::into_inner).insert(salt, Arc::clone(&key));
        Ok(key)
    }

    fn random<const N: usize>(&self) -> Result<[u8; N]> {
        let mut bytes = [0; N];
        self.0.random.fill(&mut bytes).map_err(|_| Error::Internal("the system gave no random bytes".to_owned()))?;
        Ok(bytes)
    }
}

impl fmt::Debug for Cipher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Cipher")
    }
}

fn looks_sealed(stored: &str) -> bool {
    !KEY_PREFIXES.iter().any(|prefix| stored.starts_with(prefix))
        && BASE64.decode(stored).is_ok_and(|bytes| bytes.len() >= MIN_SEALED_LENGTH)
}

fn make_key_file(dir: &Path, path: &Path) -> io::Result<String> {
    use std::io::Write;

    let mut bytes = [0; 32];
    SystemRandom::new().fill(&mut bytes).map_err(|_| io::Error::other("the system gave no random bytes"))?;
    let secret = BASE64.encode(bytes);
    std::fs::create_dir_all(dir)?;
    // Written aside and linked into place, so that a process that starts at the same moment, or after a crash
    // in between, never reads half a key.
    let draft = dir.join(format!(".{KEY_FILE}.{}", uuid::Uuid::new_v4()));
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&draft)?;
    file.write_all(secret.as_bytes())?;
    file.sync_all()?;
    let linked = std::fs::hard_link(&draft, path);
    std::fs::remove_file(&draft)?;
    match linked {
        Ok(()) => Ok(secret),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => std::fs::read_to_string(path),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_sealed_opens_again_also_in_another_process_with_the_same_key() {
        let cipher = Cipher::new("correct horse");
        for plaintext in ["", "x", "sk-abcdef", "grün 🔑", &"long".repeat(1000)] {
            let sealed = cipher.seal(plaintext).unwrap();
            assert_ne!(sealed, plaintext);
            assert_eq!(cipher.open(&sealed).unwrap(), plaintext);
            assert_eq!(Cipher::new("correct horse").open(&sealed).unwrap(), plaintext);
        }
    }

    #[test]
    fn equal_secrets_have_different_stored_forms() {
        let cipher = Cipher::new("key");
        assert_ne!(cipher.seal("same").unwrap(), cipher.seal("same").unwrap());
    }

    #[test]
    fn a_value_sealed_with_another_key_is_an_error_and_not_a_secret() {
        let sealed = Cipher::new("one").seal("value").unwrap();
        assert!(Cipher::new("two").open(&sealed).is_err());
    }

    #[test]
    fn plaintext_from_before_encryption_reads_as_it_is() {
        let cipher = Cipher::new("key");
        for old in ["", "hunter2", "sk-0123456789012345678901234567890123456789012345678901234567890123", "aGVsbG8="] {
            assert_eq!(cipher.open(old).unwrap(), old);
        }
    }

    #[test]
    fn the_format_is_salt_nonce_ciphertext_tag_in_base64() {
        let sealed = BASE64.decode(Cipher::new("key").seal("12345").unwrap()).unwrap();
        assert_eq!(sealed.len(), SALT_LENGTH + NONCE_LEN + 5 + 16);
    }

    #[test]
    fn the_key_file_is_made_once_for_its_owner_alone_and_read_afterwards() {
        let dir = tempfile::tempdir().unwrap();
        let sealed = Cipher::from_data_dir(dir.path()).unwrap().seal("value").unwrap();
        assert_eq!(Cipher::from_data_dir(dir.path()).unwrap().open(&sealed).unwrap(), "value");
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let mode = std::fs::metadata(dir.path().join(KEY_FILE)).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
    }

    #[test]
    fn an_empty_key_file_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join(KEY_FILE), "\n").unwrap();
        assert!(Cipher::from_data_dir(dir.path()).is_err());
    }
}
