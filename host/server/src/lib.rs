//! An Interaction Server: it keeps interactions, and hands each to one client at a time.
//!
//! In the order data flows: the *transport* reads frames from clients and passes their requests to
//! one thread, the *core*; that is a pure state machine over what is in memory (who is connected, what
//! waits, who holds what). Each change of durable state goes to the *store*'s writer thread, which
//! commits whatever has gathered; what the core answers waits for that commit, so nobody ever sees
//! what is not on disk.
//!
//! How things end: a client that goes away, in good order or not, gives back what it holds; what a
//! router held when its connection broke is kept for it for a while, so that it can reclaim it. A store
//! that fails ends every connection, is opened again, and loaded again; nothing that was acknowledged
//! is lost by it. [`Server::shutdown`] commits what was taken in and ends the threads.

mod capacity;
mod core;
mod gate;
pub mod machine;
mod runner;
mod server;
mod settings;
pub mod store;
mod transport;
mod view;

pub use capacity::{CapacityRule, CapacityRules, DefaultCapacity};
pub use server::{Health, OpenError, Server, Warning};
pub use settings::*;
pub use store::{Store, StoreError, sqlite::SqliteStore};
pub use view::{ViewProblem, Views, ViewsError, problems as view_problems};
