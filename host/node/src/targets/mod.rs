//! Between sessions, target selection and agents.
//!
//! Agent states come from the reporting of the link; selection answers with an agent; the
//! interaction is delivered there. An agent who rejects it, or lets it ring, is left out for a while:
//! the interaction is taken back by its id within the server's first-refusal window and waits on,
//! with its age. The session sees nothing but a longer wait.
//!
//! Its parts: submits and their ends (`submits`), deliveries (`deliveries`), what is heard of agents
//! (`agents`), and how many wait in queues (`queues`).

mod agents;
mod deliveries;
mod queues;
mod submits;

use std::sync::{Arc, MutexGuard};

use jackfield_protocol::v1::DeliveryResult;
use jackfield_routing::{Assigned, LinkId, Output, RouteId, Selection};
use jackfield_strategy::contract::{Destination, RouteRequest, Routed};

pub(crate) use self::queues::QueueLengths;
pub(crate) use self::submits::{into, resting_places, resting_step};
use crate::failures::HostError;
use crate::link::LinkTask;

/// A session waits for a target.
pub(crate) struct Waiting {
    session: Arc<str>,
    request: u64,
    interaction: String,
    virtual_queue: Option<String>,
    deliver: bool,
}

/// An interaction is on its way to an agent.
pub(crate) struct Delivery {
    /// Tells it from earlier ones of the same interaction, whose ends may still come.
    pub number: u64,
    /// Of the request for it; 0: not sent, or sent over an earlier connection.
    pub reference_id: u64,
    pub session: Arc<str>,
    pub request: u64,
    pub kind: Kind,
    pub agent: String,
    /// The invitation ended without acceptance, so; the interaction is being taken back.
    pub ended: Option<DeliveryResult>,
}

pub(crate) enum Kind {
    /// Found by target selection.
    Selected { route: RouteId, target: String },
    /// Found by target selection over an earlier connection, for this request.
    Before { route: RouteRequest },
    /// Named by the strategy.
    Direct { to: Destination },
}

impl Delivery {
    pub fn is_for(&self, session: &Arc<str>, request: u64) -> bool {
        self.session == *session && self.request == request
    }
}

impl LinkTask {
    pub(crate) fn link_id(&self) -> LinkId {
        LinkId(self.index)
    }

    /// Nobody else holds it for longer than it takes to tell a statistic. Not twice in one statement: the second would wait
    /// for the first.
    pub(crate) fn selection(&self) -> MutexGuard<'_, Selection> {
        self.selection.lock()
    }

    fn next_output(&self) -> Option<Output> {
        self.selection().poll()
    }

    /// Acts on what target selection has brought about.
    pub(crate) fn selected(&mut self) {
        while let Some(output) = self.next_output() {
            match output {
                Output::Assign(assigned) => self.assigned(assigned),
                Output::Found(Assigned { route, agent, place, target, .. }) => {
                    if let Some(Waiting { session, request, virtual_queue, .. }) = self.forget_route(route) {
                        let destination = Destination::Agent(agent);
                        let in_virtual_queue = virtual_queue.is_some().then(|| self.waits(&session, request)).flatten();
                        self.target_selected(in_virtual_queue.as_ref(), &target.name, &destination);
                        self.routed(&session, request, routed(target.name, destination, Some(place), virtual_queue));
                    }
                }
                Output::Place(placed) => self.goes_into(placed),
                Output::TimedOut { route, nobody_logged_in: false } => {
                    self.end_route(route, HostError::Timeout.with("nobody who fits was free in time"));
                }
                Output::TimedOut { route, nobody_logged_in: true } => {
                    self.end_route(route, HostError::NobodyLoggedIn.with("nobody who fits was logged in in time"));
                }
                // It is submitted again when the link is up.
                Output::LinkDown(route) => {
                    self.forget_route(route);
                }
            }
        }
    }

    /// The link is down: nothing that waits on it, or is on its way, is known any more.
    pub(crate) fn forget_targets(&mut self) {
        self.deliveries.clear();
        self.queue_lengths = QueueLengths::default();
        self.selection().link_down(self.link_id());
        self.selected();
    }
}

/// A wait, or a delivery, that has come to its end.
pub(crate) fn routed(
    target: String,
    destination: Destination,
    place: Option<String>,
    virtual_queue: Option<String>,
) -> Routed {
    let agent = match &destination {
        Destination::Agent(agent) => Some(agent.clone()),
        _ => None,
    };
    let place = place.filter(|place| !place.is_empty());
    Routed { target, destination, virtual_queue, virtual_queue_id: None, agent, place }
}

pub(crate) fn destination_name(to: &Destination) -> String {
    match to {
        Destination::Agent(name) | Destination::Place(name) | Destination::InteractionQueue(name) => name.clone(),
        Destination::Workbin(workbin) => workbin.name.clone(),
    }
}
