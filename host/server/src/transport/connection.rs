//! One connection: HTTP/2 with the gRPC service on it.
//!
//! It counts towards the server's bound, and must open a stream in time: what connects and says
//! nothing, or only noise, would otherwise keep its place for ever, for HTTP/2 keep-alive begins only
//! once both sides have greeted. It ends when the other side closes it or breaks the protocol, when it
//! gives no sign of life, or when the server stops.

use std::sync::atomic::Ordering;
use std::time::Duration;

use hyper::server::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use jackfield_protocol::limits::FRAME_BYTES;
use jackfield_protocol::v1::interaction_server_server::{InteractionServer, InteractionServerServer};
use jackfield_protocol::v1::{ClientFrame, ServerFrame};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::OwnedSemaphorePermit;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status, Streaming};

use super::Transport;
use super::client_stream::Serving;
use crate::server::Health;

/// Streams on one connection: a proxy may carry several clients over it.
const STREAMS_PER_CONNECTION: u32 = 256;
/// A silent connection is asked for a sign of life this often, and closed when none comes for as long.
const KEEP_ALIVE: Duration = Duration::from_secs(5);
/// Bytes under way unread on one stream.
const STREAM_WINDOW_BYTES: u32 = 1 << 20;
/// Bytes under way unread on one connection.
const CONNECTION_WINDOW_BYTES: u32 = 4 << 20;
/// Bytes waiting to be written on one stream.
const SEND_BUFFER_BYTES: usize = 1 << 20;
/// Bytes of one HTTP/2 frame: larger ones cost less each.
const HTTP2_FRAME_BYTES: u32 = 64 << 10;
/// Bytes of the headers of one stream.
const HEADER_BYTES: u32 = 16 << 10;

/// Serves a connection until it ends.
pub(super) async fn serve<Io>(transport: Transport, io: Io, _permit: OwnedSemaphorePermit)
where
    Io: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let stop = transport.0.stop.clone();
    let opened = CancellationToken::new();
    let late = tokio::time::sleep(transport.0.registration_timeout);
    let service = InteractionServerServer::new(Service { transport, opened: opened.clone() })
        .max_decoding_message_size(FRAME_BYTES);
    let connection = http2::Builder::new(TokioExecutor::new())
        .timer(TokioTimer::new())
        .keep_alive_interval(KEEP_ALIVE)
        .keep_alive_timeout(KEEP_ALIVE)
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .max_send_buf_size(SEND_BUFFER_BYTES)
        .max_frame_size(HTTP2_FRAME_BYTES)
        .max_header_list_size(HEADER_BYTES)
        .max_concurrent_streams(STREAMS_PER_CONNECTION)
        .serve_connection(TokioIo::new(io), TowerToHyperService::new(service));
    tokio::pin!(connection, late);
    let (mut stopping, mut in_time) = (false, false);
    loop {
        tokio::select! {
            ended = connection.as_mut() => {
                if let Err(error) = ended {
                    tracing::debug!(%error, "a connection broke");
                }
                return;
            }
            () = stop.cancelled(), if !stopping => {
                stopping = true;
                connection.as_mut().graceful_shutdown();
            }
            () = late.as_mut(), if !in_time => {
                if !opened.is_cancelled() {
                    tracing::debug!("a connection opened no stream in time");
                    return;
                }
                in_time = true;
            }
        }
    }
}

/// The gRPC service, as one connection has it.
struct Service {
    transport: Transport,
    /// Cancelled when a stream was opened.
    opened: CancellationToken,
}

#[tonic::async_trait]
impl InteractionServer for Service {
    type ConnectStream = ReceiverStream<Result<ServerFrame, Status>>;

    async fn connect(&self, request: Request<Streaming<ClientFrame>>) -> Result<Response<Self::ConnectStream>, Status> {
        let shared = &self.transport.0;
        let health = shared.health.get();
        if health != Health::Ok {
            return Err(Status::unavailable(health.to_string()));
        }
        let Ok(permit) = shared.clients.clone().try_acquire_owned() else {
            return Err(Status::resource_exhausted("as many clients are connected as this server takes"));
        };
        self.opened.cancel();
        let serving = Serving {
            client: shared.next_client.fetch_add(1, Ordering::Relaxed),
            inputs: shared.inputs.clone(),
            requests_in_flight: shared.requests_in_flight,
            events_waiting: shared.events_waiting,
            register_within: shared.registration_timeout,
            permit,
        };
        let frames = serving.start(request.into_inner(), &shared.tasks).await?;
        Ok(Response::new(ReceiverStream::new(frames)))
    }
}
