//! The node against real Interaction Servers in this process, with real strategies.

mod agents;
mod endings;
mod links;
mod pulls;
mod support;
