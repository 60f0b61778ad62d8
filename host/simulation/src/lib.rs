//! A whole site in one thread, on a clock that stands still while anybody has something to do: real nodes with
//! their engines and strategies, the real cores of Interaction Servers, and between them networks, disks
//! and people that do what one seed says. A seed that fails is run again, and fails again.
//!
//! A run has two phases. While it is stormy faults strike: at moments of their own, on the way of a frame, and
//! before and after commits. Then it is calm, and everything must come to its end within
//! [`Options::patience`]. The checkers (`ledger`) look on all the time; what they must see:
//!
//! - what was acknowledged ends exactly once, and nothing is made of a submission but one interaction;
//! - each thing a strategy brings about happens once for each decision: messages made, messages sent, places;
//! - a key never comes with two requests, and two sessions never take turns at an interaction;
//! - each request of a node about an interaction comes to the server that has it;
//! - what one node has is handed out to nobody else, until there is a good reason (`leases`);
//! - no session fails, no task panics, and nothing is left behind, in `orchestration_system` least of all.
//!
//! What is real: `jackfield-node`, `jackfield-strategy`, `jackfield-routing`, `jackfield-link`, the core of
//! `jackfield-server`, the journal's handle. What is not: SQLite ([`jackfield_journal::MemoryJournal`] passes
//! its tests), gRPC, threads. Not simulated yet: a node that
//! is frozen and wakes up, and a cache of instances that is full.
//!
//! One thing is known and allowed for: a server that has started anew gives what waits to whoever reclaims it first,
//! and does not know who had it last. Who lost it to another node before, and has not been told because it was away,
//! may have it again after a second start of the server.

mod chance;
mod clients;
mod describe;
mod disk;
mod leases;
mod ledger;
mod network;
mod node;
mod options;
mod order;
mod panics;
mod server;
mod site;
mod trace;
mod weather;

pub use options::{FAULTS, Fault, Options};
pub use site::{Kit, Report, run};
pub use trace::Trace;
