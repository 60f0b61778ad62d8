//! The words an Interaction Server and its clients speak.
//!
//! Owns the messages (generated from `proto/interaction.proto`, where each is documented), helpers
//! for key-value lists, and the one table of error numbers. No I/O happens here.

mod error;
mod key_value;
pub mod limits;
mod message;

pub use error::{ErrorCode, RequestError};

/// The generated messages, and the gRPC client and server stubs.
#[allow(missing_docs, clippy::all, clippy::pedantic, clippy::unwrap_used, clippy::indexing_slicing)]
pub mod v1 {
    tonic::include_proto!("jackfield.interaction.v1");
}

/// The version of the protocol this build speaks, the oldest and the newest.
pub const VERSION: u32 = 1;

/// The interaction queue that messages without a queue pass through (guide, *Orchestration Default
/// Interaction Queue*).
pub const ORCHESTRATION_SYSTEM: &str = "orchestration_system";

/// Key of user data that tells which node and session own an interaction:
/// `ORSI:<cluster>:<interaction id>`.
pub const OWNER_KEY_PREFIX: &str = "ORSI:";
