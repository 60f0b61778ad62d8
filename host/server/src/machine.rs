//! The core of a server as a state machine, for whoever brings a network, a disk and a clock of its own: a
//! simulation. It does nothing by itself, and decides everything a [`Server`](crate::Server) decides.
//!
//! Whoever drives it does what the server's own threads do: hands over what comes in, then takes a
//! [`Step`], writes what is in it, says when that is on disk, and lets what is to be said leave only then,
//! in order. When a step fails the machine is dropped, and made anew from the store.

use std::sync::Arc;

use jackfield_protocol::v1::{Event, Request};

pub use crate::core::Now;
use crate::core::{Core, Input, Output};
use crate::server::{OpenError, Warning};
use crate::settings::Settings;
use crate::store::{Reader, StoreError, Write};

/// See the module.
pub struct Machine(Core);

/// What the machine wants done.
#[derive(Debug, Default)]
pub struct Step {
    /// Number of the last write so far, these included: what is said waits until that one is on disk.
    pub sequence: u64,
    /// For the store, in order, all or nothing.
    pub writes: Vec<Write>,
    /// For clients, in order.
    pub says: Vec<Say>,
}

/// What is said to the client of that number.
#[expect(clippy::large_enum_variant, reason = "nearly all are events")]
#[derive(Debug)]
pub enum Say {
    /// An event.
    Event(u64, Event),
    /// Nothing more, for this reason: its connection is to be closed.
    Close(u64, String),
}

impl Machine {
    /// Reads everything that is not stopped from the store.
    ///
    /// # Errors
    /// As [`Server::open`](crate::Server::open).
    pub fn open(
        settings: Arc<Settings>,
        reader: Box<dyn Reader>,
        incarnation: u64,
        now: Now,
    ) -> Result<(Machine, Vec<Warning>), OpenError> {
        let (core, warnings) = Core::new(settings, reader, incarnation, now)?;
        Ok((Machine(core), warnings))
    }

    /// A client connected. Its number is its own; none is used twice.
    pub fn connected(&mut self, now: Now, client: u64) {
        self.0.handle(now, Input::Connected(client));
    }

    /// It asks for something.
    pub fn request(&mut self, now: Now, client: u64, request: Request) {
        self.0.handle(now, Input::Request(client, request));
    }

    /// Its connection ended.
    pub fn disconnected(&mut self, now: Now, client: u64) {
        self.0.handle(now, Input::Disconnected(client));
    }

    /// Runs what is due, and ends a burst of input.
    ///
    /// # Errors
    /// When the store could not be read.
    pub fn step(&mut self, now: Now) -> Result<Step, StoreError> {
        self.0.flush(now);
        if let Some(error) = self.0.failure() {
            return Err(error);
        }
        let (sequence, outbox) = self.0.take_outbox();
        let says = outbox.outputs.into_iter().filter_map(|output| match output {
            Output::Event(client, event) => Some(Say::Event(client, event)),
            Output::Close(client, reason) => Some(Say::Close(client, reason)),
            // Remembered answers take little room for as long as a simulation lasts.
            Output::ForgetBefore(_) => None,
        });
        Ok(Step { sequence, writes: outbox.writes, says: says.collect() })
    }

    /// Everything up to this number is on disk.
    pub fn durable(&mut self, sequence: u64) {
        self.0.durable(sequence);
    }

    /// When there is a step to take though nothing comes in, in ticks.
    pub fn next_due(&self) -> Option<u64> {
        self.0.next_due()
    }
}

impl std::fmt::Debug for Machine {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Machine")
    }
}
