//! What commands that speak with a registry share: logging in, showing how far it is, and how it ends.

use std::future::Future;
use std::time::Duration;

use jackfield_packages::oci::{Access, Limits, Login, Progress, Purpose, Reference, Registry, RegistryError};

use crate::exit::Unreachable;

/// How often a long transfer says how far it has come.
const SHOWN_EVERY: Duration = Duration::from_secs(2);

/// Connects to the registry of `reference` with the login that is stored for it.
///
/// # Errors
/// It cannot be reached, or refuses; or the login cannot be used.
pub async fn connect(reference: &Reference, insecure: bool, purpose: Purpose) -> anyhow::Result<Registry> {
    // A credential helper may ask somebody something.
    let registry = reference.registry().to_owned();
    let login = tokio::task::spawn_blocking(move || Login::find(&registry)).await??;
    let access = Access { insecure, login, limits: Limits::default() };
    shown("connecting to", reference, &Progress::default(), Registry::connect(reference, access, purpose))
        .await
        .map_err(failed)
}

/// The error, so that it ends with the right code.
pub fn failed(error: RegistryError) -> anyhow::Error {
    if error.is_unreachable() { Unreachable(error.to_string()).into() } else { error.into() }
}

/// Awaits `work`, which `doing` says what it is, and tells the log about it while it takes long.
pub async fn shown<T>(doing: &str, reference: &Reference, progress: &Progress, work: impl Future<Output = T>) -> T {
    let mut work = std::pin::pin!(work);
    loop {
        match tokio::time::timeout(SHOWN_EVERY, &mut work).await {
            Ok(done) => return done,
            Err(_) => match progress.bytes() {
                (_, 0) => tracing::info!("{doing} {reference}"),
                (done, all) => tracing::info!("{doing} {reference}: {} of {}", kibibytes(done), kibibytes(all)),
            },
        }
    }
}

/// Bytes as people read them.
pub fn kibibytes(bytes: u64) -> String {
    match bytes {
        0..1_048_576 => format!("{} KiB", bytes.div_ceil(1024)),
        _ => format!("{}.{} MiB", bytes >> 20, ((bytes % (1 << 20)) * 10) >> 20),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_as_people_read_them() {
        let said: Vec<_> = [0, 1, 1024, 1025, 1 << 20, (128 << 20) - 1].map(kibibytes).into();
        assert_eq!(said, ["0 KiB", "1 KiB", "1 KiB", "2 KiB", "1.0 MiB", "127.9 MiB"]);
    }
}
