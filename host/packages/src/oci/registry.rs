//! One exchange with one registry: find a plugin, fetch it, publish one.
//!
//! A [`Registry`] is a connection for one plugin's name. It owns its client and the login it was given; it
//! ends when it is dropped. Every call ends within the time of its [`Limits`]; dropping a call ends it too.

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures_util::{FutureExt, StreamExt};
use http::HeaderValue;
use oci_client::client::{ClientConfig, ClientProtocol};
use oci_client::errors::OciDistributionError;
use oci_client::manifest::OCI_IMAGE_MEDIA_TYPE;
use oci_client::{Client, RegistryOperation};

use super::credentials::{Login, auth};
use super::layout::{self, Package};
use super::{Progress, Reference, RegistryError};
use crate::PLUGIN_BYTES;
use crate::digest::sha256;

/// How this program names itself.
const USER_AGENT: &str = concat!("jackfield/", env!("CARGO_PKG_VERSION"));

/// How much an exchange may bring, and how long it may take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of a plugin's file. Default 128 MiB, what the engine takes.
    pub bytes: u64,
    /// Bytes of a manifest. Default 4 MiB, what the distribution specification asks registries for.
    pub manifest_bytes: u64,
    /// Time to connect. Default 10 s.
    pub connect: Duration,
    /// Time with nothing coming in. Default 30 s.
    pub idle: Duration,
    /// Time for an answer that is no file. Default 60 s.
    pub answer: Duration,
    /// Time for a file. Default 10 minutes, 220 kB/s for the largest.
    pub file: Duration,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            bytes: PLUGIN_BYTES,
            manifest_bytes: 4 << 20,
            connect: Duration::from_secs(10),
            idle: Duration::from_secs(30),
            answer: Duration::from_secs(60),
            file: Duration::from_secs(600),
        }
    }
}

/// How a registry is approached.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Access {
    /// Whether plain http will do where the registry does not speak TLS. It always does on this machine.
    pub insecure: bool,
    /// Who we are to it; none: nobody in particular.
    pub login: Option<Login>,
    /// Bounds of the exchange.
    pub limits: Limits,
}

/// What a connection is for; registries give rights by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// To find and to fetch.
    Fetch,
    /// To publish.
    Publish,
}

/// A connection to the registry of one plugin.
pub struct Registry {
    client: Client,
    reference: Reference,
    access: Access,
}

/// A plugin that a registry has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// `sha256:…` of its manifest: by this it can be asked for again.
    pub manifest: String,
    /// `sha256:…` of its file.
    pub content: String,
    /// Bytes of its file.
    pub size: u64,
    /// The text of its signature; nobody has looked yet whether it holds.
    pub signature: Option<String>,
}

impl Registry {
    /// Connects to the registry of `reference`, and logs in.
    ///
    /// # Errors
    /// It cannot be reached, speaks no TLS, or refuses the login.
    pub async fn connect(reference: &Reference, access: Access, purpose: Purpose) -> Result<Registry, RegistryError> {
        // Another part of the program may have chosen already; it chose the same.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let over_tls = Registry::connect_by(ClientProtocol::Https, reference, &access, purpose).await;
        let plain = access.insecure || reference.is_loopback();
        match over_tls {
            Err(RegistryError::Unreachable { .. } | RegistryError::PlainHttp { .. }) if plain => {
                Registry::connect_by(ClientProtocol::Http, reference, &access, purpose).await
            }
            connected => connected,
        }
    }

    async fn connect_by(
        protocol: ClientProtocol,
        reference: &Reference,
        access: &Access,
        purpose: Purpose,
    ) -> Result<Registry, RegistryError> {
        let config = ClientConfig {
            protocol,
            connect_timeout: Some(access.limits.connect),
            read_timeout: Some(access.limits.idle),
            user_agent: USER_AGENT,
            ..ClientConfig::default()
        };
        let failed = |error| RegistryError::new(reference, access.user(), error);
        let client = Client::try_from(config).map_err(failed)?;
        let registry = Registry { client, reference: reference.clone(), access: access.clone() };
        let operation = match purpose {
            Purpose::Fetch => RegistryOperation::Pull,
            Purpose::Publish => RegistryOperation::Push,
        };
        let login = auth(access.login.as_ref());
        let login = registry.client.auth(reference.inner(), &login, operation);
        registry.within(access.limits.answer, login).await?;
        Ok(registry)
    }

    /// Looks the plugin up: by its tag, and where the reference has a digest, that must be it.
    ///
    /// # Errors
    /// It is not there, is none, or is not what its digest says.
    pub async fn find(&self) -> Result<Found, RegistryError> {
        let name = || self.reference.to_string();
        let asked = self.reference.by_tag().unwrap_or_else(|| self.reference.clone());
        let login = auth(self.access.login.as_ref());
        let manifest = self.client.pull_manifest_raw(asked.inner(), &login, &[OCI_IMAGE_MEDIA_TYPE]);
        let (bytes, _) = self.within(self.access.limits.answer, manifest).await?;
        self.fits("manifest", bytes.len() as u64, self.access.limits.manifest_bytes)?;
        let found = sha256(&bytes);
        if let Some(expected) = self.reference.digest().filter(|digest| *digest != found) {
            return Err(RegistryError::OtherTag { reference: name(), expected: expected.to_owned(), found });
        }
        let layer =
            layout::read_manifest(&bytes).map_err(|reason| RegistryError::NotAPlugin { reference: name(), reason })?;
        Ok(Found { manifest: found, content: layer.digest, size: layer.size, signature: layer.signature })
    }

    /// Fetches the file of a plugin that was found here. What is returned has its size and its digest.
    ///
    /// # Errors
    /// It is too large, did not come whole or in time, or is something else.
    pub async fn fetch(&self, found: &Found, progress: &Progress) -> Result<Vec<u8>, RegistryError> {
        let limits = &self.access.limits;
        self.fits("plugin", found.size, limits.bytes)?;
        progress.begin(found.size);
        let late = |limit| RegistryError::TimedOut { registry: self.reference.registry().to_owned(), limit };
        let received = async {
            let digest = found.content.as_str();
            let opened = self.client.pull_blob_stream(self.reference.inner(), digest);
            let mut stream = self.within(limits.answer, opened).await?;
            let mut bytes = Vec::new();
            loop {
                let next = tokio::time::timeout(limits.idle, stream.next()).await.map_err(|_| late(limits.idle))?;
                let Some(part) = next else { break };
                let have = bytes.len() as u64;
                let part = part.map_err(|error| RegistryError::of_stream(&self.reference, error, have, found.size))?;
                // A registry that sends more than it announced is not read to its end.
                if have + part.len() as u64 > found.size {
                    return Err(self.other_size(found, "more"));
                }
                bytes.extend_from_slice(&part);
                progress.reached(bytes.len() as u64);
            }
            // The stream has held the bytes against the digest; the size stands in the manifest, too.
            if bytes.len() as u64 == found.size { Ok(bytes) } else { Err(self.other_size(found, "fewer")) }
        };
        tokio::time::timeout(limits.file, received).await.map_err(|_| late(limits.file))?
    }

    /// Publishes a package under the tag of the reference, and returns the digest of its manifest. What the
    /// registry has of it already is not sent again.
    ///
    /// # Errors
    /// The reference has no tag, or a digest; the file is no component; the registry refuses.
    pub async fn publish(&self, package: &Package) -> Result<String, RegistryError> {
        let not_a_plugin =
            |reason: &str| RegistryError::NotAPlugin { reference: self.reference.to_string(), reason: reason.into() };
        if self.reference.digest().is_some() || self.reference.tag().is_none() {
            return Err(not_a_plugin("a plugin is published under a tag; its digest follows from it"));
        }
        let laid = package.lay_out().map_err(|reason| not_a_plugin(&reason))?;
        let limits = &self.access.limits;
        for blob in [laid.layer, laid.config] {
            let has = self.client.blob_exists(self.reference.inner(), &blob.digest);
            if !self.within(limits.answer, has).await? {
                let sent = self.client.push_blob(self.reference.inner(), blob.bytes, &blob.digest);
                self.within(limits.file, sent).await?;
            }
        }
        let media_type = HeaderValue::from_static(OCI_IMAGE_MEDIA_TYPE);
        let sent = self.client.push_manifest_raw(self.reference.inner(), laid.manifest.bytes, media_type);
        self.within(limits.answer, sent).await?;
        Ok(laid.manifest.digest)
    }

    fn other_size(&self, found: &Found, has: &str) -> RegistryError {
        let reason = format!("its manifest says {} bytes, its file has {has}", found.size);
        RegistryError::NotAPlugin { reference: self.reference.to_string(), reason }
    }

    fn fits(&self, what: &'static str, bytes: u64, limit: u64) -> Result<(), RegistryError> {
        if bytes <= limit {
            return Ok(());
        }
        Err(RegistryError::TooLarge { reference: self.reference.to_string(), what, bytes, limit })
    }

    /// The end of a call of the client, or that it took too long.
    async fn within<T>(
        &self,
        limit: Duration,
        call: impl Future<Output = Result<T, OciDistributionError>>,
    ) -> Result<T, RegistryError> {
        // The client gives up by panicking on some answers, such as a token that cannot be a header.
        match tokio::time::timeout(limit, AssertUnwindSafe(call).catch_unwind()).await {
            Ok(Ok(result)) => result.map_err(|error| RegistryError::new(&self.reference, self.access.user(), error)),
            Ok(Err(_)) => Err(RegistryError::Refused {
                reference: self.reference.to_string(),
                reason: "its answer makes no sense; it may be no registry".into(),
            }),
            Err(_) => Err(RegistryError::TimedOut { registry: self.reference.registry().to_owned(), limit }),
        }
    }
}

impl Access {
    fn user(&self) -> Option<&str> {
        self.login.as_ref().map(|login| login.user.as_str())
    }
}
