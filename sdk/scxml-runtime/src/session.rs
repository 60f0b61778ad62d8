//! One session: the main event loop of appendix D over an implementation of its steps.
//!
//! A session runs until it waits for an external event and hands control back; it ends in a final state of `scxml`, when
//! it is cancelled, or with the whole machine when a limit is passed.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

use jackfield_scxml_program::expression::Node;
use jackfield_scxml_program::{Binding, Bits, Index, Place, Program, ROOT};

use crate::data::{Ecmascript, Trouble};
use crate::datum::Datum;
use crate::event::{Details, Event, EventData, EventKind, Row};
use crate::fault::Fault;
use crate::host::Step;
use crate::limits::Failure;
use crate::shared::{Foreign, Shared, Task, World};
use crate::steps::{Body, Steps};

/// The SCXML event I/O processor (appendix C.1).
pub(crate) const SCXML: &str = "http://www.w3.org/TR/scxml/#SCXMLEventProcessor";
/// The Basic HTTP event I/O processor (appendix C.2).
pub(crate) const BASIC_HTTP: &str = "http://www.w3.org/TR/scxml/#BasicHTTPEventProcessor";

/// A session.
pub(crate) struct Session<S> {
    pub(crate) body: SessionBody,
    pub(crate) steps: S,
}

/// All of it but the algorithm.
pub(crate) struct SessionBody {
    pub(crate) shared: Rc<Shared>,
    /// Started with the first evaluation.
    data: Option<Box<Ecmascript>>,
    pub(crate) running: bool,
    pub(crate) states_to_invoke: Bits,
    /// States whose late data is bound.
    pub(crate) bound: Bits,
    pub(crate) invocations: Vec<Invocation>,
    /// The session that invoked this one, and the invocation's id.
    pub(crate) invoked: Option<(u64, Rc<str>)>,
    pub(crate) depth: usize,
    eventless: Rc<Row>,
    /// The state whose content runs.
    pub(crate) state: Index,
    /// The final state that ended it.
    pub(crate) last: Option<Index>,
}

/// Something that was invoked and runs.
pub(crate) struct Invocation {
    pub state: Index,
    pub invoke: Index,
    pub id: Rc<str>,
    pub number: u64,
}

impl<S: Steps> Session<S> {
    pub(crate) fn new(
        world: &Rc<World>,
        program: &Rc<Program>,
        number: u64,
        id: Rc<str>,
        invoked: Option<(u64, Rc<str>)>,
        depth: usize,
    ) -> Session<S> {
        let states = program.states.len();
        let shared = Shared {
            world: Rc::clone(world),
            program: Rc::clone(program),
            number,
            id,
            names: RefCell::default(),
            internal: RefCell::new(VecDeque::new()),
            external: RefCell::new(VecDeque::new()),
            current: RefCell::new(None),
            event_object: RefCell::new(None),
            event_data: RefCell::new(None),
            processors: RefCell::new(None),
            active: RefCell::new(Bits::with_capacity(states)),
        };
        let body = SessionBody {
            shared: Rc::new(shared),
            data: None,
            running: true,
            states_to_invoke: Bits::with_capacity(states),
            bound: Bits::with_capacity(states),
            invocations: Vec::new(),
            invoked,
            depth,
            eventless: Rc::new(Row::eventless(program)),
            state: ROOT,
            last: None,
        };
        Session { body, steps: S::of(program) }
    }

    /// `interpret`: binds the data, runs the scripts of the document, and enters its initial states.
    pub(crate) fn begin(&mut self, data: &[(String, Datum)]) {
        let program = Rc::clone(&self.body.shared.program);
        self.body.bind_at_load(data);
        self.body.load_scripts();
        if let Some(initial) = program.state(ROOT).and_then(|root| root.initial) {
            self.body.run_content(initial);
            self.steps.begin(&mut self.body, initial);
        }
        self.run();
    }

    /// `mainEventLoop`, until it waits for an external event.
    pub(crate) fn run(&mut self) {
        let world = Rc::clone(&self.body.shared.world);
        loop {
            self.macrostep();
            if !self.body.running || world.has_failed() {
                break;
            }
            if !self.body.states_to_invoke.is_empty() {
                self.body.invoke_all();
                // What could not be invoked has raised its errors.
                if !self.body.shared.internal.borrow().is_empty() {
                    continue;
                }
            }
            let Some(event) = self.body.shared.external.borrow_mut().pop_front() else { return };
            self.take_external(event);
        }
        if !world.has_failed() {
            self.exit();
        }
    }

    fn macrostep(&mut self) {
        let shared = Rc::clone(&self.body.shared);
        let limit = shared.limits().microsteps;
        let mut steps = 0;
        let eventless = Rc::clone(&self.body.eventless);
        while self.body.running {
            let has_eventless = !eventless.transitions.is_empty();
            if !(has_eventless && self.steps.select(&mut self.body, &eventless)) {
                let Some(event) = shared.internal.borrow_mut().pop_front() else { return };
                let row = shared.names.borrow().row(&shared.program, &event.name);
                shared.set_current(event);
                if !self.steps.select(&mut self.body, &row) {
                    // Events nobody waits for count too: an endless stream of them is no less endless.
                    steps += 1;
                    if self.passes(steps, limit) {
                        return;
                    }
                    continue;
                }
            }
            steps += 1;
            if self.passes(steps, limit) {
                return;
            }
            self.steps.microstep(&mut self.body);
            if shared.world.has_failed() {
                return;
            }
        }
    }

    fn passes(&self, steps: u32, limit: u32) -> bool {
        if steps > limit {
            let place = format!("session {} in {}", self.body.shared.id, self.body.shared.active_ids().join(" "));
            self.body.shared.world.fail(Failure::Limit { what: "microsteps", limit: limit.into(), place });
        }
        steps > limit || self.body.shared.world.has_failed()
    }

    fn take_external(&mut self, event: Event) {
        let shared = Rc::clone(&self.body.shared);
        let row = shared.names.borrow().row(&shared.program, &event.name);
        let is_for_invoked = !self.body.invocations.is_empty();
        if is_for_invoked {
            shared.set_current(event.clone());
            self.body.finalize_and_forward(&event);
        } else {
            shared.set_current(event);
        }
        if self.steps.select(&mut self.body, &row) {
            self.steps.microstep(&mut self.body);
        }
    }

    /// `exitInterpreter`.
    fn exit(&mut self) {
        self.body.running = false;
        let active: Vec<Index> = self.body.shared.active.borrow().iter().collect();
        for state in active.into_iter().rev() {
            self.body.leaving(state);
            self.body.shared.active.borrow_mut().remove(state);
        }
        self.body.tell_who_invoked();
    }

    /// Ends it before its time; who invoked it hears nothing (section 6.4).
    pub(crate) fn cancel(&mut self) {
        self.body.invoked = None;
        if self.body.running {
            self.exit();
        }
    }

    pub(crate) fn is_running(&self) -> bool {
        self.body.running
    }
}

impl SessionBody {
    /// The data model, started if it was not.
    pub(crate) fn data(&mut self) -> Result<&mut Ecmascript, Trouble> {
        if self.data.is_none() {
            if self.shared.program.data_model == jackfield_scxml_program::DataModel::Null {
                return Err(Trouble::new("the null data model has no expressions but In()"));
            }
            self.data = Some(Box::new(Ecmascript::start(&self.shared)?));
        }
        self.data.as_deref_mut().ok_or_else(|| Trouble::new("no data model"))
    }

    pub(crate) fn take_states_to_invoke(&mut self) -> Vec<Index> {
        let states = self.states_to_invoke.iter().collect();
        self.states_to_invoke.clear();
        states
    }

    /// The data model, if anything needed it so far.
    pub(crate) fn started_data(&mut self) -> Option<&mut Ecmascript> {
        self.data.as_deref_mut()
    }

    /// Runs the scripts of `scxml`.
    pub(crate) fn load_scripts(&mut self) {
        let program = Rc::clone(&self.shared.program);
        for script in &program.load {
            let place = program.scripts.get(*script as usize).map_or_else(Place::default, |script| script.at);
            if let Err(trouble) = self.data().and_then(|data| data.run(*script, true)) {
                self.fault(Fault::Script, &trouble, place, "script", None);
            }
        }
        if let Some(data) = self.started_data()
            && let Err(trouble) = data.scripts_loaded()
        {
            self.fault(Fault::Script, &trouble, Place::default(), "script", None);
        }
    }

    fn bind_at_load(&mut self, given: &[(String, Datum)]) {
        let program = Rc::clone(&self.shared.program);
        let top = program.state(ROOT).map_or(&[][..], |root| &root.data);
        for (number, data) in program.data.iter().enumerate() {
            let is_top = top.contains(&(number as Index));
            let given = given.iter().find(|(name, _)| is_top && *name == data.id).map(|(_, value)| value);
            let result = if let Some(value) = given {
                self.data().and_then(|engine| {
                    let value = engine.import(value)?;
                    engine.bind(&data.id, value)
                })
            } else if is_top || program.binding == Binding::Early {
                self.bind(number as Index);
                Ok(())
            } else {
                self.data().and_then(|engine| engine.bind(&data.id, Default::default()))
            };
            if let Err(trouble) = result {
                self.fault(Fault::Data, &trouble, data.at, "data", None);
            }
        }
    }

    /// Gives a `data` its value; one whose value cannot be had is undefined (section 5.3).
    pub(crate) fn bind(&mut self, number: Index) {
        let program = Rc::clone(&self.shared.program);
        let Some(data) = program.data.get(number as usize) else { return };
        let value = match &data.value {
            None => Ok(Default::default()),
            Some(value) => self.value(value),
        };
        let value = value.unwrap_or_else(|trouble| {
            self.fault(Fault::Data, &trouble, data.at, "data", None);
            Default::default()
        });
        if let Err(trouble) = self.data().and_then(|engine| engine.bind(&data.id, value)) {
            self.fault(Fault::Data, &trouble, data.at, "data", None);
        }
    }

    /// The id of the final state that ended it.
    pub(crate) fn ended_in(&self) -> Option<String> {
        self.last.map(|last| self.state_name(last))
    }

    pub(crate) fn state_name(&self, state: Index) -> String {
        self.shared.program.state(state).map(|found| found.id.clone()).unwrap_or_default()
    }

    pub(crate) fn trace_state(&self, state: Index, step: impl FnOnce(&str) -> Step<'_>) {
        if self.shared.world.traces {
            let name = self.state_name(state);
            self.shared.trace(step(&name), self.shared.program.state(state).map(|found| found.at));
        }
    }

    pub(crate) fn run_blocks(&mut self, state: Index, blocks: &[Index]) {
        self.state = state;
        for block in blocks {
            self.block(*block);
            if self.shared.world.has_failed() {
                return;
            }
        }
    }

    /// The session has ended by itself: whoever invoked it gets `done.invoke`.
    fn tell_who_invoked(&mut self) {
        let Some((parent, id)) = self.invoked.take() else { return };
        let program = Rc::clone(&self.shared.program);
        let payload = self.last.and_then(|last| program.state(last)).and_then(|state| state.done_data.as_ref());
        let data = match payload {
            None => EventData::None,
            Some(payload) => {
                let at = self.last.and_then(|last| program.state(last)).map_or_else(Place::default, |state| state.at);
                self.payload(payload, at, "donedata", true).unwrap_or_default()
            }
        };
        let data = self.export(data).unwrap_or_default();
        let event = Foreign {
            name: format!("done.invoke.{id}"),
            send_id: None,
            origin: None,
            origin_type: None,
            invoke_id: Some(id),
            data: self.done_data_of(data),
        };
        self.shared.world.task(Task::Deliver { to: parent, event });
    }

    /// In profile `ors` what an end brings is in `params`, beside who ended and why (reference page, section 2.3).
    pub(crate) fn done_data_of(&self, data: Datum) -> Datum {
        if !self.shared.is_ors() {
            return data;
        }
        let id = Datum::text(&*self.shared.id);
        Datum::Map(vec![
            ("sessionid".to_owned(), id),
            ("reason".to_owned(), Datum::text("done")),
            ("params".to_owned(), data),
        ])
    }

    /// Data for outside of this session's engine.
    pub(crate) fn export(&mut self, data: EventData) -> Result<Datum, Trouble> {
        match data {
            EventData::None => Ok(Datum::Undefined),
            EventData::Datum(datum) => Ok(datum),
            EventData::Value(value) => self.data()?.export(&value),
        }
    }

    /// Takes in an event of another session.
    pub(crate) fn receive(&self, foreign: Foreign) {
        let data = match foreign.data {
            Datum::Undefined => EventData::None,
            data => EventData::Datum(data),
        };
        let details = Details {
            send_id: foreign.send_id,
            origin: foreign.origin,
            origin_type: foreign.origin_type,
            invoke_id: foreign.invoke_id,
            data,
            raw: None,
        };
        self.shared.enqueue(self.shared.event(&foreign.name, EventKind::External, Some(Box::new(details))));
    }

    /// The condition of a transition or a branch. One that fails is false (section 5.9.1).
    pub(crate) fn condition(&mut self, expression: Index, at: Place, element: &str) -> bool {
        let program = Rc::clone(&self.shared.program);
        let code = program.expression(expression).map_or(&[][..], |found| &found.code);
        let result = match code {
            [Node::In(state)] => Ok(self.shared.active.borrow().contains(*state)),
            [Node::Boolean(value)] => Ok(*value),
            _ => self.data().and_then(|data| data.condition(expression)),
        };
        let holds = result.unwrap_or_else(|trouble| {
            self.fault(Fault::Condition, &trouble, at, element, None);
            false
        });
        if self.shared.world.traces {
            let text = program.expression(expression).map_or("", |found| found.text.as_str());
            self.shared.trace(Step::EvalCondition { condition: text, result: holds }, Some(at));
        }
        holds
    }
}
