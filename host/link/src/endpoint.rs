//! Where a server is, and how a channel to it is made.

use std::io;
use std::pin::Pin;
use std::time::Duration;

use futures_util::{Stream, StreamExt};
use hyper_util::rt::TokioIo;
use jackfield_protocol::limits::FRAME_BYTES;
use jackfield_protocol::v1::interaction_server_client::InteractionServerClient;
use jackfield_protocol::v1::{ClientFrame, ServerFrame};
use tokio::io::DuplexStream;
use tokio::sync::mpsc;
use tonic::transport::{Channel, Endpoint as Transport, Uri};

use crate::error::describe;
use crate::{Direct, LinkError};

/// Longest time a TCP connection may take to be made.
pub const CONNECT_WITHIN: Duration = Duration::from_secs(5);

/// How often the server is pinged, and how long it has to answer; idle connections too.
pub const KEEP_ALIVE: Duration = Duration::from_secs(5);

/// HTTP/2 flow control: bytes the server may have under way to us.
pub const WINDOW_BYTES: u32 = 8 << 20;

/// Bytes an in-process pipe holds, each way.
pub const PIPE_BYTES: usize = 256 << 10;

/// Where an Interaction Server is.
#[derive(Clone, Debug)]
pub enum Endpoint {
    /// `host:port`.
    Tcp(String),
    /// In this process.
    InProcess(InProcess),
    /// In this process, with frames handed over as they are.
    Direct(Direct),
}

/// What the server sends; an error says why the stream broke, and is the last.
pub(crate) type Incoming = Pin<Box<dyn Stream<Item = Result<ServerFrame, String>> + Send>>;

impl std::fmt::Display for Endpoint {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Endpoint::Tcp(address) => formatter.write_str(address),
            Endpoint::InProcess(_) | Endpoint::Direct(_) => formatter.write_str("in-process"),
        }
    }
}

/// A server in this process: each connection sends it one end of a pipe.
#[derive(Clone, Debug)]
pub struct InProcess(mpsc::Sender<DuplexStream>);

impl InProcess {
    /// A way to the server that takes its connections from the other end of `server`.
    pub fn new(server: mpsc::Sender<DuplexStream>) -> InProcess {
        InProcess(server)
    }

    async fn connect(self) -> io::Result<TokioIo<DuplexStream>> {
        let (ours, theirs) = tokio::io::duplex(PIPE_BYTES);
        self.0
            .send(theirs)
            .await
            .map_err(|_| io::Error::new(io::ErrorKind::ConnectionRefused, "the server has stopped"))?;
        Ok(TokioIo::new(ours))
    }
}

impl Endpoint {
    /// Opens a connection that sends `frames`, until they end. It closes once both streams are gone.
    pub(crate) async fn open(
        &self,
        frames: impl Stream<Item = ClientFrame> + Send + 'static,
    ) -> Result<Incoming, LinkError> {
        let connected = match self {
            Endpoint::Direct(direct) => return direct.open(frames).await,
            Endpoint::Tcp(address) => {
                let transport = Transport::from_shared(format!("http://{address}")).map_err(|error| {
                    LinkError::Protocol(format!("`{address}` is no address ({error}); write host:port"))
                })?;
                tuned(transport).connect_timeout(CONNECT_WITHIN).tcp_nodelay(true).connect().await
            }
            Endpoint::InProcess(server) => {
                let server = server.clone();
                let connector = tower::service_fn(move |_: Uri| server.clone().connect());
                tuned(Transport::from_static("http://in-process")).connect_with_connector(connector).await
            }
        };
        let channel: Channel =
            connected.map_err(|error| LinkError::Down(format!("cannot connect to {self}: {}", innermost(&error))))?;
        let mut client = InteractionServerClient::new(channel).max_decoding_message_size(FRAME_BYTES);
        let stream = client.connect(frames).await?.into_inner();
        Ok(Box::pin(stream.map(move |frame| {
            // The connection lasts as long as there is a client for it.
            let _client = &client;
            frame.map_err(|status| describe(&status))
        })))
    }
}

fn tuned(transport: Transport) -> Transport {
    transport
        .http2_keep_alive_interval(KEEP_ALIVE)
        .keep_alive_timeout(KEEP_ALIVE)
        .keep_alive_while_idle(true)
        .initial_stream_window_size(WINDOW_BYTES)
        .initial_connection_window_size(WINDOW_BYTES)
}

/// The cause at the bottom: "connection refused" says more than "transport error".
fn innermost(error: &dyn std::error::Error) -> String {
    let mut innermost = error;
    while let Some(cause) = innermost.source() {
        innermost = cause;
    }
    innermost.to_string()
}
