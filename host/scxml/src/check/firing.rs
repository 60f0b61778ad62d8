//! Transitions that never fire, and those that fire without end.

use std::collections::HashMap;

use super::Check;
use crate::model::{State, StateIndex, Transition};
use crate::problem::Problem;
use crate::source::Span;

impl Check<'_> {
    pub(super) fn firing(&mut self) {
        let document = self.document;
        for (index, state) in document.indexed_states() {
            self.shadowed(index, state);
        }
    }

    fn shadowed(&mut self, index: StateIndex, state: &State) {
        let document = self.document;
        // What always takes an event: the first transition without a condition.
        let mut taken: HashMap<&str, Span> = HashMap::new();
        let mut always: Option<Span> = None;
        for transition in state.transitions.iter().filter_map(|transition| document.transition(*transition)) {
            if let Some(before) = always.or_else(|| taken_by(&taken, transition)) {
                let message = "this transition never fires: the one before it always does first";
                let problem = Problem::warning("shadowed-transition", transition.span, message);
                let help = "write it before the other, give the other a condition, or remove it";
                self.tell(problem.help(help).related(before, "this one fires"));
                continue;
            }
            if !is_unconditional(transition) {
                continue;
            }
            for event in &transition.events {
                taken.entry(event.as_str()).or_insert(transition.span);
            }
            if !transition.events.is_empty() {
                continue;
            }
            always = Some(transition.span);
            if self.stays(index, state, transition) {
                let message = format!("this transition fires again and again in {}", state.called());
                let problem = Problem::warning("endless-loop", transition.span, message);
                self.tell(problem.help("give it an event or a condition, or lead to another state"));
            }
        }
    }

    /// True when the transition is ready to fire again right after it has.
    fn stays(&self, index: StateIndex, state: &State, transition: &Transition) -> bool {
        let itself = |target: &crate::source::Text| self.document.find(target.as_str()) == Some(index);
        // A state with others in it may do better in these.
        transition.targets.is_empty() || (state.is_atomic(self.document) && transition.targets.iter().all(itself))
    }
}

fn is_unconditional(transition: &Transition) -> bool {
    transition.cond.as_ref().is_none_or(|cond| cond.as_str().trim() == "true")
}

/// What takes all events of `transition`; it must have some.
fn taken_by(taken: &HashMap<&str, Span>, transition: &Transition) -> Option<Span> {
    let mut by = None;
    for event in &transition.events {
        let event = event.as_str();
        let ends = event.match_indices('.').map(|(at, _)| at).chain([event.len()]);
        let prefixes = ends.filter_map(|end| event.get(..end));
        by = Some(*std::iter::once("*").chain(prefixes).find_map(|prefix| taken.get(prefix))?);
    }
    by
}
