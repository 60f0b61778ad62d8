//! Signatures of plugin files: made with `minisign`, held against the keys a site trusts.
//!
//! The signature of `triage.wasm` is the file `triage.wasm.minisig` beside it, as `minisign -S -m triage.wasm`
//! writes it. Whether one is needed, and whose counts, is the site's decision: [`Vouching`]. Nothing here is
//! kept; each check reads what it needs and ends with who signed, or with what to do.

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use minisign_verify::{Error as MinisignError, PublicKey, Signature};

/// Bytes of a signature, or of a file with a public key. They have about 300.
const TEXT_BYTES: usize = 4096;
/// What the file of a signature is called: this after the name of what was signed.
const SUFFIX: &str = ".minisig";
/// Where the number of the key stands in the decoded line of a key or a signature.
const KEY_ID: std::ops::Range<usize> = 2..10;

/// The number of a key, as minisign shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct KeyId(u64);

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016X}", self.0)
    }
}

/// A public key whose signatures count, and what the site calls it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrustedKey {
    name: String,
    id: KeyId,
    key: PublicKey,
}

/// Why a text is no key. Never shows the text: it may be somebody's secret key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// Not one at all.
    #[error(
        "not a public key of minisign; one is a line of 56 characters that begins with RW, in the file minisign.pub"
    )]
    Malformed,
    /// The other half.
    #[error("a secret key of minisign; take it away from here, and write the public key, from the file minisign.pub")]
    Secret,
    /// Its file cannot be read.
    #[error("{file} cannot be read: {reason}")]
    Unreadable {
        /// The file.
        file: String,
        /// Why.
        reason: String,
    },
}

impl TrustedKey {
    /// From the line of a public key, or the whole text of a `minisign.pub`; `name` is what messages call it.
    ///
    /// # Errors
    /// It is none.
    pub fn parse(name: impl Into<String>, text: &str) -> Result<TrustedKey, KeyError> {
        // What comes before it in a file is a comment.
        let line = text.lines().map(str::trim).rfind(|line| !line.is_empty()).ok_or(KeyError::Malformed)?;
        let (Some(id), Ok(key)) = (key_id(line), PublicKey::from_base64(line)) else {
            // A secret key begins the same way, and is longer.
            let secret = STANDARD.decode(line).is_ok_and(|key| key.len() > 100 && key.starts_with(b"Ed"));
            return Err(if secret { KeyError::Secret } else { KeyError::Malformed });
        };
        Ok(TrustedKey { name: name.into(), id, key })
    }

    /// From a `minisign.pub`.
    ///
    /// # Errors
    /// The file cannot be read, or holds none.
    pub fn read(name: impl Into<String>, path: &Path) -> Result<TrustedKey, KeyError> {
        let unreadable = |reason: String| KeyError::Unreadable { file: path.display().to_string(), reason };
        let text = read_text(path).map_err(|error| unreadable(error.to_string()))?.ok_or(KeyError::Malformed)?;
        TrustedKey::parse(name, &text)
    }

    /// What the site calls it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its number.
    pub fn id(&self) -> KeyId {
        self.id
    }
}

/// The keys whose signatures count.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrustedKeys(Vec<TrustedKey>);

impl TrustedKeys {
    /// Whether nobody is trusted.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// As messages list them.
    fn listed(&self) -> String {
        let listed: Vec<_> = self.0.iter().map(|key| format!("{} ({})", key.name, key.id)).collect();
        if listed.is_empty() { "none is".into() } else { listed.join(", ") }
    }
}

impl FromIterator<TrustedKey> for TrustedKeys {
    fn from_iter<I: IntoIterator<Item = TrustedKey>>(keys: I) -> TrustedKeys {
        TrustedKeys(keys.into_iter().collect())
    }
}

/// A signature that holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signed {
    /// What the site calls the key.
    pub key_name: String,
    /// The key's number.
    pub key_id: KeyId,
    /// What the signer wrote with it, and signed, too; minisign writes the time and the file's name.
    pub trusted_comment: String,
}

impl fmt::Display for Signed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "signed with key {} ({})", self.key_name, self.key_id)
    }
}

/// Why nobody vouches for a file. What the file is called stands before it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// There is none, and the site wants one.
    #[error(
        "it has no signature, and this site takes none without (require-signature); sign it with \
         `minisign -S -m {file}`, which writes {file}.minisig beside it"
    )]
    Missing {
        /// What is not signed.
        file: String,
    },
    /// Somebody signed it whom the site does not know.
    #[error("it is signed with key {key_id}, which is not trusted; trusted: {trusted}; add a [[trusted-key]] for it")]
    UnknownKey {
        /// Whose signature it is.
        key_id: KeyId,
        /// Whose would count.
        trusted: String,
    },
    /// The file is not what was signed.
    #[error(
        "its signature with key {key_name} does not fit the file: one of them was changed; get both again, \
         or sign the file again"
    )]
    DoesNotFit {
        /// What the site calls the key.
        key_name: String,
    },
    /// It is in a form that is not taken any more.
    #[error("its signature is in the old form of minisign, without a hash; sign it again with minisign 0.10 or newer")]
    OldForm,
    /// It is no signature.
    #[error("its signature is damaged, or not one of minisign; sign it again with `minisign -S`")]
    Malformed,
    /// Its file cannot be read.
    #[error("its signature {file} cannot be read: {reason}")]
    Unreadable {
        /// The file.
        file: String,
        /// Why.
        reason: String,
    },
}

/// Whether `signature`, the text of a `.minisig`, is of `bytes` and by one of `keys`.
///
/// # Errors
/// It is not: says why, and what to do.
pub fn verify(bytes: &[u8], signature: &str, keys: &TrustedKeys) -> Result<Signed, SignatureError> {
    if signature.len() > TEXT_BYTES {
        return Err(SignatureError::Malformed);
    }
    let key_id = signature.lines().nth(1).and_then(|line| key_id(line.trim())).ok_or(SignatureError::Malformed)?;
    let signature = Signature::decode(signature).map_err(|_| SignatureError::Malformed)?;
    let mut refused = SignatureError::UnknownKey { key_id, trusted: keys.listed() };
    // Numbers of keys are drawn, so two may have the same.
    for key in keys.0.iter().filter(|key| key.id == key_id) {
        match key.key.verify(bytes, &signature, false) {
            Ok(()) => {
                let trusted_comment = signature.trusted_comment().to_owned();
                return Ok(Signed { key_name: key.name.clone(), key_id, trusted_comment });
            }
            Err(MinisignError::UnexpectedAlgorithm) => refused = SignatureError::OldForm,
            Err(_) => refused = SignatureError::DoesNotFit { key_name: key.name.clone() },
        }
    }
    Err(refused)
}

/// Whether `text` is written as a signature, whoever made it.
pub fn is_signature(text: &str) -> bool {
    text.len() <= TEXT_BYTES && Signature::decode(text).is_ok()
}

/// Where the signature of the file at `path` is.
pub fn beside(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(SUFFIX);
    PathBuf::from(name)
}

/// The text beside the file at `path`; none where there is none.
///
/// # Errors
/// It cannot be read, or is no text of a signature's length.
pub fn read_beside(path: &Path) -> Result<Option<String>, SignatureError> {
    let file = beside(path);
    match read_text(&file) {
        Ok(Some(text)) => Ok(Some(text)),
        Ok(None) => Err(SignatureError::Malformed),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(SignatureError::Unreadable { file: file.display().to_string(), reason: error.to_string() }),
    }
}

/// What a site asks of the files it takes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Vouching {
    /// Whether a file needs the signature of a trusted key.
    pub required: bool,
    /// Whose signatures count.
    pub keys: TrustedKeys,
}

impl Vouching {
    /// Whether the file at `path`, which has the contents `bytes`, may be taken: by the signature beside it.
    /// Blocks on the file system.
    ///
    /// Where none is required, a file without one, and one that only strangers signed, are taken as unsigned;
    /// but a signature that says a trusted key made it must hold. With no trusted key nothing is looked at.
    ///
    /// # Errors
    /// It may not: says why, and what to do.
    pub fn check(&self, path: &Path, bytes: &[u8]) -> Result<Option<Signed>, SignatureError> {
        if !self.looks() {
            return Ok(None);
        }
        let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy();
        self.check_text(&name, bytes, read_beside(path)?.as_deref())
    }

    /// The same for a signature that is at hand; `name` is what the file would be called.
    ///
    /// # Errors
    /// As [`check`](Self::check).
    pub fn check_text(
        &self,
        name: &str,
        bytes: &[u8],
        signature: Option<&str>,
    ) -> Result<Option<Signed>, SignatureError> {
        if !self.looks() {
            return Ok(None);
        }
        match signature.map(|signature| verify(bytes, signature, &self.keys)) {
            Some(Ok(signed)) => Ok(Some(signed)),
            None if self.required => Err(SignatureError::Missing { file: name.to_owned() }),
            None => Ok(None),
            Some(Err(SignatureError::UnknownKey { .. })) if !self.required => Ok(None),
            Some(Err(error)) => Err(error),
        }
    }

    /// Whether signatures make any difference here.
    fn looks(&self) -> bool {
        self.required || !self.keys.is_empty()
    }
}

/// The number in a line of a key, or of a signature.
fn key_id(line: &str) -> Option<KeyId> {
    let decoded = STANDARD.decode(line).ok()?;
    let number: [u8; 8] = decoded.get(KEY_ID)?.try_into().ok()?;
    Some(KeyId(u64::from_le_bytes(number)))
}

/// A small text; none where the file is longer, or no text.
fn read_text(path: &Path) -> io::Result<Option<String>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(TEXT_BYTES as u64 + 1).read_to_end(&mut bytes)?;
    Ok(if bytes.len() > TEXT_BYTES { None } else { String::from_utf8(bytes).ok() })
}
