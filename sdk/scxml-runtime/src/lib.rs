//! Runs compiled SCXML documents.

mod content;
mod data;
mod datum;
mod event;
mod fast;
mod fault;
mod host;
mod http;
mod invoke;
mod limits;
mod machine;
mod modules;
mod platform;
mod reference;
mod send;
mod session;
mod shared;
mod steps;

pub use datum::Datum;
pub use host::{Environment, LogLine, Post, Step, TraceLine};
pub use http::HttpRequest;
pub use limits::{Failure, Limits};
pub use machine::{Machine, MachineOf, ReferenceMachine, Status};
pub use platform::*;
