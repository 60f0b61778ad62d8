//! Against a real registry, in a process of its own.

use std::time::SystemTime;

use jackfield_packages::oci::{Access, Login, Package, Progress, Purpose, Reference, Registry, RegistryError};
use jackfield_packages::sha256;

use super::real::{Options, PASSWORD, RealRegistry, USER};
use super::{component, connect, fetch, fetch_by, find, says};

fn package(bytes: Vec<u8>, signature: Option<&str>) -> Package {
    Package {
        bytes: bytes.into(),
        name: "triage".into(),
        version: "1.0.0".into(),
        description: "Sorts.".into(),
        signature: signature.map(str::to_owned),
        created: SystemTime::UNIX_EPOCH,
    }
}

async fn publish(reference: &str, access: Access, package: &Package) -> Result<String, RegistryError> {
    let reference: Reference = reference.parse().unwrap();
    Registry::connect(&reference, access, Purpose::Publish).await?.publish(package).await
}

#[tokio::test]
async fn what_is_published_is_found_and_fetched() {
    let Some(registry) = RealRegistry::start(&Options::default()) else { return };
    let reference = registry.reference("strategies/triage:1");
    // Larger than the parts in which it is sent.
    let bytes = component(5 << 20, 7);
    let manifest = publish(&reference, Access::default(), &package(bytes.clone(), Some("by kim"))).await.unwrap();

    let connected = connect(&reference, Access::default()).await.unwrap();
    let found = connected.find().await.unwrap();
    assert_eq!(found.manifest, manifest);
    assert_eq!((found.content.as_str(), found.size), (sha256(&bytes).as_str(), bytes.len() as u64));
    assert_eq!(found.signature.as_deref(), Some("by kim"));
    let progress = Progress::default();
    assert_eq!(connected.fetch(&found, &progress).await.unwrap(), bytes);
    assert_eq!(progress.bytes(), (found.size, found.size));

    let pinned = registry.reference(&format!("strategies/triage@{manifest}"));
    assert_eq!(find(&pinned).await.unwrap(), found);
    // The same again is the same.
    let again = publish(&reference, Access::default(), &package(bytes, Some("by kim"))).await.unwrap();
    assert_eq!(again, manifest);
}

#[tokio::test]
async fn a_tag_moves_and_a_digest_does_not() {
    let Some(registry) = RealRegistry::start(&Options::default()) else { return };
    let reference = registry.reference("triage:latest");
    let (old, new) = (component(100, 1), component(100, 2));
    let first = publish(&reference, Access::default(), &package(old.clone(), None)).await.unwrap();
    let second = publish(&reference, Access::default(), &package(new.clone(), None)).await.unwrap();
    assert_ne!(first, second);
    assert_eq!(fetch(&reference).await.unwrap(), new);
    assert_eq!(fetch(&registry.reference(&format!("triage@{first}"))).await.unwrap(), old);
    assert_eq!(fetch(&registry.reference(&format!("triage:latest@{second}"))).await.unwrap(), new);
    let error = says(
        find(&registry.reference(&format!("triage:latest@{first}"))).await,
        &["the tag is now", &first, &second, "leave the tag out"],
    );
    assert!(matches!(error, RegistryError::OtherTag { .. }));
}

#[tokio::test]
async fn what_is_not_there() {
    let Some(registry) = RealRegistry::start(&Options::default()) else { return };
    publish(&registry.reference("triage:1"), Access::default(), &package(component(0, 0), None)).await.unwrap();
    let unknown = format!("triage@{}", sha256(b"unknown"));
    for name in ["triage:2", "other:1", &unknown] {
        let reference = registry.reference(name);
        let error = says(find(&reference).await, &[&reference, "no such plugin, tag or digest"]);
        assert!(matches!(error, RegistryError::NotFound { .. }) && !error.is_retriable());
    }
}

#[tokio::test]
async fn a_registry_that_wants_a_login() {
    let Some(registry) = RealRegistry::start(&Options { login: true, ..Options::default() }) else { return };
    let reference = registry.reference("triage:1");
    let access = |user: &str, password: &str| Access {
        login: Some(Login { user: user.into(), password: password.into() }),
        ..Access::default()
    };
    let bytes = component(10, 1);
    let wants = "wants another login; use `docker login 127.0.0.1:";
    says(publish(&reference, Access::default(), &package(bytes.clone(), None)).await, &[wants]);
    publish(&reference, access(USER, PASSWORD), &package(bytes.clone(), None)).await.unwrap();
    assert_eq!(fetch_by(&reference, access(USER, PASSWORD)).await.unwrap(), bytes);
    says(find(&reference).await, &[wants]);
    let error = says(fetch_by(&reference, access(USER, "guessed")).await, &["another login than that of `kim`"]);
    assert!(!error.to_string().contains("guessed"));
}

#[tokio::test]
async fn a_certificate_that_nobody_vouches_for() {
    let folder = tempfile::tempdir().unwrap();
    let issued = rcgen::generate_simple_self_signed(["127.0.0.1".into()]).unwrap();
    let (certificate, key) = (folder.path().join("certificate.pem"), folder.path().join("key.pem"));
    std::fs::write(&certificate, issued.cert.pem()).unwrap();
    std::fs::write(&key, issued.signing_key.serialize_pem()).unwrap();
    let options = Options { tls: Some((&certificate, &key)), ..Options::default() };
    let Some(registry) = RealRegistry::start(&options) else { return };
    // Not even where plain http would do: the registry speaks TLS.
    let access = Access { insecure: true, ..Access::default() };
    let error = says(fetch_by(&registry.reference("triage:1"), access).await, &["is not trusted", "SSL_CERT_FILE"]);
    assert!(matches!(error, RegistryError::Certificate { .. }));
}

#[tokio::test]
async fn what_is_no_component_is_not_published() {
    let Some(registry) = RealRegistry::start(&Options::default()) else { return };
    let reference = registry.reference("triage:1");
    let error = publish(&reference, Access::default(), &package(b"\0asm\x01\0\0\0".to_vec(), None)).await;
    says(error, &["not a plugin", "no component"]);
    let digest = registry.reference(&format!("triage@{}", sha256(b"")));
    says(publish(&digest, Access::default(), &package(component(0, 0), None)).await, &["published under a tag"]);
    says(find(&reference).await, &["no such plugin"]);
}
