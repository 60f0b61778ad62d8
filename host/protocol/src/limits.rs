//! Bounds on what one client may send. A server refuses what is larger; a client never makes it.

/// Bytes of one frame, either way.
pub const FRAME_BYTES: usize = 8 << 20;
/// Requests in one frame.
pub const REQUESTS_PER_FRAME: usize = 1_024;
/// Bytes of an interaction's user data, encoded.
pub const USER_DATA_BYTES: usize = 4 << 20;
/// Bytes of a name: queue, agent, strategy, media type, idempotency key.
pub const NAME_BYTES: usize = 255;
/// Interactions one pull, or one reclaim, may ask for.
pub const PULL_COUNT: u32 = 1_000;
/// How deep key-value lists may nest.
pub const KEY_VALUE_DEPTH: usize = 16;
