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
//!    media, named by one of its targets whose threshold holds, not excluded for it.
//! 3. Of the interactions that could take a free agent, the one with the highest priority does, as it has grown by then,
//!    and among equals the one that waits longest.
//! 4. Of those an interaction could go to, its [`Choice`] decides: the target that stands first where nothing else is
//!    said, and of its agents the least loaded, and among equals the one ready for the longest (the default statistic
//!    `StatAgentLoading`, reference page *URS routing for multimedia*). A queue or a workbin always has room.
//! 5. No interaction waits while an agent who fits is free; for what hangs on a threshold, not for longer than a second.
//! 6. Every submit ends exactly once: assigned and delivered, found, placed, timed out, cancelled, removed,
//!    or with its link.

mod choice;
mod day;
mod directory;
mod lane;
mod selection;
mod skill;
mod statistic;
mod target;
mod target_text;

pub use choice::{AGING_EVERY_LEAST, Aging, Choice, Order, STEPS_PER_SUBMIT, Step};
pub use day::{ARRIVALS_MOST, Day, DayError, DayReport, HOURS, Kind, KindReport, Spread, Worker, WorkerReport};
pub use directory::{AgentProfile, Directory};
pub use selection::{
    Activity, AgentState, Assigned, CancelError, Candidate, Decided, LinkId, MediaState, Output, Placed, RouteId,
    Selection, Standing, Submit, SubmitError, Verdict, Why, WhyTarget,
};
pub use skill::{SKILL_EXPRESSION_BYTES, SKILL_EXPRESSION_DEPTH, SkillError, SkillExpression};
pub use statistic::{Of, STATISTICS, Statistic, Unit, find as find_statistic};
pub use target::{TARGETS_PER_SUBMIT, Target, TargetError, TargetKind};
pub use target_text::{Meant, TARGET_TEXT_BYTES, TargetTextError, Threshold, WrittenTarget};
