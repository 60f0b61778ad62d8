//! Where plugins come from: a real registry, one that lies, and who vouches for what came.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests fail so")]

#[path = "../support/lying.rs"]
mod lying;
#[path = "../support/real.rs"]
mod real;

mod folder;
mod from_a_liar;
mod from_a_registry;
mod signatures;

use jackfield_packages::oci::{Access, Found, Progress, Purpose, Reference, Registry, RegistryError};

/// A component that says nothing, with `padding` bytes of a custom section.
fn component(padding: usize, fill: u8) -> Vec<u8> {
    let mut bytes = vec![0, b'a', b's', b'm', 0x0d, 0, 1, 0];
    if padding > 0 {
        bytes.push(0);
        // The section's length, and the length of its name, which is empty.
        let mut rest = padding + 1;
        while rest >= 0x80 {
            bytes.push(u8::try_from(rest & 0x7f).unwrap() | 0x80);
            rest >>= 7;
        }
        bytes.push(u8::try_from(rest).unwrap());
        bytes.push(0);
        bytes.extend(std::iter::repeat_n(fill, padding));
    }
    bytes
}

async fn connect(reference: &str, access: Access) -> Result<Registry, RegistryError> {
    let reference: Reference = reference.parse().unwrap();
    Registry::connect(&reference, access, Purpose::Fetch).await
}

async fn find(reference: &str) -> Result<Found, RegistryError> {
    connect(reference, Access::default()).await?.find().await
}

async fn fetch(reference: &str) -> Result<Vec<u8>, RegistryError> {
    fetch_by(reference, Access::default()).await
}

async fn fetch_by(reference: &str, access: Access) -> Result<Vec<u8>, RegistryError> {
    let registry = connect(reference, access).await?;
    let found = registry.find().await?;
    registry.fetch(&found, &Progress::default()).await
}

/// The message of an error, which must have these parts.
#[track_caller]
fn says<T>(result: Result<T, RegistryError>, parts: &[&str]) -> RegistryError {
    let error = result.err().expect("an error");
    for part in parts {
        assert!(error.to_string().contains(part), "`{part}` is not in: {error}");
    }
    error
}
