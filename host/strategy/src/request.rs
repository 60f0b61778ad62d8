//! What a strategy can ask for.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::contract::{
    Destination, HttpHeader, HttpRequest, InteractionId, KvPair, KvValue, Message, RequestId, RouteRequest, Target,
};

/// What a strategy can ask for. Its outcome comes back as
/// [`RequestDone`](crate::SessionEvent::RequestDone) or
/// [`RequestFailed`](crate::SessionEvent::RequestFailed). The interactions named are held by the
/// session, nested values are key-value lists, and the interface is among the plugin's
/// capabilities: what is not so was refused before.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
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
    /// `routing.query`, of that `submit`
    QueryRoute(RequestId),
    /// `routing.deliver`
    Deliver { interaction: InteractionId, to: Destination },
    /// `virtual-queues.attach`: append `added`, ids included, to the user data.
    AttachVirtualQueue { interaction: InteractionId, virtual_queue: String, added: Vec<KvPair> },
    /// `events.send`
    SendEvent { session: String, name: String, data: String },
    /// `http.fetch`; within the bounds of the contract.
    Fetch(HttpRequest),
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
                    + targets_bytes(&route.targets)
                    + route.choice.as_ref().map_or(0, |choice| text_bytes(&choice.statistic))
                    + route.relaxation.iter().flatten().map(|step| targets_bytes(&step.targets)).sum::<usize>()
            }
            Request::CancelRoute(_) | Request::QueryRoute(_) => 0,
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
            Request::Fetch(HttpRequest { url, headers, body, .. }) => {
                let header = |header: &HttpHeader| size_of_val(header) + header.name.len() + header.value.len();
                url.len() + headers.iter().map(header).sum::<usize>() + body.len()
            }
        };
        size_of::<(RequestId, Request)>() + heap
    }
}

pub(crate) fn text_bytes(text: &Option<String>) -> usize {
    text.as_ref().map_or(0, String::len)
}

fn targets_bytes(targets: &[Target]) -> usize {
    let heap = |target: &Target| {
        target.name.len() + text_bytes(&target.group) + text_bytes(&target.workbin) + text_bytes(&target.threshold)
    };
    targets.iter().map(|target| size_of_val(target) + heap(target)).sum()
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

/// As people read it: the function of the contract, and what it was asked.
impl fmt::Display for Request {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Request::UpdateUserData { interaction, pairs } => {
                write!(formatter, "update-user-data {interaction}: {}", Pairs(pairs))
            }
            Request::DeleteUserData { interaction, keys } => {
                write!(formatter, "delete-user-data {interaction}: {}", keys.join(", "))
            }
            Request::PlaceInQueue { interaction, queue } => write!(formatter, "place-in-queue {interaction}: {queue}"),
            Request::StopProcessing { interaction, reason } => {
                write!(formatter, "stop-processing {interaction}")?;
                reason.as_ref().map_or(Ok(()), |reason| write!(formatter, ": {reason}"))
            }
            Request::CreateMessage(message) => {
                let Message { message_type, media, server, related, queue, parameters } = message;
                write!(formatter, "create-message {message_type:?} over {}", server.as_ref().unwrap_or(media))?;
                if let Some(related) = related {
                    write!(formatter, " about {related}")?;
                }
                if let Some(queue) = queue {
                    write!(formatter, " into {queue}")?;
                }
                write!(formatter, ": {}", Pairs(parameters))
            }
            Request::SendMessage { interaction, .. } => write!(formatter, "send-message {interaction}"),
            Request::CallService { server, service, method, parameters, .. } => {
                write!(formatter, "call-service {server} {service}.{method}: {}", Pairs(parameters))
            }
            Request::Route(route) => {
                let targets: Vec<_> = route.targets.iter().map(|target| target.name.as_str()).collect();
                write!(formatter, "route {} to {}", route.interaction, targets.join(" or "))
            }
            Request::CancelRoute(request) => write!(formatter, "cancel-route of request {request}"),
            Request::QueryRoute(request) => write!(formatter, "query-route of request {request}"),
            Request::Deliver { interaction, to } => match to {
                Destination::Agent(name) => write!(formatter, "deliver {interaction} to agent {name}"),
                Destination::Place(name) => write!(formatter, "deliver {interaction} to place {name}"),
                Destination::InteractionQueue(name) => write!(formatter, "deliver {interaction} to queue {name}"),
                Destination::Workbin(workbin) => {
                    write!(formatter, "deliver {interaction} to workbin {} of {}", workbin.name, workbin.owner)
                }
            },
            Request::AttachVirtualQueue { interaction, virtual_queue, .. } => {
                write!(formatter, "attach-virtual-queue {interaction}: {virtual_queue}")
            }
            Request::SendEvent { session, name, data } => {
                write!(formatter, "send-event {name} to session {session}: {}", Short(data))
            }
            Request::Fetch(HttpRequest { method, url, body, .. }) => {
                // What stands behind the path may be nobody's business.
                let shown = url.split(['?', '#']).next().unwrap_or_default();
                write!(formatter, "fetch {} {}", method.name(), Short(shown))?;
                if body.is_empty() { Ok(()) } else { write!(formatter, " <{} bytes>", body.len()) }
            }
        }
    }
}

/// Characters of a value that are shown.
const SHOWN: usize = 60;

struct Short<'a>(&'a str);

impl fmt::Display for Short<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut characters = self.0.chars().map(|c| if c.is_control() { ' ' } else { c });
        let start: String = characters.by_ref().take(SHOWN).collect();
        formatter.write_str(&start)?;
        if characters.next().is_some() { formatter.write_str("…") } else { Ok(()) }
    }
}

struct Pairs<'a>(&'a [KvPair]);

impl fmt::Display for Pairs<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, pair) in self.0.iter().enumerate() {
            let comma = if index == 0 { "" } else { ", " };
            write!(formatter, "{comma}{}=", pair.key)?;
            match &pair.value {
                KvValue::Text(text) | KvValue::Nested(text) => write!(formatter, "{}", Short(text))?,
                KvValue::Integer(number) => write!(formatter, "{number}")?,
                KvValue::Binary(bytes) => write!(formatter, "<{} bytes>", bytes.len())?,
            }
        }
        Ok(())
    }
}
