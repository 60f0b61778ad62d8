//! Error events: their names in both profiles, and what they carry.

use std::rc::Rc;

use jackfield_scxml_program::Place;

use crate::data::Trouble;
use crate::datum::Datum;
use crate::event::{Details, EventData, EventKind};
use crate::host::Step;
use crate::session::SessionBody;

/// What went wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// A condition could not be evaluated.
    Condition,
    /// A place to assign to is none.
    Location,
    /// Another expression could not be evaluated.
    Value,
    /// A `data` could not be given its value.
    Data,
    /// A script failed.
    Script,
    /// An assignment failed.
    Assignment,
    /// `send` without a name of an event.
    NoEvent,
    /// `send` of a type, or to a target, that there is not.
    TargetType,
    /// `send` to what cannot be reached.
    Unreachable,
    /// `send` to a session that does not run.
    NoSession,
    /// A service of a kind that cannot be invoked.
    InvokeKind,
    /// What is to be invoked cannot be had.
    InvokeSource,
    /// An element that is not supported.
    Unsupported,
}

impl Fault {
    /// In profile `w3c` (section 3.12.2).
    fn w3c(self) -> &'static str {
        match self {
            Fault::Unreachable | Fault::NoSession | Fault::InvokeSource => "error.communication",
            _ => "error.execution",
        }
    }

    /// In profile `ors` (reference page, section 2.3).
    fn ors(self, state: &str, element: &str) -> String {
        match self {
            Fault::Condition => format!("error.illegalcond.{state}"),
            Fault::Location => format!("error.illegalloc.{state}"),
            Fault::Value => format!("error.illegalvalue.{state}"),
            Fault::Data => format!("error.illegaldata.{state}"),
            Fault::Script => format!("error.script.{state}"),
            Fault::Assignment => "error.illegalassign".to_owned(),
            Fault::NoEvent => "error.send.noeventspecified".to_owned(),
            Fault::TargetType => format!("error.send.targettypeinvalid.{state}"),
            Fault::Unreachable => format!("error.send.targetunavailable.{state}"),
            Fault::NoSession => "error.send.nosuchsession".to_owned(),
            Fault::InvokeKind | Fault::Unsupported => format!("error.unsupported.{element}"),
            Fault::InvokeSource => "error.badfetch.file.404".to_owned(),
        }
    }
}

impl SessionBody {
    /// Raises the error event of a fault.
    pub(crate) fn fault(
        &mut self,
        fault: Fault,
        trouble: &Trouble,
        at: Place,
        element: &str,
        send_id: Option<Rc<str>>,
    ) {
        let program = &self.shared.program;
        let message = Datum::text(trouble.message.as_str());
        let (name, data) = if self.shared.is_ors() {
            let state = program.state(self.state).map_or("", |state| state.id.as_str());
            let pairs = [
                ("document", Datum::text(program.location.as_str())),
                ("element", Datum::text(element)),
                ("linenumber", Datum::Number(at.line.into())),
                ("description", message),
            ];
            (fault.ors(state, element), pairs.to_vec())
        } else {
            let pairs = [("message", message), ("place", Datum::Text(program.place(at)))];
            (fault.w3c().to_owned(), pairs.to_vec())
        };
        self.shared.trace(Step::ExecError { name: &name, message: &trouble.message }, Some(at));
        let data = Datum::Map(data.into_iter().map(|(name, value)| (name.to_owned(), value)).collect());
        let details = Details { send_id, data: EventData::Datum(data), ..Details::default() };
        self.shared.raise(self.shared.event(&name, EventKind::Platform, Some(Box::new(details))));
    }
}
