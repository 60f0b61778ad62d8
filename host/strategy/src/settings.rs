//! Bounds of the engine, and of every session whatever its plugin. What differs from plugin to plugin is in
//! [`Policy`](crate::Policy).

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
    /// Linear memory there is room for in one instance, in bytes. Default 64 MiB, at most 4 GiB: the most that
    /// [any policy allows](crate::Policies::memory_bytes).
    pub memory_bytes: usize,
    /// How long a session may run before others are let on. Default 1 ms, at least 100 µs.
    pub slice: Duration,
    /// Bytes of the requests of one turn. Default 8 MiB. Past it, or past the next one, a session ends
    /// ([`PastLimit`](crate::EndReason::PastLimit)).
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
    /// Folder in which compiled code is kept, so that a plugin is compiled once and not at each start; it is
    /// made when it is missing, and must be ours alone. Default none: each load compiles.
    pub code_cache: Option<PathBuf>,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            live: 5_000,
            memory_bytes: 64 << 20,
            slice: Duration::from_millis(1),
            request_bytes_per_turn: 8 << 20,
            requests_waiting: 4_096,
            timers: 1_024,
            events_waiting: 1_024,
            turns_without_checkpoint: 1_000,
            code_cache: None,
        }
    }
}
