//! Sessions and plugins, from outside: one module a topic, guests from `../../guests/examples`.

// Clippy's leave for tests does not reach the helpers of an integration test.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod capacity;
mod compiling;
mod cost;
mod hostile;
mod loading;
mod misfits;
mod policy;
mod refusals;
mod sandbox;
mod support;
mod survival;
mod turns;
mod versions;
mod virtual_queues;
