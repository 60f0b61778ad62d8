//! A node: it pulls interactions from Interaction Servers, runs a strategy for each, and sends what
//! the strategies ask for over the link the interaction came from.
//!
//! ```text
//!            ┌───────────── link task (one for each Interaction Server) ─────────────┐
//! pulling ──▶│ sessions · requests · targets · endings, over one connection          │◀── turns of sessions
//!            └───────────────────────────────────────────────────────────────────────┘
//! ```
//!
//! One task owns a link and everything that came over it: an interaction, its session and all
//! requests about it never leave that task, so affinity needs no look-up and no lock. What links
//! share is small: the pull scheduler (`pulling`), the directory of sessions, and counters.

mod changes;
mod endings;
mod facts;
mod failures;
mod link;
mod messages;
mod node;
mod pulling;
mod pulls;
mod requests;
mod sessions;
mod settings;
mod shared;
mod status;
mod targets;

pub use failures::HostError;
pub use node::{Node, StartError};
pub use settings::{AgentSettings, LinkSettings, Options, Settings, StrategySettings};
pub use status::{
    CounterStatus, LinkStatus, NodeStatus, PullState, PullStatus, SessionState, SessionStatus, ShutdownReport,
};
