//! The outbox against a server that does what each test says.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[path = "../../link/tests/support/mod.rs"]
mod support;

use std::collections::VecDeque;
use std::path::Path;

use jackfield_mail::{FaultCode, Outbox, OutboxSettings};
use jackfield_protocol::v1::{
    Answer3rdServer, ClientType, Event3rdServerRequest, EventAck, EventInteraction, Interaction, KeyValueList, Request,
    RequestRegisterClient, RequestSubmit, event, request::Message,
};
use jackfield_protocol::{ErrorCode, ORCHESTRATION_SYSTEM};
use support::{Connection, in_process, reply};
use tempfile::TempDir;

struct Site {
    maildir: TempDir,
    outbox: Outbox,
    connection: Connection,
    registration: RequestRegisterClient,
    waiting: VecDeque<Request>,
    /// User data of the interaction that is answered; none: there is no such interaction.
    parent: Option<KeyValueList>,
    submitted: Vec<(String, RequestSubmit)>,
    asked: u64,
}

impl Site {
    async fn start() -> Site {
        Site::start_in(tempfile::tempdir().expect("a folder")).await
    }

    async fn start_in(maildir: TempDir) -> Site {
        let (endpoint, mut connections) = in_process();
        let settings = OutboxSettings { maildir: maildir.path().to_owned(), ..Default::default() };
        let serve = async {
            let mut connection = connections.recv().await.expect("a connection");
            let registration = connection.register().await;
            (connection, registration)
        };
        let (outbox, (connection, registration)) = tokio::join!(Outbox::start(endpoint, settings), serve);
        let waiting = VecDeque::new();
        Site { maildir, outbox, connection, registration, waiting, parent: None, submitted: Vec::new(), asked: 0 }
    }

    /// Plays the server until the outbox has answered.
    async fn ask(&mut self, method: &str, parameters: KeyValueList, key: &str) -> Answer3rdServer {
        self.asked += 1;
        let request = Event3rdServerRequest {
            server_reference_id: self.asked,
            service: "Email".into(),
            method: method.into(),
            parameters: Some(parameters),
            idempotency_key: key.into(),
            ..Default::default()
        };
        self.connection.send(vec![reply(0, event::Message::ThirdServerRequest(request))]).await;
        loop {
            while self.waiting.is_empty() {
                self.waiting.extend(self.connection.requests().await.expect("the outbox is there"));
            }
            let Request { reference_id, idempotency_key, message } = self.waiting.pop_front().expect("one");
            let answer: event::Message = match message {
                Some(Message::ThirdServerAnswer(answer)) => {
                    self.connection.send(vec![reply(reference_id, EventAck::default())]).await;
                    assert_eq!(answer.server_reference_id, self.asked);
                    return answer;
                }
                Some(Message::GetInteractionProperties(_)) => match self.parent.clone() {
                    Some(user_data) => EventInteraction {
                        interaction: Some(Interaction { user_data: Some(user_data), ..Default::default() }),
                    }
                    .into(),
                    None => event::Message::Error(ErrorCode::UnknownInteraction.with("none").into()),
                },
                Some(Message::Submit(submit)) => {
                    self.submitted.push((idempotency_key, submit));
                    EventAck { interaction_id: "0000000000000042".into() }.into()
                }
                other => panic!("unexpected {other:?}"),
            };
            self.connection.send(vec![reply(reference_id, answer)]).await;
        }
    }

    fn sent(&self) -> Vec<String> {
        sent(self.maildir.path())
    }
}

fn sent(maildir: &Path) -> Vec<String> {
    let Ok(files) = std::fs::read_dir(maildir.join("new")) else { return Vec::new() };
    files.map(|file| std::fs::read_to_string(file.expect("an entry").path()).expect("text")).collect()
}

fn message(kind: &str, queue: &str) -> KeyValueList {
    KeyValueList::default()
        .with("MessageType", kind)
        .with("Queue", queue)
        .with("ParentInteractionId", "0000000000000001")
        .with("From", "help@example.org")
        .with("To", "ann@example.com")
        .with("Subject", "Re: help")
        .with("Text", "we have it")
}

fn interaction_id(answer: &Answer3rdServer) -> String {
    assert!(!answer.fault, "{:?}", answer.parameters);
    answer.parameters.as_ref().and_then(|parameters| parameters.text("InteractionId")).expect("an id").to_owned()
}

fn fault(answer: &Answer3rdServer) -> (i32, String) {
    assert!(answer.fault, "{:?}", answer.parameters);
    let parameters = answer.parameters.as_ref().expect("parameters");
    (parameters.integer("FaultCode").expect("a code"), parameters.text("FaultString").expect("a text").to_owned())
}

#[tokio::test]
async fn without_a_queue_it_is_sent_at_once_and_only_once_for_a_key() {
    let mut site = Site::start().await;
    assert_eq!(site.registration.client_type(), ClientType::MediaServer);
    assert_eq!(site.registration.media_type, "email");
    for _ in 0..3 {
        let answer = site.ask("Create", message("acknowledgement", ORCHESTRATION_SYSTEM), "session-1:1").await;
        assert_eq!(interaction_id(&answer), "");
    }
    assert!(site.submitted.is_empty());
    let first = site.sent();
    assert_eq!(first.len(), 1);
    assert!(
        first[0].contains("To: <ann@example.com>") && first[0].contains("Auto-Submitted: auto-replied"),
        "{first:?}"
    );

    // Another process, later, in the same folder.
    let Site { maildir, outbox, connection, .. } = site;
    drop(connection);
    outbox.shutdown().await;
    let mut site = Site::start_in(maildir).await;
    interaction_id(&site.ask("Create", message("acknowledgement", ""), "session-1:1").await);
    assert_eq!(site.sent(), first);
    interaction_id(&site.ask("Create", message("acknowledgement", ""), "session-1:2").await);
    interaction_id(&site.ask("Create", message("emailout", ""), "").await);
    interaction_id(&site.ask("Create", message("emailout", ""), "").await);
    assert_eq!(site.sent().len(), 4);
}

#[tokio::test]
async fn with_a_queue_it_is_submitted_and_waits_to_be_sent() {
    let mut site = Site::start().await;
    for _ in 0..2 {
        let answer = site.ask("Create", message("emailout", "review"), "session-1:1").await;
        assert_eq!(interaction_id(&answer), "0000000000000042");
    }
    assert_eq!(site.submitted.len(), 1, "the second time it is known");
    let (key, submit) = &site.submitted[0];
    assert!(!key.is_empty());
    assert_eq!((submit.queue.as_str(), submit.parent_id.as_str()), ("review", "0000000000000001"));
    assert_eq!((submit.interaction_type.as_str(), submit.media_type.as_str()), ("Outbound", "email"));
    assert!(site.sent().is_empty());

    let send = KeyValueList::default().with("InteractionId", "0000000000000042");
    for _ in 0..2 {
        interaction_id(&site.ask("Send", send.clone(), "session-1:2").await);
        assert_eq!(site.sent().len(), 1);
    }
    let unknown = KeyValueList::default().with("InteractionId", "0000000000000043");
    assert_eq!(fault(&site.ask("Send", unknown, "").await).0, FaultCode::UnknownMessage as i32);
}

#[tokio::test]
async fn mail_of_a_machine_is_not_answered_by_one() {
    let mut site = Site::start().await;
    site.parent = Some(KeyValueList::default().with("Header_Auto-Submitted", "auto-generated"));
    let (code, text) = fault(&site.ask("Create", message("acknowledgement", ""), "k1").await);
    assert_eq!(code, FaultCode::AutomaticMail as i32);
    assert!(text.contains("auto-generated"), "{text}");
    assert!(site.sent().is_empty());
    // A person may answer it.
    interaction_id(&site.ask("Create", message("emailout", ""), "k2").await);
    assert_eq!(site.sent().len(), 1);
}

#[tokio::test]
async fn the_sender_is_the_mailbox_that_was_written_to() {
    let mut site = Site::start().await;
    let mut parameters = message("acknowledgement", "");
    parameters.remove("From");
    let (code, text) = fault(&site.ask("Create", parameters.clone(), "").await);
    assert!(code == FaultCode::BadParameter as i32 && text.contains("`From`"), "{text}");
    site.parent = Some(KeyValueList::default().with("Mailbox", "desk@example.org"));
    interaction_id(&site.ask("Create", parameters, "").await);
    assert!(site.sent()[0].contains("From: <desk@example.org>"));
}

#[tokio::test]
async fn what_is_wrong_is_a_fault_that_says_so() {
    let mut site = Site::start().await;
    assert_eq!(fault(&site.ask("Delete", KeyValueList::default(), "").await).0, FaultCode::UnknownMethod as i32);
    let (code, text) = fault(&site.ask("Create", message("telegram", ""), "").await);
    assert!(code == FaultCode::BadParameter as i32 && text.contains("telegram"), "{text}");
    // Where a folder must be there is a file. The outbox makes its folders as it starts, this one last.
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(10);
    while !site.maildir.path().join(".jackfield/done").exists() {
        assert!(std::time::Instant::now() < deadline, "the outbox makes its folders");
        tokio::task::yield_now().await;
    }
    let blocked = site.maildir.path().join("tmp");
    std::fs::remove_dir_all(&blocked).expect("removed");
    std::fs::write(&blocked, "").expect("written");
    assert_eq!(fault(&site.ask("Create", message("emailout", ""), "k").await).0, FaultCode::NotStored as i32);
    std::fs::remove_file(&blocked).expect("there");
    interaction_id(&site.ask("Create", message("emailout", ""), "k").await);
    assert_eq!(site.sent().len(), 1);
}
