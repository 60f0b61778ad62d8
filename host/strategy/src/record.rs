//! What the journal keeps of a session: enough to run its strategy again and have the same come of it.
//!
//! A record is MessagePack with the names of its fields, so that a later version of the host, which
//! knows more of them, still reads it. Where records are kept is for whoever implements
//! [`Journal`](crate::Journal).

use std::sync::Arc;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::contract::{Failure, Interaction, InteractionId, KvPair, RequestId, TimerId};
use crate::request::Request;
use crate::session::SessionEvent;
use crate::standing::Standing;

/// What a session began with.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Origin {
    /// What `session.parameters` answers.
    pub parameters: Vec<KvPair>,
    /// What it held from the beginning, the oldest first.
    pub interactions: Vec<Interaction>,
    /// All chance in the session comes from this.
    pub seed: [u8; 32],
    /// When it began, in milliseconds since 1970-01-01T00:00:00Z.
    pub started_at: u64,
}

impl Origin {
    /// A session that begins now, with a seed nobody can guess.
    pub fn new(parameters: Vec<KvPair>, interactions: Vec<Interaction>) -> Origin {
        Origin { parameters, interactions, seed: jackfield_world::random(), started_at: jackfield_world::wall_ms() }
    }
}

/// One turn that ended well: what went in, what was answered while it ran, and what came of it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Turn {
    /// Id of the session. Not in the encoded record: whoever keeps it knows.
    #[serde(skip)]
    pub session: Arc<str>,
    /// Counts up from 1 in each session.
    pub number: u64,
    /// What it began with.
    pub input: Input,
    /// Its time, which stood still while it ran.
    pub clock: Clock,
    /// What it looked up, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lookups: Vec<Lookup>,
    /// Timers it started and cancelled, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub timers: Vec<TimerChange>,
    /// What it asked for, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub requests: Vec<(RequestId, Request)>,
    /// What it asked for and was refused on the spot, in order; never left the host.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub refused: Vec<(RequestId, Failure)>,
    /// How long it waits for its next event, in milliseconds; none: as long as it takes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wait: Option<u64>,
    /// `run` has returned: no turn follows.
    #[serde(default, skip_serializing_if = "is_false")]
    pub last: bool,
    /// From here on the session is rebuilt from this. Not in the encoded record: it takes the place of
    /// the one before.
    #[serde(skip)]
    pub checkpoint: Option<Box<Checkpoint>>,
    /// When it goes on without an event, in milliseconds since 1970-01-01T00:00:00Z: its next timer, or
    /// the end of its wait. Not in the encoded record: it follows from it.
    #[serde(skip)]
    pub due_at: Option<u64>,
}

/// What a turn began with.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub enum Input {
    /// The session began.
    #[default]
    Start,
    /// Nothing came in the time it waited.
    TimedOut,
    /// The next of the interactions it was started with.
    Held(InteractionId),
    /// The next of the requests that were refused on the spot.
    Refused(RequestId),
    /// A timer fired.
    Timer(TimerId),
    /// An event from outside.
    Event(SessionEvent),
}

/// The time of a turn, in nanoseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Clock {
    /// Since 1970-01-01T00:00:00Z; may jump from one turn to the next.
    pub wall: u64,
    /// Since the session began; never goes back, and goes on while the host is down.
    pub monotonic: u64,
}

impl Clock {
    /// Milliseconds since 1970-01-01T00:00:00Z.
    pub fn wall_ms(self) -> u64 {
        self.wall / 1_000_000
    }
}

/// A look-up and its answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lookup {
    /// What was asked.
    pub question: Question,
    /// A parameter's text, and JSON for everything else; none: there is no such thing.
    pub answer: Option<String>,
}

/// What `facts` can be asked.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[allow(missing_docs, reason = "the fields are those of the contract, which documents them")]
pub enum Question {
    /// `facts.list-item`
    ListItem { name: String, item: String, key: Option<String> },
    /// `facts.parameter`
    Parameter(String),
    /// `facts.statistic`
    Statistic { object: String, name: String },
    /// `facts.local-time`, of a zone
    LocalTime(Option<String>),
    /// `facts.is-open`, by these business hours
    IsOpen(String),
    /// `facts.is-special-day`
    IsSpecialDay { table: String, day: Option<String>, zone: Option<String> },
    /// `routing.read-targets`, of a text
    Targets(String),
}

/// A change to the session's timers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum TimerChange {
    /// It fires after so many milliseconds.
    Started(TimerId, u64),
    /// It does not fire.
    Cancelled(TimerId),
}

/// What a session is rebuilt from, so that the turns before are history.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Checkpoint {
    /// The turn at whose end it was made.
    pub turn: u64,
    /// The strategy's own bytes.
    pub state: Vec<u8>,
    /// What the host knew of the session then.
    pub standing: Standing,
}

/// Everything a session can be rebuilt from.
#[derive(Clone, Debug, PartialEq)]
pub struct History {
    /// What it began with.
    pub origin: Origin,
    /// Where it goes on from; none: from its beginning.
    pub checkpoint: Option<Checkpoint>,
    /// All turns since, in order.
    pub turns: Vec<Turn>,
}

impl History {
    /// From the encoded records.
    ///
    /// # Errors
    /// When one of them is damaged, or of a newer version.
    pub fn decode<'a>(
        origin: &[u8],
        checkpoint: Option<&[u8]>,
        turns: impl IntoIterator<Item = &'a [u8]>,
    ) -> Result<History, RecordError> {
        Ok(History {
            origin: Origin::decode(origin)?,
            checkpoint: checkpoint.map(Checkpoint::decode).transpose()?,
            turns: turns.into_iter().map(Turn::decode).collect::<Result<_, _>>()?,
        })
    }

    /// What the host knows of the session, without running its strategy.
    pub fn standing(&self) -> Standing {
        let mut standing = match &self.checkpoint {
            Some(checkpoint) => checkpoint.standing.clone(),
            None => Standing::new(&self.origin),
        };
        for turn in &self.turns {
            standing.fold(turn);
        }
        standing
    }
}

/// A record cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a record of the journal cannot be read ({reason}); it is damaged, or of a newer jackfield")]
pub struct RecordError {
    /// What the decoder says.
    reason: String,
}

macro_rules! encoded {
    ($($record:ty),+) => {
        $(impl $record {
            /// The record as bytes.
            pub fn encode(&self) -> Vec<u8> {
                encode(self)
            }

            /// The record from its bytes.
            ///
            /// # Errors
            /// When they are none, or lack something.
            pub fn decode(bytes: &[u8]) -> Result<Self, RecordError> {
                decode(bytes)
            }
        })+
    };
}

encoded!(Origin, Turn, Checkpoint);

fn encode(record: &impl Serialize) -> Vec<u8> {
    // Writing into memory what is no map with odd keys, and not recursive, does not fail.
    rmp_serde::to_vec_named(record).unwrap_or_default()
}

fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, RecordError> {
    rmp_serde::from_slice(bytes).map_err(|error| RecordError { reason: error.to_string() })
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "what serde calls")]
fn is_false(value: &bool) -> bool {
    !value
}
