//! The one source of chance in a simulation.

use chacha20::ChaCha8Rng;

/// Its numbers are the same in every version of the library.
pub(crate) type Generator = ChaCha8Rng;
