//! What is wrong with a document as a whole. Each room has the rules of one thing.

mod events;
mod expressions;
mod firing;
mod ids;
mod modules;
mod reach;
mod sites;
mod targets;

use crate::model::{Document, Profile};
use crate::problem::{Problem, Severity};

/// The rules of this part.
pub const RULES: &[(&str, &str)] = &[
    ("duplicate-id", "no two states, and no two data, have the same id"),
    ("malformed-id", "ids are names that a target, or a script, can name"),
    ("no-states", "a document has a state to be in"),
    ("unknown-target", "the states that a transition leads to are there"),
    ("conflicting-targets", "the states that one transition leads to can be active together"),
    ("initial-target", "a state begins in a state that is within it"),
    ("initial-form", "the transitions of <initial> and <history> only say where they lead"),
    ("history-default", "a history that is led to says where it leads when nothing is remembered"),
    ("unreachable-state", "each state can be entered"),
    ("shadowed-transition", "each transition can fire: none before it always takes its event"),
    ("endless-loop", "a transition that always fires leads away"),
    ("unsent-event", "events that transitions wait for are sent by something"),
    ("syntax", "expressions and scripts can be read"),
    ("location", "what is assigned to is a variable, or a member of one"),
    ("unknown-state", "In() names a state that is there"),
    ("quotes", "values that are expressions have texts in quotes, and names have none"),
    ("delay", "a delay is a number and a unit, such as 10s or 200ms"),
    ("unsupported-action", "all actions are supported"),
    ("unknown-action", "actions are those of the functional modules"),
    ("misplaced-action", "actions are in executable content; only queue:submit and queue:update hold others"),
];

/// Problems that are told of one document. Nobody reads more at once.
pub const PROBLEMS_MOST: usize = 1_000;

/// How a document is checked.
#[derive(Clone, Copy, Debug, Default)]
pub struct CheckOptions {
    /// Actions that are not supported are told of, and do not keep the document from loading: each raises an error
    /// event when it is reached.
    pub allow_unsupported: bool,
}

/// All that is wrong with `document`, in the order of the rules above.
pub fn check(document: &Document, options: CheckOptions) -> Vec<Problem> {
    let mut check = Check { document, options, problems: Vec::new() };
    check.ids();
    check.targets();
    let leads_somewhere = !crate::problem::any_error(&check.problems);
    if leads_somewhere {
        // With a target missing, what cannot be reached says nothing.
        check.reach();
    }
    check.firing();
    check.events();
    check.expressions();
    check.modules();
    check.problems
}

struct Check<'d> {
    document: &'d Document,
    options: CheckOptions,
    problems: Vec<Problem>,
}

impl Check<'_> {
    fn tell(&mut self, problem: Problem) {
        if self.problems.len() < PROBLEMS_MOST {
            self.problems.push(problem);
        }
    }

    fn is_ors(&self) -> bool {
        self.document.profile == Profile::Ors
    }

    /// How bad an expression is that cannot be read. The W3C asks that such a document runs, and that an error event is
    /// raised where the expression is reached.
    fn unreadable(&self) -> Severity {
        if self.is_ors() { Severity::Error } else { Severity::Warning }
    }
}
