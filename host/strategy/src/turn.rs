//! What a session asked for in one turn, and where that goes.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use crate::contract::{Destination, InteractionId, KvPair, KvValue, Message, RequestId, RouteRequest};

/// Where turns go: the journal's place. Today the node sends the requests at once.
pub trait Turns: Send + Sync + 'static {
    /// Called once at the end of each turn of a session, in order, also when the turn asked for
    /// nothing. When it returns, the turn is recorded and its requests are on their way, in their
    /// order. The session waits for it, and a kill waits too: a turn is recorded whole or not at all.
    ///
    /// # Errors
    /// When the turn could not be recorded; the session ends as
    /// [`TurnNotRecorded`](crate::EndReason::TurnNotRecorded).
    fn commit(&self, turn: Turn) -> Pin<Box<dyn Future<Output = Result<(), TurnError>> + Send + '_>>;
}

/// A turn was not recorded, because of this.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct TurnError(pub String);

/// One turn that ended well.
#[derive(Clone, Debug, PartialEq)]
pub struct Turn {
    /// Id of the session.
    pub session: Arc<str>,
    /// Counts up from 1 in each session.
    pub number: u64,
    /// In the order in which they were made.
    pub requests: Vec<(RequestId, Request)>,
    /// What the strategy wants to be rebuilt from, when it said so in this turn.
    pub checkpoint: Option<Vec<u8>>,
    /// `run` has returned: no turn follows.
    pub last: bool,
}

/// What a strategy can ask for. Its outcome comes back as
/// [`RequestDone`](crate::SessionEvent::RequestDone) or
/// [`RequestFailed`](crate::SessionEvent::RequestFailed). The interactions named are held by the
/// session, nested values are key-value lists, and the interface is among the plugin's
/// capabilities: what is not so was refused before.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs, reason = "the fields are those of the contract, which documents them")]
pub enum Request {
    /// `interactions.update-user-data`
    UpdateUserData { interaction: InteractionId, pairs: Vec<KvPair> },
    /// `interactions.delete-user-data`
    DeleteUserData { interaction: InteractionId, keys: Vec<String> },
    /// `interactions.place-in-queue`
    PlaceInQueue { interaction: InteractionId, queue: String },
    /// `interactions.stop-processing`
    StopProcessing { interaction: InteractionId, reason: Option<String> },
    /// `messages.create`
    CreateMessage(Message),
    /// `messages.send`
    SendMessage { interaction: InteractionId, server: Option<String> },
    /// `messages.call-service`
    CallService {
        server: String,
        service: String,
        method: String,
        parameters: Vec<KvPair>,
        user_data: Vec<KvPair>,
        timeout_ms: u64,
    },
    /// `routing.submit`
    Route(RouteRequest),
    /// `routing.cancel`, of that `submit`
    CancelRoute(RequestId),
    /// `routing.deliver`
    Deliver { interaction: InteractionId, to: Destination },
    /// `virtual-queues.attach`: append `added`, ids included, to the user data.
    AttachVirtualQueue { interaction: InteractionId, virtual_queue: String, added: Vec<KvPair> },
    /// `events.send`
    SendEvent { session: String, name: String, data: String },
}

impl Request {
    /// About how many bytes it takes in memory.
    pub(crate) fn bytes(&self) -> usize {
        let heap = match self {
            Request::UpdateUserData { interaction, pairs } => interaction.len() + pairs_bytes(pairs),
            Request::DeleteUserData { interaction, keys } => {
                interaction.len() + keys.iter().map(|key| size_of::<String>() + key.len()).sum::<usize>()
            }
            Request::PlaceInQueue { interaction, queue } => interaction.len() + queue.len(),
            Request::StopProcessing { interaction, reason } => interaction.len() + text_bytes(reason),
            Request::CreateMessage(message) => {
                message.media.len()
                    + text_bytes(&message.server)
                    + text_bytes(&message.related)
                    + text_bytes(&message.queue)
                    + pairs_bytes(&message.parameters)
            }
            Request::SendMessage { interaction, server } => interaction.len() + text_bytes(server),
            Request::CallService { server, service, method, parameters, user_data, timeout_ms: _ } => {
                server.len() + service.len() + method.len() + pairs_bytes(parameters) + pairs_bytes(user_data)
            }
            Request::Route(route) => {
                route.interaction.len()
                    + text_bytes(&route.virtual_queue)
                    + route.targets.iter().map(|target| size_of_val(target) + target.name.len()).sum::<usize>()
            }
            Request::CancelRoute(_) => 0,
            Request::Deliver { interaction, to } => {
                interaction.len()
                    + match to {
                        Destination::Agent(name) | Destination::Place(name) | Destination::InteractionQueue(name) => {
                            name.len()
                        }
                        Destination::Workbin(workbin) => workbin.name.len() + workbin.owner.len(),
                    }
            }
            Request::AttachVirtualQueue { interaction, virtual_queue, added } => {
                interaction.len() + virtual_queue.len() + pairs_bytes(added)
            }
            Request::SendEvent { session, name, data } => session.len() + name.len() + data.len(),
        };
        size_of::<(RequestId, Request)>() + heap
    }
}

fn text_bytes(text: &Option<String>) -> usize {
    text.as_ref().map_or(0, String::len)
}

fn pairs_bytes(pairs: &[KvPair]) -> usize {
    pairs
        .iter()
        .map(|pair| {
            size_of::<KvPair>()
                + pair.key.len()
                + match &pair.value {
                    KvValue::Text(text) | KvValue::Nested(text) => text.len(),
                    KvValue::Integer(_) => 0,
                    KvValue::Binary(bytes) => bytes.len(),
                }
        })
        .sum()
}
