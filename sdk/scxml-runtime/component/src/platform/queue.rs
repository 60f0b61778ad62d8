//! `queue:submit` and what belongs to it: target selection (section 6).
//!
//! `queue:update` ends the selection and begins another with what has changed; the interaction keeps its age. A selection
//! that the document cancels ends with `queue.cancel.done` alone.

use std::collections::{BTreeMap, VecDeque};

use jackfield_scxml_runtime::{Answer, Call, CallElement, CallKind, Datum, ModuleError};
use jackfield_sdk::bindings::jackfield::strategy::events::{Outcome, Routed};
use jackfield_sdk::bindings::jackfield::strategy::routing::{self, Choice, Order, RouteRequest, Target, TargetType};
use jackfield_sdk::bindings::jackfield::strategy::types::{Destination, Failure, WorkbinOwner};

use super::{Modules, Purpose, Told, refused, values};

/// Selections that have not ended.
#[derive(Default)]
pub(super) struct Submits {
    by_request: BTreeMap<String, Submit>,
    /// Answers that need nothing from outside.
    pub at_once: VecDeque<Answer>,
}

struct Submit {
    /// Its request of the contract.
    asked: u64,
    route: RouteRequest,
    /// Of each target its text, as the document may have written it.
    texts: Vec<(String, String)>,
    /// The document cancels it, or it makes room for another: its end is told otherwise.
    is_given_up: bool,
}

impl Submits {
    pub fn is_empty(&self) -> bool {
        self.by_request.is_empty() && self.at_once.is_empty()
    }

    /// The request of the contract has ended.
    pub fn ended(&mut self, request: String, result: Result<Outcome, Failure>) -> Told {
        let action = CallKind::Submit;
        let is_given_up = self.by_request.get(&request).is_none_or(|submit| submit.is_given_up);
        match result {
            // After a cancel that came too late it is still the outcome.
            Ok(Outcome::Routed(routed)) => {
                let submit = self.by_request.remove(&request);
                let result = Ok(submit.map(|submit| told(&submit, routed)).unwrap_or_default());
                Told::Answer(Answer { request, action, result })
            }
            Ok(_) => Told::Nothing,
            Err(_) if is_given_up => Told::Nothing,
            Err(failure) => {
                self.by_request.remove(&request);
                let error = refused(&failure.name, failure.description.as_str());
                Told::Answer(Answer { request, action, result: Err(error) })
            }
        }
    }
}

impl Modules {
    pub(super) fn submit(&self, request: &str, call: &Call) -> Result<(), ModuleError> {
        let interaction = Self::interaction(call)?;
        let (targets, texts) = targets(call)?;
        let route = RouteRequest {
            interaction,
            virtual_queue: call.text("queue").filter(|queue| !queue.is_empty() && queue != "none"),
            priority: priority(call).unwrap_or(0),
            targets,
            timeout: call.number("timeout").and_then(values::milliseconds),
            deliver: call.boolean("route").unwrap_or(true),
            choice: choice(call)?,
            aging: None,
            relaxation: None,
            clear_on_timeout: call.boolean("clearontimeout"),
        };
        self.select(request, route, texts);
        Ok(())
    }

    fn select(&self, request: &str, route: RouteRequest, texts: Vec<(String, String)>) {
        let asked = routing::submit(&route);
        self.expect(asked, Purpose::Submit { request: request.to_owned() });
        let submit = Submit { asked, route, texts, is_given_up: false };
        self.submits.borrow_mut().by_request.insert(request.to_owned(), submit);
    }

    /// By the id of a submit; else all of the interaction, or those of a virtual queue.
    pub(super) fn cancel_submit(&self, call: &Call) -> Result<(), ModuleError> {
        let mut submits = self.submits.borrow_mut();
        let named = call.text("requestid").filter(|id| !id.is_empty());
        let interaction = call.text("interactionid");
        let queue = call.text("queue").filter(|queue| !queue.is_empty());
        let is_meant = |request: &str, submit: &Submit| match &named {
            Some(named) => named == request,
            None => {
                interaction.as_ref().is_none_or(|id| *id == submit.route.interaction)
                    && queue.as_ref().is_none_or(|queue| Some(queue) == submit.route.virtual_queue.as_ref())
            }
        };
        let mut cancelled = Vec::new();
        for (request, submit) in submits.by_request.iter_mut().filter(|(_, submit)| !submit.is_given_up) {
            if is_meant(request, submit) {
                submit.is_given_up = true;
                cancelled.push((request.clone(), routing::cancel(submit.asked)));
            }
        }
        if cancelled.is_empty() && named.is_some() {
            return Err(refused("invalidrequestid", "no submit with this id waits"));
        }
        drop(submits);
        for (submit, asked) in cancelled {
            self.expect(asked, Purpose::Cancel { submit });
        }
        Ok(())
    }

    pub(super) fn query_submit(&self, call: &Call) -> Result<(), ModuleError> {
        let submit = call.text("requestid").unwrap_or_default();
        let asked = self.submits.borrow().by_request.get(&submit).map(|submit| submit.asked);
        let asked = asked.ok_or_else(|| refused("invalidrequestid", "no submit with this id waits"))?;
        self.expect(routing::query(asked), Purpose::Query { submit });
        Ok(())
    }

    pub(super) fn update_submit(&self, call: &Call) -> Result<(), ModuleError> {
        let request = call.text("requestid").unwrap_or_default();
        let submit = self.submits.borrow_mut().by_request.remove(&request);
        let Some(Submit { asked, mut route, mut texts, is_given_up: false }) = submit else {
            return Err(refused("invalidrequestid", "no submit with this id waits"));
        };
        if !call.elements.is_empty() {
            (route.targets, texts) = targets(call)?;
        }
        route.priority = priority(call).unwrap_or(route.priority);
        route.timeout = call.number("timeout").and_then(values::milliseconds).or(route.timeout);
        route.deliver = call.boolean("route").unwrap_or(route.deliver);
        route.choice = choice(call)?.or(route.choice);
        route.clear_on_timeout = call.boolean("clearontimeout").or(route.clear_on_timeout);
        // The end of the one before is nobody's business any more.
        self.purposes.borrow_mut().remove(&asked);
        routing::cancel(asked);
        self.select(&request, route, texts);
        self.answer_at_once(&request, CallKind::UpdateSubmit, Vec::new());
        Ok(())
    }
}

fn priority(call: &Call) -> Option<i32> {
    call.number("priority").and_then(|number| values::integer(number.trunc()))
}

fn choice(call: &Call) -> Result<Option<Choice>, ModuleError> {
    let order = match call.text("ordertype").map(|order| order.to_lowercase()).as_deref() {
        None | Some("") => return Ok(None),
        Some("any") => Order::Any,
        Some("min") => Order::Min,
        Some("max") => Order::Max,
        Some("percentage") => Order::Percentage,
        Some(other) => return Err(refused("invalidordertype", format!("there is no order {other}"))),
    };
    let statistic = call.text("orderstat").filter(|name| !name.is_empty() && name != "none");
    Ok(Some(Choice { order, statistic }))
}

/// The targets of a submit, and of each how it is written.
#[allow(clippy::type_complexity, reason = "two lists that belong together")]
fn targets(call: &Call) -> Result<(Vec<Target>, Vec<(String, String)>), ModuleError> {
    let mut targets = Vec::new();
    let mut texts = Vec::new();
    for (number, element) in call.elements.iter().enumerate() {
        let parent = element.parent.and_then(|parent| call.elements.get(parent));
        let workbin = workbin(call, number, element);
        match element.name.as_str() {
            "target" => {
                let mut target = target(element, parent)?;
                target.workbin = workbin;
                texts.push((target.name.clone(), written(&target, stat_server(element, parent))));
                targets.push(target);
            }
            "targetid" => {
                let text = element.attribute("expr").map(Datum::display).unwrap_or_default();
                let read = routing::read_targets(&text).map_err(|error| {
                    refused("invalidtarget", format!("{} (at byte {} of {text})", error.message, error.start))
                })?;
                for mut target in read {
                    target.workbin = workbin.clone();
                    texts.push((target.name.clone(), written(&target, String::new())));
                    targets.push(target);
                }
            }
            "activity" => return Err(refused("unsupported", "queue:activity is not supported")),
            _ => {}
        }
    }
    match targets.is_empty() {
        true => Err(refused("notargets", "there is no target")),
        false => Ok((targets, texts)),
    }
}

/// The workbin that the list a target is in names.
fn workbin(call: &Call, number: usize, target: &CallElement) -> Option<String> {
    let is_beside = |other: &&CallElement| other.name == "workbin" && other.parent == target.parent;
    let is_within = |other: &&CallElement| other.name == "workbin" && other.parent == Some(number);
    let workbin = call.elements.iter().find(is_within).or_else(|| call.elements.iter().find(is_beside))?;
    ["name", "id", "expr"].iter().find_map(|attribute| workbin.attribute(attribute)).map(Datum::display)
}

fn stat_server(element: &CallElement, parent: Option<&CallElement>) -> String {
    let of = |element: &CallElement| element.attribute("statserver").map(Datum::display);
    of(element).or_else(|| parent.and_then(of)).unwrap_or_default()
}

fn target(element: &CallElement, parent: Option<&CallElement>) -> Result<Target, ModuleError> {
    let text = |name: &str| element.attribute(name).map(Datum::display).filter(|text| !text.is_empty());
    let kind = text("type").or_else(|| parent.and_then(|parent| parent.attribute("type")).map(Datum::display));
    let kind = kind.unwrap_or_else(|| "agent".to_owned());
    let (mut name, skills) = (text("name"), text("skillexpr"));
    let target_type = match kind.to_lowercase().as_str() {
        // Skills of agents in a group are written as a group with an expression.
        "skill" | "agentgroup" if skills.is_some() => TargetType::Skill,
        "agent" => TargetType::Agent,
        "place" => TargetType::Place,
        "agentgroup" => TargetType::AgentGroup,
        "placegroup" => TargetType::PlaceGroup,
        "skill" => TargetType::Skill,
        "queue" => TargetType::InteractionQueue,
        other => return Err(refused("invalidtarget", format!("targets of type {other} are not supported"))),
    };
    let mut group = None;
    if let Some(skills) = skills {
        group = name.take();
        name = Some(skills);
    }
    // Composer writes an expression with its prefix.
    let name = name.map(|name| name.strip_prefix("?:").map(str::to_owned).unwrap_or(name));
    let weight = text("weight").and_then(|weight| weight.trim().parse().ok());
    let name = name.ok_or_else(|| refused("invalidtarget", "a target has no name"))?;
    Ok(Target { target_type, name, group, workbin: None, threshold: text("threshold"), weight })
}

/// As target strings write it (section 6.1).
fn written(target: &Target, stat_server: String) -> String {
    let Target { name, group, .. } = target;
    match target.target_type {
        TargetType::Agent => format!("{name}@{stat_server}.A"),
        TargetType::Place => format!("{name}@{stat_server}.AP"),
        TargetType::AgentGroup => format!("{name}@{stat_server}.GA"),
        TargetType::PlaceGroup => format!("{name}@{stat_server}.GP"),
        TargetType::Skill => format!("?{}:{name}@{stat_server}.GA", group.as_deref().unwrap_or_default()),
        TargetType::InteractionQueue => format!("{name}@{stat_server}.Q"),
    }
}

/// The data of `queue.submit.done` (section 6.4).
fn told(submit: &Submit, routed: Routed) -> Vec<(String, Datum)> {
    let Routed { target, destination, virtual_queue, agent, place, .. } = routed;
    let object = submit.texts.iter().find(|(name, _)| *name == target).map(|(_, text)| text.clone()).unwrap_or(target);
    let selected = |name: &str, kind: &str| format!("{name}@.{kind}");
    let (kind, name, mut resource) = match destination {
        Destination::Agent(id) => ("A", id.clone(), vec![("agent", id)]),
        Destination::Place(id) => ("AP", id.clone(), vec![("place", id)]),
        Destination::InteractionQueue(queue) => ("IQ", queue.clone(), vec![("id", queue)]),
        Destination::Workbin(workbin) => {
            let owner_type = match workbin.owner_type {
                WorkbinOwner::Agent => "A",
                WorkbinOwner::Place => "AP",
                WorkbinOwner::AgentGroup => "AG",
                WorkbinOwner::PlaceGroup => "PG",
            };
            let of =
                vec![("id", workbin.name.clone()), ("wb_type", owner_type.to_owned()), ("wb_owner", workbin.owner)];
            ("WB", workbin.name, of)
        }
    };
    if kind == "A" {
        resource.extend(place.map(|place| ("place", place)));
    }
    let queue = virtual_queue.unwrap_or_default();
    resource.extend([("type", kind.to_owned()), ("vq", queue.clone())]);
    let resource = resource.into_iter().map(|(name, value)| (name.to_owned(), Datum::Text(value))).collect();
    let component = agent.map_or_else(|| selected(&name, kind), |agent| selected(&agent, "A"));
    let text = |name: &str, value: String| (name.to_owned(), Datum::Text(value));
    vec![
        text("interactionid", submit.route.interaction.clone()),
        text("targetselected", selected(&name, kind)),
        text("targetcomponentselected", component),
        text("targetobjectselected", object),
        text("vqselected", queue),
        ("resource".to_owned(), Datum::Map(resource)),
    ]
}

/// The data of `queue.query.done`: times in seconds.
pub(super) fn queried(result: Result<Outcome, Failure>) -> Result<Vec<(String, Datum)>, ModuleError> {
    match result {
        Ok(Outcome::Waiting(waiting)) => {
            #[allow(clippy::cast_precision_loss, reason = "a time that people wait")]
            let expected = waiting.expected.map_or(-1.0, |expected| expected as f64 / 1e3);
            Ok(vec![
                ("priority".to_owned(), Datum::Number(waiting.priority.into())),
                ("positioninqueue".to_owned(), Datum::Number(waiting.position.into())),
                ("invqwaittime".to_owned(), Datum::Number(expected)),
            ])
        }
        Ok(_) => Ok(Vec::new()),
        Err(failure) => Err(refused(&failure.name, failure.description.as_str())),
    }
}
