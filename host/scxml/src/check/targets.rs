//! Where transitions lead, and where states begin.

use super::Check;
use crate::model::{HistoryKind, Initial, Role, StateIndex, StateKind, Transition};
use crate::problem::Problem;
use crate::source::Text;

/// Targets of one transition.
const TARGETS_MOST: usize = 200;

/// States among which one of a similar name is looked for.
const LOOKED_AT: usize = 2_000;

impl Check<'_> {
    pub(super) fn targets(&mut self) {
        let document = self.document;
        for transition in &document.transitions {
            let targets = self.known(&transition.targets);
            self.together(&targets);
            match transition.role {
                Role::Ordinary => {}
                Role::Initial => self.begins_in(transition, &targets, "<initial>"),
                Role::History => self.history_default(transition, &targets),
            }
        }
        for (index, state) in document.indexed_states() {
            if let Initial::Attribute(initial) = &state.initial {
                if !state.is_compound(document) || initial.is_empty() {
                    let message = if initial.is_empty() {
                        format!("{} has an initial that names no state", state.called())
                    } else {
                        format!("{} has an initial, and no states within it", state.called())
                    };
                    self.tell(
                        Problem::error("initial-target", state.span, message).help("remove the attribute initial"),
                    );
                    continue;
                }
                let targets = self.known(initial);
                self.within(index, &targets);
                self.together(&targets);
            }
            if matches!(state.kind, StateKind::History(_)) && state.default.is_none() {
                let message = format!("{} says nowhere to go when nothing is remembered", state.called());
                let problem = Problem::warning("history-default", state.span, message);
                self.tell(problem.help("write <transition target=\"...\"/> into it"));
            }
            if matches!(state.kind, StateKind::Scxml) && !state.is_compound(document) {
                let problem = Problem::error("no-states", state.span, "the document has no states");
                self.tell(problem.help("write a <state>, <parallel> or <final> into it"));
            }
        }
    }

    /// The targets that are there; the others are told of.
    fn known<'t>(&mut self, targets: &'t [Text]) -> Vec<(StateIndex, &'t Text)> {
        let mut known = Vec::new();
        for target in targets {
            match self.document.find(target.as_str()) {
                Some(index) => known.push((index, target)),
                None => {
                    let problem =
                        Problem::error("unknown-target", target.span(), format!("there is no state {target}"));
                    let help = self.near(target);
                    self.tell(problem.help(help));
                }
            }
        }
        known
    }

    fn near(&self, target: &Text) -> String {
        let written = target.as_str();
        if let Some(bare) = written.strip_prefix(['\'', '"']) {
            return format!("targets are names: write {} without quotes", bare.trim_end_matches(['\'', '"']));
        }
        let ids = || self.document.states.iter().filter_map(|state| state.id.as_ref());
        // In an included page its own states have a prefix, which must be written before them.
        let inner = ids().find(|id| id.as_str().strip_suffix(written).is_some_and(|prefix| prefix.ends_with('.')));
        if let Some(inner) = inner {
            return format!(
                "it is included as {inner}: write {}.{written}, or the whole id",
                crate::merge::PLACEHOLDER
            );
        }
        let nearest = ids().take(LOOKED_AT).min_by_key(|id| strsim::levenshtein(id.as_str(), written));
        match nearest.filter(|id| strsim::levenshtein(id.as_str(), written) <= written.len().max(3) / 3) {
            Some(near) => format!("did you mean {near}?"),
            None => "write the id of a state of this document".to_owned(),
        }
    }

    /// Each of them is within `outer`.
    fn within(&mut self, outer: StateIndex, targets: &[(StateIndex, &Text)]) {
        for (index, target) in targets {
            if !self.document.is_within(*index, outer) {
                let called = self.document.state(outer).map_or(String::new(), |state| state.called());
                let message = format!("{called} begins in {target}, which is not within it");
                let problem = Problem::error("initial-target", target.span(), message);
                self.tell(problem.help("name a state within it, or move that state into it"));
            }
        }
    }

    /// No two of them exclude each other: what they have in common is a parallel state, and each is in another region.
    fn together(&mut self, targets: &[(StateIndex, &Text)]) {
        let document = self.document;
        if let Some((_, target)) = targets.get(TARGETS_MOST) {
            let message = format!("more than {TARGETS_MOST} targets");
            self.tell(Problem::error("conflicting-targets", target.span(), message).help("lead to fewer states"));
            return;
        }
        // From the document down to each of them. What a history stands for is anywhere in its parent.
        let path = |of: StateIndex| {
            let state = document.state(of);
            let is_history = state.is_some_and(|state| matches!(state.kind, StateKind::History(_)));
            let start = if is_history { state.and_then(|state| state.parent) } else { Some(of) };
            let above = start.into_iter().flat_map(|start| document.ancestors(start));
            let mut path: Vec<_> = start.into_iter().chain(above).collect();
            path.reverse();
            path
        };
        let paths: Vec<_> = targets.iter().map(|(index, text)| (path(*index), text)).collect();
        for (at, (other, second_text)) in paths.iter().enumerate() {
            for (one, first_text) in paths.iter().take(at) {
                let common = one.iter().zip(other).take_while(|(a, b)| a == b).count();
                let parent = common.checked_sub(1).and_then(|at| document.state(*one.get(at)?));
                let nested = common == one.len() || common == other.len();
                if nested || parent.is_none_or(|parent| parent.kind != StateKind::Parallel) {
                    let message = if nested {
                        format!("one of {first_text} and {second_text} is within the other")
                    } else {
                        format!("{first_text} and {second_text} cannot be active together")
                    };
                    let problem = Problem::error("conflicting-targets", second_text.span(), message);
                    let help = "lead to states in different regions of one <parallel>, or to one of them";
                    self.tell(problem.help(help).related(first_text.span(), "the first is here"));
                    return;
                }
            }
        }
    }

    fn begins_in(&mut self, transition: &Transition, targets: &[(StateIndex, &Text)], what: &str) {
        if !transition.events.is_empty() || transition.cond.is_some() {
            let problem =
                Problem::error("initial-form", transition.span, format!("{what} has an event or a condition"));
            self.tell(problem.help("write the target alone"));
        }
        if transition.targets.is_empty() {
            let problem = Problem::error("initial-form", transition.span, format!("{what} leads nowhere"));
            self.tell(problem.help("write target=\"...\""));
        }
        if transition.role == Role::Initial {
            self.within(transition.source, targets);
        }
    }

    fn history_default(&mut self, transition: &Transition, targets: &[(StateIndex, &Text)]) {
        let document = self.document;
        self.begins_in(transition, targets, "the default of a history");
        let Some(history) = document.state(transition.source) else { return };
        let Some(parent) = history.parent else { return };
        self.within(parent, targets);
        if history.kind != StateKind::History(HistoryKind::Shallow) {
            return;
        }
        for (index, target) in targets {
            let above = document.state(*index).and_then(|state| state.parent);
            if document.is_within(*index, parent) && above != Some(parent) {
                let message = format!("the default of a shallow history, {target}, is not right in the same state");
                let problem = Problem::warning("initial-target", target.span(), message);
                self.tell(problem.help("lead to a child of that state, or write type=\"deep\""));
            }
        }
    }
}
