//! Messages made by media servers: ESP create and send (guide, *Orchestration Default Interaction Queue*).
//!
//! A message without a queue is created with Queue = `orchestration_system`; when the answer brings
//! its interaction's id, it is sent at once. The media server has submitted that interaction into
//! `orchestration_system` by then; the owner key in its user data says whose it is to take away (`clean_up`).

use std::sync::Arc;
use std::time::Duration;

use jackfield_link::LinkError;
use jackfield_protocol::v1::event::Message as Answer;
use jackfield_protocol::v1::request::Message as Ask;
use jackfield_protocol::v1::{KeyValueList, Request3rdServer};
use jackfield_protocol::{ORCHESTRATION_SYSTEM, OWNER_KEY_PREFIX};
use jackfield_strategy::contract::{Failure, Message, MessageType, Outcome};

use crate::link::LinkTask;
use crate::requests::{Then, failure, key_values, service_outcome};
use crate::sessions::MessageServer;

/// A step of making a message.
#[derive(Debug)]
pub(crate) enum Step {
    /// Create; `send`: and then send it.
    Create { server: MessageServer, send: bool, owner: KeyValueList },
    /// Send what was just created.
    SendCreated { interaction: String },
    /// Send what was created earlier.
    Send,
}

/// How long a media server may take to make or send a message.
const MESSAGE_WITHIN: Duration = Duration::from_secs(30);

impl LinkTask {
    pub(crate) fn create_message(&mut self, session: &Arc<str>, request: u64, message: Message) -> Result<(), Failure> {
        let Message { message_type, media, server, related, queue, parameters } = message;
        let mut pairs = KeyValueList::default()
            .with("MessageType", type_name(message_type))
            .with("Queue", queue.as_deref().unwrap_or(ORCHESTRATION_SYSTEM));
        if let Some(related) = &related {
            pairs.push("ParentInteractionId", related.as_str());
        }
        pairs.pairs.extend(key_values(parameters)?.pairs);
        let server = server.map_or_else(|| MessageServer::OfMedia(media), MessageServer::Named);
        let owner = self.owner(session, related.as_deref());
        let ask = esp(&server, "Create", pairs, owner.clone(), related.unwrap_or_default());
        self.asks_service(session, request, MESSAGE_WITHIN);
        let then = Then::Message(Step::Create { server, send: queue.is_none(), owner });
        self.ask(session, request, ask, "", then, MESSAGE_WITHIN);
        Ok(())
    }

    pub(crate) fn send_message(
        &mut self,
        session: &Arc<str>,
        request: u64,
        interaction: String,
        server: Option<String>,
    ) {
        let running = self.sessions.get(session);
        let server = server
            .map(MessageServer::Named)
            .or_else(|| running.and_then(|running| running.message_server(&interaction)))
            .unwrap_or_else(|| {
                let media =
                    running.and_then(|running| running.holds(&interaction)).map(|held| held.media_type.to_string());
                MessageServer::OfMedia(media.unwrap_or_else(|| "email".to_owned()))
            });
        let pairs = KeyValueList::default().with("InteractionId", interaction.as_str());
        let owner = self.owner(session, Some(&interaction));
        let ask = esp(&server, "Send", pairs, owner, interaction);
        self.asks_service(session, request, MESSAGE_WITHIN);
        self.ask(session, request, ask, "", Then::Message(Step::Send), MESSAGE_WITHIN);
    }

    /// One step was answered; none: another follows.
    pub(crate) fn message_answer(
        &mut self,
        session: &Arc<str>,
        request: u64,
        step: Step,
        answer: Result<Answer, LinkError>,
    ) -> Option<Result<Outcome, Failure>> {
        let parameters = match answer.map_err(failure).and_then(service_outcome) {
            Ok(parameters) => parameters,
            Err(failure) => return Some(Err(failure)),
        };
        match step {
            Step::Send => Some(Ok(Outcome::Done)),
            Step::SendCreated { interaction } => Some(Ok(Outcome::MessageCreated(interaction))),
            Step::Create { server, send, owner } => {
                let interaction = parameters.text("InteractionId").unwrap_or_default().to_owned();
                if interaction.is_empty() {
                    // The media server made no interaction: there is nothing to send by its id.
                    return Some(Ok(Outcome::MessageCreated(interaction)));
                }
                if !send {
                    if let Some(running) = self.sessions.get_mut(session) {
                        running.remember_message(interaction.clone(), server);
                    }
                    return Some(Ok(Outcome::MessageCreated(interaction)));
                }
                let pairs = KeyValueList::default().with("InteractionId", interaction.as_str());
                let ask = esp(&server, "Send", pairs, owner, interaction.clone());
                let then = Then::Message(Step::SendCreated { interaction });
                self.ask(session, request, ask, ":send", then, MESSAGE_WITHIN);
                None
            }
        }
    }

    /// User data that tells which node and session own what comes of a message (reference page,
    /// *ORSI*).
    fn owner(&self, session: &Arc<str>, related: Option<&str>) -> KeyValueList {
        let settings = &self.shared.settings;
        let first = self.sessions.get(session).map(|running| &*running.card.interaction);
        let interaction = related.or(first).unwrap_or_default();
        let owner =
            KeyValueList::default().with("Session", &**session).with("Node", settings.name.as_str()).with("Url", "");
        KeyValueList::default().with(format!("{OWNER_KEY_PREFIX}{}:{interaction}", settings.cluster), owner)
    }
}

fn esp(
    server: &MessageServer,
    method: &str,
    parameters: KeyValueList,
    user_data: KeyValueList,
    interaction_id: String,
) -> Ask {
    let (app_name, app_type) = match server {
        MessageServer::Named(name) => (name.clone(), String::new()),
        MessageServer::OfMedia(media) => (String::new(), media.clone()),
    };
    Ask::ThirdServer(Request3rdServer {
        app_name,
        app_type,
        service: "Email".to_owned(),
        method: method.to_owned(),
        parameters: Some(parameters),
        user_data: Some(user_data),
        interaction_id,
        timeout_ms: u32::try_from(MESSAGE_WITHIN.as_millis()).unwrap_or(u32::MAX),
        ..Default::default()
    })
}

/// Names of reference page, *orchestration_system and ESP*.
fn type_name(message_type: MessageType) -> &'static str {
    match message_type {
        MessageType::EmailOut => "emailout",
        MessageType::Acknowledgement => "acknowledgement",
        MessageType::AutoResponse => "auto_response",
        MessageType::OutboundNew => "outbound_new",
        MessageType::OutboundNotification => "outbound_notification",
        MessageType::InboundCollaborationReply => "inbound_collaboration_reply",
        MessageType::OutboundCollaborationInvite => "outbound_collaboration_invite",
        MessageType::Redirect => "redirect",
        MessageType::Forwarded => "forwarded",
    }
}
