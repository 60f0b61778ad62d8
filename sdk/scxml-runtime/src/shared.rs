//! What the parts of one session share, and what sessions of one machine share.
//!
//! The engine calls back into a session from the middle of an evaluation (`In()`, `_event`, `__Raise`), so this is behind
//! `Rc` and interior mutability. No borrow is held while the engine runs.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;

use boa_engine::{JsObject, JsValue};
use jackfield_scxml_program::{Bits, Index, Place, Profile, Program};

use crate::datum::Datum;
use crate::event::{Details, Event, EventData, EventKind, Name, Names};
use crate::host::{Environment, Step, TraceLine};
use crate::limits::{Failure, Limits};

/// One of the documents of a bundle.
pub(crate) struct Loaded {
    pub addresses: Vec<String>,
    pub program: Rc<Program>,
}

/// What the sessions of one machine share.
pub(crate) struct World {
    pub environment: Rc<dyn Environment>,
    pub limits: Limits,
    pub traces: bool,
    pub documents: Vec<Loaded>,
    /// Sessions that run, in the order in which they were started.
    pub live: RefCell<Vec<Live>>,
    /// What sessions ask of the machine, in their order.
    pub tasks: RefCell<VecDeque<Task>>,
    /// Delayed events, by the timer they wait for.
    pub delayed: RefCell<BTreeMap<u64, Delayed>>,
    /// HTTP requests under way, by their numbers.
    pub posts: RefCell<BTreeMap<u64, Posted>>,
    /// Ids that were generated so far.
    pub generated: Cell<u64>,
    pub failure: RefCell<Option<Failure>>,
}

/// A session that runs.
#[derive(Clone)]
pub(crate) struct Live {
    pub number: u64,
    pub id: Rc<str>,
    pub depth: usize,
}

/// What a session asks of the machine.
pub(crate) enum Task {
    /// Start what was invoked.
    Start { number: u64, document: usize, id: Rc<str>, invoked: (u64, Rc<str>), data: Vec<(String, Datum)> },
    /// An event for another session.
    Deliver { to: u64, event: Foreign },
    /// Cancel what was invoked.
    Cancel { number: u64 },
}

/// An event on its way from one session to another.
#[derive(Clone, Debug)]
pub(crate) struct Foreign {
    pub name: String,
    pub send_id: Option<Rc<str>>,
    pub origin: Option<Rc<str>>,
    pub origin_type: Option<Rc<str>>,
    pub invoke_id: Option<Rc<str>>,
    pub data: Datum,
}

/// An event that is held back.
pub(crate) struct Delayed {
    pub session: u64,
    pub send_id: Option<Rc<str>>,
    pub message: Message,
}

/// An event that was sent, all of it evaluated.
#[derive(Clone, Debug)]
pub(crate) struct Message {
    pub name: String,
    pub send_id: Option<Rc<str>>,
    pub target: Target,
    pub data: EventData,
    pub at: Place,
}

/// Where a message goes.
#[derive(Clone, Debug)]
pub(crate) enum Target {
    /// The session's own external queue.
    Own,
    /// Its own internal queue.
    Internal,
    /// The session that invoked it.
    Parent,
    /// What it invoked by this id.
    Invoked(Rc<str>),
    /// A session by its id.
    Session(Rc<str>),
    /// A URL, and the body to send there.
    Http { url: String, body: String },
}

/// An HTTP request under way.
pub(crate) struct Posted {
    pub session: u64,
    pub send_id: Option<Rc<str>>,
    pub at: Place,
}

impl World {
    /// A number that was not there before.
    pub(crate) fn generate(&self) -> u64 {
        let next = self.generated.get().saturating_add(1);
        self.generated.set(next);
        next
    }

    /// The machine ends with this, unless it does already.
    pub(crate) fn fail(&self, failure: Failure) {
        self.failure.borrow_mut().get_or_insert(failure);
    }

    pub(crate) fn has_failed(&self) -> bool {
        self.failure.borrow().is_some()
    }

    pub(crate) fn live(&self, of: impl Fn(&Live) -> bool) -> Option<Live> {
        self.live.borrow().iter().find(|live| of(live)).cloned()
    }

    pub(crate) fn task(&self, task: Task) {
        if self.tasks.borrow().len() >= self.limits.queued_events {
            let limit = self.limits.queued_events as u64;
            self.fail(Failure::Limit { what: "events between sessions", limit, place: "a session".to_owned() });
            return;
        }
        self.tasks.borrow_mut().push_back(task);
    }
}

/// What the parts of one session share.
pub(crate) struct Shared {
    pub world: Rc<World>,
    pub program: Rc<Program>,
    pub number: u64,
    pub id: Rc<str>,
    pub names: RefCell<Names>,
    pub internal: RefCell<VecDeque<Event>>,
    pub external: RefCell<VecDeque<Event>>,
    /// The event that is being processed.
    pub current: RefCell<Option<Event>>,
    /// `_event`, once something needed it.
    pub event_object: RefCell<Option<JsObject>>,
    /// `_event.data`, likewise.
    pub event_data: RefCell<Option<JsValue>>,
    /// `_ioprocessors`, once something needed it.
    pub processors: RefCell<Option<JsObject>>,
    /// The configuration.
    pub active: RefCell<Bits>,
}

impl Shared {
    pub(crate) fn limits(&self) -> &Limits {
        &self.world.limits
    }

    pub(crate) fn is_ors(&self) -> bool {
        self.program.profile == Profile::Ors
    }

    /// An event of a name.
    pub(crate) fn event(&self, name: &str, kind: EventKind, details: Option<Box<Details>>) -> Event {
        Event { name: self.names.borrow_mut().of(&self.program, name), kind, details }
    }

    pub(crate) fn name(&self, name: &Name) -> Rc<str> {
        self.names.borrow().text(name)
    }

    /// Puts an event at the end of the internal queue.
    pub(crate) fn raise(&self, event: Event) {
        self.queue(&self.internal, event);
    }

    /// Puts an event at the end of the external queue.
    pub(crate) fn enqueue(&self, event: Event) {
        self.queue(&self.external, event);
    }

    fn queue(&self, queue: &RefCell<VecDeque<Event>>, event: Event) {
        let limit = self.limits().queued_events;
        if queue.borrow().len() >= limit {
            let place = format!("session {}", self.id);
            self.world.fail(Failure::Limit { what: "events that wait", limit: limit as u64, place });
            return;
        }
        if self.world.traces {
            let name = self.name(&event.name);
            self.trace(Step::EventQueued { name: &name, kind: event.kind.as_str() }, None);
        }
        queue.borrow_mut().push_back(event);
    }

    /// The next event is processed.
    pub(crate) fn set_current(&self, event: Event) {
        if self.world.traces {
            let name = self.name(&event.name);
            self.trace(Step::EventProcessed { name: &name, kind: event.kind.as_str() }, None);
        }
        *self.current.borrow_mut() = Some(event);
        *self.event_object.borrow_mut() = None;
        *self.event_data.borrow_mut() = None;
    }

    /// Tells of a step, where somebody listens.
    pub(crate) fn trace(&self, step: Step<'_>, at: Option<Place>) {
        if self.world.traces {
            let place = at.map_or_else(String::new, |at| self.program.place(at));
            self.world.environment.trace(&TraceLine { session: &self.id, step, at, place });
        }
    }

    /// The number of the state of this id.
    pub(crate) fn state_of(&self, id: &str) -> Option<Index> {
        self.program.states.iter().position(|state| state.id == id).and_then(|found| Index::try_from(found).ok())
    }

    /// `In()`.
    pub(crate) fn is_in(&self, id: &str) -> bool {
        self.state_of(id).is_some_and(|state| self.active.borrow().contains(state))
    }

    /// Ids of the active states, in document order.
    pub(crate) fn active_ids(&self) -> Vec<String> {
        let active = self.active.borrow();
        active.iter().filter_map(|state| self.program.state(state)).map(|state| state.id.clone()).collect()
    }
}
