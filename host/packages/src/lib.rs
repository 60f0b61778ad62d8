//! Where plugin files come from, and who vouches for them.
//!
//! ```text
//! registry ── oci::Registry::find ──▶ Found ── fetch ──▶ bytes ── Vouching::check ──▶ PluginsFolder::put
//!                                       │                                                   │
//!                                       └───────────── digests ──▶ LockFile ◀───────────────┘
//! ```
//!
//! It owns three things: the exchange with a registry ([`oci`]), the rules of signatures ([`signature`]), and
//! what an installation leaves in the folder of plugins ([`folder`], [`lock`]). It knows neither what a plugin
//! is nor how one runs: whether a file is a strategy is asked of the engine, by whoever calls this.
//!
//! Every exchange ends with an answer or an error in bounded time, and leaves the folder as it was until a
//! whole file, of the digest that was asked for, can be renamed into it.

mod digest;
pub mod folder;
pub mod lock;
pub mod oci;
pub mod signature;

pub use digest::sha256;
pub use folder::{FolderError, PluginsFolder};
pub use lock::{LockError, LockFile, Locked};
pub use signature::{Signed, TrustedKey, TrustedKeys, Vouching};

/// Bytes of a plugin's file, at the most: what the engine takes.
pub const PLUGIN_BYTES: u64 = 128 << 20;
