//! A running server: the handle, its health, and how it starts and stops.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use tokio::io::DuplexStream;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::runner::{self, Clock, Running, ToCore};
use crate::settings::Settings;
use crate::store::{Store, StoreError};
use crate::transport::Transport;
use crate::view::ViewProblem;

/// How long a shutdown waits for clients to read the end of their streams.
const LAST_EVENTS_WITHIN: Duration = Duration::from_secs(2);

/// A handle of a running server. Clones are the same server. It ends by [`Server::shutdown`] only.
#[derive(Clone)]
pub struct Server(Arc<Shared>);

struct Shared {
    name: String,
    inputs: mpsc::Sender<ToCore>,
    health: Arc<HealthCell>,
    transport: Transport,
    in_process: OnceLock<mpsc::Sender<DuplexStream>>,
    /// Cancelled when the core thread has ended.
    ended: CancellationToken,
}

/// Something in the settings or the store that does not stop a server from working.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Warning {
    /// A view cannot be used: pulls through it get error 83.
    #[error("{0}")]
    View(ViewProblem),
    /// A submitter takes from a view that is not there.
    #[error("submitter {submitter} takes from view {view}, which is not there, or not visible to this server")]
    SubmitterWithoutView {
        /// The submitter.
        submitter: String,
        /// The view it names.
        view: String,
    },
    /// A submitter submits to a strategy that is not there.
    #[error("submitter {submitter} submits to strategy {strategy}, which is not there, or not visible to this server")]
    SubmitterWithoutStrategy {
        /// The submitter.
        submitter: String,
        /// The strategy it names.
        strategy: String,
    },
    /// Interactions wait in a queue that is not configured any more: they can be pulled by id only.
    #[error("{waiting} interactions wait in queue {queue}, which is not configured; add it, or pull them by id")]
    QueueNotConfigured {
        /// The queue.
        queue: String,
        /// How many wait in it.
        waiting: usize,
    },
}

/// Why a server could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The store could not be opened or read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A thread could not be started.
    #[error("cannot start a thread: {0}")]
    Thread(#[from] io::Error),
    /// The settings make no sense.
    #[error("{0}")]
    Settings(String),
}

/// How a server is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Health {
    /// It works.
    Ok,
    /// The store fails; connections are refused until it works again. What is wrong.
    StoreFails(String),
    /// It is stopping, or has stopped.
    Stopping,
}

impl fmt::Display for Health {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Health::Ok => formatter.write_str("ok"),
            Health::StoreFails(what) => write!(formatter, "the store fails: {what}"),
            Health::Stopping => formatter.write_str("the server is stopping"),
        }
    }
}

/// The health, as its threads share it.
#[derive(Debug)]
pub(crate) struct HealthCell(Mutex<Health>);

impl HealthCell {
    pub(crate) fn get(&self) -> Health {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn set(&self, health: Health) {
        let mut current = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if *current != Health::Stopping {
            *current = health;
        }
    }
}

impl Server {
    /// Opens the store, loads what waits, and starts the core thread and the writer thread. What in the
    /// settings cannot be used, and does no harm beyond that, is returned (and logged).
    ///
    /// # Errors
    /// See [`OpenError`].
    pub fn open(settings: Settings, store: Box<dyn Store>) -> Result<(Server, Vec<Warning>), OpenError> {
        let settings = Arc::new(settings);
        let health = Arc::new(HealthCell(Mutex::new(Health::Ok)));
        let ended = CancellationToken::new();
        let (inputs, receiver) = mpsc::channel(runner::INPUTS_WAITING);
        let clock = Clock::start();
        let (running, warnings) = Running::open(settings.clone(), store, clock)?;
        for warning in &warnings {
            tracing::warn!(server = settings.name, "{warning}");
        }
        runner::start(running, receiver, health.clone(), ended.clone())?;
        let transport = Transport::new(&settings, inputs.clone(), health.clone());
        let name = settings.name.clone();
        let shared = Shared { name, inputs, health, transport, in_process: OnceLock::new(), ended };
        Ok((Server(Arc::new(shared)), warnings))
    }

    /// Listens for clients (gRPC over TCP); returns the address it is bound to. Call it within a tokio
    /// runtime; it may be called for several addresses.
    ///
    /// # Errors
    /// The address cannot be bound.
    pub async fn listen(&self, address: SocketAddr) -> io::Result<SocketAddr> {
        self.0.transport.listen(address).await
    }

    /// Where in-process clients send their halves of pipes; the same gRPC service answers them. Call it
    /// within a tokio runtime.
    pub fn in_process(&self) -> mpsc::Sender<DuplexStream> {
        self.0.in_process.get_or_init(|| self.0.transport.in_process()).clone()
    }

    /// Stops taking requests, commits what was taken in, answers it, ends all connections, and returns
    /// when the threads have ended and the store is closed.
    pub async fn shutdown(&self) {
        // A core that has ended takes nothing any more, which is as good.
        let _ = self.0.inputs.send(ToCore::Shutdown).await;
        self.0.ended.cancelled().await;
        self.0.transport.stop(LAST_EVENTS_WITHIN).await;
    }

    /// Goes on with other settings, as far as a running server can; see [`Settings::changed`].
    pub async fn set_settings(&self, settings: Settings) {
        // A server that has stopped needs none.
        let _ = self.0.inputs.send(ToCore::Settings(Box::new(settings))).await;
    }

    /// How it is now.
    pub fn health(&self) -> Health {
        self.0.health.get()
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Server").field("name", &self.0.name).field("health", &self.health()).finish()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use jackfield_link::{Client, Endpoint, InProcess, LinkError};
    use jackfield_protocol::v1::event::Message as EventMessage;
    use jackfield_protocol::v1::request::Message as RequestMessage;
    use jackfield_protocol::v1::{
        ClientType, EventServerStatus, RequestRegisterClient, RequestServerStatus, RequestSubmit,
    };
    use jackfield_store::Pruned;

    use super::*;
    use crate::settings::{self, CustomProperty};
    use crate::store::sqlite::SqliteStore;
    use crate::store::{Opened, Write, Writer};

    /// A store whose disk is full as long as somebody says so.
    struct Full(SqliteStore, Arc<AtomicBool>);

    struct FullWriter(Box<dyn Writer<Write = Write>>, Arc<AtomicBool>);

    impl Full {
        fn error() -> StoreError {
            StoreError::Full { path: "disk".into(), detail: "on purpose".into() }
        }
    }

    impl Store for Full {
        fn name(&self) -> String {
            self.0.name()
        }

        fn open(&mut self, custom_properties: &[CustomProperty]) -> Result<Opened, StoreError> {
            if self.1.load(Ordering::SeqCst) {
                return Err(Full::error());
            }
            let opened = self.0.open(custom_properties)?;
            Ok(Opened { writer: Box::new(FullWriter(opened.writer, self.1.clone())), ..opened })
        }
    }

    impl Writer for FullWriter {
        type Write = Write;

        fn commit(&mut self, writes: &[Write]) -> Result<(), StoreError> {
            match self.1.load(Ordering::SeqCst) {
                true => Err(Full::error()),
                false => self.0.commit(writes),
            }
        }

        fn prune(&mut self, before: i64) -> Result<Pruned, StoreError> {
            self.0.prune(before)
        }

        fn prune_chunk(&self) -> u64 {
            self.0.prune_chunk()
        }
    }

    async fn connect(server: &Server) -> Result<Client, LinkError> {
        let register = RequestRegisterClient {
            client_name: "media".into(),
            client_type: ClientType::MediaServer.into(),
            media_type: "email".into(),
            ..RequestRegisterClient::default()
        };
        let endpoint = Endpoint::InProcess(InProcess::new(server.in_process()));
        Client::connect(&endpoint, register).await.map(|(client, _)| client)
    }

    fn submit() -> RequestMessage {
        RequestMessage::Submit(RequestSubmit {
            media_type: "email".into(),
            queue: "inbound".into(),
            ..RequestSubmit::default()
        })
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_full_disk_cuts_clients_off_and_the_server_goes_on_when_there_is_room() {
        let folder = tempfile::tempdir().unwrap();
        let full = Arc::new(AtomicBool::new(false));
        let store = Full(SqliteStore::open(&folder.path().join("store.db")).unwrap(), full.clone());
        let settings = Settings {
            name: "email_server".into(),
            tenant_id: 1,
            media_types: vec![],
            queues: vec![settings::Queue { name: "inbound".into() }],
            views: vec![],
            submitters: vec![],
            strategies: vec![],
            workbins: vec![],
            agents: vec![],
            places: vec![],
            capacity: Default::default(),
            contacts: Default::default(),
            custom_properties: vec![],
            timers: settings::Timers::default(),
            limits: settings::Limits::default(),
        };
        let (server, _) = Server::open(settings, Box::new(store)).unwrap();
        let client = connect(&server).await.unwrap();
        assert!(matches!(client.request_once(submit(), "first").await, Ok(EventMessage::Ack(_))));
        let incarnation = client.registration().incarnation.clone();

        full.store(true, Ordering::SeqCst);
        let lost = client.request_once(submit(), "second").await;
        assert!(matches!(lost, Err(LinkError::Down(_))), "never acknowledged: {lost:?}");
        client.closed().await;
        assert!(matches!(server.health(), Health::StoreFails(what) if what.contains("full")));
        assert!(connect(&server).await.is_err(), "refused meanwhile");

        full.store(false, Ordering::SeqCst);
        let deadline = tokio::time::Instant::now() + Duration::from_secs(60);
        let client = loop {
            assert!(tokio::time::Instant::now() < deadline, "it does not come back");
            match connect(&server).await {
                Ok(client) => break client,
                Err(_) => tokio::task::yield_now().await,
            }
        };
        assert_ne!(client.registration().incarnation, incarnation);
        assert_eq!(server.health(), Health::Ok);
        assert!(matches!(client.request_once(submit(), "second").await, Ok(EventMessage::Ack(_))));
        let status = client.request(RequestMessage::ServerStatus(RequestServerStatus::default())).await;
        assert!(matches!(status, Ok(EventMessage::ServerStatus(EventServerStatus { interactions: 2, .. }))));
        server.shutdown().await;
    }
}
