//! Targets: what an interaction may be routed to, as asked and as understood.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use crate::directory::{AgentNumber, AgentSet, Directory};
use crate::skill::{SkillError, SkillExpression};
use crate::statistic;
use crate::target_text::Threshold;

/// Targets one submit may name.
pub const TARGETS_PER_SUBMIT: usize = 64;

/// What a target's name means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum TargetKind {
    /// Employee id.
    Agent,
    /// Whoever is logged in at this place.
    Place,
    /// Everybody in this agent group.
    AgentGroup,
    /// Whoever is logged in at a place of this place group.
    PlaceGroup,
    /// Everybody whose skills satisfy this expression.
    Skill,
    /// An interaction queue.
    Queue,
}

impl TargetKind {
    /// In words.
    pub fn name(self) -> &'static str {
        match self {
            TargetKind::Agent => "agent",
            TargetKind::Place => "place",
            TargetKind::AgentGroup => "agent group",
            TargetKind::PlaceGroup => "place group",
            TargetKind::Skill => "skill expression",
            TargetKind::Queue => "interaction queue",
        }
    }
}

/// A target as a strategy gives it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Target {
    /// What the name means.
    pub kind: TargetKind,
    /// Employee id, place, group, queue or skill expression.
    pub name: String,
    /// Of a skill expression: only those in this agent group. The others have none.
    pub group: Option<String>,
    /// The workbin of this name that the agent, place or group owns, rather than somebody's desktop.
    pub workbin: Option<String>,
    /// It counts only while this holds of its statistic.
    pub threshold: Option<Threshold>,
    /// How much it counts among the others in the order of percentages; 0 counts like 1.
    pub weight: u32,
}

impl Target {
    /// What has this name, or satisfies this expression.
    pub fn new(kind: TargetKind, name: impl Into<String>) -> Target {
        Target { kind, name: name.into(), group: None, workbin: None, threshold: None, weight: 1 }
    }

    /// Whether it takes interactions itself, without anybody who has to be free: a queue or a workbin.
    pub fn always_takes(&self) -> bool {
        self.kind == TargetKind::Queue || self.workbin.is_some()
    }

    /// Whether both mean the same, however they count.
    pub(crate) fn is_same(&self, other: &Target) -> bool {
        (self.kind, &self.name, &self.group, &self.workbin) == (other.kind, &other.name, &other.group, &other.workbin)
    }
}

impl fmt::Display for Target {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(workbin) = &self.workbin {
            write!(formatter, "workbin `{workbin}` of ")?;
        }
        write!(formatter, "{} `{}`", self.kind.name(), self.name)?;
        if let Some(group) = &self.group {
            write!(formatter, " of agent group `{group}`")?;
        }
        match &self.threshold {
            Some(threshold) => write!(formatter, " while {threshold}"),
            None => Ok(()),
        }
    }
}

/// Why a list of targets cannot be selected from.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TargetError {
    /// There must be at least one.
    #[error("there is no target; name at least one")]
    None,
    /// More than [`TARGETS_PER_SUBMIT`].
    #[error("there are {0} targets; name at most {TARGETS_PER_SUBMIT}")]
    TooMany(usize),
    /// Neither configured nor logged in.
    #[error("agent `{0}` is not configured")]
    UnknownAgent(String),
    /// No configured agent is in it.
    #[error("agent group `{0}` has no configured agent in it")]
    UnknownAgentGroup(String),
    /// Neither configured, nor is anybody logged in there.
    #[error("place `{0}` is not configured")]
    UnknownPlace(String),
    /// No configured place is in it.
    #[error("place group `{0}` has no configured place in it")]
    UnknownPlaceGroup(String),
    /// A threshold, or an order, by something that is no statistic.
    #[error("there is no statistic `{0}`; {help}", help = statistic::names())]
    UnknownStatistic(String),
    /// Only agents, places and groups own workbins.
    #[error("{} `{name}` owns no workbin; agents, places and groups do", kind.name())]
    NoWorkbin {
        /// What was to own one.
        kind: TargetKind,
        /// Its name.
        name: String,
    },
    /// A skill expression that cannot be read.
    #[error("skill expression `{text}`: {error}")]
    Skill {
        /// The expression.
        text: String,
        /// What is wrong with it, and where.
        error: SkillError,
    },
}

/// A list of targets, understood.
#[derive(Debug)]
pub(crate) struct Targets {
    given: Arc<[Target]>,
    /// The expressions of those that are skill expressions.
    expressions: Vec<Option<SkillExpression>>,
}

/// What [`Targets::understand`] asks about those who are logged in without being configured.
pub(crate) trait Present {
    /// Whether this agent is logged in.
    fn agent(&self, id: &str) -> bool;
    /// Whether anybody is logged in at this place.
    fn place(&self, place: &str) -> bool;
}

impl Targets {
    /// Checks that whatever they name is there.
    pub(crate) fn understand(
        given: Vec<Target>,
        directory: &Directory,
        present: &impl Present,
    ) -> Result<Targets, TargetError> {
        match given.len() {
            0 => return Err(TargetError::None),
            1..=TARGETS_PER_SUBMIT => {}
            more => return Err(TargetError::TooMany(more)),
        }
        let expressions = given.iter().map(|target| understand(target, directory, present));
        let expressions = expressions.collect::<Result<Vec<_>, _>>()?;
        Ok(Targets { given: given.into(), expressions })
    }

    /// The list, as it was given.
    pub(crate) fn given(&self) -> &Arc<[Target]> {
        &self.given
    }

    /// Whether whom they mean depends on where somebody is.
    pub(crate) fn name_places(&self) -> bool {
        self.given.iter().any(|target| matches!(target.kind, TargetKind::Place | TargetKind::PlaceGroup))
    }

    /// Whether what they are good for changes with a statistic.
    pub(crate) fn have_thresholds(&self) -> bool {
        self.given.iter().any(|target| target.threshold.is_some())
    }

    /// Of each target, everybody it means wherever they are; who is meant by a place is not among them, and a queue or
    /// a workbin means nobody.
    pub(crate) fn members(&self, directory: &Directory) -> Vec<AgentSet> {
        let members = |(target, expression): (&Target, &Option<SkillExpression>)| {
            if target.always_takes() {
                return AgentSet::new();
            }
            members(target, expression.as_ref(), directory)
        };
        self.given.iter().zip(&self.expressions).map(members).collect()
    }

    /// The skills that its expressions name.
    pub(crate) fn skills(&self) -> BTreeSet<&str> {
        let mut skills = BTreeSet::new();
        for expression in self.expressions.iter().flatten() {
            expression.skills(&mut skills);
        }
        skills
    }

    /// Whether this target means this agent, who is at this place.
    pub(crate) fn means(&self, target: usize, agent: AgentNumber, place: &str, directory: &Directory) -> bool {
        let (Some(target), Some(expression)) = (self.given.get(target), self.expressions.get(target)) else {
            return false;
        };
        !target.always_takes() && means(target, expression.as_ref(), agent, place, directory)
    }
}

fn understand(
    target: &Target,
    directory: &Directory,
    present: &impl Present,
) -> Result<Option<SkillExpression>, TargetError> {
    let name = || target.name.clone();
    if let Some(group) = &target.group
        && directory.group(group).is_none()
    {
        return Err(TargetError::UnknownAgentGroup(group.clone()));
    }
    if let Some(threshold) = &target.threshold
        && statistic::find(&threshold.statistic).is_none()
    {
        return Err(TargetError::UnknownStatistic(threshold.statistic.clone()));
    }
    if target.workbin.is_some() && matches!(target.kind, TargetKind::Skill | TargetKind::Queue) {
        return Err(TargetError::NoWorkbin { kind: target.kind, name: name() });
    }
    match target.kind {
        TargetKind::Agent if !directory.is_configured(&target.name) && !present.agent(&target.name) => {
            Err(TargetError::UnknownAgent(name()))
        }
        TargetKind::AgentGroup if directory.group(&target.name).is_none() => {
            Err(TargetError::UnknownAgentGroup(name()))
        }
        TargetKind::Place if !directory.is_place(&target.name) && !present.place(&target.name) => {
            Err(TargetError::UnknownPlace(name()))
        }
        TargetKind::PlaceGroup if directory.place_group(&target.name).is_none() => {
            Err(TargetError::UnknownPlaceGroup(name()))
        }
        TargetKind::Skill => match SkillExpression::parse(&target.name) {
            Ok(expression) => Ok(Some(expression)),
            Err(error) => Err(TargetError::Skill { text: name(), error }),
        },
        _ => Ok(None),
    }
}

/// Everybody a target means wherever they are.
pub(crate) fn members(target: &Target, expression: Option<&SkillExpression>, directory: &Directory) -> AgentSet {
    let mut all = AgentSet::new();
    match (target.kind, expression) {
        (TargetKind::Agent, _) => {
            if let Some(agent) = directory.number(&target.name) {
                all.grow_and_insert(agent);
            }
        }
        (TargetKind::AgentGroup, _) => {
            if let Some(members) = directory.group(&target.name) {
                all.union_with(members);
            }
        }
        (TargetKind::Skill, Some(expression)) => {
            all = directory.matching(expression);
            if let Some(members) = target.group.as_deref().and_then(|group| directory.group(group)) {
                all.intersect_with(members);
            }
        }
        (TargetKind::Place | TargetKind::PlaceGroup | TargetKind::Queue | TargetKind::Skill, _) => {}
    }
    all
}

/// Whether a target means this agent, who is at this place.
pub(crate) fn means(
    target: &Target,
    expression: Option<&SkillExpression>,
    agent: AgentNumber,
    place: &str,
    directory: &Directory,
) -> bool {
    let profile = directory.profile(agent);
    match (target.kind, expression) {
        (TargetKind::Agent, _) => directory.name(agent).is_some_and(|id| **id == *target.name),
        (TargetKind::Place, _) => target.name == place,
        (TargetKind::PlaceGroup, _) => directory.place_group(&target.name).is_some_and(|group| group.contains(place)),
        (TargetKind::AgentGroup, _) => profile.is_some_and(|profile| profile.groups.contains(&target.name)),
        (TargetKind::Skill, Some(expression)) => profile.is_some_and(|profile| {
            target.group.as_ref().is_none_or(|group| profile.groups.contains(group))
                && expression.matches(|skill| profile.level(skill))
        }),
        (TargetKind::Skill, None) | (TargetKind::Queue, _) => false,
    }
}
