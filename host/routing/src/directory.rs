//! Who the agents are: their skills and groups, as the configuration says, and an index over them.
//!
//! Every agent has a number, and a set of agents is a set of bits. What a skill expression or a group means is worked out
//! once, as such a set; after that, asking whether an agent fits is looking at one bit, and asking who of those who are
//! free fits is comparing words. Configured agents come first, in the order of their employee ids; one who is not
//! configured, and logs in all the same, is numbered then, and has neither skills nor groups. What is configured changes
//! as a whole; a number once given stays.
//!
//! Who is there at this moment is another matter (`lane`).

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use fixedbitset::FixedBitSet;

use crate::skill::{Comparison, SkillExpression};

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

/// An agent's number in a directory.
pub(crate) type AgentNumber = usize;
/// Agents by their numbers.
pub(crate) type AgentSet = FixedBitSet;

/// All agents, by employee id and by number; and the places.
#[derive(Clone, Debug, Default)]
pub struct Directory {
    agents: Vec<(Arc<str>, Option<AgentProfile>)>,
    numbers: HashMap<Arc<str>, AgentNumber>,
    configured: AgentSet,
    groups: HashMap<String, AgentSet>,
    /// Of each skill: who has it, and at which level.
    skills: HashMap<String, Vec<(AgentNumber, i32)>>,
    /// Empty: there are any.
    places: HashSet<String>,
    place_groups: HashMap<String, HashSet<String>>,
}

impl Directory {
    /// The same with these places, each with the place groups it is in. Where there are none, any place is one.
    #[must_use]
    pub fn with_places<'a>(
        mut self,
        places: impl IntoIterator<Item = (&'a str, impl IntoIterator<Item = &'a str>)>,
    ) -> Directory {
        for (place, groups) in places {
            self.places.insert(place.to_owned());
            for group in groups {
                self.place_groups.entry(group.to_owned()).or_default().insert(place.to_owned());
            }
        }
        self
    }

    /// Whether there is such a place.
    pub(crate) fn is_place(&self, place: &str) -> bool {
        self.places.is_empty() || self.places.contains(place)
    }

    /// The places in this group; none: there is no such group.
    pub(crate) fn place_group(&self, name: &str) -> Option<&HashSet<String>> {
        self.place_groups.get(name)
    }

    /// Everybody who has a number.
    pub(crate) fn count(&self) -> usize {
        self.agents.len()
    }

    /// The agent with this number.
    pub(crate) fn name(&self, agent: AgentNumber) -> Option<&Arc<str>> {
        self.agents.get(agent).map(|(id, _)| id)
    }

    /// The number of the agent with this employee id.
    pub(crate) fn number(&self, id: &str) -> Option<AgentNumber> {
        self.numbers.get(id).copied()
    }

    /// The same; an agent nobody has heard of gets one.
    pub(crate) fn meet(&mut self, id: &str) -> AgentNumber {
        if let Some(number) = self.number(id) {
            return number;
        }
        let (number, id) = (self.agents.len(), Arc::<str>::from(id));
        self.agents.push((id.clone(), None));
        self.numbers.insert(id, number);
        number
    }

    /// What is configured of the agent with this number.
    pub(crate) fn profile(&self, agent: AgentNumber) -> Option<&AgentProfile> {
        self.agents.get(agent).and_then(|(_, profile)| profile.as_ref())
    }

    /// Whether an agent is configured.
    pub(crate) fn is_configured(&self, id: &str) -> bool {
        self.number(id).is_some_and(|agent| self.configured.contains(agent))
    }

    /// Everybody in this group; none: there is no such group.
    pub(crate) fn group(&self, name: &str) -> Option<&AgentSet> {
        self.groups.get(name)
    }

    /// Everybody whose skills satisfy this expression.
    pub(crate) fn matching(&self, expression: &SkillExpression) -> AgentSet {
        expression.select(&|skill, comparison, level| self.comparing(skill, comparison, level))
    }

    /// What is configured has changed. Everybody keeps the number, also those who are not configured any more.
    pub(crate) fn change(&mut self, to: Directory) {
        for (_, profile) in &mut self.agents {
            *profile = None;
        }
        for (id, profile) in to.agents {
            let number = self.meet(&id);
            if let Some((_, of)) = self.agents.get_mut(number) {
                *of = profile;
            }
        }
        (self.places, self.place_groups) = (to.places, to.place_groups);
        self.index();
    }

    fn index(&mut self) {
        let count = self.agents.len();
        self.configured = AgentSet::with_capacity(count);
        self.groups.clear();
        self.skills.clear();
        for (number, (_, profile)) in self.agents.iter().enumerate() {
            let Some(profile) = profile else { continue };
            self.configured.insert(number);
            for group in &profile.groups {
                let members = || AgentSet::with_capacity(count);
                self.groups.entry(group.clone()).or_insert_with(members).insert(number);
            }
            for (skill, level) in &profile.skills {
                self.skills.entry(skill.clone()).or_default().push((number, *level));
            }
        }
    }

    fn comparing(&self, skill: &str, comparison: Comparison, level: i32) -> AgentSet {
        // Whoever does not have it has it at level 0.
        let mut set = if comparison.holds(0, level) {
            self.configured.clone()
        } else {
            AgentSet::with_capacity(self.agents.len())
        };
        for &(agent, has) in self.skills.get(skill).into_iter().flatten() {
            set.set(agent, comparison.holds(has, level));
        }
        set
    }
}

impl FromIterator<(String, AgentProfile)> for Directory {
    fn from_iter<I: IntoIterator<Item = (String, AgentProfile)>>(agents: I) -> Self {
        let agents: BTreeMap<String, AgentProfile> = agents.into_iter().collect();
        let mut directory = Directory::default();
        for (id, profile) in agents {
            let id = Arc::<str>::from(id);
            directory.numbers.insert(id.clone(), directory.agents.len());
            directory.agents.push((id, Some(profile)));
        }
        directory.index();
        directory
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SKILLS: [&str; 3] = ["a", "b", "c"];

    fn expression() -> impl Strategy<Value = String> {
        let sign = prop::sample::select(vec!["=", "!=", "<", "<=", ">", ">="]);
        let leaf = (prop::sample::select(SKILLS.to_vec()), sign, -1..4i32)
            .prop_map(|(skill, sign, level)| format!("{skill} {sign} {level}"));
        leaf.prop_recursive(3, 12, 3, |inner| {
            (prop::collection::vec(inner, 1..4), any::<bool>())
                .prop_map(|(terms, all)| format!("({})", terms.join(if all { " & " } else { " | " })))
        })
    }

    proptest! {
        #[test]
        fn the_index_says_what_each_agent_would(
            levels in prop::collection::vec(prop::collection::btree_map(prop::sample::select(SKILLS.to_vec()), -1..4i32, 0..3), 0..80),
            text in expression(),
        ) {
            let expression = SkillExpression::parse(&text).expect("an expression");
            let profile = |levels: &BTreeMap<&str, i32>| AgentProfile {
                skills: levels.iter().map(|(skill, level)| ((*skill).to_owned(), *level)).collect(),
                groups: BTreeSet::new(),
            };
            let mut directory: Directory =
                levels.iter().enumerate().map(|(index, levels)| (format!("agent-{index}"), profile(levels))).collect();
            let stranger = directory.meet("stranger");
            let matching = directory.matching(&expression);
            for (index, levels) in levels.iter().enumerate() {
                let number = directory.number(&format!("agent-{index}")).expect("it is configured");
                let fits = expression.matches(|skill| levels.get(skill).copied().unwrap_or(0));
                prop_assert_eq!(matching.contains(number), fits, "{} {:?}", text, levels);
            }
            prop_assert!(!matching.contains(stranger));
        }
    }
}
