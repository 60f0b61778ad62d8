//! Who we are to another mail server, and how the way there is protected.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};

/// How a connection is protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Security {
    /// It begins in the open and must become TLS before anything is said (STARTTLS). A server that does not offer
    /// it is not used.
    StartTls,
    /// TLS from the first byte on.
    Implicit,
    /// In the open.
    None,
}

/// Where a password is. It is read whenever it is needed, so a new one counts with the next connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Password {
    /// The first line of this file.
    File(PathBuf),
    /// The value of this environment variable.
    Environment(String),
}

impl Password {
    /// The password itself; never shown.
    pub(crate) fn read(&self) -> io::Result<Secret> {
        match self {
            Password::File(path) => {
                let text = std::fs::read_to_string(path)
                    .map_err(|error| io::Error::other(format!("password file {}: {error}", path.display())))?;
                Ok(Secret(text.lines().next().unwrap_or_default().to_owned()))
            }
            Password::Environment(name) => std::env::var(name)
                .map(Secret)
                .map_err(|error| io::Error::other(format!("environment variable {name} with the password: {error}"))),
        }
    }
}

/// A password in memory; its debug form does not show it.
pub(crate) struct Secret(pub(crate) String);

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("…")
    }
}

/// A user of another mail server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Login {
    /// Name of the user.
    pub user: String,
    /// Where the password is.
    pub password: Password,
}

/// TLS towards servers whose certificates the system's store vouches for, or those of the file `ca` (PEM).
pub(crate) fn tls(ca: Option<&Path>) -> io::Result<Arc<ClientConfig>> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if let Some(ca) = ca {
        let wrong = |error: &dyn fmt::Display| io::Error::other(format!("certificates in {}: {error}", ca.display()));
        for certificate in CertificateDer::pem_file_iter(ca).map_err(|error| wrong(&error))? {
            let certificate = certificate.map_err(|error| wrong(&error))?;
            roots.add(certificate).map_err(|error| wrong(&error))?;
        }
    }
    // Named here, because nobody need have chosen one for the process.
    let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?;
    Ok(Arc::new(config.with_root_certificates(roots).with_no_client_auth()))
}
