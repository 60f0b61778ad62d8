//! The transport: the gRPC service, over TCP and over in-process pipes.
//!
//! One stream is one client. Two tasks serve it: one reads frames and passes their requests to the
//! core, one gathers what the core has for the client into frames. Everything is bounded: connections,
//! clients, bytes of a frame, requests in a frame, requests in flight, events that wait. A stream ends
//! when its client ends it or breaks a bound, or when the core closes it; whichever happens, the core
//! is told last that the client is gone.

mod client_stream;
mod connection;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use tokio::io::DuplexStream;
use tokio::net::TcpListener;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::runner::ToCore;
use crate::server::HealthCell;
use crate::settings::Settings;

/// Pipes that may wait to be taken.
const PIPES_WAITING: usize = 64;
/// Pause after the system refused a connection (no file handles left).
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What every listener and every stream of a server shares.
#[derive(Clone)]
pub(crate) struct Transport(Arc<Shared>);

struct Shared {
    inputs: mpsc::Sender<ToCore>,
    health: Arc<HealthCell>,
    next_client: AtomicU64,
    clients: Arc<Semaphore>,
    connections: Arc<Semaphore>,
    requests_in_flight: usize,
    events_waiting: usize,
    registration_timeout: Duration,
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl Transport {
    pub(crate) fn new(settings: &Settings, inputs: mpsc::Sender<ToCore>, health: Arc<HealthCell>) -> Transport {
        let limits = settings.limits;
        Transport(Arc::new(Shared {
            inputs,
            health,
            next_client: AtomicU64::new(1),
            clients: Arc::new(Semaphore::new(limits.clients)),
            connections: Arc::new(Semaphore::new(limits.clients)),
            requests_in_flight: limits.requests_in_flight,
            events_waiting: limits.events_waiting.max(1),
            registration_timeout: settings.timers.registration_timeout,
            stop: CancellationToken::new(),
            tasks: TaskTracker::new(),
        }))
    }

    pub(crate) async fn listen(&self, address: SocketAddr) -> io::Result<SocketAddr> {
        let listener = TcpListener::bind(address).await?;
        let bound = listener.local_addr()?;
        let transport = self.clone();
        self.0.tasks.spawn(async move {
            let stop = transport.0.stop.clone();
            stop.run_until_cancelled(transport.accept(listener)).await;
        });
        Ok(bound)
    }

    /// Takes connections as long as there is room for another one; the others wait in the system's queue.
    async fn accept(&self, listener: TcpListener) {
        while let Some(permit) = self.room().await {
            match listener.accept().await {
                Ok((connection, _)) => {
                    // Without it small frames wait for the other side's acknowledgement; only slower.
                    let _ = connection.set_nodelay(true);
                    self.0.tasks.spawn(connection::serve(self.clone(), connection, permit));
                }
                Err(error) => {
                    tracing::warn!(%error, "a connection was not accepted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    pub(crate) fn in_process(&self) -> mpsc::Sender<DuplexStream> {
        let (sender, mut pipes) = mpsc::channel(PIPES_WAITING);
        let transport = self.clone();
        self.0.tasks.spawn(async move {
            let stop = transport.0.stop.clone();
            let taking = async {
                while let Some(permit) = transport.room().await
                    && let Some(pipe) = pipes.recv().await
                {
                    transport.0.tasks.spawn(connection::serve(transport.clone(), pipe, permit));
                }
            };
            stop.run_until_cancelled(taking).await;
        });
        sender
    }

    async fn room(&self) -> Option<OwnedSemaphorePermit> {
        self.0.connections.clone().acquire_owned().await.ok()
    }

    /// Ends listening; streams have been closed by the core. Waits until clients have taken their last
    /// events, at most that long.
    pub(crate) async fn stop(&self, within: Duration) {
        self.0.stop.cancel();
        self.0.tasks.close();
        if tokio::time::timeout(within, self.0.tasks.wait()).await.is_err() {
            tracing::warn!("some clients did not take their last events");
        }
    }
}
