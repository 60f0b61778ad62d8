//! What the reporting of the link says of agents.

use jackfield_protocol::v1::{AgentState as Reported, EventReporting, ReportingName};
use jackfield_routing::{Activity, AgentState, MediaState};

use crate::link::LinkTask;

impl LinkTask {
    /// Who is logged in at this moment.
    pub(crate) fn agent_states(&mut self, agents: Vec<Reported>) {
        self.agents_are_at(&agents);
        let states: Vec<AgentState> = agents.into_iter().map(agent_state).collect();
        self.agents = states.iter().filter(|state| !state.media.is_empty()).map(|state| state.agent.clone()).collect();
        self.selection().agents(self.now, self.link_id(), &states);
        self.selected();
    }

    /// A reporting event: agents, and what happens in `orchestration_system`.
    pub(crate) fn reporting(&mut self, event: EventReporting) {
        let name = event.name();
        if let Some(reported) = event.agent_state.clone() {
            self.agent_is_at(&reported);
            let mut state = agent_state(reported);
            if name == ReportingName::AgentLoggedOut {
                state.media.clear();
            }
            if state.media.is_empty() {
                self.agents.remove(&state.agent);
            } else {
                self.agents.insert(state.agent.clone());
            }
            self.selection().agent(self.now, self.link_id(), &state);
            self.selected();
        }
        if event.queue == jackfield_protocol::ORCHESTRATION_SYSTEM {
            self.heard_of_orchestration_system(&event);
        }
    }
}

fn agent_state(reported: Reported) -> AgentState {
    let activity = Activity {
        at: reported.at,
        logged_in_at: reported.logged_in_at,
        busy: reported.busy_ms,
        answered: reported.answered,
        completed: reported.completed,
        handling: reported.handling_ms,
    };
    AgentState {
        activity,
        agent: reported.agent,
        place: reported.place,
        media: reported
            .media
            .into_iter()
            .map(|media| MediaState {
                media_type: media.media_type,
                ready: media.ready,
                capacity: media.capacity,
                busy: media.busy,
                ready_since: media.ready_since,
            })
            .collect(),
    }
}
