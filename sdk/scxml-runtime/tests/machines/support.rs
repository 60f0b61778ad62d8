//! A virtual world for machines: a clock that goes from timer to timer, a log, and HTTP that comes back.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, VecDeque};
use std::path::Path;
use std::rc::Rc;

use jackfield_scxml::compile::compile;
use jackfield_scxml::merge::{Files, Folder, MergeLimits, merge};
use jackfield_scxml::model::{Profile, read};
use jackfield_scxml::problem::any_error;
use jackfield_scxml_program::Bundle;
use jackfield_scxml_runtime::{Environment, HttpRequest, LogLine, Platform, Post, TraceLine};

/// The world outside of a machine.
#[derive(Default)]
pub struct World {
    pub now: Cell<u64>,
    pub numbers: Cell<u64>,
    /// Timers by when they fire, then by number.
    pub timers: RefCell<BTreeMap<(u64, u64), ()>>,
    pub posts: RefCell<VecDeque<(u64, Post)>>,
    pub log: RefCell<Vec<String>>,
    pub trace: RefCell<Vec<String>>,
    pub traces: bool,
    pub platform: Option<Rc<dyn Platform>>,
}

impl World {
    pub fn new() -> Rc<World> {
        Rc::new(World::default())
    }

    fn number(&self) -> u64 {
        self.numbers.set(self.numbers.get() + 1);
        self.numbers.get()
    }

    /// Goes to the next timer; none when there is none.
    pub fn next_timer(&self) -> Option<u64> {
        let ((at, timer), ()) = self.timers.borrow_mut().pop_first()?;
        self.now.set(self.now.get().max(at));
        Some(timer)
    }

    /// The request that a post arrives as, and the session it is for.
    pub fn arrives(post: &Post) -> Option<(String, HttpRequest)> {
        let session = post.url.strip_prefix("http://machine/")?.to_owned();
        let headers = vec![("Content-Type".to_owned(), post.content_type.to_owned())];
        let target = format!("/{session}");
        Some((session, HttpRequest { method: "POST".to_owned(), target, headers, body: post.body.clone() }))
    }
}

impl Environment for World {
    fn now(&self) -> u64 {
        self.now.get()
    }

    fn session_id(&self) -> String {
        "session-1".to_owned()
    }

    fn start_timer(&self, after: u64) -> u64 {
        let timer = self.number();
        self.timers.borrow_mut().insert((self.now.get() + after, timer), ());
        timer
    }

    fn cancel_timer(&self, timer: u64) {
        self.timers.borrow_mut().retain(|(_, number), ()| *number != timer);
    }

    fn log(&self, line: &LogLine<'_>) {
        self.log.borrow_mut().push(format!("{}: {}", line.label, line.text));
    }

    fn http_location(&self, session: &str) -> Option<String> {
        Some(format!("http://machine/{session}"))
    }

    fn post(&self, post: Post) -> Option<u64> {
        let number = self.number();
        self.posts.borrow_mut().push_back((number, post));
        Some(number)
    }

    fn platform(&self) -> Option<&dyn Platform> {
        self.platform.as_deref()
    }

    fn traces(&self) -> bool {
        self.traces
    }

    fn trace(&self, line: &TraceLine<'_>) {
        let attributes: Vec<String> =
            line.step.attributes().iter().map(|(name, value)| format!("{name}={value}")).collect();
        self.trace.borrow_mut().push(format!("{} {} {}", line.session, line.step.name(), attributes.join(" ")));
    }
}

struct One<'a>(&'a str);

impl Files for One<'_> {
    fn read(&self, path: &str) -> Result<String, jackfield_scxml::merge::FileError> {
        if path == "test.scxml" { Ok(self.0.to_owned()) } else { Err(jackfield_scxml::merge::FileError::Missing) }
    }
}

fn compile_from(files: &dyn Files, path: &str, profile: Option<Profile>) -> Result<Bundle, String> {
    let merged = merge(files, path, &MergeLimits::default());
    let lines = |problems: &[jackfield_scxml::problem::Problem]| {
        let lines: Vec<String> = problems.iter().map(|problem| problem.line(&merged.sources)).collect();
        lines.join("\n")
    };
    if any_error(&merged.problems) {
        return Err(lines(&merged.problems));
    }
    let reading = read(merged.root.as_ref().expect("a root"), profile);
    if any_error(&reading.problems) {
        return Err(lines(&reading.problems));
    }
    let document = reading.document.expect("a document");
    let compiled = compile(&document, &merged.sources, files, path);
    compiled.bundle.ok_or_else(|| lines(&compiled.problems))
}

/// Compiles a file, and reads what it became as the runtime does.
pub fn compile_file(path: &Path) -> Result<Bundle, String> {
    let (root, name) = Folder::project_of(path);
    let folder = Folder::new(&root, 1 << 20).map_err(|error| error.to_string())?;
    let bundle = compile_from(&folder, &name, None)?;
    Bundle::decode(&bundle.encode()).map_err(|error| error.to_string())
}

/// Compiles a text.
pub fn compile_text(text: &str, profile: Profile) -> Bundle {
    compile_from(&One(text), "test.scxml", Some(profile)).expect("it compiles")
}
