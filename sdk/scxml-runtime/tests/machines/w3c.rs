//! The W3C's tests of SCXML 1.0, all documents of the final manifest that are automated.
//!
//! The tests are the W3C's and stay outside of this repository: they are looked for where `JACKFIELD_W3C` says, and then
//! in `../shared/w3c-irp` beside it.

use std::fmt::Write;
use std::path::PathBuf;
use std::time::Duration;

use jackfield_scxml_runtime::{Limits, Machine, MachineOf, ReferenceMachine, Status};

use crate::support::{World, compile_file};

fn suite() -> Option<PathBuf> {
    let beside = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/w3c-irp");
    let folders = std::env::var_os("JACKFIELD_W3C").map(PathBuf::from).into_iter().chain([beside]);
    folders.into_iter().find(|folder| folder.join("tests.json").is_file())
}

struct Document {
    name: String,
    conformance: String,
    manual: bool,
}

fn documents(suite: &std::path::Path) -> Vec<Document> {
    let text = std::fs::read_to_string(suite.join("tests.json")).unwrap();
    let tests: Vec<serde_json::Value> = serde_json::from_str(&text).unwrap();
    let mut documents = Vec::new();
    for test in tests.iter().filter(|test| test["in_final_manifest"] == true) {
        for start in test["start"].as_array().unwrap() {
            documents.push(Document {
                name: start.as_str().unwrap().to_owned(),
                conformance: test["conformance"].as_str().unwrap().to_owned(),
                manual: test["manual"] == true,
            });
        }
    }
    documents
}

/// How a document ended: the final state it came to, or what stopped it.
fn outcome_of<M: Runs>(suite: &std::path::Path, name: &str) -> (String, Vec<String>) {
    let path = suite.join("ecma").join(name);
    let bundle = match compile_file(&path) {
        Ok(bundle) => bundle,
        Err(problem) => return (format!("refused: {problem}"), Vec::new()),
    };
    let world = World::new();
    let environment: std::rc::Rc<dyn jackfield_scxml_runtime::Environment> = world.clone();
    let mut machine = M::made(bundle, environment);
    let mut status = machine.start();
    for _ in 0..10_000 {
        match status {
            Err(failure) => return (format!("failed: {failure}"), world.log.take()),
            Ok(Status::Finished) => break,
            Ok(Status::Waiting) => {}
        }
        let post = world.posts.borrow_mut().pop_front();
        status = if let Some((number, post)) = post {
            match World::arrives(&post) {
                Some((session, request)) => machine.http_request(&session, &request, number),
                None => machine.post_ended(number, Err("no such address".to_owned())),
            }
        } else if let Some(timer) = world.next_timer() {
            machine.timer_fired(timer)
        } else {
            return ("waits for ever".to_owned(), world.log.take());
        };
    }
    let log = world.log.take();
    (machine.ended_in().unwrap_or_else(|| "no final state".to_owned()), log)
}

/// Either of the machines.
trait Runs {
    fn made(
        bundle: jackfield_scxml_program::Bundle,
        environment: std::rc::Rc<dyn jackfield_scxml_runtime::Environment>,
    ) -> Self;
    fn ended_in(&self) -> Option<String>;
    fn start(&mut self) -> Result<Status, jackfield_scxml_runtime::Failure>;
    fn timer_fired(&mut self, timer: u64) -> Result<Status, jackfield_scxml_runtime::Failure>;
    fn post_ended(
        &mut self,
        number: u64,
        result: Result<(), String>,
    ) -> Result<Status, jackfield_scxml_runtime::Failure>;
    fn http_request(
        &mut self,
        session: &str,
        request: &jackfield_scxml_runtime::HttpRequest,
        number: u64,
    ) -> Result<Status, jackfield_scxml_runtime::Failure>;
}

macro_rules! runs {
    ($machine:ty) => {
        impl Runs for $machine {
            fn made(
                bundle: jackfield_scxml_program::Bundle,
                environment: std::rc::Rc<dyn jackfield_scxml_runtime::Environment>,
            ) -> Self {
                MachineOf::new(bundle, environment, Limits::default()).unwrap()
            }
            fn ended_in(&self) -> Option<String> {
                MachineOf::ended_in(self).map(str::to_owned)
            }
            fn start(&mut self) -> Result<Status, jackfield_scxml_runtime::Failure> {
                MachineOf::start(self)
            }
            fn timer_fired(&mut self, timer: u64) -> Result<Status, jackfield_scxml_runtime::Failure> {
                MachineOf::timer_fired(self, timer)
            }
            fn post_ended(
                &mut self,
                number: u64,
                result: Result<(), String>,
            ) -> Result<Status, jackfield_scxml_runtime::Failure> {
                MachineOf::post_ended(self, number, result)
            }
            fn http_request(
                &mut self,
                session: &str,
                request: &jackfield_scxml_runtime::HttpRequest,
                number: u64,
            ) -> Result<Status, jackfield_scxml_runtime::Failure> {
                let (is_there, _) = MachineOf::http_request(self, session, request)?;
                MachineOf::post_ended(self, number, if is_there { Ok(()) } else { Err("nobody is there".to_owned()) })
            }
        }
    };
}

runs!(Machine);
runs!(ReferenceMachine);

fn table<M: Runs>(which: &str) {
    let Some(suite) = suite() else {
        println!("skipped: the W3C's tests are neither in ../shared/w3c-irp nor where JACKFIELD_W3C says");
        return;
    };
    let documents = documents(&suite);
    let mut counts: std::collections::BTreeMap<&str, (usize, usize)> = std::collections::BTreeMap::new();
    let (mut failed, mut manual) = (String::new(), String::new());
    for document in &documents {
        let (outcome, log) = outcome_of::<M>(&suite, &document.name);
        if document.manual {
            let _ = writeln!(manual, "  {}: {outcome}; {}", document.name, log.join(", "));
            continue;
        }
        let count = counts.entry(&document.conformance).or_default();
        count.1 += 1;
        if outcome == "pass" {
            count.0 += 1;
        } else {
            let _ = writeln!(failed, "  {}: {outcome}; {}", document.name, log.join(", "));
        }
    }
    println!("W3C documents that pass, {which}:");
    for (conformance, (passed, all)) in &counts {
        println!("  {conformance}: {passed} of {all}");
    }
    println!("for a person to look at:\n{manual}");
    assert!(failed.is_empty(), "these do not pass:\n{failed}");
    assert_eq!(counts["mandatory"].1, 160, "all mandatory documents are there");
    assert_eq!(counts["optional"].1, 33, "all optional documents are there");
}

#[test]
fn all_documents_of_the_w3c_that_are_automated_pass() {
    table::<Machine>("over tables");
}

#[test]
fn they_pass_with_the_algorithm_as_it_is_written_too() {
    table::<ReferenceMachine>("as the Recommendation writes it");
}

#[test]
fn none_of_them_takes_long_to_compile() {
    let Some(suite) = suite() else { return };
    let mut slowest = (Duration::ZERO, String::new());
    for document in documents(&suite) {
        let began = std::time::Instant::now();
        let compiled = compile_file(&suite.join("ecma").join(&document.name));
        slowest = slowest.max((began.elapsed(), document.name.clone()));
        assert!(compiled.is_ok() || document.manual, "{}: {compiled:?}", document.name);
    }
    println!("the slowest took {:?}: {}", slowest.0, slowest.1);
}
