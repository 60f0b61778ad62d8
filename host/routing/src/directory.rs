//! What the configuration says about agents: skills and groups. It changes as a whole;
//! who is there at this moment is another matter (`lane`).

use std::collections::{BTreeMap, BTreeSet, HashMap};

/// One configured agent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AgentProfile {
    /// Skill name and level.
    pub skills: BTreeMap<String, i32>,
    /// Agent groups the agent is in.
    pub groups: BTreeSet<String>,
}

impl AgentProfile {
    /// The level of a skill; 0 for one the agent does not have.
    pub fn level(&self, skill: &str) -> i32 {
        self.skills.get(skill).copied().unwrap_or(0)
    }
}

/// All configured agents, by employee id.
#[derive(Clone, Debug, Default)]
pub struct Directory {
    agents: HashMap<String, AgentProfile>,
    groups: BTreeSet<String>,
}

impl Directory {
    /// The agent with this employee id.
    pub fn agent(&self, id: &str) -> Option<&AgentProfile> {
        self.agents.get(id)
    }

    /// Whether any agent is in this group.
    pub fn has_group(&self, name: &str) -> bool {
        self.groups.contains(name)
    }
}

impl FromIterator<(String, AgentProfile)> for Directory {
    fn from_iter<I: IntoIterator<Item = (String, AgentProfile)>>(agents: I) -> Self {
        let agents: HashMap<String, AgentProfile> = agents.into_iter().collect();
        let groups = agents.values().flat_map(|profile| profile.groups.iter().cloned()).collect();
        Directory { agents, groups }
    }
}
