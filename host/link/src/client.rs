//! One registered client on one stream.
//!
//! Owns the sending side of the stream and a task that reads the other. The task hands replies to
//! those who wait, and everything that was not asked for to one bounded queue. It ends with the
//! stream, and the stream ends with the last clone of the client.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use jackfield_protocol::limits::FRAME_BYTES;
use jackfield_protocol::v1::event::Message as EventMessage;
use jackfield_protocol::v1::request::Message as RequestMessage;
use jackfield_protocol::v1::{Event, EventClientRegistered, Request, RequestRegisterClient, RequestUnregisterClient};
use jackfield_protocol::{ErrorCode, VERSION};
use tokio::sync::{Semaphore, mpsc};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::endpoint::Incoming;
use crate::frames::{Frames, Outgoing};
use crate::pending::{Pending, REQUESTS_IN_FLIGHT, Reply, SEND_BUFFER_BYTES};
use crate::{Endpoint, LinkError};

/// Events that may wait to be read by the owner of a client.
pub const EVENTS_WAITING: usize = 1_024;

/// A client whose events are not read for this long, while there is no room for another, is closed.
pub const EVENTS_UNREAD_FOR: Duration = Duration::from_secs(10);

/// Longest time from the start of [`Client::connect`] to the server's answer to the registration.
pub const REGISTER_WITHIN: Duration = Duration::from_secs(10);

/// Room for what surrounds one request in its frame: tag and length.
const FRAME_OVERHEAD_BYTES: usize = 16;

/// One registered client on one stream; clones share it. No reconnect: see [`Link`](crate::Link).
#[derive(Clone)]
pub struct Client(Arc<Shared>);

struct Shared {
    registration: EventClientRegistered,
    outgoing: mpsc::Sender<Outgoing>,
    /// Permits: requests that may still be put in flight.
    in_flight: Arc<Semaphore>,
    /// Permits: bytes that may still be put in the send buffer.
    bytes: Arc<Semaphore>,
    pending: Arc<Pending>,
    stop: CancellationToken,
    ended: CancellationToken,
    _stop_on_drop: DropGuard,
}

impl std::fmt::Debug for Client {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Client")
            .field("server", &self.0.registration.server_name)
            .field("closed", &self.0.pending.closed_because())
            .finish_non_exhaustive()
    }
}

impl Client {
    /// Connects, opens the stream and registers. The versions of the protocol are filled in here.
    ///
    /// Events that were not asked for come on the receiver, in their order, which ends with the stream.
    /// It must be read: see [`EVENTS_UNREAD_FOR`]. Dropping it discards them. Replies and events come by
    /// separate ways: an event may be seen before the reply that was sent ahead of it.
    ///
    /// # Errors
    /// `Down` or `TimedOut` when there is no server to be reached, `Refused` when it does not let the
    /// client register, `Protocol` when it is something else or the address is none.
    pub async fn connect(
        endpoint: &Endpoint,
        register: RequestRegisterClient,
    ) -> Result<(Client, mpsc::Receiver<EventMessage>), LinkError> {
        tokio::time::timeout(REGISTER_WITHIN, open(endpoint, register)).await.map_err(|_| LinkError::TimedOut)?
    }

    /// What the server said of itself when the client registered.
    pub fn registration(&self) -> &EventClientRegistered {
        &self.0.registration
    }

    /// Sends a request now; its answer comes through the [`Reply`]. Waits only for room
    /// ([`REQUESTS_IN_FLIGHT`], [`SEND_BUFFER_BYTES`]). Requests leave in the order in which these calls
    /// return. With a key that is not empty the effect happens once, however often it is sent.
    ///
    /// Cancel-safe: dropped before it returns, nothing was sent.
    ///
    /// # Errors
    /// `Down` when the stream has ended; `Refused` (1000) when the request is larger than a frame.
    pub async fn send(
        &self,
        message: impl Into<RequestMessage>,
        idempotency_key: impl Into<String>,
    ) -> Result<Reply, LinkError> {
        let request =
            Request { reference_id: u64::MAX, idempotency_key: idempotency_key.into(), message: Some(message.into()) };
        let shared = &self.0;
        send(request, &shared.outgoing, &shared.in_flight, &shared.bytes, &shared.pending, &shared.ended).await
    }

    /// [`send`](Self::send) without a key, and wait for the answer.
    ///
    /// # Errors
    /// As `send`; `Refused` when the server answers with an error; `Down` when the stream ends first.
    pub async fn request(&self, message: impl Into<RequestMessage>) -> Result<EventMessage, LinkError> {
        self.send(message, "").await?.await
    }

    /// [`send`](Self::send) with an idempotency key, and wait for the answer.
    ///
    /// # Errors
    /// As [`request`](Self::request).
    pub async fn request_once(
        &self,
        message: impl Into<RequestMessage>,
        idempotency_key: impl Into<String>,
    ) -> Result<EventMessage, LinkError> {
        self.send(message, idempotency_key).await?.await
    }

    /// Leaves in good order: waits until the server has taken note, then closes. What was sent before has
    /// been answered by then.
    pub async fn leave(&self) {
        // A lost connection has the same effect.
        let _ = tokio::time::timeout(
            REGISTER_WITHIN,
            self.request(RequestMessage::UnregisterClient(RequestUnregisterClient {})),
        )
        .await;
        self.close();
        self.closed().await;
    }

    /// Returns once the stream has ended and every request in flight has failed. Cancel-safe.
    pub async fn closed(&self) {
        self.0.ended.cancelled().await;
    }

    /// Whether the stream has ended.
    pub fn is_closed(&self) -> bool {
        self.0.ended.is_cancelled()
    }

    /// Why the stream ended, once it has.
    pub fn closed_because(&self) -> Option<String> {
        self.0.pending.closed_because()
    }

    /// Ends the stream at once. Whether requests in flight are done is then not known.
    pub fn close(&self) {
        self.0.stop.cancel();
    }
}

async fn open(
    endpoint: &Endpoint,
    mut register: RequestRegisterClient,
) -> Result<(Client, mpsc::Receiver<EventMessage>), LinkError> {
    (register.version_min, register.version_max) = (VERSION, VERSION);
    // The bound that counts is `in_flight`: the queue never holds more than that.
    let (outgoing, queue) = mpsc::channel(REQUESTS_IN_FLIGHT);
    let (events, events_receiver) = mpsc::channel(EVENTS_WAITING);
    let in_flight = Arc::new(Semaphore::new(REQUESTS_IN_FLIGHT));
    let bytes = Arc::new(Semaphore::new(SEND_BUFFER_BYTES));
    let pending = Arc::new(Pending::new());
    let (stop, ended) = (CancellationToken::new(), CancellationToken::new());
    let stop_on_drop = stop.clone().drop_guard();

    // The registration must be the first request, so it waits in the queue before the stream opens.
    let registration = Request {
        reference_id: u64::MAX,
        idempotency_key: String::new(),
        message: Some(RequestMessage::RegisterClient(register)),
    };
    let registered = send(registration, &outgoing, &in_flight, &bytes, &pending, &ended).await?;

    let frames = Frames::new(queue).take_until(stop.clone().cancelled_owned());
    let stream = endpoint.open(frames).await?;
    let reading = Reading { pending: pending.clone(), ended: ended.clone() };
    tokio::spawn(reading.run(stream, events, stop.clone()));

    let registration = match registered.await? {
        EventMessage::ClientRegistered(registration) => registration,
        _ => return Err(LinkError::Protocol("the server answered a registration with something else".into())),
    };
    let client = Client(Arc::new(Shared {
        registration,
        outgoing,
        in_flight,
        bytes,
        pending,
        stop,
        ended,
        _stop_on_drop: stop_on_drop,
    }));
    Ok((client, events_receiver))
}

async fn send(
    mut request: Request,
    outgoing: &mpsc::Sender<Outgoing>,
    in_flight: &Arc<Semaphore>,
    bytes: &Arc<Semaphore>,
    pending: &Pending,
    ended: &CancellationToken,
) -> Result<Reply, LinkError> {
    // Measured with the longest reference id; the real one is known only when it leaves.
    let size = prost::Message::encoded_len(&request);
    if size + FRAME_OVERHEAD_BYTES > FRAME_BYTES {
        let description = format!("a request of {size} bytes is more than a frame of {FRAME_BYTES} bytes can carry");
        return Err(ErrorCode::BadRequest.with(description).into());
    }
    let permits = u32::try_from(size.min(SEND_BUFFER_BYTES)).unwrap_or(u32::MAX);
    let room = async {
        let bytes = bytes.clone().acquire_many_owned(permits).await;
        let in_flight = in_flight.clone().acquire_owned().await;
        bytes.ok().zip(in_flight.ok())
    };
    let room = tokio::select! {
        biased;
        () = ended.cancelled() => None,
        room = room => room,
    };
    let Some((bytes, in_flight)) = room else {
        return Err(LinkError::Down(pending.closed_because().unwrap_or_else(|| "the stream has ended".into())));
    };
    pending.add(in_flight, |reference_id| {
        request.reference_id = reference_id;
        outgoing.try_send(Outgoing { request, bytes: size, _room: bytes }).is_ok()
    })
}

/// What the reading task owns. However the task ends, requests in flight fail and the client is closed.
struct Reading {
    pending: Arc<Pending>,
    ended: CancellationToken,
}

impl Drop for Reading {
    fn drop(&mut self) {
        self.pending.close("the client ended");
        self.ended.cancel();
    }
}

impl Reading {
    async fn run(self, stream: Incoming, events: mpsc::Sender<EventMessage>, stop: CancellationToken) {
        let reason = tokio::select! {
            biased;
            () = stop.cancelled() => "closed on this side".to_owned(),
            reason = self.read(stream, events) => reason,
        };
        tracing::debug!(reason, "client ended");
        self.pending.close(&reason);
        stop.cancel();
    }

    /// Returns why the stream ended. Takes the sender of events along, so that they end with it.
    async fn read(&self, mut stream: Incoming, events: mpsc::Sender<EventMessage>) -> String {
        loop {
            let frame = match stream.next().await {
                Some(Ok(frame)) => frame,
                None => return "the server closed the stream".into(),
                Some(Err(reason)) => return format!("the stream broke: {reason}"),
            };
            for Event { reference_id, message } in frame.events {
                // A kind of event that a newer server knows and we do not.
                let Some(message) = message else { continue };
                if reference_id > 0 {
                    let answer = match message {
                        EventMessage::Error(error) => Err(LinkError::Refused(error.into())),
                        other => Ok(other),
                    };
                    if !self.pending.answer(reference_id, answer) {
                        tracing::warn!(reference_id, "the server answered a request that was not made");
                    }
                } else if let Err(mpsc::error::SendTimeoutError::Timeout(_)) =
                    events.send_timeout(message, EVENTS_UNREAD_FOR).await
                {
                    return format!("{EVENTS_WAITING} events were not read for {} s", EVENTS_UNREAD_FOR.as_secs());
                }
            }
        }
    }
}
