//! Bounds of the sandboxes.

use std::path::PathBuf;
use std::time::Duration;

/// What one engine may hold, and what one session may take. Every field bounds something that a
/// strategy could otherwise grow without end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Live instances at once that are wanted; the engine may hold fewer (see [`Engine::capacity`]).
    /// Sessions beyond that wait, passive, and the one that has waited longest for an event makes room for
    /// one that has something to do. Default 5,000; 0: no instance outlives its turn.
    ///
    /// [`Engine::capacity`]: crate::Engine::capacity
    pub live: usize,
    /// Linear memory of one instance. Default 64 MiB, at most 4 GiB. A session that wants more
    /// ends as [`OutOfMemory`](crate::EndReason::OutOfMemory).
    pub memory_bytes: usize,
    /// CPU time of one turn. Default 1 s. Past it a session ends as
    /// [`OutOfTime`](crate::EndReason::OutOfTime); waiting in `events.next` does not count.
    pub turn_cpu: Duration,
    /// How long a session may run before others are let on. Default 1 ms, at least 100 µs.
    pub slice: Duration,
    /// Requests of one turn. Default 1,000. Past it, or past the two below, a session ends as
    /// [`TooManyRequests`](crate::EndReason::TooManyRequests).
    pub requests_per_turn: usize,
    /// Bytes of the requests of one turn. Default 8 MiB.
    pub request_bytes_per_turn: usize,
    /// Requests of one session that have had no outcome yet. Default 4,096.
    pub requests_waiting: usize,
    /// Timers of one session that have not fired. Default 1,024.
    pub timers: usize,
    /// Events that may wait for one session. Default 1,024. A session that leaves more unread ends
    /// as [`NotReading`](crate::EndReason::NotReading).
    pub events_waiting: usize,
    /// Turns of a session that makes no checkpoint, from its beginning or from its last one. Default
    /// 1,000. Past it a session ends as [`TooManyTurns`](crate::EndReason::TooManyTurns), before
    /// rebuilding it costs more than its work.
    pub turns_without_checkpoint: u64,
    /// Bytes a session may write to the log in one turn; the rest is dropped, and said to be.
    /// Default 64 KiB.
    pub log_bytes_per_turn: usize,
    /// Folder in which compiled code is kept, so that a plugin is compiled once and not at each start; it is
    /// made when it is missing, and must be ours alone. Default none: each load compiles.
    pub code_cache: Option<PathBuf>,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            live: 5_000,
            memory_bytes: 64 << 20,
            turn_cpu: Duration::from_secs(1),
            slice: Duration::from_millis(1),
            requests_per_turn: 1_000,
            request_bytes_per_turn: 8 << 20,
            requests_waiting: 4_096,
            timers: 1_024,
            events_waiting: 1_024,
            turns_without_checkpoint: 1_000,
            log_bytes_per_turn: 64 << 10,
            code_cache: None,
        }
    }
}
