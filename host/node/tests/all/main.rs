//! The node against real Interaction Servers in this process, with real strategies.

#![allow(clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod agents;
mod endings;
mod links;
mod pulls;
mod support;
