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
    #[error("submitter {submitter} takes from view {view}, which does not exist")]
    SubmitterWithoutView {
        /// The submitter.
        submitter: String,
        /// The view it names.
        view: String,
    },
    /// A submitter submits to a strategy that is not there.
    #[error("submitter {submitter} submits to strategy {strategy}, which does not exist")]
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
