//! What is configured and may change while a node runs: options, agents, what strategies look up, and which of them
//! are pulled for. Links and strategies themselves are those of the start.
//!
//! Owned by [`Shared`](crate::shared::Shared): whoever needs an option asks for it at that moment, and links are told
//! of a change. Ends with the node.

use std::sync::Arc;

use jackfield_link::Reconnect;
use jackfield_routing::{AgentProfile, Directory as Agents};

use crate::facts::Said;
use crate::node::Node;
use crate::pulling::PullOptions;
use crate::settings::{AgentSettings, Options, Settings};
use crate::virtual_queues::Objects;

pub(crate) struct Live {
    pub options: Options,
    pub agents: Vec<AgentSettings>,
    pub objects: Objects,
}

impl Live {
    pub fn of(settings: &Settings) -> Live {
        Live { options: settings.options.clone(), agents: settings.agents.clone(), objects: settings.objects.clone() }
    }

    /// The pauses of links that are lost.
    pub fn reconnect(&self) -> Reconnect {
        Reconnect { first: self.options.reconnect_first, max: self.options.reconnect_max }
    }

    /// The agents, for target selection.
    pub fn directory(&self) -> Agents {
        let profile = |agent: &AgentSettings| {
            let groups = agent.groups.iter().cloned().collect();
            (agent.id.clone(), AgentProfile { skills: agent.skills.clone(), groups })
        };
        self.agents.iter().map(profile).collect()
    }
}

/// What the pull scheduler works by.
pub(crate) fn pull_options(options: &Options) -> PullOptions {
    PullOptions {
        max_sessions: options.max_sessions.max(1),
        pull_count: usize::try_from(options.pull_count).unwrap_or(usize::MAX).max(1),
        max_delay: options.max_pull_delay,
        interval: options.mcr_pull_interval,
        error_rest: options.mcr_pull_after_error_timeout,
        pause_first: options.reconnect_first,
        pause_max: options.reconnect_max,
    }
}

impl Node {
    /// Goes on with other settings, as far as a running node can: options, agents, lists; and of the strategies it
    /// was started with their parameters, the most sessions of each, and whether they are enabled. Links, and which
    /// strategies there are, stay as they were at the start.
    pub fn set_settings(&self, settings: &Settings) {
        let shared = self.shared();
        let (lists, calendar) = (Arc::new(settings.lists.clone()), Arc::new(settings.calendar.clone()));
        let said = |name: &str| settings.strategies.iter().find(|strategy| strategy.name == name);
        // One that is not configured any more stays as it is.
        let strategies: Vec<_> = shared.settings.strategies.iter().map(|own| said(&own.name).unwrap_or(own)).collect();
        for (facts, strategy) in shared.facts.iter().zip(&strategies) {
            let parameters = strategy.parameters.clone();
            facts.set(Said { lists: lists.clone(), calendar: calendar.clone(), parameters });
        }
        shared.live.send_replace(Arc::new(Live::of(settings)));
        let limits: Vec<usize> = strategies.iter().map(|strategy| strategy.max_sessions).collect();
        shared.pulls.tell(|pulls| {
            pulls.set_options(pull_options(&settings.options), &limits);
            for (index, strategy) in strategies.iter().enumerate() {
                pulls.set_enabled(index, strategy.enabled);
            }
        });
    }
}
