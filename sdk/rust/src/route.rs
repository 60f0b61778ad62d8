//! Target selection, asked for in one sentence.

use std::time::Duration;

use crate::bindings::jackfield::strategy::routing;
use crate::interaction::{InteractionId, RequestId, Routed};
use crate::session::{Session, milliseconds};
use crate::{Error, Request};

pub use crate::bindings::jackfield::strategy::events::Waiting;
pub use crate::bindings::jackfield::strategy::facts::CalendarTime;
pub use crate::bindings::jackfield::strategy::routing::{
    Aging, Choice, Order, RouteRequest, Step, Target, TargetType, TextError,
};

impl Target {
    fn of(target_type: TargetType, name: &str) -> Target {
        let name = name.to_owned();
        Target { target_type, name, group: None, workbin: None, threshold: None, weight: None }
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

    /// Of a skill expression: only agents of this group.
    pub fn of_group(mut self, group: &str) -> Target {
        self.group = Some(group.to_owned());
        self
    }

    /// Its workbin of this name, rather than its desktop.
    pub fn workbin(mut self, name: &str) -> Target {
        self.workbin = Some(name.to_owned());
        self
    }

    /// Only while this holds of its statistic, such as `StatCallsInQueue<10`.
    pub fn only_while(mut self, threshold: &str) -> Target {
        self.threshold = Some(threshold.to_owned());
        self
    }

    /// How much it counts among the others, in [`Route::by_weight`].
    pub fn weight(mut self, weight: u32) -> Target {
        self.weight = Some(weight);
        self
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
            choice: None,
            aging: None,
            relaxation: None,
            clear_on_timeout: None,
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

    /// After this long, counted from the beginning, these take the place of the targets before.
    pub fn after(mut self, time: Duration, targets: impl IntoIterator<Item = Target>) -> Self {
        let step = Step { after: milliseconds(time), targets: targets.into_iter().collect() };
        self.request.relaxation.get_or_insert_default().push(step);
        self
    }

    /// Each time so long has passed its priority grows by so much, until it is `at_most`.
    pub fn aging(mut self, every: Duration, by: u32, at_most: i32) -> Self {
        self.request.aging = Some(Aging { every: milliseconds(every), by, at_most });
        self
    }

    /// Of those that fit the one with the smallest value of a statistic, such as `StatAgentOccupancy`.
    pub fn smallest(self, statistic: &str) -> Self {
        self.choose(Order::Min, Some(statistic))
    }

    /// Of those that fit the one with the largest value of a statistic, such as `StatTimeInReadyState`.
    pub fn largest(self, statistic: &str) -> Self {
        self.choose(Order::Max, Some(statistic))
    }

    /// Targets share by their weights.
    pub fn by_weight(self) -> Self {
        self.choose(Order::Percentage, None)
    }

    fn choose(mut self, order: Order, statistic: Option<&str>) -> Self {
        self.request.choice = Some(Choice { order, statistic: statistic.map(str::to_owned) });
        self
    }

    /// When the time is over, its targets stay with the interaction: its next `route` waits for them too.
    pub fn keep_targets(mut self) -> Self {
        self.request.clear_on_timeout = Some(false);
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
