//! Batches requests into frames.
//!
//! The transport asks for a frame whenever it has room for one; the frame then takes all that has
//! gathered, up to [`FRAME_TARGET_BYTES`]. So a quiet client sends each request at once, and a busy one
//! spends one frame on hundreds. Ends when every sender is gone.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_util::Stream;
use jackfield_protocol::limits::REQUESTS_PER_FRAME;
use jackfield_protocol::v1::{ClientFrame, Request};
use tokio::sync::{OwnedSemaphorePermit, mpsc};

/// Encoded bytes after which a frame takes no further request. One request may be larger.
pub const FRAME_TARGET_BYTES: usize = 256 << 10;

/// A request on its way out, with the room it takes in the send buffer.
pub(crate) struct Outgoing {
    pub(crate) request: Request,
    /// Encoded.
    pub(crate) bytes: usize,
    pub(crate) _room: OwnedSemaphorePermit,
}

/// The stream of frames the transport sends.
pub(crate) struct Frames {
    queue: mpsc::Receiver<Outgoing>,
    /// Taken from the queue, but too large for the frame before.
    next: Option<Outgoing>,
}

impl Frames {
    pub(crate) fn new(queue: mpsc::Receiver<Outgoing>) -> Frames {
        Frames { queue, next: None }
    }
}

impl Stream for Frames {
    type Item = ClientFrame;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<ClientFrame>> {
        let first = match self.next.take() {
            Some(outgoing) => outgoing,
            None => match ready!(self.queue.poll_recv(context)) {
                Some(outgoing) => outgoing,
                None => return Poll::Ready(None),
            },
        };
        let mut bytes = first.bytes;
        let mut requests = vec![first.request];
        while requests.len() < REQUESTS_PER_FRAME && bytes < FRAME_TARGET_BYTES {
            let Ok(outgoing) = self.queue.try_recv() else { break };
            bytes = bytes.saturating_add(outgoing.bytes);
            if bytes > FRAME_TARGET_BYTES {
                self.next = Some(outgoing);
                break;
            }
            requests.push(outgoing.request);
        }
        Poll::Ready(Some(ClientFrame { requests }))
    }
}
