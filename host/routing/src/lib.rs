//! Target selection: which agent gets which interaction, and when.
//!
//! Pure logic over an injected clock: it is told what agents do and what waits, and answers with
//! assignments. It knows nothing of connections, strategies or threads.
//!
//! Rules that hold after every step (and that the property tests check):
//!
//! 1. Nobody gets more interactions of a media type than the capacity reported for it; what was
//!    assigned counts on top of what is reported until its delivery has ended.
//! 2. Only an agent who fits is chosen: logged in on the interaction's own link, ready for its
//!    media, named by one of its targets, not excluded for it.
//! 3. Of the interactions that could take a free agent, the one with the highest priority does, and
//!    among equals the one that waits longest.
//! 4. Of the agents an interaction could go to, the least loaded gets it, and among equals the one
//!    ready for the longest (the default statistic `StatAgentLoading`, reference page *URS routing
//!    for multimedia*).
//! 5. No interaction waits while an agent who fits is free.
//! 6. Every submit ends exactly once: assigned and delivered, found, timed out, cancelled, removed,
//!    or with its link.

mod day;
mod directory;
mod lane;
mod selection;
mod skill;
mod target;
mod target_text;

pub use day::{ARRIVALS_MOST, Day, DayError, DayReport, HOURS, Kind, KindReport, Spread, Worker, WorkerReport};
pub use directory::{AgentProfile, Directory};
pub use selection::{
    AgentState, Assigned, CancelError, LinkId, MediaState, Output, RouteId, Selection, Submit, SubmitError,
};
pub use skill::{SKILL_EXPRESSION_BYTES, SKILL_EXPRESSION_DEPTH, SkillError, SkillExpression};
pub use target::{TARGETS_PER_SUBMIT, Target, TargetError, TargetKind};
pub use target_text::{Meant, TARGET_TEXT_BYTES, TargetTextError, Threshold, WrittenTarget};
