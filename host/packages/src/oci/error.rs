//! Why an exchange with a registry failed, for people.

use std::error::Error as StdError;
use std::io;
use std::time::Duration;

use oci_client::errors::{DigestError, OciDistributionError, OciEnvelope, OciErrorCode};

use super::Reference;

/// Characters of what a registry says that are passed on.
const WORDS: usize = 300;

/// Why an exchange failed. Each says what, where, and what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs, reason = "the messages say what the fields are")]
pub enum RegistryError {
    #[error("{registry} cannot be reached: {reason}")]
    Unreachable { registry: String, reason: String },
    #[error("{registry} did not answer within {}; try again, or look after it", humantime::format_duration(*limit))]
    TimedOut { registry: String, limit: Duration },
    #[error("{registry} does not speak TLS; where you trust the network between, --insecure allows plain http")]
    PlainHttp { registry: String },
    #[error(
        "the certificate of {registry} is not trusted: {reason}; trust its issuer on this machine, or set SSL_CERT_FILE"
    )]
    Certificate { registry: String, reason: String },
    #[error(
        "{reference}: {registry} wants another login{}; use `docker login {registry}`, or set \
         JACKFIELD_REGISTRY_USER and JACKFIELD_REGISTRY_PASSWORD",
        user.as_ref().map(|user| format!(" than that of `{user}`")).unwrap_or_default()
    )]
    Login { reference: String, registry: String, user: Option<String> },
    #[error("{reference}: there is no such plugin, tag or digest in the registry, or it is not shown to you")]
    NotFound { reference: String },
    #[error("{reference}: the registry sent other contents than it should: {found}, not {expected}; do not use them")]
    OtherDigest { reference: String, expected: String, found: String },
    #[error("{reference}: the tag is now {found}, not {expected}; leave the tag out to take what the digest names")]
    OtherTag { reference: String, expected: String, found: String },
    #[error("{reference}: broken off after {bytes} of {all} bytes: {reason}; try again")]
    BrokenOff { reference: String, bytes: u64, all: u64, reason: String },
    #[error("{reference}: {bytes} bytes; a {what} has at most {limit}")]
    TooLarge { reference: String, what: &'static str, bytes: u64, limit: u64 },
    #[error("{reference}: not a plugin: {reason}")]
    NotAPlugin { reference: String, reason: String },
    #[error("{reference}: the registry refused: {reason}")]
    Refused { reference: String, reason: String },
}

impl RegistryError {
    /// Whether nobody answered.
    pub fn is_unreachable(&self) -> bool {
        matches!(self, RegistryError::Unreachable { .. } | RegistryError::TimedOut { .. })
    }

    /// Whether the same may succeed later with nothing changed.
    pub fn is_retriable(&self) -> bool {
        self.is_unreachable() || matches!(self, RegistryError::BrokenOff { .. })
    }

    /// What went wrong in an exchange about `reference`, with a login of this user.
    pub(super) fn new(reference: &Reference, user: Option<&str>, error: OciDistributionError) -> RegistryError {
        use OciDistributionError as Oci;
        let registry = || reference.registry().to_owned();
        let name = || reference.to_string();
        let login = || RegistryError::Login { reference: name(), registry: registry(), user: user.map(str::to_owned) };
        let refused = |reason: &str| RegistryError::Refused { reference: name(), reason: shortened(reason) };
        match error {
            Oci::UnauthorizedError { .. } | Oci::AuthenticationFailure(_) => login(),
            Oci::RegistryError { envelope, .. } => {
                let has = |codes: &[OciErrorCode]| envelope.errors.iter().any(|error| codes.contains(&error.code));
                if has(&[OciErrorCode::Unauthorized, OciErrorCode::Denied]) {
                    login()
                } else if has(&[OciErrorCode::ManifestUnknown, OciErrorCode::NameUnknown, OciErrorCode::NotFound]) {
                    RegistryError::NotFound { reference: name() }
                } else {
                    refused(&said(&envelope))
                }
            }
            Oci::ServerError { code: 401 | 403, .. } => login(),
            Oci::ServerError { code: 404, .. } | Oci::ImageManifestNotFoundError(_) => {
                RegistryError::NotFound { reference: name() }
            }
            Oci::ServerError { code, message, .. } => {
                let said = serde_json::from_str::<OciEnvelope>(&message).map_or(message, |envelope| said(&envelope));
                refused(&format!("{code} {said}"))
            }
            Oci::DigestError(DigestError::VerificationError { expected, actual }) => {
                RegistryError::OtherDigest { reference: name(), expected: shortened(&expected), found: actual }
            }
            Oci::RequestError(error) if matches!(error.status().map(|status| status.as_u16()), Some(401 | 403)) => {
                login()
            }
            Oci::RequestError(error) => {
                let reason = || root_cause(&error);
                if let Some(tls) = tls_error(&error) {
                    match tls {
                        rustls::Error::InvalidMessage(_) => RegistryError::PlainHttp { registry: registry() },
                        other => RegistryError::Certificate { registry: registry(), reason: other.to_string() },
                    }
                } else if error.is_connect() || error.is_timeout() || error.is_request() {
                    RegistryError::Unreachable { registry: registry(), reason: reason() }
                } else {
                    refused(&reason())
                }
            }
            other => refused(&root_cause(&other)),
        }
    }

    /// What went wrong while a blob came in.
    pub(super) fn of_stream(reference: &Reference, error: io::Error, bytes: u64, all: u64) -> RegistryError {
        let reference = reference.to_string();
        let digests = error.get_ref().and_then(|inner| inner.downcast_ref::<DigestError>());
        match digests {
            Some(DigestError::VerificationError { expected, actual }) if bytes == all => {
                RegistryError::OtherDigest { reference, expected: shortened(expected), found: actual.clone() }
            }
            Some(_) => RegistryError::BrokenOff { reference, bytes, all, reason: "the rest did not come".into() },
            None => RegistryError::BrokenOff { reference, bytes, all, reason: root_cause(&error) },
        }
    }
}

/// What a registry says about a failure.
fn said(envelope: &OciEnvelope) -> String {
    let each: Vec<_> = envelope
        .errors
        .iter()
        .map(|error| if error.message.is_empty() { format!("{:?}", error.code) } else { error.message.clone() })
        .collect();
    each.join("; ")
}

/// The error that others are about, on one line.
fn root_cause(error: &(dyn StdError + 'static)) -> String {
    shortened(&chain(error).last().unwrap_or(error).to_string())
}

fn tls_error<'e>(error: &'e (dyn StdError + 'static)) -> Option<&'e rustls::Error> {
    chain(error).find_map(|cause| cause.downcast_ref())
}

/// An error, what caused it, and so on.
fn chain<'e>(error: &'e (dyn StdError + 'static)) -> impl Iterator<Item = &'e (dyn StdError + 'static)> {
    std::iter::successors(Some(error), |&error: &&'e (dyn StdError + 'static)| {
        // An error of I/O names as its source not what it wraps, but the source of that.
        let wrapped = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        wrapped.map(|wrapped| wrapped as &(dyn StdError + 'static)).or_else(|| error.source())
    })
}

/// Words from outside, on one line and not many.
fn shortened(text: &str) -> String {
    let clean = text.chars().map(|character| if character.is_control() { ' ' } else { character });
    let mut short: String = clean.take(WORDS).collect();
    if text.chars().count() > WORDS {
        short.push('…');
    }
    short.trim().to_owned()
}
