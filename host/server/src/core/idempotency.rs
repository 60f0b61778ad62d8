//! Idempotency keys: a request that comes again with its key has its first answer again.
//!
//! Remembered are requests that changed something durable and succeeded: submit, place in queue, place
//! in workbin, change properties, stop processing; and distribute event, which others may have been told
//! of. A refused request changed nothing, so asking again
//! is asking anew. The answer goes to whoever asks again, whether or not it holds the interaction.
//! Other requests take effect in memory alone. An invitation carries its key while it is open, so that a
//! delivery asked for again invites once; for ESP requests the key is passed on, and the media server
//! remembers it.

use std::collections::{HashMap, VecDeque};

use jackfield_protocol::ErrorCode;
use jackfield_protocol::v1::EventAck;
use jackfield_protocol::v1::event::Message as EventMessage;
use jackfield_protocol::v1::request::Message as RequestMessage;

use super::ids::fnv1a;
use super::{Answered, ClientId, Core, Reply, checks};
use crate::store::{Answer, Write};

/// Durable answers kept in memory, to spare the store the question.
const RECENT_ANSWERS: usize = 16_384;

/// Answers that are not on disk yet, and some recent ones.
#[derive(Debug, Default)]
pub(super) struct Answers {
    recent: HashMap<String, Answer>,
    /// In the order in which they were given, with the write that makes each durable.
    order: VecDeque<(u64, String)>,
}

impl Answers {
    fn put(&mut self, key: String, answer: Answer, sequence: u64) {
        self.order.push_back((sequence, key.clone()));
        self.recent.insert(key, answer);
    }

    pub(super) fn durable(&mut self, sequence: u64) {
        while self.order.len() > RECENT_ANSWERS && self.order.front().is_some_and(|(of, _)| *of <= sequence) {
            if let Some((_, key)) = self.order.pop_front() {
                self.recent.remove(&key);
            }
        }
    }
}

impl Core {
    /// Does a request, unless its key says that it was done.
    pub(super) fn once(
        &mut self,
        client: ClientId,
        reference_id: u64,
        key: String,
        message: RequestMessage,
    ) -> Answered {
        checks::optional_name("the idempotency key", &key)?;
        if key.is_empty() || !is_remembered(&message) {
            return self.dispatch(client, reference_id, &key, message);
        }
        let fingerprint = fingerprint(&message);
        if let Some(answer) = self.answer(&key)? {
            if answer.fingerprint != fingerprint {
                return Err(ErrorCode::KeyReused.with(format!(
                    "the idempotency key `{key}` came with another request before; give each request its own"
                )));
            }
            return Ok(Reply::Now(EventMessage::Ack(EventAck { interaction_id: answer.interaction_id })));
        }
        let answered = self.dispatch(client, reference_id, &key, message);
        if let Ok(Reply::Now(EventMessage::Ack(ack))) = &answered {
            let answer = Answer { fingerprint, at: self.now.wall, interaction_id: ack.interaction_id.clone() };
            self.answers.put(key.clone(), answer.clone(), self.sequence);
            self.outbox.writes.push(Write::Remember { key, answer });
        }
        answered
    }

    fn answer(&mut self, key: &str) -> Result<Option<Answer>, jackfield_protocol::RequestError> {
        let found = match self.answers.recent.get(key) {
            Some(answer) => Some(answer.clone()),
            None => self.reader.answer(key).map_err(|error| self.failed(error))?,
        };
        let retention = checks::millis(self.settings.timers.idempotency_retention);
        Ok(found.filter(|answer| answer.at >= self.now.wall.saturating_sub_unsigned(retention)))
    }
}

fn is_remembered(message: &RequestMessage) -> bool {
    matches!(
        message,
        RequestMessage::Submit(_)
            | RequestMessage::PlaceInQueue(_)
            | RequestMessage::PlaceInWorkbin(_)
            | RequestMessage::StopProcessing(_)
            | RequestMessage::ChangeProperties(_)
            | RequestMessage::DistributeEvent(_)
    )
}

fn fingerprint(message: &RequestMessage) -> u64 {
    let mut bytes = Vec::with_capacity(message.encoded_len());
    message.encode(&mut bytes);
    fnv1a(&bytes)
}
