//! A whole site in one thread, on a clock that stands still while anybody has something to do: the real node
//! with its engine and strategies, the real core of an Interaction Server, and between them a network, disks
//! and people that do what one seed says. A seed that fails is run again, and fails again.
//!
//! A run has two phases. While it is stormy faults strike: at moments of their own, on the way of a frame, and
//! before and after commits. Then it is calm, and everything must come to its end within
//! [`Options::patience`]. The checkers (`ledger`) look on all the time; what they must see:
//!
//! - what was acknowledged ends exactly once, and nothing is made of a submission but one interaction;
//! - each thing a strategy brings about happens once for each decision: messages made, messages sent, places;
//! - a key never comes with two requests, and two sessions never take turns at an interaction;
//! - no session fails, no task panics, and nothing is left behind.
//!
//! What is real: `jackfield-node`, `jackfield-strategy`, `jackfield-routing`, `jackfield-link`, the core of
//! `jackfield-server`, the journal's handle. What is not: SQLite ([`jackfield_journal::MemoryJournal`] passes
//! its tests), gRPC, threads. Not simulated yet: two nodes at one server, two servers at one node, a node that
//! is frozen and wakes up, and a cache of instances that is full.
//!
//! Interactions that a message left in `orchestration_system` are counted and are no failure: a node that
//! crashes, or whose server does, between having one made and taking it away does not look for it again.

mod chance;
mod clients;
mod describe;
mod disk;
mod ledger;
mod network;
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
