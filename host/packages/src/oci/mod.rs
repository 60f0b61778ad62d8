//! Plugins in registries, in the Wasm OCI layout that the CNCF's Wasm working group has settled on.
//!
//! A plugin is one manifest: a small configuration of the type `application/vnd.wasm.config.v0+json`, and
//! exactly one layer, `application/wasm`, which is the file. Other tools for components (`wkg`, `wash`) read
//! and write the same. A signature travels as an annotation of the manifest ([`SIGNATURE_ANNOTATION`]): a
//! second layer would make those tools refuse the plugin, and a referrer is a second thing to fetch, to pin
//! and to lose.
//!
//! What comes from a registry is believed only by its digest: the manifest is what its digest says, names the
//! digest and the size of the file, and the file must have both. How long an exchange may take, and how much
//! it may bring, is in [`Limits`].

mod credentials;
mod error;
mod layout;
mod progress;
mod reference;
mod registry;

pub use credentials::{CredentialsError, Login};
pub use error::RegistryError;
pub use layout::{Package, SIGNATURE_ANNOTATION};
pub use progress::Progress;
pub use reference::{Reference, ReferenceError};
pub use registry::{Access, Found, Limits, Purpose, Registry};
