//! A server that does what a test says, one connection at a time.
#![allow(dead_code, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::net::SocketAddr;

use jackfield_link::{Endpoint, InProcess};
use jackfield_protocol::v1::interaction_server_server::{InteractionServer, InteractionServerServer};
use jackfield_protocol::v1::{
    ClientFrame, Event, EventAck, EventClientRegistered, Request, RequestRegisterClient, ServerFrame, event, request,
};
use tokio::io::DuplexStream;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use tonic::{Response, Status, Streaming};

/// One client's stream, seen from the server.
pub struct Connection {
    pub frames: Streaming<ClientFrame>,
    pub events: mpsc::Sender<Result<ServerFrame, Status>>,
}

impl Connection {
    /// The requests of the next frame; none once the client has gone.
    pub async fn requests(&mut self) -> Option<Vec<Request>> {
        self.frames.message().await.ok().flatten().map(|frame| frame.requests)
    }

    pub async fn send(&self, events: Vec<Event>) {
        self.events.send(Ok(ServerFrame { events })).await.expect("the client is there");
    }

    /// Takes the registration, which must come first and alone.
    pub async fn register(&mut self) -> RequestRegisterClient {
        let mut requests = self.requests().await.expect("a first frame");
        let request = requests.remove(0);
        let Some(request::Message::RegisterClient(register)) = request.message else {
            panic!("the first request is {:?}", request.message);
        };
        let registered =
            EventClientRegistered { server_name: "test".into(), tenant_id: 1, version: 1, incarnation: "1".into() };
        self.send(vec![reply(request.reference_id, registered)]).await;
        register
    }

    /// Acknowledges everything until the client goes; returns the interaction ids stopped, in order.
    pub async fn acknowledge_all(mut self) -> Vec<String> {
        let mut seen = Vec::new();
        while let Some(requests) = self.requests().await {
            let mut events = Vec::with_capacity(requests.len());
            for request in requests {
                let id = stopped(&request);
                events.push(reply(request.reference_id, EventAck { interaction_id: id.clone() }));
                seen.push(id);
            }
            if self.events.send(Ok(ServerFrame { events })).await.is_err() {
                break;
            }
        }
        seen
    }
}

pub fn reply(reference_id: u64, message: impl Into<event::Message>) -> Event {
    Event { reference_id, message: Some(message.into()) }
}

pub fn stopped(request: &Request) -> String {
    match &request.message {
        Some(request::Message::StopProcessing(stop)) => stop.interaction_id.clone(),
        other => panic!("expected a stop, found {other:?}"),
    }
}

pub fn stop(id: impl Into<String>) -> request::Message {
    jackfield_protocol::v1::RequestStopProcessing { interaction_id: id.into(), reason: String::new() }.into()
}

pub fn register(name: &str) -> RequestRegisterClient {
    RequestRegisterClient { client_name: name.into(), ..Default::default() }
}

struct Service(mpsc::Sender<Connection>);

#[tonic::async_trait]
impl InteractionServer for Service {
    type ConnectStream = ReceiverStream<Result<ServerFrame, Status>>;

    async fn connect(
        &self,
        request: tonic::Request<Streaming<ClientFrame>>,
    ) -> Result<Response<Self::ConnectStream>, Status> {
        let (events, receiver) = mpsc::channel(16);
        let connection = Connection { frames: request.into_inner(), events };
        self.0.send(connection).await.map_err(|_| Status::unavailable("nobody serves"))?;
        Ok(Response::new(ReceiverStream::new(receiver)))
    }
}

fn service(connections: mpsc::Sender<Connection>) -> InteractionServerServer<Service> {
    InteractionServerServer::new(Service(connections)).max_decoding_message_size(16 << 20)
}

/// A server in this process.
pub fn in_process() -> (Endpoint, mpsc::Receiver<Connection>) {
    let (sender, receiver) = mpsc::channel::<DuplexStream>(16);
    let (connections, connection_receiver) = mpsc::channel(16);
    let incoming = futures_util::StreamExt::map(ReceiverStream::new(receiver), Ok::<_, std::io::Error>);
    tokio::spawn(Server::builder().serve_with_incoming(service(connections), incoming));
    (Endpoint::InProcess(InProcess::new(sender)), connection_receiver)
}

/// A server on a port of this machine.
pub async fn tcp() -> (SocketAddr, mpsc::Receiver<Connection>) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("an address");
    let (connections, receiver) = mpsc::channel(16);
    tokio::spawn(
        Server::builder()
            .serve_with_incoming(service(connections), TcpIncoming::from(listener).with_nodelay(Some(true))),
    );
    (address, receiver)
}
