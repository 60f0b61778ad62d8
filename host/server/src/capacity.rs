//! Capacity rules: how many interactions of each media type an agent takes at once.
//!
//! They are applied here and nowhere else: at the agent's login, to what is reported of the agent from then on and what an
//! invitation has to fit into. Routers go by what is reported.

use std::collections::BTreeMap;

/// Media type, and interactions at once.
pub type CapacityRule = Vec<(String, u32)>;

/// The rules of a site beside those of its agents. For each media type the agent's own rule says, then that of the place
/// where the agent logs in, then the tenant's, then the default (reference page, *URS routing for multimedia*).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CapacityRules {
    /// By place.
    pub places: BTreeMap<String, CapacityRule>,
    /// For everybody.
    pub tenant: CapacityRule,
    /// Where no rule says anything.
    pub default: DefaultCapacity,
}

/// What an agent takes of which no rule says anything.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DefaultCapacity {
    /// One interaction of each media type.
    #[default]
    Multimedia,
    /// The vendor's built-in rule: one voice call, and nothing else.
    OneVoiceCall,
}

impl CapacityRules {
    /// Interactions of this media type that an agent with this rule takes at this place. `asked` is what the agent's
    /// application asked for, 0: nothing; it may be less than the rule says, not more.
    pub fn capacity(&self, agent: &[(String, u32)], place: &str, media_type: &str, asked: u32) -> u32 {
        let at_place = self.places.get(place).map(Vec::as_slice).unwrap_or_default();
        let rules = [agent, at_place, &self.tenant];
        let mut said = rules.iter().filter_map(|rule| rule.iter().find(|(media, _)| media == media_type));
        match (said.next(), asked, self.default) {
            (Some((_, capacity)), 0, _) => *capacity,
            (Some((_, capacity)), asked, _) => asked.min(*capacity),
            (None, 0, DefaultCapacity::Multimedia) => 1,
            (None, asked, DefaultCapacity::Multimedia) => asked,
            (None, _, DefaultCapacity::OneVoiceCall) => u32::from(media_type == "voice"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(rule: &[(&str, u32)]) -> CapacityRule {
        rule.iter().map(|(media, count)| ((*media).to_owned(), *count)).collect()
    }

    #[test]
    fn the_agent_says_first_then_the_place_then_the_tenant_then_the_default() {
        let mut rules = CapacityRules {
            places: BTreeMap::from([("desk".to_owned(), rule(&[("email", 4), ("chat", 5)]))]),
            tenant: rule(&[("email", 6), ("chat", 7), ("sms", 8)]),
            default: DefaultCapacity::Multimedia,
        };
        let agent = rule(&[("email", 2), ("fax", 0)]);
        let capacity = |rules: &CapacityRules, place, media| rules.capacity(&agent, place, media, 0);
        let media = ["email", "chat", "sms", "fax", "voice"];
        assert_eq!(media.map(|media| capacity(&rules, "desk", media)), [2, 5, 8, 0, 1]);
        assert_eq!(media.map(|media| capacity(&rules, "elsewhere", media)), [2, 7, 8, 0, 1]);
        assert_eq!(rules.capacity(&agent, "desk", "chat", 3), 3, "less may be asked for");
        assert_eq!(rules.capacity(&agent, "desk", "chat", 9), 5, "and not more");
        assert_eq!(rules.capacity(&[], "", "letter", 9), 9, "where no rule says so");
        rules.default = DefaultCapacity::OneVoiceCall;
        assert_eq!(["voice", "letter", "sms"].map(|media| capacity(&rules, "desk", media)), [1, 0, 8]);
        assert_eq!(rules.capacity(&[], "", "letter", 9), 0);
    }
}
