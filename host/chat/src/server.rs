//! The media server: a link to one Interaction Server, and a page at an address.
//!
//! Service `Chat`, for the agent who has the interaction; each method takes its `InteractionId`:
//!
//! * `Message` (`Text`): says a line to the customer. Answers with `Lines`: how many there are now. The same
//!   idempotency key says once.
//! * `Transcript` (`After`): answers with the lines after so many, up to 200: `Lines` of all, `Online` (1 while the
//!   customer is there), and a list `Line` for each with `From` (`customer`, `agent`, `system`), `At`, `Text`. From
//!   then on user data `ChatLines` of the interaction changes with each line of the customer, of which the
//!   Interaction Server tells whoever holds it.
//! * `Leave`: the agent has gone; the chat ends.
//!
//! Ends by [`ChatServer::shutdown`] or when it is dropped. Chats go on with the next start; a customer who does
//! not come back to it in time has left.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use jackfield_link::{Client, Endpoint, Link, LinkEvent, Reconnect};
use jackfield_protocol::v1::event::Message as Event;
use jackfield_protocol::v1::{Answer3rdServer, ClientType, Event3rdServerRequest, KeyValueList, RequestRegisterClient};
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, mpsc};
use tokio::task::{JoinHandle, JoinSet};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::chats::Chats;
use crate::transcript::{From, Line, NotSaid};
use crate::web;

/// Name of the ESP service.
pub const SERVICE: &str = "Chat";

/// Lines of one answer.
const LINES_AN_ANSWER: usize = 200;
/// ESP requests worked on at once; more wait.
const REQUESTS_AT_ONCE: usize = 64;
/// How long [`ChatServer::start`] waits for a first connection.
const FIRST_CONNECTION: Duration = Duration::from_secs(2);
/// How long [`ChatServer::shutdown`] waits for what is under way.
const SHUTDOWN_GRACE: Duration = Duration::from_secs(5);

/// What a chat server is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChatSettings {
    /// Application name it registers with.
    pub name: String,
    /// Media type it serves.
    pub media_type: String,
    /// Interaction queue that chats are submitted into.
    pub queue: String,
    /// Where the page is.
    pub listen: SocketAddr,
    /// Folder of the transcripts.
    pub folder: PathBuf,
    /// How long a customer may be without a connection before it counts as left.
    pub grace: Duration,
    /// How long transcripts are kept.
    pub kept: Duration,
    /// Chats at once.
    pub chats: usize,
    /// Connections at once, of all customers.
    pub connections: usize,
    /// Connections of one customer at once.
    pub connections_a_chat: usize,
    /// Lines of one connection within a second, beyond a burst of four times as many.
    pub lines_a_second: u32,
    /// Pauses between connections to the Interaction Server.
    pub reconnect: Reconnect,
}

/// `FaultCode` of a refused ESP request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i32)]
pub enum FaultCode {
    /// Service or method is not known here.
    UnknownMethod = 1,
    /// A parameter is missing or wrong; the string says which.
    BadParameter = 2,
    /// There is no chat of that interaction, or not any more.
    UnknownChat = 3,
    /// The chat has ended, or takes no more lines.
    Ended = 4,
    /// It cannot be written down; try again later.
    NotStored = 5,
}

struct Fault(FaultCode, String);

/// A chat server at work.
pub struct ChatServer {
    address: SocketAddr,
    stop: CancellationToken,
    link: Link,
    chats: Arc<Chats>,
    tasks: [JoinHandle<()>; 2],
    _stop_on_drop: DropGuard,
}

impl ChatServer {
    /// Starts it, and waits a moment for its first connection; it goes on connecting by itself.
    ///
    /// # Errors
    /// Nobody can listen at the address, or the folder cannot be read.
    pub async fn start(endpoint: Endpoint, settings: ChatSettings) -> io::Result<ChatServer> {
        let listener = TcpListener::bind(settings.listen)
            .await
            .map_err(|error| io::Error::other(format!("cannot listen at {}: {error}", settings.listen)))?;
        let address = listener.local_addr()?;
        let register = RequestRegisterClient {
            client_name: settings.name.clone(),
            client_type: ClientType::MediaServer.into(),
            media_type: settings.media_type.clone(),
            ..Default::default()
        };
        let (link, events) = Link::open(endpoint, register, settings.reconnect);
        let stop = CancellationToken::new();
        let chats = Chats::open(settings, link.clone(), stop.clone()).await?;
        let tasks = [
            tokio::spawn(answer_requests(Arc::clone(&chats), events, stop.clone())),
            tokio::spawn(web::serve(Arc::clone(&chats), listener, stop.clone())),
        ];
        if tokio::time::timeout(FIRST_CONNECTION, link.up()).await.is_err() {
            tracing::warn!("the chat server has no connection yet; it goes on trying");
        }
        Ok(ChatServer { address, stop: stop.clone(), link, chats, tasks, _stop_on_drop: stop.drop_guard() })
    }

    /// Where the page is.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Takes no more requests and customers, lets what is under way end (for 5 s), and leaves.
    pub async fn shutdown(self) {
        self.stop.cancel();
        let ended = async {
            for task in self.tasks {
                // A panic has been told of.
                let _ = task.await;
            }
            self.chats.close().await;
        };
        if tokio::time::timeout(SHUTDOWN_GRACE, ended).await.is_err() {
            tracing::warn!("the chat server leaves with work under way");
        }
        self.link.close().await;
    }
}

async fn answer_requests(chats: Arc<Chats>, mut events: mpsc::Receiver<LinkEvent>, stop: CancellationToken) {
    let room = Arc::new(Semaphore::new(REQUESTS_AT_ONCE));
    let mut working = JoinSet::new();
    let mut client: Option<Client> = None;
    loop {
        let event = tokio::select! {
            biased;
            () = stop.cancelled() => break,
            Some(_) = working.join_next() => continue,
            event = events.recv() => event,
        };
        match event {
            Some(LinkEvent::Up(up)) => client = Some(up),
            Some(LinkEvent::Down { reason, retry_in }) => {
                client = None;
                let media_server = &chats.settings.name;
                tracing::warn!(media_server, reason, ?retry_in, "no connection to the interaction server");
            }
            Some(LinkEvent::Event(Event::ThirdServerRequest(request))) => {
                let Some(client) = client.clone() else { continue };
                let Ok(permit) = room.clone().acquire_owned().await else { break };
                let chats = Arc::clone(&chats);
                working.spawn(async move {
                    let _permit = permit;
                    serve(&chats, &client, request).await;
                });
            }
            Some(LinkEvent::Event(_)) => {}
            None => break,
        }
    }
    while working.join_next().await.is_some() {}
}

async fn serve(chats: &Arc<Chats>, client: &Client, request: Event3rdServerRequest) {
    let server_reference_id = request.server_reference_id;
    let (fault, parameters) = match answer(chats, request).await {
        Ok(parameters) => (false, parameters),
        Err(Fault(code, text)) => {
            (true, KeyValueList::default().with("FaultCode", code as i32).with("FaultString", text))
        }
    };
    let user_data = Some(KeyValueList::default());
    let answer = Answer3rdServer { server_reference_id, fault, parameters: Some(parameters), user_data };
    if let Err(error) = client.request(answer).await {
        // Whoever asked has been told of the lost connection, or has stopped waiting.
        tracing::debug!(%error, "an answer did not arrive");
    }
}

async fn answer(chats: &Arc<Chats>, request: Event3rdServerRequest) -> Result<KeyValueList, Fault> {
    let parameters = request.parameters.unwrap_or_default();
    let interaction = match parameters.text("InteractionId") {
        Some(id) if !id.is_empty() => id.to_owned(),
        _ => request.interaction_id,
    };
    let method = match (request.service.as_str(), request.method.as_str()) {
        (SERVICE, method @ ("Message" | "Transcript" | "Leave")) => method,
        (service, method) => {
            let text = format!(
                "no method `{method}` of service `{service}`; there are Message, Transcript and Leave of {SERVICE}"
            );
            return Err(Fault(FaultCode::UnknownMethod, text));
        }
    };
    let Some(chat) = chats.of_interaction(&interaction).await else {
        return Err(Fault(FaultCode::UnknownChat, format!("there is no chat `{interaction}`, or not any more")));
    };
    let count = |lines: usize| i32::try_from(lines).unwrap_or(i32::MAX);
    match method {
        "Message" => {
            let text = parameters.text("Text").unwrap_or_default();
            match chats.say(&chat, From::Agent, text, &request.idempotency_key).await {
                Ok(lines) => Ok(KeyValueList::default().with("Lines", count(lines))),
                Err(error @ (NotSaid::Empty | NotSaid::TooLong)) => {
                    Err(Fault(FaultCode::BadParameter, format!("parameter `Text`: {error}")))
                }
                Err(error @ (NotSaid::Ended | NotSaid::Full)) => Err(Fault(FaultCode::Ended, error.to_string())),
                Err(error @ NotSaid::NotStored(_)) => Err(Fault(FaultCode::NotStored, error.to_string())),
            }
        }
        "Leave" => match chats.end(&chat, "The agent has left.").await {
            Ok(()) => Ok(KeyValueList::default()),
            Err(error) => Err(Fault(FaultCode::NotStored, error.to_string())),
        },
        _ => {
            chats.agent_looks(&chat);
            let after = usize::try_from(parameters.integer("After").unwrap_or(0)).unwrap_or(0);
            Ok(chat.transcript.look(|state| {
                let mut list = KeyValueList::default()
                    .with("Lines", count(state.lines.len()))
                    .with("Online", i32::from(!state.ended));
                for line in state.lines.iter().skip(after).take(LINES_AN_ANSWER) {
                    list.push("Line", as_list(line));
                }
                list
            }))
        }
    }
}

fn as_list(line: &Line) -> KeyValueList {
    let from = match line.from {
        From::Customer => "customer",
        From::Agent => "agent",
        From::System => "system",
    };
    KeyValueList::default().with("From", from).with("At", line.at.to_string()).with("Text", line.text.as_str())
}
