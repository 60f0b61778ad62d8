//! A media server at an Interaction Server that takes everything, once for each key.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex};

use jackfield_link::Endpoint;
use jackfield_mail::{MailServer, MailSettings, Outgoing};
use jackfield_protocol::ErrorCode;
use jackfield_protocol::v1::{
    Answer3rdServer, Event, Event3rdServerRequest, EventAck, EventInteraction, Interaction, KeyValueList, Request,
    RequestDistributeEvent, RequestRegisterClient, RequestSubmit, ServerFrame, event, request::Message,
};
use tempfile::TempDir;
use tokio::sync::{mpsc, oneshot};
use tonic::Status;

use crate::support::{Connection, in_process, reply};

pub struct Site {
    pub folder: Arc<TempDir>,
    pub server: MailServer,
    pub book: Arc<Mutex<Book>>,
}

/// What the Interaction Server knows.
#[derive(Default)]
pub struct Book {
    pub registration: RequestRegisterClient,
    /// User data of the interaction that is answered; none: there is no such interaction.
    pub parent: Option<KeyValueList>,
    /// By their keys, each once; with the id it was given.
    pub submitted: Vec<(String, RequestSubmit, String)>,
    /// Submissions that came again under a key that was known.
    pub repeated: usize,
    pub told: Vec<RequestDistributeEvent>,
    /// Submissions are refused with this error.
    pub refuses: Option<ErrorCode>,
    events: Option<mpsc::Sender<Result<ServerFrame, Status>>>,
    asked: u64,
    /// Interactions so far, of servers before this one too.
    numbered: usize,
    answers: HashMap<u64, oneshot::Sender<Answer3rdServer>>,
}

impl Site {
    /// One that writes into the Maildir `outbox` of its folder.
    pub async fn start() -> Site {
        Site::start_in(Arc::new(tempfile::tempdir().expect("a folder")), |settings| settings).await
    }

    pub async fn start_in(folder: Arc<TempDir>, change: impl FnOnce(MailSettings) -> MailSettings) -> Site {
        let (endpoint, connections) = in_process();
        let book = Arc::new(Mutex::new(Book::default()));
        tokio::spawn(serve(connections, Arc::clone(&book)));
        Site::at(folder, endpoint, book, change).await
    }

    async fn at(
        folder: Arc<TempDir>,
        endpoint: Endpoint,
        book: Arc<Mutex<Book>>,
        change: impl FnOnce(MailSettings) -> MailSettings,
    ) -> Site {
        let outgoing = Outgoing::Maildir(folder.path().join("outbox"));
        let settings = change(MailSettings { outgoing, ..MailSettings::default() });
        Site { folder, server: MailServer::start(endpoint, settings).await, book }
    }

    /// The same folder, later, with another process.
    pub async fn restart(self, change: impl FnOnce(MailSettings) -> MailSettings) -> Site {
        let Site { folder, server, book } = self;
        server.shutdown().await;
        let (endpoint, connections) = in_process();
        let numbered = book.lock().expect("not poisoned").numbered;
        let book = Arc::new(Mutex::new(Book { numbered, ..Book::default() }));
        tokio::spawn(serve(connections, Arc::clone(&book)));
        Site::at(folder, endpoint, book, change).await
    }

    pub fn note<T>(&self, work: impl FnOnce(&mut Book) -> T) -> T {
        work(&mut self.book.lock().expect("not poisoned"))
    }

    pub fn submitted(&self) -> Vec<RequestSubmit> {
        self.note(|book| book.submitted.iter().map(|(_, submit, _)| submit.clone()).collect())
    }

    /// An ESP request, and its answer.
    pub async fn ask(
        &self,
        method: &str,
        parameters: KeyValueList,
        user_data: KeyValueList,
        key: &str,
    ) -> Answer3rdServer {
        let (answer, answered) = oneshot::channel();
        let (events, request) = self.note(|book| {
            book.asked += 1;
            book.answers.insert(book.asked, answer);
            let request = Event3rdServerRequest {
                server_reference_id: book.asked,
                service: "Email".into(),
                method: method.into(),
                parameters: Some(parameters),
                user_data: Some(user_data),
                idempotency_key: key.into(),
                ..Default::default()
            };
            (book.events.clone().expect("the media server is there"), request)
        });
        let request = reply(0, event::Message::ThirdServerRequest(request));
        events.send(Ok(ServerFrame { events: vec![request] })).await.expect("the media server is there");
        answered.await.expect("an answer")
    }

    pub async fn create(&self, parameters: KeyValueList, key: &str) -> Answer3rdServer {
        self.ask("Create", parameters, KeyValueList::default(), key).await
    }

    pub async fn send(&self, interaction: &str) -> Answer3rdServer {
        let parameters = KeyValueList::default().with("InteractionId", interaction);
        self.ask("Send", parameters, KeyValueList::default(), "").await
    }

    /// As the node does it for a message without a queue: create, then send.
    pub async fn create_and_send(&self, parameters: KeyValueList, key: &str) -> Answer3rdServer {
        let created = self.create(parameters, key).await;
        self.send(&interaction_id(&created)).await
    }

    /// What lies in the Maildir `outbox`.
    pub fn sent(&self) -> Vec<String> {
        messages_in(&self.folder.path().join("outbox/new"))
    }
}

pub fn messages_in(folder: &Path) -> Vec<String> {
    let Ok(files) = std::fs::read_dir(folder) else { return Vec::new() };
    files.map(|file| std::fs::read_to_string(file.expect("an entry").path()).expect("text")).collect()
}

async fn serve(mut connections: mpsc::Receiver<Connection>, book: Arc<Mutex<Book>>) {
    while let Some(mut connection) = connections.recv().await {
        let registration = connection.register().await;
        {
            let mut book = book.lock().expect("not poisoned");
            (book.registration, book.events) = (registration, Some(connection.events.clone()));
        }
        while let Some(requests) = connection.requests().await {
            let events: Vec<Event> = requests.into_iter().map(|request| answer(&book, request)).collect();
            connection.send(events).await;
        }
    }
}

fn answer(book: &Mutex<Book>, request: Request) -> Event {
    let Request { reference_id, idempotency_key, message } = request;
    let mut book = book.lock().expect("not poisoned");
    let answer: event::Message = match message {
        Some(Message::ThirdServerAnswer(answer)) => {
            if let Some(asked) = book.answers.remove(&answer.server_reference_id) {
                let _ = asked.send(answer);
            }
            EventAck::default().into()
        }
        Some(Message::GetInteractionProperties(_)) => match book.parent.clone() {
            Some(user_data) => {
                let interaction = Interaction { user_data: Some(user_data), ..Default::default() };
                EventInteraction { interaction: Some(interaction) }.into()
            }
            None => event::Message::Error(ErrorCode::UnknownInteraction.with("none").into()),
        },
        Some(Message::Submit(_)) if book.refuses.is_some() => {
            event::Message::Error(book.refuses.expect("an error").with("refused by the test").into())
        }
        Some(Message::Submit(submit)) => {
            let known = book.submitted.iter().find(|(key, ..)| *key == idempotency_key).map(|(.., id)| id.clone());
            let interaction_id = match known {
                Some(id) => {
                    book.repeated += 1;
                    id
                }
                None => {
                    let id = format!("{:016}", book.numbered + 42);
                    book.numbered += 1;
                    book.submitted.push((idempotency_key, submit, id.clone()));
                    id
                }
            };
            EventAck { interaction_id }.into()
        }
        Some(Message::DistributeEvent(told)) => {
            book.told.push(told);
            EventAck::default().into()
        }
        Some(Message::UnregisterClient(_)) => EventAck::default().into(),
        other => panic!("unexpected {other:?}"),
    };
    reply(reference_id, answer)
}

pub fn interaction_id(answer: &Answer3rdServer) -> String {
    assert!(!answer.fault, "{:?}", answer.parameters);
    answer.parameters.as_ref().and_then(|parameters| parameters.text("InteractionId")).expect("an id").to_owned()
}

pub fn state(answer: &Answer3rdServer) -> String {
    assert!(!answer.fault, "{:?}", answer.parameters);
    answer.parameters.as_ref().and_then(|parameters| parameters.text("State")).expect("a state").to_owned()
}

pub fn fault(answer: &Answer3rdServer) -> (i32, String) {
    assert!(answer.fault, "{:?}", answer.parameters);
    let parameters = answer.parameters.as_ref().expect("parameters");
    (parameters.integer("FaultCode").expect("a code"), parameters.text("FaultString").expect("a text").to_owned())
}

/// Parameters of a message to ann@example.com.
pub fn message(kind: &str, queue: &str) -> KeyValueList {
    message_to("ann@example.com", kind, queue)
}

pub fn message_to(to: &str, kind: &str, queue: &str) -> KeyValueList {
    KeyValueList::default()
        .with("MessageType", kind)
        .with("Queue", queue)
        .with("ParentInteractionId", "0000000000000001")
        .with("From", "help@example.org")
        .with("To", to)
        .with("Subject", "Re: help")
        .with("Text", "we have it")
}
