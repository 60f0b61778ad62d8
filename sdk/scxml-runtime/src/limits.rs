//! What a document may use. Each limit that is passed ends the whole of it with a [`Failure`].

/// The limits of a machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Microsteps of one macrostep (1,000).
    pub microsteps: u32,
    /// Events that wait in the queues of one session, internal and external (10,000).
    pub queued_events: usize,
    /// Delayed events and requests under way, of all sessions (10,000).
    pub pending: usize,
    /// Sessions at the same time: the first one and what it invoked (64).
    pub sessions: usize,
    /// How deep invocations may nest (8).
    pub invoke_depth: usize,
    /// Items of a `foreach` (100,000).
    pub iterations: usize,
    /// Turns of the loops of one evaluation of a script or an expression (10,000,000).
    pub loops: u64,
    /// Calls of functions within each other (256).
    pub recursion: usize,
    /// Characters of a text that comes out of the engine, such as an event's name or data (1 MiB).
    pub text: usize,
    /// How deep data may nest that comes out of the engine (64).
    pub data_depth: usize,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            microsteps: 1_000,
            queued_events: 10_000,
            pending: 10_000,
            sessions: 64,
            invoke_depth: 8,
            iterations: 100_000,
            loops: 10_000_000,
            recursion: 256,
            text: 1 << 20,
            data_depth: 64,
        }
    }
}

/// Why a machine ended before its document did.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// A limit was passed.
    #[error("{what}: more than {limit}, in {place}")]
    Limit {
        /// What there was too much of.
        what: &'static str,
        /// How much there may be.
        limit: u64,
        /// The session, or where in the document.
        place: String,
    },
    /// The engine stopped a script.
    #[error("{message}, in {place}")]
    Engine {
        /// What it says.
        message: String,
        /// Where in the document.
        place: String,
    },
    /// It cannot be run here.
    #[error("{0}")]
    Unsupported(String),
}
