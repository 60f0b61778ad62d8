//! The gate: what the core says leaves only once the writes before it are on disk, and in order.
//!
//! Owns the connections' queues. A client that does not read its events, so that too many or too large
//! ones wait for it, is cut off here.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use jackfield_protocol::v1::Event;
use prost::Message;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::core::{ClientId, Output};

/// Bytes of events that may wait for one client, beside their number.
pub(crate) const EVENT_BYTES_WAITING: usize = 64 << 20;

/// The sending side of one client.
#[derive(Debug)]
pub(crate) struct Connection {
    /// Dropped, the events in it are still sent, then the stream ends.
    pub(crate) events: mpsc::Sender<Outgoing>,
    pub(crate) bytes_waiting: Arc<AtomicUsize>,
    /// Cancelled, the stream ends at once.
    pub(crate) cut: CancellationToken,
    /// Why it was ended by this side.
    pub(crate) reason: Arc<std::sync::OnceLock<String>>,
}

/// An event on its way to a client.
#[derive(Debug)]
pub(crate) struct Outgoing {
    pub(crate) event: Event,
    /// Encoded.
    pub(crate) bytes: usize,
}

impl Connection {
    /// Ends the stream after the events that wait.
    pub(crate) fn close(self, reason: &str) {
        let _ = self.reason.set(reason.into());
    }
}

#[derive(Debug, Default)]
pub(crate) struct Gate {
    durable: u64,
    /// In order, each with the number of the last write before it. Bounded by the store's back-pressure:
    /// the core waits while two batches are on their way to the disk.
    waiting: VecDeque<(u64, Vec<Output>)>,
    connections: HashMap<ClientId, Connection>,
    forget_before: Option<i64>,
}

impl Gate {
    pub(crate) fn connected(&mut self, client: ClientId, connection: Connection) {
        self.connections.insert(client, connection);
    }

    pub(crate) fn disconnected(&mut self, client: ClientId) {
        self.connections.remove(&client);
    }

    /// Takes what may leave once `sequence` is on disk.
    pub(crate) fn push(&mut self, sequence: u64, outputs: Vec<Output>) {
        if outputs.is_empty() {
            return;
        }
        if self.waiting.is_empty() && sequence <= self.durable {
            self.release(outputs);
        } else {
            self.waiting.push_back((sequence, outputs));
        }
    }

    /// Everything up to `sequence` is on disk.
    pub(crate) fn durable(&mut self, sequence: u64) {
        self.durable = sequence;
        while self.waiting.front().is_some_and(|(of, _)| *of <= sequence) {
            if let Some((_, outputs)) = self.waiting.pop_front() {
                self.release(outputs);
            }
        }
    }

    /// Answers remembered before that may be forgotten, where it is time to.
    pub(crate) fn forget_before(&mut self) -> Option<i64> {
        self.forget_before.take()
    }

    /// Ends every connection; what has not left is dropped: it never happened.
    pub(crate) fn close_all(&mut self, reason: &str) {
        self.waiting.clear();
        for (_, connection) in self.connections.drain() {
            connection.close(reason);
        }
    }

    fn release(&mut self, outputs: Vec<Output>) {
        for output in outputs {
            match output {
                Output::Event(client, event) => self.send(client, event),
                Output::Close(client, reason) => {
                    if let Some(connection) = self.connections.remove(&client) {
                        connection.close(&reason);
                    }
                }
                Output::ForgetBefore(at) => self.forget_before = Some(at),
            }
        }
    }

    fn send(&mut self, client: ClientId, event: Event) {
        let Some(connection) = self.connections.get(&client) else { return };
        let bytes = event.encoded_len();
        let waiting = connection.bytes_waiting.fetch_add(bytes, Ordering::Relaxed);
        if waiting + bytes <= EVENT_BYTES_WAITING && connection.events.try_send(Outgoing { event, bytes }).is_ok() {
            return;
        }
        // It does not read, or its stream is ending; its reader tells the core.
        if let Some(connection) = self.connections.remove(&client) {
            let _ = connection.reason.set("the client does not read its events; it is cut off".into());
            connection.cut.cancel();
        }
    }
}
