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

#[cfg(test)]
mod tests {
    use super::*;

    fn connect(gate: &mut Gate, client: ClientId, room: usize) -> (mpsc::Receiver<Outgoing>, CancellationToken) {
        let (events, receiver) = mpsc::channel(room);
        let cut = CancellationToken::new();
        let connection = Connection { events, bytes_waiting: Arc::default(), cut: cut.clone(), reason: Arc::default() };
        gate.connected(client, connection);
        (receiver, cut)
    }

    fn event(client: ClientId, reference_id: u64) -> Output {
        Output::Event(client, Event { reference_id, message: None })
    }

    fn taken(receiver: &mut mpsc::Receiver<Outgoing>) -> Vec<u64> {
        std::iter::from_fn(|| receiver.try_recv().ok()).map(|outgoing| outgoing.event.reference_id).collect()
    }

    #[test]
    fn what_is_said_waits_for_the_disk_and_keeps_its_order() {
        let mut gate = Gate::default();
        let (mut receiver, _) = connect(&mut gate, 1, 9);
        gate.push(1, vec![event(1, 1)]);
        gate.push(2, vec![event(1, 2)]);
        // Changes nothing itself, and yet must not overtake.
        gate.push(2, vec![event(1, 3)]);
        assert!(taken(&mut receiver).is_empty());
        gate.durable(1);
        assert_eq!(taken(&mut receiver), [1]);
        gate.durable(2);
        assert_eq!(taken(&mut receiver), [2, 3]);
        gate.push(2, vec![event(1, 4)]);
        assert_eq!(taken(&mut receiver), [4], "nothing to wait for");
    }

    #[test]
    fn who_does_not_read_is_cut_off_and_nobody_else() {
        let mut gate = Gate::default();
        let (mut slow, slow_cut) = connect(&mut gate, 1, 2);
        let (mut quick, quick_cut) = connect(&mut gate, 2, 9);
        gate.push(0, (1..=3).flat_map(|number| [event(1, number), event(2, number)]).collect());
        assert!(slow_cut.is_cancelled() && !quick_cut.is_cancelled());
        assert_eq!((taken(&mut slow), taken(&mut quick)), (vec![1, 2], vec![1, 2, 3]));
    }

    #[test]
    fn events_that_wait_are_bounded_in_bytes() {
        let mut gate = Gate::default();
        let (_receiver, cut) = connect(&mut gate, 1, 1_000);
        let large = jackfield_protocol::v1::EventAck { interaction_id: "x".repeat(1 << 20) };
        let message = Some(jackfield_protocol::v1::event::Message::Ack(large));
        for _ in 0..EVENT_BYTES_WAITING >> 20 {
            assert!(!cut.is_cancelled());
            gate.push(0, vec![Output::Event(1, Event { reference_id: 1, message: message.clone() })]);
        }
        assert!(cut.is_cancelled());
    }

    #[test]
    fn a_failure_drops_what_never_happened() {
        let mut gate = Gate::default();
        let (mut receiver, _) = connect(&mut gate, 1, 9);
        gate.push(1, vec![event(1, 1)]);
        gate.close_all("the store fails");
        gate.durable(1);
        assert!(taken(&mut receiver).is_empty() && receiver.is_closed());
    }
}
