//! The platform behind functional modules.

/// What functional modules act on.
pub trait Platform {}
