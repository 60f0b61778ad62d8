//! The node against real Interaction Servers in this process, with real strategies.

#![allow(clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod agents;
mod changes;
mod deliveries;
mod endings;
mod http;
mod http_server;
mod https;
mod journal;
mod legacy;
mod links;
mod losses;
mod media_server;
mod messages;
mod nodes;
mod orchestration_system;
mod plugins;
mod pulls;
mod queues_and_targets;
mod support;
mod survives;
mod virtual_queues;
