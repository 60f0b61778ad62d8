//! A site, servers over files, clients.

use std::path::Path;
use std::time::Duration;

use jackfield_link::{Client, Endpoint, InProcess};
use jackfield_protocol::v1::event::Message as EventMessage;
use jackfield_protocol::v1::request::Message as RequestMessage;
use jackfield_protocol::v1::*;
use jackfield_server::{Limits, Queue, Server, Settings, SqliteStore, Strategy, Submitter, Timers, View};
use tokio::sync::mpsc;

/// Longest any of these tests waits for something.
pub const PATIENCE: Duration = Duration::from_secs(60);

pub fn site() -> Settings {
    Settings {
        name: "email_server".into(),
        tenant_id: 1,
        media_types: vec![],
        queues: ["inbound", "second"].map(|name| Queue { name: name.into() }).into(),
        views: vec![View {
            name: "all".into(),
            queue: "inbound".into(),
            condition: String::new(),
            order: String::new(),
        }],
        submitters: vec![Submitter {
            name: "all to Triage".into(),
            view: "all".into(),
            strategy: "Triage".into(),
            priority: 0,
            max_interactions: 0,
            cluster_id: None,
        }],
        strategies: vec![Strategy { name: "Triage".into(), enabled: true, max_interactions: 0 }],
        workbins: vec![],
        agents: vec![],
        places: vec![],
        capacity: Default::default(),
        contacts: Default::default(),
        custom_properties: vec![],
        timers: Timers::default(),
        limits: Limits::default(),
    }
}

pub fn open(settings: Settings, file: &Path) -> Server {
    let store = SqliteStore::open(file).expect("a store");
    let (server, warnings) = Server::open(settings, Box::new(store)).expect("a server");
    assert_eq!(warnings, []);
    server
}

pub fn in_process(server: &Server) -> Endpoint {
    Endpoint::InProcess(InProcess::new(server.in_process()))
}

pub async fn tcp(server: &Server) -> Endpoint {
    let address = server.listen("127.0.0.1:0".parse().unwrap()).await.expect("listens");
    Endpoint::Tcp(address.to_string())
}

pub async fn connect(endpoint: &Endpoint, client_type: ClientType) -> (Client, mpsc::Receiver<EventMessage>) {
    connect_as(endpoint, client_type, &format!("{} of the test", client_type.as_str_name())).await
}

pub async fn connect_as(
    endpoint: &Endpoint,
    client_type: ClientType,
    name: &str,
) -> (Client, mpsc::Receiver<EventMessage>) {
    let register = RequestRegisterClient {
        client_name: name.into(),
        client_type: client_type.into(),
        media_type: if client_type == ClientType::MediaServer { "email".into() } else { String::new() },
        ..RequestRegisterClient::default()
    };
    Client::connect(endpoint, register).await.expect("connects")
}

pub async fn event(events: &mut mpsc::Receiver<EventMessage>) -> EventMessage {
    tokio::time::timeout(PATIENCE, events.recv()).await.expect("an event in time").expect("the stream goes on")
}

pub fn submit(subject: &str) -> RequestMessage {
    RequestMessage::Submit(RequestSubmit {
        media_type: "email".into(),
        queue: "inbound".into(),
        user_data: Some(KeyValueList::default().with("Subject", subject)),
        ..RequestSubmit::default()
    })
}

pub fn pull(count: u32) -> RequestMessage {
    let what = Some(request_pull::What::Strategy("Triage".into()));
    RequestMessage::Pull(RequestPull { what, count, ..RequestPull::default() })
}

pub fn stop(id: &str) -> RequestMessage {
    RequestMessage::StopProcessing(RequestStopProcessing { interaction_id: id.into(), reason: String::new() })
}

pub fn acked(event: EventMessage) -> String {
    match event {
        EventMessage::Ack(ack) => ack.interaction_id,
        other => panic!("not acknowledged: {other:?}"),
    }
}

pub fn pulled(event: EventMessage) -> Vec<Interaction> {
    match event {
        EventMessage::PulledInteractions(pulled) => {
            pulled.interactions.into_iter().map(|pulled| pulled.interaction.expect("an interaction")).collect()
        }
        other => panic!("no pull's answer: {other:?}"),
    }
}

pub async fn status(client: &Client) -> EventServerStatus {
    match client.request(RequestMessage::ServerStatus(RequestServerStatus::default())).await.expect("a status") {
        EventMessage::ServerStatus(status) => status,
        other => panic!("no status: {other:?}"),
    }
}
