//! One connection to one Interaction Server.
//!
//! Nodes, agents, media servers and the command line all talk to a server through this crate, over
//! TCP or through pipes inside one process; the server cannot tell which. [`Client`] is one
//! registered client on one stream: it pairs replies with requests, batches what is sent, and ends
//! with its stream. [`Link`] opens a new client, with pauses that grow, whenever the one before has
//! ended.
//!
//! How a client ends: [`Client::close`] is called, the last clone of it is dropped, the stream breaks,
//! the server stops answering keep-alive pings ([`KEEP_ALIVE`]), or nobody reads its events for
//! [`EVENTS_UNREAD_FOR`]. Each request in flight then fails with [`LinkError::Down`]: whether the server
//! has done it is not known, so what must happen once carries an idempotency key.

mod client;
mod direct;
mod endpoint;
mod error;
mod frames;
mod pending;
mod reconnect;

pub use client::{Client, EVENTS_UNREAD_FOR, EVENTS_WAITING, REGISTER_WITHIN};
pub use direct::{Connect, Connecting, Connection, Direct};
pub use endpoint::{CONNECT_WITHIN, Endpoint, InProcess, KEEP_ALIVE, PIPE_BYTES, WINDOW_BYTES};
pub use error::LinkError;
pub use frames::FRAME_TARGET_BYTES;
pub use pending::{REQUESTS_IN_FLIGHT, Reply, SEND_BUFFER_BYTES};
pub use reconnect::{Link, LinkEvent, Reconnect};
