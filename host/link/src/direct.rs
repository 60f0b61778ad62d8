//! Connections that carry frames as they are, with no bytes in between: for a simulated network.

use std::pin::Pin;
use std::sync::Arc;

use futures_util::{Stream, StreamExt};
use jackfield_protocol::v1::{ClientFrame, ServerFrame};
use tokio::sync::mpsc;

use crate::LinkError;
use crate::endpoint::Incoming;

/// A connection being made.
pub type Connecting = Pin<Box<dyn Future<Output = Result<Connection, LinkError>> + Send>>;

/// A way to a server.
pub trait Connect: Send + Sync {
    /// Opens a connection. Called within a tokio runtime.
    fn connect(&self) -> Connecting;
}

/// Both ends of a connection that concern the client. It is over when either channel is closed.
#[derive(Debug)]
pub struct Connection {
    /// To the server. Dropped when the client closes.
    pub requests: mpsc::Sender<ClientFrame>,
    /// From the server.
    pub events: mpsc::Receiver<ServerFrame>,
}

/// A server that is reached so.
#[derive(Clone)]
pub struct Direct(Arc<dyn Connect>);

impl Direct {
    /// Through this way.
    pub fn new(way: Arc<dyn Connect>) -> Direct {
        Direct(way)
    }

    pub(crate) async fn open(
        &self,
        frames: impl Stream<Item = ClientFrame> + Send + 'static,
    ) -> Result<Incoming, LinkError> {
        let Connection { requests, mut events } = self.0.connect().await?;
        tokio::spawn(async move {
            let mut frames = std::pin::pin!(frames);
            while let Some(frame) = frames.next().await {
                if requests.send(frame).await.is_err() {
                    break;
                }
            }
        });
        let frames = futures_util::stream::poll_fn(move |context| events.poll_recv(context));
        Ok(Box::pin(frames.map(Ok)))
    }
}

impl std::fmt::Debug for Direct {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Direct")
    }
}
