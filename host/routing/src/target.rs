//! Targets: what an interaction may be routed to, as asked and as understood.

use std::fmt;

use crate::directory::Directory;
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
}

impl fmt::Display for Target {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.kind {
            TargetKind::Agent => "agent",
            TargetKind::Place => "place",
            TargetKind::AgentGroup => "agent group",
            TargetKind::Skill => "skill expression",
        };
        write!(formatter, "{kind} `{}`", self.name)
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

/// Who is asked whether a target means them.
pub(crate) struct Candidate<'a> {
    pub(crate) agent: &'a str,
    pub(crate) place: &'a str,
}

/// A list of targets, understood.
#[derive(Debug)]
pub(crate) struct Targets {
    list: Vec<(Target, Option<SkillExpression>)>,
}

impl Targets {
    /// `present` says whether an agent without configuration is logged in.
    pub(crate) fn understand(
        targets: &[Target],
        directory: &Directory,
        present: impl Fn(&str) -> bool,
    ) -> Result<Targets, TargetError> {
        match targets.len() {
            0 => return Err(TargetError::None),
            1..=TARGETS_PER_SUBMIT => {}
            more => return Err(TargetError::TooMany(more)),
        }
        let mut list = Vec::with_capacity(targets.len());
        for target in targets {
            let expression = match target.kind {
                TargetKind::Agent if directory.agent(&target.name).is_none() && !present(&target.name) => {
                    return Err(TargetError::UnknownAgent(target.name.clone()));
                }
                TargetKind::AgentGroup if !directory.has_group(&target.name) => {
                    return Err(TargetError::UnknownAgentGroup(target.name.clone()));
                }
                TargetKind::Skill => Some(
                    SkillExpression::parse(&target.name)
                        .map_err(|error| TargetError::Skill { text: target.name.clone(), error })?,
                ),
                TargetKind::Agent | TargetKind::Place | TargetKind::AgentGroup => None,
            };
            list.push((target.clone(), expression));
        }
        Ok(Targets { list })
    }

    /// The first target that means this agent.
    pub(crate) fn fit(&self, candidate: &Candidate<'_>, directory: &Directory) -> Option<&Target> {
        let profile = directory.agent(candidate.agent);
        self.list
            .iter()
            .find(|(target, expression)| match (target.kind, expression) {
                (TargetKind::Agent, _) => target.name == candidate.agent,
                (TargetKind::Place, _) => target.name == candidate.place,
                (TargetKind::AgentGroup, _) => profile.is_some_and(|profile| profile.groups.contains(&target.name)),
                (TargetKind::Skill, Some(expression)) => {
                    profile.is_some_and(|profile| expression.matches(|skill| profile.level(skill)))
                }
                (TargetKind::Skill, None) => false,
            })
            .map(|(target, _)| target)
    }
}
