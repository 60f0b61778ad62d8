//! A machine: the session of a document and all it invoked, in one place and in one order.
//!
//! It does something only when it is called, and each call returns once every session waits. Sessions run one after the
//! other in the order in which they were started, so the same calls have the same effects. The machine ends with its
//! first session; what that invoked ends with it.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;

use jackfield_scxml_program::{Bundle, Program};

use crate::data::Trouble;
use crate::datum::Datum;
use crate::event::{Details, EventData, EventKind};
use crate::fast::Fast;
use crate::fault::Fault;
use crate::host::Environment;
use crate::http::HttpRequest;
use crate::limits::{Failure, Limits};
use crate::platform::Answer;
use crate::reference::Reference;
use crate::session::Session;
use crate::shared::{Live, Loaded, Task, World};
use crate::steps::Steps;

/// The machine that runs documents.
pub type Machine = MachineOf<Fast>;

/// The one to compare it with: the algorithm as the Recommendation writes it.
pub type ReferenceMachine = MachineOf<Reference>;

/// How a machine stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// It waits for events.
    Waiting,
    /// Its document has ended.
    Finished,
}

/// A machine over one of the implementations of the algorithm.
pub struct MachineOf<S> {
    world: Rc<World>,
    sessions: Vec<Session<S>>,
    /// The first session.
    root: u64,
    /// The final state it came to.
    ended_in: Option<String>,
}

impl<S: Steps> MachineOf<S> {
    /// For the first document of a bundle. Nothing runs yet.
    ///
    /// # Errors
    ///
    /// When the bundle has no documents.
    pub fn new(bundle: Bundle, environment: Rc<dyn Environment>, limits: Limits) -> Result<MachineOf<S>, Failure> {
        let documents = bundle.documents.into_iter();
        let documents: Vec<Loaded> = documents
            .map(|document| Loaded { addresses: document.addresses, program: Rc::new(document.program) })
            .collect();
        let Some(first) = documents.first() else {
            return Err(Failure::Unsupported("there is no document to run".to_owned()));
        };
        let program = Rc::clone(&first.program);
        let traces = environment.traces();
        let id: Rc<str> = environment.session_id().into();
        let world = World {
            environment,
            limits,
            traces,
            documents,
            live: RefCell::new(vec![Live { number: 0, id: Rc::clone(&id), depth: 0 }]),
            tasks: RefCell::new(VecDeque::new()),
            delayed: RefCell::new(BTreeMap::new()),
            posts: RefCell::new(BTreeMap::new()),
            generated: Cell::new(0),
            failure: RefCell::new(None),
        };
        let world = Rc::new(world);
        let session = Session::new(&world, &program, 0, id, None, 0);
        Ok(MachineOf { world, sessions: vec![session], root: 0, ended_in: None })
    }

    /// Enters the document.
    ///
    /// # Errors
    ///
    /// When a limit was passed; the machine is of no use any more then, as after any other failure.
    pub fn start(&mut self) -> Result<Status, Failure> {
        self.start_with(&[])
    }

    /// Enters the document with these values for its top-level data.
    ///
    /// # Errors
    ///
    /// As [`MachineOf::start`].
    pub fn start_with(&mut self, data: &[(String, Datum)]) -> Result<Status, Failure> {
        if let Some(root) = self.session(self.root) {
            root.begin(data);
        }
        self.settle()
    }

    /// An event from outside for the first session.
    ///
    /// # Errors
    ///
    /// As [`MachineOf::start`].
    pub fn external(&mut self, name: &str, data: Datum) -> Result<Status, Failure> {
        self.external_from(name, data, None)
    }

    /// The same, with where it came from.
    ///
    /// # Errors
    ///
    /// As [`MachineOf::start`].
    pub fn external_from(&mut self, name: &str, data: Datum, origin: Option<&str>) -> Result<Status, Failure> {
        if let Some(root) = self.session(self.root) {
            let details = match (data, origin) {
                (Datum::Undefined, None) => None,
                (data, origin) => {
                    let origin = origin.map(Rc::from);
                    Some(Box::new(Details { data: EventData::Datum(data), origin, ..Details::default() }))
                }
            };
            let shared = &root.body.shared;
            shared.enqueue(shared.event(name, EventKind::External, details));
            root.run();
        }
        self.settle()
    }

    /// A timer of the environment fired.
    ///
    /// # Errors
    ///
    /// As [`MachineOf::start`].
    pub fn timer_fired(&mut self, timer: u64) -> Result<Status, Failure> {
        let delayed = self.world.delayed.borrow_mut().remove(&timer);
        if let Some(delayed) = delayed
            && let Some(session) = self.session(delayed.session)
        {
            session.body.dispatch(delayed.message);
            session.run();
        }
        self.settle()
    }

    /// A request that [`Environment::post`] took has an answer, or got none.
    ///
    /// # Errors
    ///
    /// As [`MachineOf::start`].
    pub fn post_ended(&mut self, number: u64, result: Result<(), String>) -> Result<Status, Failure> {
        let posted = self.world.posts.borrow_mut().remove(&number);
        if let Some(posted) = posted
            && let Err(message) = result
            && let Some(session) = self.session(posted.session)
        {
            session.body.fault(Fault::Unreachable, &Trouble::new(message), posted.at, "send", posted.send_id);
            session.run();
        }
        self.settle()
    }

    /// A request for the Basic HTTP event I/O processor of a session. False when there is no such session.
    ///
    /// # Errors
    ///
    /// As [`MachineOf::start`].
    pub fn http_request(&mut self, session: &str, request: &HttpRequest) -> Result<(bool, Status), Failure> {
        let live = self.world.live(|live| &*live.id == session);
        let found = live.and_then(|live| self.session(live.number));
        let is_there = found.is_some();
        if let Some(found) = found {
            found.body.receive_request(request);
            found.run();
        }
        Ok((is_there, self.settle()?))
    }

    /// An action of a functional module has ended.
    ///
    /// # Errors
    ///
    /// As [`MachineOf::start`].
    pub fn answer(&mut self, answer: &Answer) -> Result<Status, Failure> {
        let (name, data) = answer.event();
        let number = self.owner_of(&answer.request);
        if let Some(session) = self.session(number) {
            session.body.platform_event(name, data);
            session.run();
        }
        self.settle()
    }

    /// The session that an id of a request begins with; the first one where none is meant.
    fn owner_of(&self, request: &str) -> u64 {
        let live = self.world.live(|live| {
            let rest = request.strip_prefix(&*live.id).and_then(|rest| rest.strip_prefix('-'));
            rest.is_some_and(|rest| rest.chars().all(|digit| digit.is_ascii_digit()))
        });
        live.map_or(self.root, |live| live.number)
    }

    /// Ends the document before its time: its states are left, with their handlers.
    ///
    /// # Errors
    ///
    /// As [`MachineOf::start`].
    pub fn cancel(&mut self) -> Result<Status, Failure> {
        if let Some(root) = self.session(self.root) {
            root.cancel();
        }
        self.settle()
    }

    /// The id of the final state that the first session came to; none while it runs, and for one that was cancelled.
    pub fn ended_in(&self) -> Option<&str> {
        self.ended_in.as_deref()
    }

    /// Ids of the active states of the first session, in document order.
    pub fn active(&self) -> Vec<String> {
        self.sessions.first().map(|root| root.body.shared.active_ids()).unwrap_or_default()
    }

    /// Ids of those of them that have no children.
    pub fn active_atoms(&self) -> Vec<String> {
        let Some(root) = self.sessions.first() else { return Vec::new() };
        let shared = &root.body.shared;
        let active = shared.active.borrow();
        let states = active.iter().filter_map(|state| shared.program.state(state));
        states.filter(|state| state.kind.is_atomic()).map(|state| state.id.clone()).collect()
    }

    /// The data of the first session, by name.
    pub fn data(&mut self) -> Vec<(String, Datum)> {
        let Some(root) = self.session(self.root) else { return Vec::new() };
        let program = Rc::clone(&root.body.shared.program);
        let Some(engine) = root.body.started_data() else { return Vec::new() };
        program.data.iter().map(|data| (data.id.clone(), engine.bound(&data.id))).collect()
    }

    /// The first document.
    pub fn program(&self) -> Option<&Rc<Program>> {
        self.world.documents.first().map(|document| &document.program)
    }

    /// True when no delayed event and no request is under way: only something from outside can go on with it.
    pub fn is_idle(&self) -> bool {
        self.world.delayed.borrow().is_empty() && self.world.posts.borrow().is_empty()
    }

    pub(crate) fn session(&mut self, number: u64) -> Option<&mut Session<S>> {
        self.sessions.iter_mut().find(|session| session.body.shared.number == number)
    }

    pub(crate) fn world(&self) -> &Rc<World> {
        &self.world
    }

    /// The first session, where there is no other.
    pub(crate) fn only(&mut self) -> Option<&mut Session<S>> {
        match self.sessions.as_mut_slice() {
            [only] => Some(only),
            _ => None,
        }
    }

    /// Does what sessions asked of each other until nothing is left, and takes out those that ended.
    pub(crate) fn settle(&mut self) -> Result<Status, Failure> {
        loop {
            if self.sessions.iter().any(|session| !session.is_running()) {
                self.take_out_ended();
            }
            if let Some(failure) = self.world.failure.borrow().clone() {
                return Err(failure);
            }
            let task = self.world.tasks.borrow_mut().pop_front();
            match task {
                None if self.sessions.is_empty() => return Ok(Status::Finished),
                None => return Ok(Status::Waiting),
                Some(task) => self.perform(task),
            }
        }
    }

    fn perform(&mut self, task: Task) {
        match task {
            Task::Start { number, document, id, invoked, data } => {
                let Some(loaded) = self.world.documents.get(document) else { return };
                let program = Rc::clone(&loaded.program);
                let live = self.world.live(|live| live.number == number);
                let Some(depth) = live.map(|live| live.depth) else { return };
                let session = Session::new(&self.world, &program, number, id, Some(invoked), depth);
                self.sessions.push(session);
                if let Some(session) = self.session(number) {
                    session.begin(&data);
                }
            }
            Task::Deliver { to, event } => {
                if let Some(session) = self.session(to) {
                    session.body.receive(event);
                    session.run();
                }
            }
            Task::Cancel { number } => {
                if let Some(session) = self.session(number) {
                    session.cancel();
                } else {
                    // It was cancelled before it began.
                    self.world.live.borrow_mut().retain(|live| live.number != number);
                }
            }
        }
    }

    fn take_out_ended(&mut self) {
        let ended: Vec<u64> = {
            let ended = self.sessions.iter().filter(|session| !session.is_running());
            ended.map(|session| session.body.shared.number).collect()
        };
        if let Some(root) = self.sessions.iter().find(|session| session.body.shared.number == self.root) {
            self.ended_in = (!root.is_running()).then(|| root.body.ended_in()).flatten();
        }
        self.sessions.retain(Session::is_running);
        self.world.live.borrow_mut().retain(|live| !ended.contains(&live.number));
        // What an ended session has sent and held back is not sent any more.
        let mut delayed = self.world.delayed.borrow_mut();
        delayed.retain(|timer, delayed| {
            let is_kept = !ended.contains(&delayed.session);
            if !is_kept {
                self.world.environment.cancel_timer(*timer);
            }
            is_kept
        });
    }
}
