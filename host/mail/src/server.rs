//! The e-mail media server: sends what strategies want said, and takes in what comes.
//!
//! Owns a link to one Interaction Server, where it is registered as a media server, a task that works on a
//! bounded number of ESP requests at once, one for each place where e-mail comes in (`intake`), and, where it
//! sends by SMTP, the messages that wait for that (`courier`).
//!
//! Service `Email`, methods:
//!
//! * `Create` (`MessageType`, `Queue`, `ParentInteractionId`, `From`, `To`, `Cc`, `Subject`, `Text`,
//!   `In-Reply-To`, `References`): the message is kept as a draft, an interaction with the user data of the
//!   request is submitted into the queue, and the answer holds its `InteractionId`. So it is with
//!   `orchestration_system`, too: whoever asked sends next, and cleans up (guide, *Orchestration Default
//!   Interaction Queue*). What an answer does not say about the thread it belongs to comes from the interaction
//!   that it answers.
//! * `Send` (`InteractionId`): sends the draft. The answer says in `State` whether it is `sent`, or `waiting`
//!   because the SMTP server could not take it so far: then it is on disk, and goes on being tried. A message
//!   that is given up later is told to reporting clients as `MessageNotSent`.
//!
//! Mail sent by a machine is not answered by this one (RFC 3834): such a request ends in a fault that says why.
//!
//! # What happens once
//!
//! The same idempotency key creates once, and a draft is sent once, whatever is asked how often, across
//! restarts, for [`KEYS_KEPT`]. Into a Maildir that holds without exception. By SMTP a message is noted as sent
//! when the server has said that it took it; if this process ends, or the connection breaks, after the server
//! took it and before that is noted, it is sent again. Both copies have the same `Message-ID`, which is made of
//! the key, so that the receiver can tell. It is never the other way round: what was to be sent is on disk
//! before anything is said to the server, so no message is lost.
//!
//! Ends by [`MailServer::shutdown`], which lets what is under way come to its end, or when it is dropped.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use jackfield_link::{Client, Endpoint, Link, LinkError, LinkEvent, Reconnect};
use jackfield_protocol::v1::event::Message as Event;
use jackfield_protocol::v1::{
    Answer3rdServer, ClientType, Event3rdServerRequest, KeyValueList, RequestDistributeEvent,
    RequestGetInteractionProperties, RequestRegisterClient, RequestSubmit,
};
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::compose::{ComposeError, Kind, compose};
use crate::courier::{Courier, Retry};
use crate::intake::{Intake, IntakeSettings};
use crate::smtp::SmtpSettings;
use crate::spool::{Begun, Ended, Spool};
use crate::{automatic, idempotency_key};

/// How long it is remembered what was done under a key.
pub const KEYS_KEPT: Duration = Duration::from_secs(7 * 24 * 3_600);

/// How often old keys are forgotten.
const FORGET_EVERY: Duration = Duration::from_secs(3_600);

/// How long [`MailServer::start`] waits for a first connection.
const FIRST_CONNECTION: Duration = Duration::from_secs(2);

/// How long [`MailServer::shutdown`] waits for what is under way.
const SHUTDOWN_GRACE: Duration = Duration::from_secs(5);

/// Messages that were given up and are not told to reporting clients yet.
const GIVEN_UP_WAITING: usize = 64;

/// Name of the reporting event about a message that was given up.
const MESSAGE_NOT_SENT: &str = "MessageNotSent";

/// Where messages go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outgoing {
    /// Into a Maildir, from which any mail program or transport takes them.
    Maildir(PathBuf),
    /// To an SMTP server.
    Smtp {
        /// Which.
        server: Box<SmtpSettings>,
        /// What is done about messages that it does not take at once.
        retry: Retry,
        /// Folder in which messages wait, and in which is remembered what was done.
        spool: PathBuf,
        /// How long a `Send` waits for the server's answer.
        answer_within: Duration,
    },
}

/// What a mail server is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MailSettings {
    /// Application name it registers with. Default `E-mail Server`.
    pub name: String,
    /// Media type it serves. Default `email`.
    pub media_type: String,
    /// Tenant; 0: the server's only one, the default.
    pub tenant_id: u32,
    /// Where messages go. Default the Maildir `outbox`.
    pub outgoing: Outgoing,
    /// Where e-mail comes in. Default none.
    pub intakes: Vec<IntakeSettings>,
    /// Sender where neither the request nor the interaction it answers names one; empty, the default:
    /// none.
    pub default_from: String,
    /// ESP requests worked on at once; more wait. Default 64, at least 1.
    pub requests_at_once: usize,
    /// Pauses between connections.
    pub reconnect: Reconnect,
}

impl Default for MailSettings {
    fn default() -> Self {
        MailSettings {
            name: "E-mail Server".to_owned(),
            media_type: "email".to_owned(),
            tenant_id: 0,
            outgoing: Outgoing::Maildir(PathBuf::from("outbox")),
            intakes: Vec::new(),
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
    /// The folder cannot be written, or too many messages wait; try again later.
    NotStored = 5,
    /// The new interaction could not be submitted.
    NotSubmitted = 6,
    /// The message was not sent, and will not be; the string has the SMTP server's words.
    NotSent = 7,
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
    settings: MailSettings,
    spool: Arc<Spool>,
    /// None: what is sent goes into a Maildir.
    courier: Option<Arc<Courier>>,
}

/// A media server at work.
pub struct MailServer {
    stop: CancellationToken,
    link: Link,
    task: tokio::task::JoinHandle<()>,
    intakes: JoinSet<()>,
    courier: Option<Arc<Courier>>,
    _stop_on_drop: DropGuard,
}

impl MailServer {
    /// Starts it, and waits a moment for its first connection; it goes on connecting by itself. A folder
    /// that cannot be written ends requests in faults until it can.
    pub async fn start(endpoint: Endpoint, settings: MailSettings) -> MailServer {
        let register = RequestRegisterClient {
            client_name: settings.name.clone(),
            client_type: ClientType::MediaServer.into(),
            tenant_id: settings.tenant_id,
            media_type: settings.media_type.clone(),
            ..Default::default()
        };
        let (link, events) = Link::open(endpoint, register, settings.reconnect);
        let stop = CancellationToken::new();
        let (given_up, give_ups) = mpsc::channel(GIVEN_UP_WAITING);
        let (spool, courier) = match settings.outgoing.clone() {
            Outgoing::Maildir(folder) => (Arc::new(Spool::into_maildir(&folder)), None),
            Outgoing::Smtp { server, retry, spool, .. } => {
                let spool = Arc::new(Spool::to_be_sent(&spool));
                let courier = Courier::new(&settings.name, *server, retry, Arc::clone(&spool), given_up, stop.clone());
                (spool, Some(courier))
            }
        };
        let mut intakes = JoinSet::new();
        for intake in settings.intakes.clone() {
            intakes.spawn(Intake::new(&settings.name, &settings.media_type, intake, link.clone()).run());
        }
        let worker = Arc::new(Worker { settings, spool, courier: courier.clone() });
        worker.take_up().await;
        let task = tokio::spawn(run(worker, events, give_ups, stop.clone()));
        if tokio::time::timeout(FIRST_CONNECTION, link.up()).await.is_err() {
            tracing::warn!("the mail server has no connection yet; it goes on trying");
        }
        MailServer { stop: stop.clone(), link, task, intakes, courier, _stop_on_drop: stop.drop_guard() }
    }

    /// Takes no more requests and no more mail, lets what is under way end (for 5 s), and leaves. Messages that
    /// wait for an SMTP server are taken up by the next one that starts in the same folder.
    pub async fn shutdown(mut self) {
        self.stop.cancel();
        self.intakes.shutdown().await;
        if tokio::time::timeout(SHUTDOWN_GRACE, self.task).await.is_err() {
            tracing::warn!("the mail server leaves with requests under way");
        }
        if let Some(courier) = self.courier {
            courier.close(SHUTDOWN_GRACE).await;
        }
        self.link.close().await;
    }
}

async fn run(
    worker: Arc<Worker>,
    mut events: mpsc::Receiver<LinkEvent>,
    mut give_ups: mpsc::Receiver<(String, String)>,
    stop: CancellationToken,
) {
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
            Some((message, reason)) = give_ups.recv() => {
                if let Some(client) = client.clone() {
                    working.spawn(tell_given_up(client, message, reason));
                }
                continue;
            }
            event = events.recv() => event,
        };
        match event {
            Some(LinkEvent::Up(up)) => client = Some(up),
            Some(LinkEvent::Down { reason, retry_in }) => {
                client = None;
                let media_server = &worker.settings.name;
                tracing::warn!(media_server, reason, ?retry_in, "no connection to the interaction server");
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
    let media_server = &worker.settings.name;
    match worker.in_spool(|spool| spool.forget(SystemTime::now(), KEYS_KEPT)).await {
        Ok(forgotten) => tracing::debug!(media_server, forgotten, "old keys forgotten"),
        Err(Fault(_, reason)) => tracing::warn!(media_server, reason, "old keys cannot be forgotten"),
    }
}

/// For whoever watches: nobody waits for an answer any more.
async fn tell_given_up(client: Client, message: String, reason: String) {
    let event = RequestDistributeEvent {
        name: MESSAGE_NOT_SENT.to_owned(),
        data: Some(KeyValueList::default().with("Message", message).with("Reason", reason)),
        ..Default::default()
    };
    if let Err(error) = client.request(event).await {
        tracing::debug!(%error, "nobody was told of a message that was not sent");
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
        Ok(parameters) => (false, parameters),
        Err(Fault(code, text)) => {
            tracing::info!(media_server = worker.settings.name, code = code as i32, text, "request refused");
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
        tracing::debug!(media_server = worker.settings.name, %error, "an answer did not arrive");
    }
}

async fn create(worker: &Worker, client: &Client, request: Event3rdServerRequest) -> Result<KeyValueList, Fault> {
    let key = file_key("create", &worker.settings.name, &request);
    let mut parameters = request.parameters.unwrap_or_default();
    let user_data = request.user_data.unwrap_or_default();
    let made = |id: String| KeyValueList::default().with("InteractionId", id);
    let known = {
        let key = key.clone();
        worker.in_spool(move |spool| spool.outcome(&key)).await?
    };
    if let Some(interaction_id) = known {
        return Ok(made(interaction_id));
    }

    let queue = parameters.text("Queue").unwrap_or_default().to_owned();
    if queue.is_empty() {
        return Err(Fault(FaultCode::BadParameter, "parameter `Queue` is missing; name an interaction queue".into()));
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
    if kind.is_answer() {
        join_thread(&mut parameters, &parent);
    }
    let bytes = compose(kind, &parameters, &key)?;

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
    worker.in_spool(move |spool| spool.keep_draft(&key, &draft, &bytes, &outcome)).await?;
    Ok(made(interaction_id))
}

async fn send(worker: &Worker, request: Event3rdServerRequest) -> Result<KeyValueList, Fault> {
    let parameters = request.parameters.unwrap_or_default();
    let interaction_id = match parameters.text("InteractionId") {
        Some(id) if !id.is_empty() => id.to_owned(),
        _ => request.interaction_id,
    };
    if interaction_id.is_empty() {
        return Err(Fault(FaultCode::BadParameter, "parameter `InteractionId` is missing".into()));
    }
    let ended = match worker.send(&draft_key(&interaction_id)).await? {
        Some(ended) => ended,
        None => {
            let text = format!("no message was created for interaction {interaction_id}; create it first");
            return Err(Fault(FaultCode::UnknownMessage, text));
        }
    };
    let state = match ended {
        Some(Ended::Sent) => "sent",
        Some(Ended::Failed(reason)) => {
            return Err(Fault(FaultCode::NotSent, format!("the message was not sent: {reason}")));
        }
        None => "waiting",
    };
    Ok(KeyValueList::default().with("InteractionId", interaction_id).with("State", state))
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

/// Says which message an answer answers, where the request does not (RFC 5322, section 3.6.4).
fn join_thread(parameters: &mut KeyValueList, parent: &KeyValueList) {
    let said = |list: &KeyValueList, key: &str| list.text(key).unwrap_or_default().trim().to_owned();
    let answered = said(parent, "Header_Message-ID");
    if said(parameters, "In-Reply-To").is_empty() && !answered.is_empty() {
        parameters.remove("In-Reply-To");
        parameters.push("In-Reply-To", answered.as_str());
    }
    // The thread is known only where the parent is what is answered.
    if said(parameters, "References").is_empty() && said(parameters, "In-Reply-To") == answered {
        let before = match said(parent, "Header_References") {
            references if references.is_empty() => said(parent, "Header_In-Reply-To"),
            references => references,
        };
        let references = format!("{before} {answered}").trim().to_owned();
        if !references.is_empty() {
            parameters.remove("References");
            parameters.push("References", references);
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
    /// What was to be sent before this process began.
    async fn take_up(&self) {
        let media_server = &self.settings.name;
        let waiting = match self.in_spool(|spool| spool.outgoing()).await {
            Ok(waiting) => waiting,
            Err(Fault(_, reason)) => {
                tracing::warn!(media_server, reason, "messages that wait cannot be taken up");
                return;
            }
        };
        let count = waiting.len();
        for (draft, since) in waiting {
            match &self.courier {
                Some(courier) => {
                    if courier.take(&draft, since).is_none() {
                        tracing::warn!(media_server, "too many messages wait; the rest is taken up at the next start");
                        break;
                    }
                }
                None => {
                    if let Err(Fault(_, reason)) = self.in_spool(move |spool| spool.end(&draft, &Ended::Sent)).await {
                        tracing::warn!(media_server, reason, "a message that waits cannot be sent");
                    }
                }
            }
        }
        if count > 0 {
            tracing::info!(media_server, count, "messages taken up that were to be sent");
        }
    }

    /// Sends a draft. None: there is none; inside: it is not over yet.
    async fn send(&self, draft: &str) -> Result<Option<Option<Ended>>, Fault> {
        let key = draft.to_owned();
        let since = match self.in_spool(move |spool| spool.begin(&key, SystemTime::now())).await? {
            Begun::Unknown => return Ok(None),
            Begun::Ended(ended) => return Ok(Some(Some(ended))),
            Begun::Outgoing(since) => since,
        };
        let (Some(courier), Outgoing::Smtp { answer_within, .. }) = (&self.courier, &self.settings.outgoing) else {
            let key = draft.to_owned();
            self.in_spool(move |spool| spool.end(&key, &Ended::Sent)).await?;
            return Ok(Some(Some(Ended::Sent)));
        };
        let Some(mut told) = courier.take(draft, since) else {
            return Err(Fault(FaultCode::NotStored, "too many messages wait to be sent; try again later".into()));
        };
        // An error: the courier was stopped, and the message waits for the next one.
        let ended = tokio::time::timeout(*answer_within, told.wait_for(Option::is_some)).await;
        Ok(Some(ended.ok().and_then(Result::ok).and_then(|ended| ended.clone())))
    }

    async fn in_spool<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Spool) -> std::io::Result<T> + Send + 'static,
    ) -> Result<T, Fault> {
        let spool = Arc::clone(&self.spool);
        Ok(crate::blocking(move || work(&spool)).await?)
    }
}
