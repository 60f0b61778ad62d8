//! Targets: what an interaction may be routed to, as asked and as understood.

use std::fmt;
use std::sync::Arc;

use crate::directory::{AgentNumber, AgentProfile, AgentSet, Directory};
use crate::skill::{SkillError, SkillExpression};

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
    /// Everybody whose skills satisfy this expression.
    Skill,
}

/// A target as a strategy gives it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Target {
    /// What the name means.
    pub kind: TargetKind,
    /// Employee id, place, agent group or skill expression.
    pub name: String,
    /// Of a skill expression: only those in this agent group. The others have none.
    pub group: Option<String>,
}

impl Target {
    /// What has this name, or satisfies this expression.
    pub fn new(kind: TargetKind, name: impl Into<String>) -> Target {
        Target { kind, name: name.into(), group: None }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.kind {
            TargetKind::Agent => "agent",
            TargetKind::Place => "place",
            TargetKind::AgentGroup => "agent group",
            TargetKind::Skill => "skill expression",
        };
        write!(formatter, "{kind} `{}`", self.name)?;
        match &self.group {
            Some(group) => write!(formatter, " of agent group `{group}`"),
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

impl Targets {
    /// `present` says whether an agent without configuration is logged in.
    pub(crate) fn understand(
        given: Vec<Target>,
        directory: &Directory,
        present: impl Fn(&str) -> bool,
    ) -> Result<Targets, TargetError> {
        match given.len() {
            0 => return Err(TargetError::None),
            1..=TARGETS_PER_SUBMIT => {}
            more => return Err(TargetError::TooMany(more)),
        }
        let mut expressions = Vec::with_capacity(given.len());
        for target in &given {
            if let Some(group) = &target.group
                && directory.group(group).is_none()
            {
                return Err(TargetError::UnknownAgentGroup(group.clone()));
            }
            let expression = match target.kind {
                TargetKind::Agent if !directory.is_configured(&target.name) && !present(&target.name) => {
                    return Err(TargetError::UnknownAgent(target.name.clone()));
                }
                TargetKind::AgentGroup if directory.group(&target.name).is_none() => {
                    return Err(TargetError::UnknownAgentGroup(target.name.clone()));
                }
                TargetKind::Skill => Some(
                    SkillExpression::parse(&target.name)
                        .map_err(|error| TargetError::Skill { text: target.name.clone(), error })?,
                ),
                TargetKind::Agent | TargetKind::Place | TargetKind::AgentGroup => None,
            };
            expressions.push(expression);
        }
        Ok(Targets { given: given.into(), expressions })
    }

    /// The list, as it was given.
    pub(crate) fn given(&self) -> &Arc<[Target]> {
        &self.given
    }

    /// Whether whom they mean depends on where somebody is.
    pub(crate) fn name_places(&self) -> bool {
        self.given.iter().any(|target| target.kind == TargetKind::Place)
    }

    /// Everybody they mean, wherever they are; who is meant by a place is not among them.
    pub(crate) fn everybody(&self, directory: &Directory) -> AgentSet {
        let mut all = AgentSet::new();
        for (target, expression) in self.given.iter().zip(&self.expressions) {
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
                    let mut matching = directory.matching(expression);
                    if let Some(members) = target.group.as_deref().and_then(|group| directory.group(group)) {
                        matching.intersect_with(members);
                    }
                    all.union_with(&matching);
                }
                (TargetKind::Place | TargetKind::Skill, _) => {}
            }
        }
        all
    }

    /// The first target that means this agent.
    pub(crate) fn fit(&self, agent: AgentNumber, place: &str, directory: &Directory) -> Option<&Target> {
        let profile = directory.profile(agent);
        self.given
            .iter()
            .zip(&self.expressions)
            .find(|(target, expression)| match (target.kind, expression) {
                (TargetKind::Agent, _) => directory.name(agent).is_some_and(|id| **id == *target.name),
                (TargetKind::Place, _) => target.name == place,
                (TargetKind::AgentGroup, _) => profile.is_some_and(|profile| profile.groups.contains(&target.name)),
                (TargetKind::Skill, Some(expression)) => {
                    let is_in = |profile: &AgentProfile| {
                        target.group.as_ref().is_none_or(|group| profile.groups.contains(group))
                    };
                    profile.is_some_and(|profile| is_in(profile) && expression.matches(|skill| profile.level(skill)))
                }
                (TargetKind::Skill, None) => false,
            })
            .map(|(target, _)| target)
    }
}
