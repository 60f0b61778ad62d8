//! What target selection is told, and what it answers.

use std::time::{Duration, Instant};

use crate::choice::{Aging, Choice, Step};
use crate::target::{Target, TargetError};

/// Names a link: its place in the configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LinkId(pub usize);

/// Names a submit. Chosen by the caller, never used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RouteId(pub u64);

/// An interaction that needs a target.
#[derive(Clone, Debug)]
pub struct Submit {
    /// Names it from now on.
    pub route: RouteId,
    /// The link the interaction came from; only agents there can get it.
    pub link: LinkId,
    /// Its id, unique on its link.
    pub interaction: String,
    /// Its media type.
    pub media_type: String,
    /// Name of the virtual queue it waits in.
    pub virtual_queue: Option<String>,
    /// Larger is served first.
    pub priority: i32,
    /// Since when it waits, in milliseconds of any clock; less is served first among equals.
    pub since: i64,
    /// How long ago this was submitted: what grows and widens with time goes on from there.
    pub waited: Duration,
    /// What it may go to.
    pub targets: Vec<Target>,
    /// Which of those that fit.
    pub choice: Choice,
    /// Priority that grows.
    pub aging: Option<Aging>,
    /// Later targets, each later than the one before; at most [`STEPS_PER_SUBMIT`](crate::STEPS_PER_SUBMIT).
    pub relaxation: Vec<Step>,
    /// Ends the wait; none: never. It does not end a delivery under way.
    pub deadline: Option<Instant>,
    /// false: when the deadline has ended it, the targets stay with the interaction, and the next submit of it waits
    /// for them too, until one of its submits is cancelled. Of those, as many as a submit may have.
    pub clear_on_timeout: bool,
    /// true: the agent is reserved for a delivery. false: only say who it would be.
    pub deliver: bool,
}

impl Submit {
    /// With nothing special about it: priority 0, no end, to be delivered.
    pub fn new(route: RouteId, link: LinkId, interaction: String, media_type: String, targets: Vec<Target>) -> Submit {
        Submit {
            route,
            link,
            interaction,
            media_type,
            virtual_queue: None,
            priority: 0,
            since: 0,
            waited: Duration::ZERO,
            targets,
            choice: Choice::default(),
            aging: None,
            relaxation: Vec::new(),
            deadline: None,
            clear_on_timeout: true,
            deliver: true,
        }
    }
}

/// Why a submit is refused. Nothing waits then.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SubmitError {
    /// The targets make no sense.
    #[error(transparent)]
    Target(#[from] TargetError),
    /// The interaction waits, or is being delivered, already.
    #[error("interaction `{0}` waits for a target already; cancel that first")]
    Busy(String),
    /// Its relaxation has too many steps, or one that is not later than the one before.
    #[error("relaxation has at most {} steps, each later than the one before", crate::STEPS_PER_SUBMIT)]
    Steps,
}

/// Why nothing was cancelled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CancelError {
    /// It never was, or has ended.
    #[error("nothing with this id waits for a target")]
    Unknown,
    /// An agent is being invited.
    #[error("it is on its way to an agent already")]
    OnItsWay,
}

/// An agent on one link, as the Interaction Server reports it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AgentState {
    /// Employee id.
    pub agent: String,
    /// Where the agent is logged in; empty: nowhere.
    pub place: String,
    /// Media the agent has. Empty: the agent is gone.
    pub media: Vec<MediaState>,
    /// What the agent has done since the login.
    pub activity: Activity,
}

/// One media type of an agent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MediaState {
    /// Media type.
    pub media_type: String,
    /// Whether the agent takes it now.
    pub ready: bool,
    /// Interactions at once.
    pub capacity: u32,
    /// Interactions invited to, or with, the agent.
    pub busy: u32,
    /// Last time the agent became ready, or lost an interaction, by the server's clock.
    pub ready_since: i64,
}

/// What an agent has done since the login, for statistics. Times in milliseconds; moments by the server's clock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Activity {
    /// When this was so.
    pub at: i64,
    /// When the agent logged in.
    pub logged_in_at: i64,
    /// Time with an interaction at hand or offered, up to `at`.
    pub busy: i64,
    /// Interactions accepted.
    pub answered: u64,
    /// Interactions accepted and done with.
    pub completed: u64,
    /// From acceptance to the end of those, together.
    pub handling: i64,
}

/// An agent for an interaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assigned {
    /// The submit.
    pub route: RouteId,
    /// Its link.
    pub link: LinkId,
    /// Its interaction.
    pub interaction: String,
    /// Employee id.
    pub agent: String,
    /// Where the agent is.
    pub place: String,
    /// The target that fitted, as it was given.
    pub target: Target,
}

/// A queue or a workbin for an interaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placed {
    /// The submit.
    pub route: RouteId,
    /// Its link.
    pub link: LinkId,
    /// Its interaction.
    pub interaction: String,
    /// The target that fitted, as it was given.
    pub target: Target,
}

/// What a step brought about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Deliver it there. The agent is reserved until [`Selection::delivered`](crate::Selection::delivered),
    /// [`put_back`](crate::Selection::put_back) or [`remove`](crate::Selection::remove). While the invitation is out it
    /// may be part of the reported load as well, and then counts twice: rather too little for a moment than too much.
    Assign(Assigned),
    /// A submit without delivery has ended: this is who it would be.
    Found(Assigned),
    /// A submit has ended: it goes, or would go, into this queue or workbin.
    Place(Placed),
    /// A submit has ended: nobody in time.
    TimedOut {
        /// The submit.
        route: RouteId,
        /// Nobody whom its targets mean was logged in.
        nobody_logged_in: bool,
    },
    /// A submit has ended: its link is down.
    LinkDown(RouteId),
}

/// How a submit that waits stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// As it is now, with its age.
    pub priority: i32,
    /// 1: nobody who waits for one of its targets comes before it.
    pub position: usize,
    /// How long it will take to be its turn; none where there is nothing to tell it from.
    pub expected: Option<Duration>,
}
