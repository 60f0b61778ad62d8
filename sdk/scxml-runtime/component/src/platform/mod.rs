//! Functional modules and `_genesys`, over the contract (reference page *SCXML*, sections 3 to 8).
//!
//! An action becomes a request of the contract, whose end becomes the action's answer. What the contract does not have is
//! refused with an answer that says so. Functions answer at once, from what the session looks up.

mod fetch;
mod functions;
mod interactions;
mod messages;
mod queue;
mod values;

use std::cell::RefCell;
use std::collections::BTreeMap;

use jackfield_scxml_runtime::{Answer, Call, CallKind, Datum, Destination, ModuleError, Platform};
use jackfield_sdk::bindings::jackfield::strategy::events::Outcome;
use jackfield_sdk::bindings::jackfield::strategy::types::{self, Failure};
use jackfield_sdk::bindings::jackfield::strategy::{interactions as held, routing};

use queue::Submits;
pub(crate) use values::object;

/// What a request of the contract is for.
enum Purpose {
    /// An action about an interaction, which the answer names.
    Interaction { request: String, action: CallKind, interaction: String },
    /// `queue:submit`.
    Submit { request: String },
    /// `queue:cancel` of this submit.
    Cancel { submit: String },
    /// `queue:query` of this submit.
    Query { submit: String },
    /// `ixn:createmessage`.
    Created { request: String },
    /// `session:fetch` over HTTP; with `json`, the answer must be JSON.
    Fetch { request: String, json: bool },
    /// A service behind the Interaction Server.
    Service { request: String, action: CallKind },
    /// `setuData` or `deleteuData`.
    UserData { interaction: String },
}

/// What the document is told.
pub(crate) enum Told {
    /// How an action ended.
    Answer(Answer),
    /// An event, with its data.
    Event(&'static str, Datum),
    /// Nothing.
    Nothing,
}

/// The actions of a session that are under way.
#[derive(Default)]
pub(crate) struct Modules {
    purposes: RefCell<BTreeMap<u64, Purpose>>,
    submits: RefCell<Submits>,
}

fn refused(error: &str, description: impl Into<String>) -> ModuleError {
    ModuleError { error: Datum::text(error), description: description.into() }
}

/// As the reference names errors of interactions (section 4.4).
fn error_of(failure: &Failure) -> ModuleError {
    let error = match failure.name.as_str() {
        "not_held" => "invalidstate",
        "unknown_target" => "invaliddestination",
        name if name.contains("unknown") => "invaliddestination",
        _ => "remote",
    };
    refused(error, format!("{} {}: {}", failure.code, failure.name, failure.description))
}

impl Modules {
    /// True when no action is under way.
    pub(crate) fn is_idle(&self) -> bool {
        self.purposes.borrow().is_empty() && self.submits.borrow().is_empty()
    }

    fn expect(&self, request: u64, purpose: Purpose) {
        self.purposes.borrow_mut().insert(request, purpose);
    }

    /// A request of the contract has ended; none where it was not for an action.
    pub(crate) fn ended(&self, request: u64, result: Result<Outcome, Failure>) -> Option<Told> {
        let purpose = self.purposes.borrow_mut().remove(&request)?;
        let answer = |request: String, action: CallKind, result| Told::Answer(Answer { request, action, result });
        let nothing_more =
            |result: Result<Outcome, Failure>| result.map(|_| Vec::new()).map_err(|error| error_of(&error));
        Some(match purpose {
            Purpose::Interaction { request, action, interaction } => {
                let about = vec![("interactionid".to_owned(), Datum::Text(interaction))];
                answer(request, action, result.map(|_| about).map_err(|error| error_of(&error)))
            }
            Purpose::Submit { request } => self.submits.borrow_mut().ended(request, result),
            Purpose::Cancel { submit } => answer(submit, CallKind::CancelSubmit, nothing_more(result)),
            Purpose::Query { submit } => answer(submit, CallKind::QuerySubmit, queue::queried(result)),
            Purpose::Created { request } => answer(request, CallKind::CreateMessage, messages::created(result)),
            Purpose::Fetch { request, json } => answer(request, CallKind::Fetch, fetch::fetched(result, json)),
            Purpose::Service { request, action } => answer(request, action, messages::answered(result)),
            Purpose::UserData { interaction } => match result {
                Ok(_) => {
                    let data = vec![("interactionid".to_owned(), Datum::Text(interaction))];
                    Told::Event("interaction.udata.changed", Datum::Map(data))
                }
                Err(_) => Told::Nothing,
            },
        })
    }

    /// The interaction an action is about: the one it names, or the first.
    fn interaction(call: &Call) -> Result<String, ModuleError> {
        let named = call.text("interactionid").filter(|id| !id.is_empty() && id != "0");
        let id = named.or_else(|| held::held().into_iter().next());
        let id = id.ok_or_else(|| refused("invalidstate.null", "the session holds no interaction"))?;
        match held::get(&id) {
            Some(_) => Ok(id),
            None => Err(refused("invalidstate.null", format!("the session does not hold interaction {id}"))),
        }
    }

    fn redirect(&self, request: &str, call: &Call) -> Result<(), ModuleError> {
        let interaction = Self::interaction(call)?;
        let to = call.attribute("to").ok_or_else(|| refused("invaliddestination", "there is no destination"))?;
        let to = Destination::of(to).map_err(|message| refused("invaliddestination", message))?;
        let asked = match to {
            Destination::Queue(queue) => held::place_in_queue(&interaction, &queue),
            Destination::Agent(agent) | Destination::Named(agent) => {
                routing::deliver(&interaction, &types::Destination::Agent(agent))
            }
            Destination::Place(place) => routing::deliver(&interaction, &types::Destination::Place(place)),
            Destination::Workbin { name, owner_type, owner } => {
                let owner_type = match owner_type.as_deref() {
                    Some("AP") => types::WorkbinOwner::Place,
                    Some("AG" | "GA") => types::WorkbinOwner::AgentGroup,
                    Some("PG" | "GP") => types::WorkbinOwner::PlaceGroup,
                    _ => types::WorkbinOwner::Agent,
                };
                let owner =
                    owner.ok_or_else(|| refused("invaliddestination", format!("workbin {name} has no wb_owner")))?;
                routing::deliver(&interaction, &types::Destination::Workbin(types::Workbin { name, owner_type, owner }))
            }
        };
        let request = request.to_owned();
        self.expect(asked, Purpose::Interaction { request, action: CallKind::Redirect, interaction });
        Ok(())
    }

    fn terminate(&self, request: &str, call: &Call) -> Result<(), ModuleError> {
        let interaction = Self::interaction(call)?;
        let asked = held::stop_processing(&interaction, call.text("reason").as_deref());
        let request = request.to_owned();
        self.expect(asked, Purpose::Interaction { request, action: CallKind::Terminate, interaction });
        Ok(())
    }

    /// Sets or deletes user data; the document hears of it as of any change.
    fn user_data(&self, asked: u64, interaction: &str) {
        self.expect(asked, Purpose::UserData { interaction: interaction.to_owned() });
    }

    /// Answers of actions that need nothing from outside.
    pub(crate) fn at_once(&self) -> Option<Answer> {
        self.submits.borrow_mut().at_once.pop_front()
    }

    fn answer_at_once(&self, request: &str, action: CallKind, result: Vec<(String, Datum)>) {
        let answer = Answer { request: request.to_owned(), action, result: Ok(result) };
        self.submits.borrow_mut().at_once.push_back(answer);
    }
}

impl Platform for Modules {
    fn interactions(&self) -> Vec<Datum> {
        interactions::all()
    }

    fn session_facts(&self) -> Datum {
        functions::session_facts()
    }

    fn function(&self, module: &str, name: &str, arguments: &[Datum]) -> Option<Result<Datum, String>> {
        self.called(module, name, arguments)
    }

    fn perform(&self, request: &str, call: Call) -> Result<(), ModuleError> {
        let (module, action) = call.action.name();
        match call.action {
            CallKind::Terminate => self.terminate(request, &call),
            CallKind::Redirect => self.redirect(request, &call),
            // A session holds what it is started for; there is nothing to attach, and what is detached stays with it
            // until it is sent somewhere.
            CallKind::Attach | CallKind::Detach | CallKind::Accept => {
                let interaction = Self::interaction(&call)?;
                let about = vec![("interactionid".to_owned(), Datum::Text(interaction))];
                self.answer_at_once(request, call.action, about);
                Ok(())
            }
            CallKind::CreateMessage => self.create_message(request, &call),
            CallKind::SendMessage => self.send_message(request, &call),
            CallKind::Fetch => self.fetch(request, &call),
            CallKind::Submit => self.submit(request, &call),
            CallKind::CancelSubmit => self.cancel_submit(&call),
            CallKind::QuerySubmit => self.query_submit(&call),
            CallKind::UpdateSubmit => self.update_submit(&call),
            CallKind::Classify | CallKind::Screen => self.classification(request, &call),
            _ => Err(refused("unsupported", format!("{module}:{action} is not supported"))),
        }
    }
}
