//! A node: it pulls interactions from Interaction Servers, runs a strategy for each, and sends what
//! the strategies ask for over the link the interaction came from.
//!
//! ```text
//!            ┌───────────── link task (one for each Interaction Server) ─────────────┐
//! pulling ──▶│ sessions · requests · targets · endings, over one connection          │◀── turns of sessions
//!            └───────────────────────────────────────────────────────────────────────┘
//! ```
//!
//! What sessions do is recorded (`recording`), so that they survive the node: at the start those that have
//! not ended go on (`recovery`). A link that comes up, for the first time or again, first catches up with
//! what was under way (`reclaim`).
//!
//! One task owns a link and everything that came over it: an interaction, its session and all
//! requests about it never leave that task, so affinity needs no look-up and no lock. What links
//! share is small: the pull scheduler (`pulling`), the directory of sessions, and counters.

mod by_id;
mod calendar;
mod card;
mod changes;
mod clean_up;
mod endings;
mod facts;
mod failures;
mod fetches;
mod held;
mod http;
mod link;
mod live;
mod messages;
mod moves;
mod node;
mod pulling;
mod pulls;
mod reclaim;
mod recording;
mod recovery;
mod requests;
mod sent_off;
mod services;
mod sessions;
mod settings;
mod shadow;
mod shared;
mod status;
mod targets;
mod virtual_queues;
mod written_targets;

pub use calendar::{BusinessHours, Calendar, Hours, Opening, SpecialDay};
pub use failures::HostError;
pub use http::check_host as check_http_host;
pub use moves::{Fate, MoveError, MoveProgress, Moving, Tried, can_go_on};
pub use node::{Node, SendError, StartError};
pub use settings::{AgentSettings, LinkSettings, Options, Settings, StrategySettings, ViewSettings};
pub use status::{
    CounterStatus, JournalStatus, LinkStatus, NodeStatus, PullState, PullStatus, SessionState, SessionStatus,
    ShutdownReport,
};
pub use virtual_queues::{ObjectKind, Objects, ReportTargets};
