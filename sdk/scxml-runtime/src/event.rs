//! Events, and the names they have.

use std::collections::BTreeMap;
use std::rc::Rc;

use boa_engine::JsValue;
use jackfield_scxml_program::{Bits, Program};

use crate::datum::Datum;

/// How many names a session keeps the transitions of. Further ones are looked at each time.
const KNOWN_NAMES: usize = 1_024;

/// `_event.type`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventKind {
    /// Raised by the interpreter itself.
    Platform,
    /// Raised by the document.
    Internal,
    /// From outside.
    External,
}

impl EventKind {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            EventKind::Platform => "platform",
            EventKind::Internal => "internal",
            EventKind::External => "external",
        }
    }
}

/// `_event.data`.
#[derive(Clone, Debug, Default)]
pub(crate) enum EventData {
    #[default]
    None,
    /// From outside of this session.
    Datum(Datum),
    /// Of this session's engine.
    Value(JsValue),
}

/// What few events have.
#[derive(Clone, Debug, Default)]
pub(crate) struct Details {
    pub send_id: Option<Rc<str>>,
    pub origin: Option<Rc<str>>,
    pub origin_type: Option<Rc<str>>,
    pub invoke_id: Option<Rc<str>>,
    pub data: EventData,
    /// The request of the Basic HTTP event I/O processor, as it came.
    pub raw: Option<Rc<str>>,
}

/// An event in a queue.
#[derive(Clone, Debug)]
pub(crate) struct Event {
    pub name: Name,
    pub kind: EventKind,
    pub details: Option<Box<Details>>,
}

impl Event {
    pub(crate) fn invoke_id(&self) -> Option<&Rc<str>> {
        self.details.as_ref()?.invoke_id.as_ref()
    }
}

/// The name of an event: its number among the names a session knows, or its text.
#[derive(Clone, Debug)]
pub(crate) enum Name {
    Known(u32),
    Other(Rc<str>),
}

/// The transitions that an event may enable.
#[derive(Clone, Debug, Default)]
pub struct Row {
    /// Those whose descriptors match.
    pub transitions: Bits,
    /// The atomic states that have one of them, or are within a state that has.
    pub atoms: Bits,
}

impl Row {
    /// Of these transitions.
    pub(crate) fn of(program: &Program, transitions: Bits) -> Row {
        let mut atoms = Bits::with_capacity(program.states.len());
        for transition in transitions.iter() {
            let Some(source) = program.transition(transition).map(|found| found.source) else { continue };
            let last = program.state(source).map_or(source, |state| state.last);
            (source..=last)
                .filter(|state| program.state(*state).is_some_and(|found| found.kind.is_atomic()))
                .for_each(|state| atoms.insert(state));
        }
        Row { transitions, atoms }
    }

    /// Of the transitions that wait for no event.
    pub(crate) fn eventless(program: &Program) -> Row {
        let mut transitions = Bits::with_capacity(program.transitions.len());
        let of_states = program
            .states
            .iter()
            .flat_map(|state| state.first_transition..state.first_transition.saturating_add(state.transition_count));
        of_states
            .filter(|number| program.transition(*number).is_some_and(|found| found.eventless))
            .for_each(|number| transitions.insert(number));
        Row::of(program, transitions)
    }
}

/// The names a session has met.
#[derive(Debug, Default)]
pub(crate) struct Names {
    /// Ordered: documents have few names, and short ones.
    numbers: BTreeMap<Rc<str>, u32>,
    known: Vec<(Rc<str>, Rc<Row>)>,
}

impl Names {
    /// A name, known from now on while there is room.
    pub(crate) fn of(&mut self, program: &Program, name: &str) -> Name {
        if let Some(number) = self.numbers.get(name) {
            return Name::Known(*number);
        }
        let name: Rc<str> = name.into();
        if self.known.len() >= KNOWN_NAMES {
            return Name::Other(name);
        }
        let number = self.known.len() as u32;
        let row = Row::of(program, program.descriptors.row(&name));
        self.known.push((Rc::clone(&name), Rc::new(row)));
        self.numbers.insert(name, number);
        Name::Known(number)
    }

    /// Its text.
    pub(crate) fn text(&self, name: &Name) -> Rc<str> {
        match name {
            Name::Other(text) => Rc::clone(text),
            Name::Known(number) => {
                self.known.get(*number as usize).map_or_else(|| "".into(), |(text, _)| Rc::clone(text))
            }
        }
    }

    /// The transitions it is for.
    pub(crate) fn row(&self, program: &Program, name: &Name) -> Rc<Row> {
        match name {
            Name::Known(number) => self.known.get(*number as usize).map(|(_, row)| Rc::clone(row)).unwrap_or_default(),
            Name::Other(text) => Rc::new(Row::of(program, program.descriptors.row(text))),
        }
    }
}
