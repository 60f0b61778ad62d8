//! One client's stream: frames in, frames out.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use jackfield_protocol::limits::{FRAME_BYTES, REQUESTS_PER_FRAME};
use jackfield_protocol::v1::{ClientFrame, ServerFrame};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tonic::{Status, Streaming};

use crate::core::ClientId;
use crate::gate::{Connection, Outgoing};
use crate::runner::ToCore;

/// Frames made ahead of what the connection takes.
const FRAMES_AHEAD: usize = 2;
/// A client that takes no frame for this long is cut off.
const STALLED_FOR: Duration = Duration::from_secs(30);
/// Events in one frame, beside its bytes.
const EVENTS_PER_FRAME: usize = 1_024;
/// What an event costs in its frame beside its own bytes: tag and length.
const EVENT_OVERHEAD_BYTES: usize = 8;

/// What serving one stream needs.
pub(super) struct Serving {
    pub(super) client: ClientId,
    pub(super) inputs: mpsc::Sender<ToCore>,
    pub(super) requests_in_flight: usize,
    pub(super) events_waiting: usize,
    pub(super) register_within: Duration,
    /// Held as long as the client is there.
    pub(super) permit: OwnedSemaphorePermit,
}

type Frames = mpsc::Receiver<Result<ServerFrame, Status>>;

impl Serving {
    /// Tells the core of the client and starts its two tasks; returns what is to be sent.
    pub(super) async fn start(self, requests: Streaming<ClientFrame>, tasks: &TaskTracker) -> Result<Frames, Status> {
        let (events, events_receiver) = mpsc::channel(self.events_waiting);
        let (frames, frames_receiver) = mpsc::channel(FRAMES_AHEAD);
        let cut = CancellationToken::new();
        let reason = Arc::new(OnceLock::new());
        let bytes_waiting = Arc::new(AtomicUsize::new(0));
        // A whole frame must fit.
        let in_flight = Arc::new(Semaphore::new(self.requests_in_flight.max(REQUESTS_PER_FRAME)));
        let connection =
            Connection { events, bytes_waiting: bytes_waiting.clone(), cut: cut.clone(), reason: reason.clone() };
        self.inputs
            .send(ToCore::Connected(self.client, connection))
            .await
            .map_err(|_| Status::unavailable("the server is stopping"))?;
        let reading = Reading {
            client: self.client,
            inputs: self.inputs,
            register_within: self.register_within,
            in_flight: in_flight.clone(),
            cut: cut.clone(),
            reason: reason.clone(),
            _permit: self.permit,
        };
        let writing = Writing { events: events_receiver, frames, bytes_waiting, in_flight, cut, reason };
        tasks.spawn(reading.run(requests));
        tasks.spawn(writing.run());
        Ok(frames_receiver)
    }
}

struct Reading {
    client: ClientId,
    inputs: mpsc::Sender<ToCore>,
    register_within: Duration,
    in_flight: Arc<Semaphore>,
    cut: CancellationToken,
    reason: Arc<OnceLock<String>>,
    _permit: OwnedSemaphorePermit,
}

impl Reading {
    async fn run(self, requests: Streaming<ClientFrame>) {
        let ended = self.cut.run_until_cancelled(self.read(requests)).await;
        if let Some(Err(reason)) = ended {
            tracing::debug!(client = self.client, reason, "a stream is ended");
            let _ = self.reason.set(reason);
        }
        // The core drops the sending side, so the writing task ends. A core that has ended did that already.
        let _ = self.inputs.send(ToCore::Disconnected(self.client)).await;
    }

    /// Until the client ends the stream (`Ok`) or it has to be ended.
    async fn read(&self, mut requests: Streaming<ClientFrame>) -> Result<(), String> {
        let mut is_first = true;
        loop {
            let frame = requests.message();
            let frame = if std::mem::take(&mut is_first) {
                tokio::time::timeout(self.register_within, frame)
                    .await
                    .map_err(|_| "the client did not register in time".to_owned())?
            } else {
                frame.await
            };
            let Some(ClientFrame { requests }) = frame.map_err(|status| status.message().to_owned())? else {
                return Ok(());
            };
            if requests.is_empty() || requests.len() > REQUESTS_PER_FRAME {
                return Err(format!(
                    "a frame holds {} requests; 1 to {REQUESTS_PER_FRAME} are allowed",
                    requests.len()
                ));
            }
            let count = u32::try_from(requests.len()).unwrap_or(u32::MAX);
            match self.in_flight.acquire_many(count).await {
                // Given back when the replies leave.
                Ok(permits) => permits.forget(),
                Err(_) => return Ok(()),
            }
            if self.inputs.send(ToCore::Requests(self.client, requests)).await.is_err() {
                return Err("the server is stopping".into());
            }
        }
    }
}

struct Writing {
    events: mpsc::Receiver<Outgoing>,
    frames: mpsc::Sender<Result<ServerFrame, Status>>,
    bytes_waiting: Arc<AtomicUsize>,
    in_flight: Arc<Semaphore>,
    cut: CancellationToken,
    reason: Arc<OnceLock<String>>,
}

impl Writing {
    async fn run(mut self) {
        let cut = self.cut.clone();
        let _ = cut.run_until_cancelled(self.write()).await;
        // The reading side ends, whoever began.
        cut.cancel();
        if let Some(reason) = self.reason.get() {
            // For a client that still listens; one that does not has no room for it.
            let _ = self.frames.try_send(Err(Status::aborted(reason.as_str())));
        }
    }

    /// Until the core has dropped the sending side and everything is sent, or the client takes no more.
    async fn write(&mut self) {
        let mut batch: Vec<Outgoing> = Vec::with_capacity(EVENTS_PER_FRAME);
        while self.events.recv_many(&mut batch, EVENTS_PER_FRAME).await > 0 {
            let mut frame = ServerFrame::default();
            let mut frame_bytes = 0;
            for Outgoing { event, bytes } in batch.drain(..) {
                let bytes = bytes + EVENT_OVERHEAD_BYTES;
                if frame_bytes + bytes > FRAME_BYTES && !frame.events.is_empty() {
                    if !self.send(std::mem::take(&mut frame), frame_bytes).await {
                        return;
                    }
                    frame_bytes = 0;
                }
                frame_bytes += bytes;
                frame.events.push(event);
            }
            if !self.send(frame, frame_bytes).await {
                return;
            }
        }
    }

    /// Whether the client goes on.
    async fn send(&self, frame: ServerFrame, bytes: usize) -> bool {
        let replies = frame.events.iter().filter(|event| event.reference_id != 0).count();
        let events = frame.events.len();
        if self.frames.send_timeout(Ok(frame), STALLED_FOR).await.is_err() {
            let _ = self.reason.set("the client does not read its events; it is cut off".into());
            return false;
        }
        self.bytes_waiting.fetch_sub(bytes - events * EVENT_OVERHEAD_BYTES, Ordering::Relaxed);
        self.in_flight.add_permits(replies);
        true
    }
}
