//! A session as the algorithm sees it: what entering, leaving and taking transitions does.

use std::cell::RefCell;
use std::rc::Rc;

use jackfield_scxml_program::{Binding, Bits, Index, Kind, Program, ROOT};

use crate::datum::Datum;
use crate::event::{Details, EventData, EventKind};
use crate::fault::Fault;
use crate::host::Step;
use crate::session::SessionBody;
use crate::steps::Body;

impl Body for SessionBody {
    fn program(&self) -> &Rc<Program> {
        &self.shared.program
    }

    fn active(&self) -> &RefCell<Bits> {
        &self.shared.active
    }

    fn holds(&mut self, transition: Index) -> bool {
        let found = self.shared.program.transition(transition);
        let Some((condition, source, at)) = found.and_then(|found| Some((found.condition?, found.source, found.at)))
        else {
            return true;
        };
        self.state = source;
        self.condition(condition, at, "transition")
    }

    fn entering(&mut self, state: Index) {
        self.trace_state(state, |name| Step::StateEnter { name });
        let program = Rc::clone(&self.shared.program);
        let Some(found) = program.state(state) else { return };
        if !found.invokes.is_empty() {
            self.states_to_invoke.insert(state);
        }
        if program.binding == Binding::Late && !found.data.is_empty() && !self.bound.contains(state) {
            self.bound.insert(state);
            found.data.iter().for_each(|data| self.bind(*data));
        }
        if found.scopes.last() == Some(&state) {
            let prefix = found.my_prefix.clone();
            let opened = self.data().and_then(|data| {
                data.open_scope(state);
                let Some(prefix) = prefix else { return Ok(()) };
                let prefix = data.import(&Datum::Text(prefix))?;
                data.declare(state, "_my_prefix", prefix)
            });
            if let Err(trouble) = opened {
                self.fault(Fault::Script, &trouble, found.at, "state", None);
            }
        }
    }

    fn run_entry(&mut self, state: Index) {
        let program = Rc::clone(&self.shared.program);
        let Some(found) = program.state(state).filter(|found| !found.on_entry.is_empty()) else { return };
        self.trace_state(state, |name| Step::OnEntry { name });
        self.run_blocks(state, &found.on_entry);
    }

    fn leaving(&mut self, state: Index) {
        let program = Rc::clone(&self.shared.program);
        let Some(found) = program.state(state) else { return };
        if !found.on_exit.is_empty() {
            self.trace_state(state, |name| Step::OnExit { name });
            self.run_blocks(state, &found.on_exit);
        }
        self.states_to_invoke.remove(state);
        if !found.invokes.is_empty() {
            self.cancel_invocations(state);
        }
        if found.scopes.last() == Some(&state)
            && let Some(data) = self.started_data()
        {
            data.close_scope(state);
        }
        self.trace_state(state, |name| Step::StateExit { name });
    }

    fn run_transition(&mut self, transition: Index) {
        if self.shared.world.traces {
            self.trace_transition(transition);
        }
        self.run_content(transition);
    }

    fn run_content(&mut self, transition: Index) {
        let found = self.shared.program.transition(transition);
        let Some((source, content)) = found.and_then(|found| Some((found.source, found.content?))) else { return };
        self.run_blocks(source, &[content]);
    }

    fn done(&mut self, state: Index, by: Option<Index>) {
        let program = Rc::clone(&self.shared.program);
        let by = by.and_then(|by| program.state(by));
        let data = match by.and_then(|by| Some((by.done_data.as_ref()?, by.at))) {
            None => EventData::None,
            Some((payload, at)) => self.payload(payload, at, "donedata", true).unwrap_or_default(),
        };
        let data = if self.shared.is_ors() { self.ors_done_data(data) } else { data };
        let details = match data {
            EventData::None => None,
            data => Some(Box::new(Details { data, ..Details::default() })),
        };
        let name = format!("done.state.{}", self.state_name(state));
        self.shared.raise(self.shared.event(&name, EventKind::Platform, details));
    }

    fn finish(&mut self) {
        self.running = false;
        let program = &self.shared.program;
        let active = self.shared.active.borrow();
        self.last = active
            .iter()
            .find(|state| program.state(*state).is_some_and(|found| found.kind == Kind::Final && found.parent == ROOT));
    }
}

impl SessionBody {
    fn ors_done_data(&mut self, params: EventData) -> EventData {
        if let EventData::Value(params) = params {
            let id = Datum::text(&*self.shared.id);
            let built = self.data().and_then(|data| {
                let pairs = [
                    ("sessionid".to_owned(), data.import(&id)?),
                    ("reason".to_owned(), data.import(&Datum::text("done"))?),
                    ("params".to_owned(), params),
                ];
                data.object(&pairs)
            });
            return built.map_or(EventData::None, EventData::Value);
        }
        let params = match params {
            EventData::Datum(datum) => datum,
            _ => Datum::Undefined,
        };
        EventData::Datum(self.done_data_of(params))
    }

    fn trace_transition(&self, transition: Index) {
        let program = &self.shared.program;
        let Some(found) = program.transition(transition) else { return };
        let text = |expression: Option<Index>| {
            expression.and_then(|number| program.expression(number)).map_or("", |found| found.text.as_str())
        };
        let names: Vec<&str> =
            found.targets.iter().filter_map(|target| program.state(*target)).map(|state| state.id.as_str()).collect();
        let step = Step::Transition {
            name: &self.state_name(found.source),
            event: &found.events,
            cond: text(found.condition),
            target: &names.join(" "),
        };
        self.shared.trace(step, Some(found.at));
    }
}
