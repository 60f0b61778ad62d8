//! Target selection, asked for in one sentence.

use std::time::Duration;

use crate::bindings::jackfield::strategy::routing;
use crate::interaction::{InteractionId, RequestId, Routed};
use crate::session::{Session, milliseconds};
use crate::{Error, Request};

pub use crate::bindings::jackfield::strategy::routing::{RouteRequest, Target, TargetType};

impl Target {
    fn of(target_type: TargetType, name: &str) -> Target {
        Target { target_type, name: name.to_owned() }
    }

    /// An agent by employee id.
    pub fn agent(id: &str) -> Target {
        Target::of(TargetType::Agent, id)
    }

    /// Whoever is logged in at a place.
    pub fn place(name: &str) -> Target {
        Target::of(TargetType::Place, name)
    }

    /// Any agent of a group.
    pub fn agent_group(name: &str) -> Target {
        Target::of(TargetType::AgentGroup, name)
    }

    /// Any place of a group.
    pub fn place_group(name: &str) -> Target {
        Target::of(TargetType::PlaceGroup, name)
    }

    /// Any agent with these skills, such as `Billing >= 5 & English > 3`.
    pub fn skill(expression: &str) -> Target {
        Target::of(TargetType::Skill, expression)
    }

    /// An interaction queue: always fits.
    pub fn queue(name: &str) -> Target {
        Target::of(TargetType::InteractionQueue, name)
    }
}

/// A route request being put together; made by [`Session::route`], ended by [`send`](Route::send).
#[must_use = "nothing is asked for until `send`"]
pub struct Route<'session> {
    session: &'session mut Session,
    request: RouteRequest,
}

impl<'session> Route<'session> {
    pub(crate) fn new(session: &'session mut Session, interaction: InteractionId) -> Route<'session> {
        let request = routing::RouteRequest {
            interaction,
            virtual_queue: None,
            priority: 0,
            targets: Vec::new(),
            timeout: None,
            deliver: true,
        };
        Route { session, request }
    }

    /// A target. Several are tried together: whoever fits first gets it.
    pub fn to(mut self, target: Target) -> Self {
        self.request.targets.push(target);
        self
    }

    /// Another target: the same as [`to`](Route::to), for reading.
    pub fn or(self, target: Target) -> Self {
        self.to(target)
    }

    /// Larger is served first; among equals the longest waiting. 0 when not said.
    pub fn priority(mut self, priority: i32) -> Self {
        self.request.priority = priority;
        self
    }

    /// How long to look for somebody before [`Error::Timeout`]. For ever when not said.
    pub fn within(mut self, timeout: Duration) -> Self {
        self.request.timeout = Some(milliseconds(timeout));
        self
    }

    /// The virtual queue it waits in, for reporting.
    pub fn virtual_queue(mut self, name: &str) -> Self {
        self.request.virtual_queue = Some(name.to_owned());
        self
    }

    /// Asks, waits until an agent has accepted, and says who. The session no longer holds the
    /// interaction then.
    ///
    /// When the host asks the session to stop meanwhile, the wait is cancelled and ends in
    /// [`Error::Stopped`], unless the interaction was on its way already.
    ///
    /// # Errors
    /// [`Error::Timeout`], [`Error::Refused`], [`Error::Lost`], [`Error::Stopped`]; the session still
    /// holds the interaction except after `Lost`.
    pub fn send(self) -> Result<Routed, Error> {
        self.session.wait_for_target(self.request)
    }

    /// Only says who it would be, and delivers nothing.
    ///
    /// # Errors
    /// As [`send`](Route::send).
    pub fn find(mut self) -> Result<Routed, Error> {
        self.request.deliver = false;
        self.send()
    }

    /// Makes the request and does not wait; see [`Session::wait`].
    pub fn submit(self) -> RequestId {
        self.session.request(Request::Route(self.request))
    }
}
