//! Events that transitions wait for, and nothing sends.

use std::collections::HashSet;

use super::Check;
use super::sites::{Site, sites};
use crate::dialect;
use crate::ecmascript;
use crate::model::{ActionKind, Role, StateKind, Value};
use crate::problem::Problem;
use crate::source::Text;

impl Check<'_> {
    pub(super) fn events(&mut self) {
        let document = self.document;
        let sent = self.sent();
        // What is invoked sends events of its own.
        let invokes = document.states.iter().any(|state| !state.invokes.is_empty());
        let mut told: HashSet<&str> = HashSet::new();
        for transition in document.transitions.iter().filter(|transition| transition.role == Role::Ordinary) {
            for event in &transition.events {
                let name = event.as_str();
                if let Some(id) = name.strip_prefix("done.state.") {
                    self.done_of(event, id);
                } else if !invokes && !dialect::is_platform_event(name) && !sent.has(name) && told.insert(name) {
                    let message = format!("nothing in this document sends {name}");
                    let problem = if self.is_ors() && !sent.anything {
                        Problem::warning("unsent-event", event.span(), message)
                    } else {
                        Problem::note("unsent-event", event.span(), message)
                    };
                    self.tell(problem.help("it has to come from outside; otherwise mend the name"));
                }
            }
        }
    }

    fn done_of(&mut self, event: &Text, id: &str) {
        let document = self.document;
        let Some(state) = document.find(id).and_then(|index| document.state(index)) else {
            // `done.state.a` also matches `done.state.a.b`.
            let within = |known: &String| known.strip_prefix(id).is_some_and(|rest| rest.starts_with('.'));
            if !document.ids.keys().any(within) {
                let problem = Problem::warning("unsent-event", event.span(), format!("there is no state {id}"));
                self.tell(problem.help("write the id of a state with a <final> in it"));
            }
            return;
        };
        let ends = match state.kind {
            StateKind::Parallel => true,
            _ => state
                .children
                .iter()
                .filter_map(|child| document.state(*child))
                .any(|child| child.kind == StateKind::Final),
        };
        if !ends {
            let message = format!("{id} has no <final> right in it, and is never done");
            let problem = Problem::warning("unsent-event", event.span(), message);
            self.tell(problem.help("write a <final> into it, or wait for another event"));
        }
    }

    /// All names that are raised, sent, or at least written as a text in a script.
    fn sent(&self) -> Sent {
        let mut sent = Sent { names: HashSet::new(), anything: false };
        for site in sites(self.document) {
            match site {
                Site::Action(action) => match &action.kind {
                    ActionKind::Raise(raise) => sent.add(raise.event.as_str()),
                    ActionKind::Send(send) => match &send.event {
                        Some(Value::Literal(name)) => sent.add(name.as_str()),
                        Some(Value::Expression(expression)) => {
                            let text = expression.as_str().trim().trim_end_matches(';');
                            let is_text =
                                ecmascript::strings(text).first().is_some_and(|only| only.len() + 2 == text.len());
                            sent.anything |= !is_text;
                        }
                        None => {}
                    },
                    _ => {}
                },
                Site::Expression(text) | Site::Program(text) | Site::Location(text) => {
                    for string in ecmascript::strings(text.as_str()) {
                        sent.add(string);
                    }
                }
            }
        }
        sent
    }
}

struct Sent {
    names: HashSet<String>,
    /// The name of some event is computed.
    anything: bool,
}

impl Sent {
    /// A name is sent, and with it what matches prefixes of it.
    fn add(&mut self, name: &str) {
        // What is longer is no name of an event.
        if name.len() > 200 {
            return;
        }
        for end in name.match_indices('.').map(|(at, _)| at).chain([name.len()]) {
            if let Some(prefix) = name.get(..end) {
                self.names.insert(prefix.to_owned());
            }
        }
    }

    fn has(&self, name: &str) -> bool {
        self.names.contains(name)
    }
}
