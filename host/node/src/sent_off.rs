//! Interactions that were on their way to an agent when a connection was lost: who had sent them off, and
//! what came of it meanwhile.

use std::sync::Arc;

use jackfield_routing::SkillExpression;
use jackfield_strategy::Request;
use jackfield_strategy::contract::{self, Destination, RouteRequest, TargetType};

use crate::link::LinkTask;
use crate::shared::count;
use crate::targets::{Delivery, Kind, destination_name, routed};

impl LinkTask {
    /// The request that had this interaction on its way to somebody when the link went down.
    fn sent_off(&self, interaction: &str) -> Option<(Arc<str>, u64, Request)> {
        let session = self.interactions.get(interaction)?;
        let (request, what) = self.sessions.get(session)?.card.find(|request| match request {
            Request::Route(route) => route.interaction == interaction && route.deliver,
            Request::Deliver { interaction: id, to: Destination::Agent(_) | Destination::Place(_) } => {
                id == interaction
            }
            _ => false,
        })?;
        Some((session.clone(), request, what))
    }

    /// An invitation made before is still open: its end will be heard here.
    pub(crate) fn is_invited(&mut self, interaction: &str) {
        let Some((session, request, what)) = self.sent_off(interaction) else {
            tracing::warn!(server = self.server, interaction, "an agent is invited, and nobody here has asked for it");
            self.lost(interaction, "it is on its way to an agent");
            return;
        };
        let kind = match what {
            Request::Route(route) => Kind::Before { route },
            Request::Deliver { to, .. } => Kind::Direct { to },
            _ => return,
        };
        self.last_delivery += 1;
        let number = self.last_delivery;
        let delivery = Delivery { number, reference_id: 0, session, request, kind, agent: String::new(), ended: None };
        self.deliveries.insert(interaction.to_owned(), delivery);
    }

    /// An agent has accepted it meanwhile, if it was on its way to one; then this is the outcome.
    pub(crate) fn is_with_agent(&mut self, interaction: &str, agent: String) -> bool {
        let Some((session, request, what)) = self.sent_off(interaction) else { return false };
        let (target, destination, virtual_queue) = match what {
            Request::Route(route) => (self.target_of(&route, &agent), Destination::Agent(agent), route.virtual_queue),
            Request::Deliver { to, .. } => (destination_name(&to), to, None),
            _ => return false,
        };
        count(&self.shared.counters.delivered);
        self.release_from(&session, interaction);
        self.routed(&session, request, routed(target, destination, virtual_queue));
        true
    }

    /// The target of a request that fits this agent, as it was given.
    pub(crate) fn target_of(&self, route: &RouteRequest, agent: &str) -> String {
        let live = self.shared.live();
        let profile = live.agents.iter().find(|profile| profile.id == agent);
        let fits = |target: &&contract::Target| match target.target_type {
            TargetType::Agent => target.name == agent,
            TargetType::AgentGroup => profile.is_some_and(|profile| profile.groups.contains(&target.name)),
            TargetType::Skill => profile.is_some_and(|profile| {
                let level = |skill: &str| profile.skills.get(skill).copied().unwrap_or(0);
                SkillExpression::parse(&target.name).is_ok_and(|expression| expression.matches(level))
            }),
            TargetType::Place | TargetType::PlaceGroup | TargetType::InteractionQueue => false,
        };
        let is_place = |target: &&contract::Target| target.target_type == TargetType::Place;
        let found = route.targets.iter().find(fits).or_else(|| route.targets.iter().find(is_place));
        found.map(|target| target.name.clone()).unwrap_or_default()
    }
}
