//! The published versions of the contract that this build serves.
//!
//! Each is one folder in `wit/`, which never changes again, and one module here, which joins it to the
//! newest. A strategy that was built for an older one runs as it is.

use wasmtime::component::Linker;

use super::{since_v0_1_0, since_v0_2_0, since_v0_3_0};
use crate::state::State;

/// The package that the contract's interfaces are in.
pub(crate) const PACKAGE: &str = "jackfield:strategy";

/// The oldest first.
pub(crate) const VERSIONS: &[Version] = &[since_v0_1_0::VERSION, since_v0_2_0::VERSION, since_v0_3_0::VERSION];

/// One version of the contract.
pub(crate) struct Version {
    /// Such as `0.1.0`.
    pub name: &'static str,
    /// The published text.
    pub text: &'static str,
    /// Defines its imports.
    pub link: fn(&mut Linker<State>) -> wasmtime::Result<()>,
}

/// Names of the versions a strategy can be built for, the oldest first; their texts are the folders
/// `wit/since-…`.
pub fn versions() -> impl Iterator<Item = &'static str> {
    VERSIONS.iter().map(|version| version.name)
}
