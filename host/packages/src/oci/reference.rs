//! `oci://host[:port]/name[:tag][@sha256:…]`

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::str::FromStr;

use crate::digest::is_sha256;

/// How each begins.
const SCHEME: &str = "oci://";
/// Names on this host get a prefix when they have none: `library/`.
const DOCKER_HUB: &str = "docker.io";
/// Stands for a host while the rest is checked.
const SOME_HOST: &str = "registry.invalid";

/// A plugin in a registry: by a tag, which may move, by the digest of its manifest, which cannot, or by both.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Reference(oci_client::Reference);

/// Why a text is no reference.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}; write oci://host[:port]/name[:tag][@sha256:…]")]
pub struct ReferenceError {
    reason: String,
}

impl Reference {
    /// The registry: a host, and its port where it is not 443.
    pub fn registry(&self) -> &str {
        self.0.registry()
    }

    /// The name in the registry, without tag and digest.
    pub fn name(&self) -> &str {
        self.0.repository()
    }

    /// The tag; none where only a digest was given. Where nothing was, `latest`.
    pub fn tag(&self) -> Option<&str> {
        self.0.tag()
    }

    /// The digest of the manifest, `sha256:…`.
    pub fn digest(&self) -> Option<&str> {
        self.0.digest()
    }

    /// The same name, by this digest (`sha256:…`) and no tag.
    #[must_use]
    pub fn pinned(&self, digest: &str) -> Reference {
        Reference(self.0.clone_with_digest(digest.to_owned()))
    }

    /// The same name by its tag only; none where it has no tag.
    pub(crate) fn by_tag(&self) -> Option<Reference> {
        let tag = self.tag()?.to_owned();
        let (registry, name) = (self.registry().to_owned(), self.name().to_owned());
        Some(Reference(oci_client::Reference::with_tag(registry, name, tag)))
    }

    /// Whether the registry is on this machine, by its name.
    pub fn is_loopback(&self) -> bool {
        let host = host_of(self.registry());
        let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
        host.eq_ignore_ascii_case("localhost") || address.is_ok_and(|address| address.is_loopback())
    }

    pub(crate) fn inner(&self) -> &oci_client::Reference {
        &self.0
    }
}

impl FromStr for Reference {
    type Err = ReferenceError;

    fn from_str(text: &str) -> Result<Reference, ReferenceError> {
        let wrong = |reason: String| ReferenceError { reason };
        let rest = text.strip_prefix(SCHEME).ok_or_else(|| wrong(format!("it does not begin with {SCHEME}")))?;
        let (registry, rest) = rest.split_once('/').ok_or_else(|| wrong("it names no plugin in a registry".into()))?;
        if !is_registry(registry) {
            return Err(wrong(format!("`{registry}` is no host with an optional port")));
        }
        // Without a dot in it, what stands first would not count as a host there, but as a name on Docker Hub.
        let host = if registry == DOCKER_HUB { DOCKER_HUB } else { SOME_HOST };
        let parsed = oci_client::Reference::from_str(&format!("{host}/{rest}")).map_err(|error| {
            wrong(match error {
                oci_client::ParseError::ReferenceInvalidFormat => {
                    "names are of a-z 0-9 . _ - and /, tags have no more than 128 of A-Z a-z 0-9 . _ -".to_owned()
                }
                other => other.to_string(),
            })
        })?;
        if let Some(digest) = parsed.digest().filter(|digest| !is_sha256(digest)) {
            return Err(wrong(format!(
                "`{digest}` is no digest: sha256: and 64 hexadecimal digits, a-f in lower case"
            )));
        }
        let (registry, name) = (registry.to_owned(), parsed.repository().to_owned());
        Ok(Reference(match (parsed.tag().map(str::to_owned), parsed.digest().map(str::to_owned)) {
            (Some(tag), Some(digest)) => oci_client::Reference::with_tag_and_digest(registry, name, tag, digest),
            (None, Some(digest)) => oci_client::Reference::with_digest(registry, name, digest),
            (tag, None) => oci_client::Reference::with_tag(registry, name, tag.unwrap_or_else(|| "latest".into())),
        }))
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{SCHEME}{}", self.0)
    }
}

/// A registry without its port.
fn host_of(registry: &str) -> &str {
    match registry.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|digit| digit.is_ascii_digit()) => host,
        _ => registry,
    }
}

fn is_registry(text: &str) -> bool {
    let host = host_of(text);
    let port_is_right = host.len() == text.len() || text[host.len() + 1..].parse::<u16>().is_ok_and(|port| port > 0);
    let bracketed = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    let host_is_right = match bracketed {
        Some(address) => address.parse::<Ipv6Addr>().is_ok(),
        None => {
            let part_is_right = |part: &str| {
                !part.is_empty() && !part.starts_with('-') && !part.ends_with('-') && part.bytes().all(is_of_a_host)
            };
            host.len() <= 253 && host.split('.').all(part_is_right)
        }
    };
    host_is_right && port_is_right
}

fn is_of_a_host(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'-'
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIGEST: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    fn parse(text: &str) -> Reference {
        text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    #[test]
    fn each_part_and_back_to_text() {
        let with_digest = format!("oci://ghcr.io/acme/triage@{DIGEST}");
        let with_both = format!("oci://127.0.0.1:5000/triage:1.2@{DIGEST}");
        for (text, registry, name, tag, digest) in [
            ("oci://ghcr.io/acme/strategies/triage:1.2", "ghcr.io", "acme/strategies/triage", Some("1.2"), None),
            ("oci://localhost:5000/triage:latest", "localhost:5000", "triage", Some("latest"), None),
            ("oci://registry/triage:1", "registry", "triage", Some("1"), None),
            ("oci://[::1]:5000/triage:1", "[::1]:5000", "triage", Some("1"), None),
            (with_digest.as_str(), "ghcr.io", "acme/triage", None, Some(DIGEST)),
            (with_both.as_str(), "127.0.0.1:5000", "triage", Some("1.2"), Some(DIGEST)),
        ] {
            let reference = parse(text);
            let parts = (reference.registry(), reference.name(), reference.tag(), reference.digest());
            assert_eq!(parts, (registry, name, tag, digest));
            assert_eq!(reference.to_string(), text);
            assert_eq!(parse(&reference.to_string()), reference);
        }
    }

    #[test]
    fn what_is_left_out() {
        assert_eq!(parse("oci://ghcr.io/acme/triage").tag(), Some("latest"));
        assert_eq!(parse("oci://docker.io/triage:1").name(), "library/triage");
        assert_eq!(parse(&format!("oci://ghcr.io/triage:1@{DIGEST}")).by_tag(), Some(parse("oci://ghcr.io/triage:1")));
        assert_eq!(parse("oci://ghcr.io/triage:1").pinned(DIGEST), parse(&format!("oci://ghcr.io/triage@{DIGEST}")));
    }

    #[test]
    fn what_is_none_says_why() {
        for (text, why) in [
            ("", "begin with oci://"),
            ("ghcr.io/acme/triage", "begin with oci://"),
            ("https://ghcr.io/acme/triage", "begin with oci://"),
            ("oci://triage:1", "names no plugin"),
            ("oci:///triage", "no host"),
            ("oci://-a/triage", "no host"),
            ("oci://user@host/triage", "no host"),
            ("oci://host:0/triage", "no host"),
            ("oci://host:70000/triage", "no host"),
            ("oci://[::1/triage", "no host"),
            ("oci://ghcr.io/", "names are of"),
            ("oci://ghcr.io/Acme/Triage", "names are of"),
            ("oci://ghcr.io/../triage", "names are of"),
            ("oci://ghcr.io/triage:a b", "names are of"),
            ("oci://ghcr.io/triage@sha256:12", "names are of"),
            (&format!("oci://ghcr.io/triage@{}", DIGEST.replace('e', "E")), "in lower case"),
        ] {
            let error = text.parse::<Reference>().expect_err(text).to_string();
            assert!(error.contains(why) && error.contains("write oci://host"), "{text}: {error}");
        }
    }

    #[test]
    fn what_is_on_this_machine() {
        let loopback = |host: &str| parse(&format!("oci://{host}/triage:1")).is_loopback();
        for host in ["localhost", "LOCALHOST:5000", "127.0.0.1", "127.8.9.10:5000", "[::1]", "[::1]:5000"] {
            assert!(loopback(host), "{host}");
        }
        for host in ["localhost.example", "10.0.0.1:5000", "[::2]:5000", "ghcr.io", "127-0-0-1"] {
            assert!(!loopback(host), "{host}");
        }
    }
}
