//! The reducer style: a strategy as a state and what each event does to it.
//!
//! The state is written as a checkpoint at the end of each turn that changed it, so that a session is
//! rebuilt from its state alone, however long it has been waiting, and can be moved to a newer version
//! of its strategy. Everything a [`Session`] can do may be done in a reducer too; calls that wait end
//! a turn each, and those since the last checkpoint are run again when the session is rebuilt.
//!
//! A checkpoint is a JSON object, for people to read: `format`, `state`, and what the session itself
//! has to remember: `until` (when the wait ends), `stop` (why it shall end) and `given_up` (requests
//! whose outcomes are nobody's). No event is ever among it: it is written only when all that were
//! kept have been handled.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::interaction::{Event, Interaction, InteractionEvent, InteractionId, RequestId};
use crate::session::milliseconds;
use crate::{Error, Manifest, Session, Strategy};

/// Bytes of a checkpoint at the most, as the contract has it.
pub const CHECKPOINT_BYTES: usize = 1 << 20;

/// Turns after which a state that has not changed is written again all the same, so that few have to
/// be run again, and the host's limit on turns since a checkpoint is not met.
const TURNS_KEPT: u32 = 64;

/// A routing strategy that is a state. Hand the type to [`export!`](crate::export): every reducer is
/// a [`Strategy`].
///
/// The state is what `serde` writes of the type as JSON: keys of maps must be text or numbers, and a
/// `BTreeMap` is right where a `HashMap` is not, which has an order of its own in each instance.
pub trait Reducer: Serialize + DeserializeOwned {
    /// Names the format the state is written in, such as `follow-up-2`. Change it together with the
    /// type where one version could not read what the other wrote; read the older one in
    /// [`migrate`](Reducer::migrate), and name it with [`Manifest::reads_state`].
    const STATE: &'static str;

    /// Asked once when the plugin is loaded, outside of any session: no request, look-up or log line
    /// may be made here. [`STATE`](Reducer::STATE) is added to it.
    fn manifest() -> Manifest;

    /// The session begins with this interaction: the first state, and what comes next.
    ///
    /// # Errors
    /// As [`Strategy::run`].
    fn start(session: &mut Session, interaction: Interaction) -> Result<(Self, Next), Error>;

    /// What an event does to the state; none: the time of the wait has passed.
    ///
    /// Whatever happens comes here, the outcomes of requests made by [`Session::request`] and
    /// [`Event::StopRequested`] too. When the session has lost the last interaction it held, it ends
    /// once this has seen the event.
    ///
    /// # Errors
    /// As [`Strategy::run`].
    fn handle(&mut self, session: &mut Session, event: Option<Event>) -> Result<Next, Error>;

    /// The state as it is now, of one that an older version of the strategy wrote.
    ///
    /// # Errors
    /// [`OlderState::unknown`] for formats it does not know, which is all of them when this is not
    /// written.
    fn migrate(older: OlderState<'_>) -> Result<Self, Error> {
        Err(older.unknown())
    }
}

/// How a reducer goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Waits for the next event, for as long as it takes.
    Wait,
    /// Waits so long at the most, counted from this turn, then is handed no event.
    WaitFor(Duration),
    /// Waits until this time at the most (milliseconds since 1970-01-01T00:00:00Z), then is handed no
    /// event. With a time that is part of the state other events do not put it off.
    WaitUntil(u64),
    /// The session has ended well.
    Finish,
}

/// A state as an older version of the strategy wrote it.
#[derive(Clone, Copy, Debug)]
pub struct OlderState<'a> {
    format: &'a str,
    json: &'a str,
}

impl<'a> OlderState<'a> {
    /// A state of this format, as JSON text; for tests of [`Reducer::migrate`].
    pub fn new(format: &'a str, json: &'a str) -> OlderState<'a> {
        OlderState { format, json }
    }

    /// The [`STATE`](Reducer::STATE) of the version that wrote it.
    pub fn format(&self) -> &'a str {
        self.format
    }

    /// What was written.
    ///
    /// # Errors
    /// [`Error::Other`] when it is not of this type.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, Error> {
        serde_json::from_str(self.json)
            .map_err(|error| Error::Other(format!("the checkpoint of format {} cannot be read: {error}", self.format)))
    }

    /// The error that says this format is not known.
    pub fn unknown(&self) -> Error {
        Error::Other(format!("this version cannot go on from a checkpoint of format {}", self.format))
    }
}

impl<R: Reducer> Strategy for R {
    fn manifest() -> Manifest {
        <R as Reducer>::manifest().writes_state(R::STATE)
    }

    fn run(session: &mut Session) -> Result<(), Error> {
        let mut checkpoint = session.checkpoint().map(<[u8]>::to_vec);
        // What is rebuilt waits before anything else, and what it waits for is written already.
        let mut is_written = checkpoint.is_some();
        let (mut reducer, mut next): (R, Next) = match &checkpoint {
            Some(bytes) => rebuild(session, bytes)?,
            None => {
                let interaction = session.interaction()?;
                R::start(session, interaction)?
            }
        };
        loop {
            let until = match next {
                Next::Finish => return Ok(()),
                Next::Wait => None,
                Next::WaitFor(time) => Some(session.now().saturating_add(milliseconds(time))),
                Next::WaitUntil(time) => Some(time),
            };
            let event = match session.kept.pop_front() {
                Some(event) => Some(event),
                None => {
                    if !std::mem::take(&mut is_written) {
                        save(session, &reducer, until, &mut checkpoint)?;
                    }
                    session.read(until.map(|until| until.saturating_sub(session.now())))
                }
            };
            let loss = event.as_ref().and_then(loss);
            next = reducer.handle(session, event)?;
            if let Some((lost, error)) = loss
                && next != Next::Finish
                && session.held().is_empty()
                && !session.is_told_present(&lost)
            {
                return Err(error);
            }
        }
    }
}

/// What is written of a session whose strategy is a reducer.
#[derive(Serialize)]
struct Written<'a, R> {
    format: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    until: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stop: Option<&'a str>,
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    given_up: &'a BTreeSet<RequestId>,
    state: &'a R,
}

/// The same, read; the state only once its format is known.
#[derive(Deserialize)]
struct Read<'a> {
    #[serde(borrow)]
    format: Cow<'a, str>,
    until: Option<u64>,
    stop: Option<String>,
    #[serde(default)]
    given_up: BTreeSet<RequestId>,
    #[serde(borrow)]
    state: &'a RawValue,
}

fn rebuild<R: Reducer>(session: &mut Session, checkpoint: &[u8]) -> Result<(R, Next), Error> {
    let read: Read<'_> = serde_json::from_slice(checkpoint)
        .map_err(|error| Error::Other(format!("the checkpoint is none of a reducer: {error}")))?;
    let state = OlderState { format: &read.format, json: read.state.get() };
    let reducer = if read.format == R::STATE { state.read()? } else { R::migrate(state)? };
    session.stop = read.stop;
    session.given_up = read.given_up;
    Ok((reducer, read.until.map_or(Next::Wait, Next::WaitUntil)))
}

/// Writes the state, unless this is what was written lately. `last` is what was.
fn save<R: Reducer>(
    session: &mut Session,
    state: &R,
    until: Option<u64>,
    last: &mut Option<Vec<u8>>,
) -> Result<(), Error> {
    let written =
        Written { format: R::STATE, until, stop: session.stop.as_deref(), given_up: &session.given_up, state };
    let bytes = serde_json::to_vec(&written)
        .map_err(|error| Error::Other(format!("the state {} cannot be written: {error}", R::STATE)))?;
    if bytes.len() > CHECKPOINT_BYTES {
        let size = bytes.len();
        return Err(Error::Other(format!("the state {} has {size} bytes; at most {CHECKPOINT_BYTES}", R::STATE)));
    }
    if session.turns < TURNS_KEPT && last.as_ref() == Some(&bytes) {
        return Ok(());
    }
    session.save_checkpoint(&bytes);
    *last = Some(bytes);
    Ok(())
}

/// The interaction that is lost by this event, and the error a session ends in that had no other.
fn loss(event: &Event) -> Option<(InteractionId, Error)> {
    match event {
        Event::InteractionNotControlled(InteractionEvent { interaction, reason })
        | Event::InteractionDeleted(InteractionEvent { interaction, reason }) => {
            let error = Error::Lost { interaction: interaction.clone(), reason: reason.clone() };
            Some((interaction.clone(), error))
        }
        _ => None,
    }
}
