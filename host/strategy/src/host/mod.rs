//! The host functions: one file for each interface of the contract, and one for WASI.
//!
//! Functions that ask for something only add to the turn (see [`Active::ask`]); nothing leaves
//! before the turn ends.
//!
//! [`Active::ask`]: crate::active::Active::ask

mod events;
mod facts;
mod files;
mod http;
mod interactions;
mod log;
mod messages;
mod routing;
mod session;
mod timers;
mod types;
mod virtual_queues;
pub(crate) mod wasi;
