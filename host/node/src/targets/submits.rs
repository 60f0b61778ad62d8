//! Submits of strategies: how they get into target selection, and how they end.

use std::sync::Arc;
use std::time::Duration;

use jackfield_routing::{
    Aging, CancelError, Choice, Order, Placed, RouteId, Step, Submit, SubmitError, Target, TargetError, TargetKind,
};
use jackfield_strategy::contract::{self, Destination, Failure, Outcome, RouteRequest, Workbin, WorkbinOwner};
use jackfield_strategy::{EndReason, Request};

use super::{Waiting, routed};
use crate::failures::HostError;
use crate::link::LinkTask;
use crate::requests::{Lasting, placed, placed_in_workbin};
use crate::virtual_queues::Waits;
use crate::written_targets::understood;

impl LinkTask {
    pub(crate) fn route(
        &mut self,
        session: &Arc<str>,
        request: u64,
        route: RouteRequest,
        asked_at: u64,
    ) -> Result<(), Failure> {
        let in_virtual_queue = Waits::of(session, request, &route);
        let interaction = route.interaction.clone();
        self.check_held(session, &interaction)?;
        let (media_type, since) = match self.sessions.get(session).and_then(|running| running.holds(&interaction)) {
            Some(held) if held.busy => {
                let text = format!("interaction `{interaction}` waits for a target already; cancel that first");
                return Err(HostError::InteractionBusy.with(text));
            }
            Some(held) => (held.media_type.to_string(), held.received_at),
            None => return Err(HostError::NotHeld.with("the session does not hold the interaction")),
        };
        let RouteRequest { virtual_queue, deliver, priority, timeout, .. } = route;
        self.last_route += 1;
        let id = RouteId(self.last_route);
        let waited = Duration::from_millis(jackfield_world::wall_ms().saturating_sub(asked_at));
        let aging = route.aging.map(|aging| Aging {
            every: Duration::from_millis(aging.every),
            by: aging.by,
            at_most: aging.at_most,
        });
        let submit = Submit {
            virtual_queue: virtual_queue.clone(),
            priority,
            since,
            waited,
            choice: choice(route.choice)?,
            aging,
            relaxation: steps(route.relaxation.unwrap_or_default())?,
            // Further off than a clock can tell is the same as never.
            deadline: timeout
                .and_then(|timeout| self.now.checked_add(Duration::from_millis(timeout).saturating_sub(waited))),
            clear_on_timeout: route.clear_on_timeout.unwrap_or(true),
            deliver,
            ..Submit::new(id, self.link_id(), interaction.clone(), media_type, targets(route.targets)?)
        };
        self.selection().submit(self.now, submit).map_err(|error| refused(&error))?;
        let waiting =
            Waiting { session: session.clone(), request, interaction: interaction.clone(), virtual_queue, deliver };
        self.routes.insert(id, waiting);
        self.wait_begins(in_virtual_queue.as_ref());
        if let Some(running) = self.sessions.get_mut(session) {
            running.routes.push((request, id));
            if let Some(held) = running.held_mut(&interaction) {
                held.busy = true;
            }
        }
        self.selected();
        if self.selection().is_waiting(id) {
            self.wait_goes_on(in_virtual_queue.as_ref());
        }
        Ok(())
    }

    pub(crate) fn cancel_route(&mut self, session: &Arc<str>, request: u64, submit: u64) -> Result<(), Failure> {
        let Some(running) = self.sessions.get(session) else { return Ok(()) };
        let cancelled = match running.route(submit) {
            Some(route) => self.selection().cancel(route).map(|()| route),
            None if self.deliveries.values().any(|delivery| delivery.is_for(session, submit)) => {
                Err(CancelError::OnItsWay)
            }
            None => Err(CancelError::Unknown),
        };
        match cancelled {
            Ok(route) => {
                self.forget_route(route);
                let failure = HostError::Cancelled.with("cancelled by the strategy");
                self.not_routed(session, submit, failure, Some(request));
                Ok(())
            }
            Err(error @ CancelError::Unknown) => Err(HostError::RequestUnknown.with(error)),
            Err(error @ CancelError::OnItsWay) => Err(HostError::InteractionBusy.with(error)),
        }
    }

    /// How a submit of this session stands that waits.
    pub(crate) fn query_route(&mut self, session: &Arc<str>, request: u64, submit: u64) -> Result<(), Failure> {
        let Some(running) = self.sessions.get_mut(session) else { return Ok(()) };
        let standing = running.route(submit).and_then(|route| self.selection.lock().standing(self.now, route));
        let Some(standing) = standing else {
            let text = format!("request {submit} does not wait for a target, or no longer");
            return Err(HostError::RequestUnknown.with(text));
        };
        let waiting = contract::Waiting {
            priority: standing.priority,
            position: u32::try_from(standing.position).unwrap_or(u32::MAX),
            expected: standing.expected.map(|time| u64::try_from(time.as_millis()).unwrap_or(u64::MAX)),
        };
        running.done(request, Outcome::Waiting(waiting));
        Ok(())
    }

    /// A queue or a workbin is what fits.
    pub(super) fn goes_into(&mut self, Placed { route, interaction, target, .. }: Placed) {
        let Some(waiting) = self.forget_route(route) else { return };
        let Waiting { session, request, virtual_queue, deliver, .. } = waiting;
        let in_virtual_queue = virtual_queue.is_some().then(|| self.waits(&session, request)).flatten();
        self.target_selected(in_virtual_queue.as_ref(), &target.name, &destination(&target));
        if !deliver {
            let destination = destination(&target);
            self.routed(&session, request, routed(target.name, destination, None, virtual_queue));
            return;
        }
        let Some(running) = self.sessions.get_mut(&session) else { return };
        let places = match running.card.pending(request).map(|pending| pending.request) {
            Some(Request::Route(route)) => resting_places(&route),
            _ => Vec::new(),
        };
        // One that stayed from an earlier submit is none of this request's.
        let index = places.iter().position(|place| *place == target).unwrap_or(places.len());
        let Lasting { ask, then, .. } = into(&target, &interaction, virtual_queue);
        self.ask(&session, request, ask, &resting_step(index), then, Duration::ZERO);
    }

    /// The interaction goes elsewhere: it waits for a target no longer.
    pub(crate) fn withdraw(&mut self, session: &Arc<str>, interaction: &str) {
        let Some(running) = self.sessions.get(session) else { return };
        let mut routes = running.routes.iter().map(|(_, route)| *route);
        let route =
            routes.find(|route| self.routes.get(route).is_some_and(|waiting| waiting.interaction == interaction));
        if let Some(route) = route
            && self.selection().cancel(route).is_ok()
        {
            self.end_route(route, HostError::Cancelled.with("the interaction went elsewhere"));
        }
    }

    /// A wait ends without a target.
    pub(super) fn end_route(&mut self, route: RouteId, failure: Failure) {
        if let Some(waiting) = self.forget_route(route) {
            self.not_routed(&waiting.session, waiting.request, failure, None);
        }
    }

    pub(crate) fn forget_route(&mut self, route: RouteId) -> Option<Waiting> {
        let waiting = self.routes.remove(&route)?;
        if let Some(running) = self.sessions.get_mut(&waiting.session) {
            running.routes.retain(|(_, of)| *of != route);
            if let Some(held) = running.held_mut(&waiting.interaction) {
                held.busy = false;
            }
        }
        Some(waiting)
    }

    /// The session has ended: its waits are over. Deliveries under way come to their own end. Where the journal is what it
    /// ended for, nothing is told: what cannot be recorded has not happened, and the wait goes on after the next start.
    pub(crate) fn forget_waits(&mut self, session: &Arc<str>, reason: &EndReason) {
        let is_recorded = self.shared.book.as_ref().is_none_or(|book| !book.is_closed());
        let is_told = is_recorded && !matches!(reason, EndReason::TurnNotRecorded(_) | EndReason::NotRebuilt(_));
        let Some(running) = self.sessions.get(session) else { return };
        for (request, route) in running.routes.clone() {
            if self.selection().cancel(route).is_ok() {
                self.forget_route(route);
                if is_told {
                    self.not_routed(session, request, HostError::Cancelled.with("the session has ended"), None);
                } else if let Some(running) = self.sessions.get(session) {
                    running.card.answered(request);
                }
            }
        }
    }
}

fn targets(of: Vec<contract::Target>) -> Result<Vec<Target>, Failure> {
    of.into_iter().map(understood).collect()
}

fn choice(of: Option<contract::Choice>) -> Result<Choice, Failure> {
    let Some(contract::Choice { order, statistic }) = of else { return Ok(Choice::default()) };
    let order = match order {
        contract::Order::Any => Order::Any,
        contract::Order::Min => Order::Min,
        contract::Order::Max => Order::Max,
        contract::Order::Percentage => Order::Percentage,
    };
    Choice::new(order, statistic.as_deref()).map_err(|error| refused(&SubmitError::Target(error)))
}

fn steps(of: Vec<contract::Step>) -> Result<Vec<Step>, Failure> {
    let step =
        |step: contract::Step| Ok(Step { after: Duration::from_millis(step.after), targets: targets(step.targets)? });
    of.into_iter().map(step).collect()
}

/// The queues and workbins a submit may end in, in the order of its targets and steps.
pub(crate) fn resting_places(of: &RouteRequest) -> Vec<Target> {
    if !of.deliver {
        return Vec::new();
    }
    let steps = of.relaxation.iter().flatten().flat_map(|step| step.targets.iter());
    let targets = of.targets.iter().chain(steps).filter_map(|target| understood(target.clone()).ok());
    let mut places: Vec<Target> = Vec::new();
    for target in targets.filter(Target::always_takes) {
        if !places.contains(&target) {
            places.push(target);
        }
    }
    places
}

/// What tells apart the keys with which one submit asks for its resting places.
pub(crate) fn resting_step(index: usize) -> String {
    if index == 0 { String::new() } else { format!(":into:{index}") }
}

/// The request that puts an interaction there, as the end of a wait.
pub(crate) fn into(target: &Target, interaction: &str, virtual_queue: Option<String>) -> Lasting {
    let destination = destination(target);
    let outcome = Outcome::Routed(routed(target.name.clone(), destination.clone(), None, virtual_queue));
    match destination {
        Destination::Workbin(workbin) => placed_in_workbin(interaction, workbin, outcome),
        _ => placed(interaction, &target.name, outcome),
    }
}

/// Where a target that takes interactions itself is.
fn destination(target: &Target) -> Destination {
    let owner_type = match target.kind {
        TargetKind::Place => WorkbinOwner::Place,
        TargetKind::AgentGroup => WorkbinOwner::AgentGroup,
        TargetKind::PlaceGroup => WorkbinOwner::PlaceGroup,
        TargetKind::Agent | TargetKind::Skill | TargetKind::Queue => WorkbinOwner::Agent,
    };
    match &target.workbin {
        Some(workbin) => {
            Destination::Workbin(Workbin { name: workbin.clone(), owner_type, owner: target.name.clone() })
        }
        None => Destination::InteractionQueue(target.name.clone()),
    }
}

/// Why target selection does not take it, with a name of its own for each thing that is not there.
fn refused(error: &SubmitError) -> Failure {
    let why = match error {
        SubmitError::Busy(_) => HostError::InteractionBusy,
        SubmitError::Steps | SubmitError::Target(TargetError::TooMany(_) | TargetError::None) => HostError::BadRequest,
        SubmitError::Target(error) => match error {
            TargetError::UnknownAgent(_) => HostError::UnknownAgent,
            TargetError::UnknownAgentGroup(_) => HostError::UnknownAgentGroup,
            TargetError::UnknownPlace(_) => HostError::UnknownPlace,
            TargetError::UnknownPlaceGroup(_) => HostError::UnknownPlaceGroup,
            TargetError::UnknownStatistic(_) => HostError::UnknownStatistic,
            _ => HostError::UnknownTarget,
        },
    };
    why.with(error)
}
