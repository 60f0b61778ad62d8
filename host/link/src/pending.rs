//! Requests that wait for their replies, and the room they take.
//!
//! Two bounds: requests in flight, and bytes waiting to be sent. A request waits for room in both
//! before it gets its reference id. When the stream ends the table is closed: what is in it fails,
//! and what comes later fails at once.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use jackfield_protocol::v1::event::Message;
use tokio::sync::{OwnedSemaphorePermit, oneshot};

use crate::LinkError;

/// Requests of one client that may wait for replies at once, held pulls included.
pub const REQUESTS_IN_FLIGHT: usize = 16_384;

/// Encoded bytes of one client's requests that may wait to be sent; one larger request goes alone.
pub const SEND_BUFFER_BYTES: usize = 16 << 20;

type Answer = Result<Message, LinkError>;

/// A request under way: resolves to the server's answer.
///
/// Dropping it does not take the request back. Awaiting it is cancel-safe.
#[derive(Debug)]
pub struct Reply {
    reference_id: u64,
    answer: oneshot::Receiver<Answer>,
}

impl Reply {
    /// What the request was sent as: `RequestCancelPull` and `EventDelivery` name requests by it.
    pub fn reference_id(&self) -> u64 {
        self.reference_id
    }
}

impl Future for Reply {
    type Output = Answer;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Answer> {
        Pin::new(&mut self.answer)
            .poll(context)
            .map(|answer| answer.unwrap_or_else(|_| Err(LinkError::Down("the client ended".into()))))
    }
}

struct Waiting {
    answer: oneshot::Sender<Answer>,
    _room: OwnedSemaphorePermit,
}

enum State {
    Open { last: u64, waiting: BTreeMap<u64, Waiting> },
    Closed { reason: String },
}

/// The requests of one client that wait for their replies.
pub(crate) struct Pending(Mutex<State>);

impl Pending {
    pub(crate) fn new() -> Pending {
        Pending(Mutex::new(State::Open { last: 0, waiting: BTreeMap::new() }))
    }

    /// Gives the next request its reference id and passes it to `send` while the table is held, so that
    /// ids go out in their order.
    pub(crate) fn add(&self, room: OwnedSemaphorePermit, send: impl FnOnce(u64) -> bool) -> Result<Reply, LinkError> {
        let mut state = self.lock();
        match &mut *state {
            State::Open { last, waiting } => {
                let reference_id = *last + 1;
                if !send(reference_id) {
                    return Err(LinkError::Down("the stream has ended".into()));
                }
                *last = reference_id;
                let (sender, answer) = oneshot::channel();
                waiting.insert(reference_id, Waiting { answer: sender, _room: room });
                Ok(Reply { reference_id, answer })
            }
            State::Closed { reason } => Err(LinkError::Down(reason.clone())),
        }
    }

    /// Hands an answer to whoever waits for it. False: no such request is under way.
    pub(crate) fn answer(&self, reference_id: u64, answer: Answer) -> bool {
        let found = match &mut *self.lock() {
            State::Open { waiting, .. } => waiting.remove(&reference_id),
            State::Closed { .. } => None,
        };
        match found {
            Some(waiting) => {
                // Whoever asked may have stopped waiting.
                let _ = waiting.answer.send(answer);
                true
            }
            None => false,
        }
    }

    /// Fails everything that waits, and all that comes later. The first reason stays.
    pub(crate) fn close(&self, reason: &str) {
        let mut state = self.lock();
        if let State::Open { .. } = *state {
            let before = std::mem::replace(&mut *state, State::Closed { reason: reason.to_owned() });
            drop(state);
            if let State::Open { waiting, .. } = before {
                for waiting in waiting.into_values() {
                    let _ = waiting.answer.send(Err(LinkError::Down(reason.to_owned())));
                }
            }
        }
    }

    /// Why the stream ended, once it has.
    pub(crate) fn closed_because(&self) -> Option<String> {
        match &*self.lock() {
            State::Open { .. } => None,
            State::Closed { reason } => Some(reason.clone()),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing in here panics half-way through a change.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
