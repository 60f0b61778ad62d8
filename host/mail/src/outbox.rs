//! The media server that sends e-mail: into a Maildir.
//!
//! Owns a link to one Interaction Server, where it is registered as a media server, and a task that
//! works on a bounded number of ESP requests at once. Service `Email`, methods:
//!
//! * `Create` (`MessageType`, `Queue`, `ParentInteractionId`, `From`, `To`, `Cc`, `Subject`, `Text`,
//!   `In-Reply-To`, `References`). With a queue the message is kept as a draft, an interaction is submitted
//!   into that queue, and the answer holds its `InteractionId`. With none, or with
//!   `orchestration_system`, it is sent at once, and the `InteractionId` is empty: there is nothing to
//!   clean up.
//! * `Send` (`InteractionId`): sends the draft.
//!
//! The same idempotency key creates once. Mail sent by a machine is not answered by this one (RFC
//! 3834): such a request ends in a fault that says why.
//!
//! Ends by [`Outbox::shutdown`], which lets what is under way come to its end, or when it is dropped.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use jackfield_link::{Client, Endpoint, Link, LinkError, LinkEvent, Reconnect};
use jackfield_protocol::ORCHESTRATION_SYSTEM;
use jackfield_protocol::v1::event::Message as Event;
use jackfield_protocol::v1::{
    Answer3rdServer, ClientType, Event3rdServerRequest, KeyValueList, RequestGetInteractionProperties,
    RequestRegisterClient, RequestSubmit,
};
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::compose::{ComposeError, Kind, compose};
use crate::maildir::Maildir;
use crate::{automatic, idempotency_key};

/// How long it is remembered what was done under a key.
pub const KEYS_KEPT: Duration = Duration::from_secs(7 * 24 * 3_600);

/// How often old keys are forgotten.
const FORGET_EVERY: Duration = Duration::from_secs(3_600);

/// How long [`Outbox::start`] waits for a first connection.
const FIRST_CONNECTION: Duration = Duration::from_secs(2);

/// How long [`Outbox::shutdown`] waits for what is under way.
const SHUTDOWN_GRACE: Duration = Duration::from_secs(5);

/// What an outbox is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutboxSettings {
    /// Application name it registers with. Default `E-mail Server`.
    pub name: String,
    /// Media type it serves. Default `email`.
    pub media_type: String,
    /// Tenant; 0: the server's only one, the default.
    pub tenant_id: u32,
    /// Folder of the Maildir; made when it is not there. Default `outbox`.
    pub maildir: PathBuf,
    /// Sender where neither the request nor the interaction it answers names one; empty, the default:
    /// none.
    pub default_from: String,
    /// ESP requests worked on at once; more wait. Default 64, at least 1.
    pub requests_at_once: usize,
    /// Pauses between connections.
    pub reconnect: Reconnect,
}

impl Default for OutboxSettings {
    fn default() -> Self {
        OutboxSettings {
            name: "E-mail Server".to_owned(),
            media_type: "email".to_owned(),
            tenant_id: 0,
            maildir: PathBuf::from("outbox"),
            default_from: String::new(),
            requests_at_once: 64,
            reconnect: Reconnect::default(),
        }
    }
}

/// `FaultCode` of a refused ESP request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i32)]
pub enum FaultCode {
    /// Service or method is not known here.
    UnknownMethod = 1,
    /// A parameter is missing or wrong; the string says which.
    BadParameter = 2,
    /// The message would answer mail that was sent by a machine.
    AutomaticMail = 3,
    /// No message was created for this interaction.
    UnknownMessage = 4,
    /// The folder cannot be written; try again later.
    NotStored = 5,
    /// The new interaction could not be submitted.
    NotSubmitted = 6,
}

struct Fault(FaultCode, String);

impl From<ComposeError> for Fault {
    fn from(error: ComposeError) -> Self {
        Fault(FaultCode::BadParameter, error.to_string())
    }
}

impl From<std::io::Error> for Fault {
    fn from(error: std::io::Error) -> Self {
        Fault(FaultCode::NotStored, format!("the outbox cannot be written: {error}"))
    }
}

struct Worker {
    settings: OutboxSettings,
    maildir: Arc<Maildir>,
}

/// A media server at work.
pub struct Outbox {
    stop: CancellationToken,
    link: Link,
    task: tokio::task::JoinHandle<()>,
    _stop_on_drop: DropGuard,
}

impl Outbox {
    /// Starts it, and waits a moment for its first connection; it goes on connecting by itself. A folder
    /// that cannot be written ends requests in faults until it can.
    pub async fn start(endpoint: Endpoint, settings: OutboxSettings) -> Outbox {
        let register = RequestRegisterClient {
            client_name: settings.name.clone(),
            client_type: ClientType::MediaServer.into(),
            tenant_id: settings.tenant_id,
            media_type: settings.media_type.clone(),
            ..Default::default()
        };
        let (link, events) = Link::open(endpoint, register, settings.reconnect);
        let maildir = Arc::new(Maildir::new(&settings.maildir));
        let stop = CancellationToken::new();
        let task = tokio::spawn(run(Arc::new(Worker { maildir, settings }), events, stop.clone()));
        if tokio::time::timeout(FIRST_CONNECTION, link.up()).await.is_err() {
            tracing::warn!("the outbox has no connection yet; it goes on trying");
        }
        Outbox { stop: stop.clone(), link, task, _stop_on_drop: stop.drop_guard() }
    }

    /// Takes no more requests, lets those under way end (for 5 s), and leaves.
    pub async fn shutdown(self) {
        self.stop.cancel();
        if tokio::time::timeout(SHUTDOWN_GRACE, self.task).await.is_err() {
            tracing::warn!("the outbox leaves with requests under way");
        }
        self.link.close().await;
    }
}

async fn run(worker: Arc<Worker>, mut events: mpsc::Receiver<LinkEvent>, stop: CancellationToken) {
    let room = Arc::new(Semaphore::new(worker.settings.requests_at_once.max(1)));
    let mut forget = tokio::time::interval(FORGET_EVERY);
    let mut working = JoinSet::new();
    let mut client: Option<Client> = None;
    loop {
        let event = tokio::select! {
            biased;
            () = stop.cancelled() => break,
            Some(_) = working.join_next() => continue,
            _ = forget.tick() => {
                working.spawn(forget_old(worker.clone()));
                continue;
            }
            event = events.recv() => event,
        };
        match event {
            Some(LinkEvent::Up(up)) => client = Some(up),
            Some(LinkEvent::Down { reason, retry_in }) => {
                client = None;
                tracing::warn!(
                    outbox = worker.settings.name,
                    reason,
                    ?retry_in,
                    "no connection to the interaction server"
                );
            }
            Some(LinkEvent::Event(Event::ThirdServerRequest(request))) => {
                let Some(client) = client.clone() else { continue };
                let Ok(permit) = room.clone().acquire_owned().await else { break };
                let worker = worker.clone();
                working.spawn(async move {
                    let _permit = permit;
                    serve(&worker, &client, request).await;
                });
            }
            Some(LinkEvent::Event(_)) => {}
            None => break,
        }
    }
    while working.join_next().await.is_some() {}
}

async fn forget_old(worker: Arc<Worker>) {
    match worker.in_maildir(|maildir| maildir.forget(SystemTime::now(), KEYS_KEPT)).await {
        Ok(forgotten) => tracing::debug!(outbox = worker.settings.name, forgotten, "old keys forgotten"),
        Err(Fault(_, reason)) => tracing::warn!(outbox = worker.settings.name, reason, "old keys cannot be forgotten"),
    }
}

async fn serve(worker: &Worker, client: &Client, request: Event3rdServerRequest) {
    let server_reference_id = request.server_reference_id;
    let outcome = match (request.service.as_str(), request.method.as_str()) {
        ("Email", "Create") => create(worker, client, request).await,
        ("Email", "Send") => send(worker, request).await,
        (service, method) => {
            let text = format!("no method `{method}` of service `{service}`; there are Create and Send of Email");
            Err(Fault(FaultCode::UnknownMethod, text))
        }
    };
    let (fault, parameters) = match outcome {
        Ok(interaction_id) => (false, KeyValueList::default().with("InteractionId", interaction_id)),
        Err(Fault(code, text)) => {
            tracing::info!(outbox = worker.settings.name, code = code as i32, text, "request refused");
            (true, KeyValueList::default().with("FaultCode", code as i32).with("FaultString", text))
        }
    };
    let answer = Answer3rdServer {
        server_reference_id,
        fault,
        parameters: Some(parameters),
        user_data: Some(KeyValueList::default()),
    };
    if let Err(error) = client.request(answer).await {
        // Whoever asked has been told of the lost connection, or has stopped waiting.
        tracing::debug!(outbox = worker.settings.name, %error, "an answer did not arrive");
    }
}

/// Returns the id of the new interaction, empty where none was made.
async fn create(worker: &Worker, client: &Client, request: Event3rdServerRequest) -> Result<String, Fault> {
    let key = file_key("create", &worker.settings.name, &request);
    let mut parameters = request.parameters.unwrap_or_default();
    let user_data = request.user_data.unwrap_or_default();
    let known = {
        let key = key.clone();
        worker.in_maildir(move |maildir| maildir.outcome(&key)).await?
    };
    if let Some(interaction_id) = known.filter(|interaction_id| !interaction_id.is_empty()) {
        return Ok(interaction_id);
    }

    let name = parameters.text("MessageType").unwrap_or_default();
    let kind = Kind::from_name(name).ok_or_else(|| {
        Fault(FaultCode::BadParameter, format!("parameter `MessageType` is `{name}`, which is no type of message"))
    })?;
    let parent_id = parameters.text("ParentInteractionId").unwrap_or_default().to_owned();
    let parent = parent(client, &parent_id).await;
    if kind.is_automatic_answer() {
        let sign = [&parent, &user_data, &parameters].into_iter().find_map(automatic);
        if let Some(sign) = sign {
            return Err(Fault(
                FaultCode::AutomaticMail,
                format!("automatic mail is not answered automatically: {sign}"),
            ));
        }
    }
    if parameters.text("From").unwrap_or_default().is_empty() {
        let mailbox = parent.text("Mailbox").unwrap_or(&worker.settings.default_from).to_owned();
        parameters.remove("From");
        parameters.push("From", mailbox);
    }
    let bytes = compose(kind, &parameters, &key)?;

    let queue = parameters.text("Queue").unwrap_or_default().to_owned();
    if queue.is_empty() || queue == ORCHESTRATION_SYSTEM {
        worker.in_maildir(move |maildir| maildir.send_once(&key, &bytes)).await?;
        return Ok(String::new());
    }
    let submit = RequestSubmit {
        parent_id,
        media_type: worker.settings.media_type.clone(),
        interaction_type: "Outbound".to_owned(),
        interaction_subtype: kind.subtype().to_owned(),
        queue,
        user_data: Some(outbound_user_data(&parameters, user_data)),
        ..Default::default()
    };
    let interaction_id = match client.request_once(submit, format!("outbox-{key}")).await {
        Ok(Event::Ack(ack)) => ack.interaction_id,
        Ok(_) => {
            return Err(Fault(FaultCode::NotSubmitted, "the server answered a submission with something else".into()));
        }
        Err(error) => {
            return Err(Fault(FaultCode::NotSubmitted, format!("the interaction was not submitted: {error}")));
        }
    };
    let (draft, outcome) = (draft_key(&interaction_id), interaction_id.clone());
    worker.in_maildir(move |maildir| maildir.keep_draft(&key, &draft, &bytes, &outcome)).await?;
    Ok(interaction_id)
}

async fn send(worker: &Worker, request: Event3rdServerRequest) -> Result<String, Fault> {
    let parameters = request.parameters.unwrap_or_default();
    let interaction_id = match parameters.text("InteractionId") {
        Some(id) if !id.is_empty() => id.to_owned(),
        _ => request.interaction_id,
    };
    if interaction_id.is_empty() {
        return Err(Fault(FaultCode::BadParameter, "parameter `InteractionId` is missing".into()));
    }
    let draft = draft_key(&interaction_id);
    if worker.in_maildir(move |maildir| maildir.send_draft(&draft)).await? {
        Ok(interaction_id)
    } else {
        let text = format!("no message was created for interaction {interaction_id}; create it first");
        Err(Fault(FaultCode::UnknownMessage, text))
    }
}

/// User data of the interaction that is answered; empty where it cannot be had.
async fn parent(client: &Client, interaction_id: &str) -> KeyValueList {
    if interaction_id.is_empty() {
        return KeyValueList::default();
    }
    let request = RequestGetInteractionProperties { interaction_id: interaction_id.to_owned() };
    match client.request(request).await {
        Ok(Event::Interaction(event)) => {
            event.interaction.and_then(|interaction| interaction.user_data).unwrap_or_default()
        }
        Ok(_) | Err(LinkError::Down(_)) => KeyValueList::default(),
        Err(error) => {
            tracing::warn!(interaction_id, %error, "the interaction that is answered cannot be read");
            KeyValueList::default()
        }
    }
}

fn outbound_user_data(parameters: &KeyValueList, user_data: KeyValueList) -> KeyValueList {
    let mut list = KeyValueList::default();
    for (parameter, key) in
        [("From", "FromAddress"), ("To", "To"), ("Cc", "Cc"), ("Subject", "Subject"), ("Text", "Text")]
    {
        if let Some(text) = parameters.text(parameter) {
            list.push(key, text);
        }
    }
    list.pairs.extend(user_data.pairs);
    list
}

/// Name of what is done for this request: the same for a repeat, where the request has a key.
fn file_key(purpose: &str, outbox: &str, request: &Event3rdServerRequest) -> String {
    if request.idempotency_key.is_empty() {
        // Nobody will ask again: any name will do that nobody else has.
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_nanos();
        return digest(&format!("{now}/{}/{}/{}", std::process::id(), request.server_reference_id, request.client));
    }
    digest(&format!("{purpose}/{outbox}/{}", request.idempotency_key))
}

fn draft_key(interaction_id: &str) -> String {
    digest(&format!("draft/{interaction_id}"))
}

fn digest(text: &str) -> String {
    let key = idempotency_key(text.as_bytes());
    key.trim_start_matches("mail-").chars().take(32).collect()
}

impl Worker {
    /// Files block, so they have threads of their own.
    async fn in_maildir<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Maildir) -> std::io::Result<T> + Send + 'static,
    ) -> Result<T, Fault> {
        let maildir = Arc::clone(&self.maildir);
        let done = tokio::task::spawn_blocking(move || work(&maildir)).await;
        done.map_err(|error| Fault(FaultCode::NotStored, error.to_string()))?.map_err(Fault::from)
    }
}
