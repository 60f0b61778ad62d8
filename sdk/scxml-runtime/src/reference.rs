//! The algorithm as appendix D of the Recommendation writes it, function by function and with its names: slow, and easy
//! to hold against the text. The tests run it beside [`crate::fast`] and compare all that happens.
//!
//! Two things differ from the text: conflicts are found after all conditions were looked at (as the text does too), and
//! the `scxml` element is never in the configuration, since it is neither entered nor left.

use std::rc::Rc;

use jackfield_scxml_program::{Index, Kind, Program, ROOT, Transition};

use crate::event::Row;
use crate::steps::{Body, Steps};

/// Its global variables.
pub struct Reference {
    program: Rc<Program>,
    enabled_transitions: Vec<Index>,
    history_value: Vec<Option<Vec<Index>>>,
}

/// Local variables of `enterStates`.
#[derive(Default)]
struct ToEnter {
    states: Vec<Index>,
    for_default_entry: Vec<Index>,
    default_history_content: Vec<(Index, Index)>,
}

fn add(set: &mut Vec<Index>, member: Index) {
    if !set.contains(&member) {
        set.push(member);
    }
}

fn in_document_order(mut states: Vec<Index>) -> Vec<Index> {
    states.sort_unstable();
    states
}

impl Reference {
    fn kind(&self, state: Index) -> Kind {
        self.program.state(state).map_or(Kind::Atomic, |found| found.kind)
    }

    fn parent(&self, state: Index) -> Index {
        self.program.state(state).map_or(ROOT, |found| found.parent)
    }

    fn children(&self, state: Index) -> Vec<Index> {
        self.program.state(state).map(|found| found.children.clone()).unwrap_or_default()
    }

    fn transition(&self, transition: Index) -> Transition {
        self.program.transition(transition).cloned().unwrap_or_default()
    }

    fn initial_targets(&self, state: Index) -> Vec<Index> {
        let initial = self.program.state(state).and_then(|found| found.initial);
        initial.map(|initial| self.transition(initial).targets).unwrap_or_default()
    }

    fn is_descendant(&self, state: Index, of: Index) -> bool {
        self.get_proper_ancestors(state, None).contains(&of)
    }

    /// Up to `scxml`, which is the last of them; `state2` itself is not one.
    fn get_proper_ancestors(&self, state1: Index, state2: Option<Index>) -> Vec<Index> {
        let mut ancestors = Vec::new();
        let mut state = state1;
        while state != ROOT {
            state = self.parent(state);
            if Some(state) == state2 {
                break;
            }
            ancestors.push(state);
        }
        ancestors
    }

    fn atomic_states<B: Body>(&self, body: &B) -> Vec<Index> {
        body.active().borrow().iter().filter(|state| self.kind(*state).is_atomic()).collect()
    }

    fn select_transitions<B: Body>(&mut self, body: &mut B, row: &Row) -> Vec<Index> {
        let mut enabled_transitions = Vec::new();
        for state in self.atomic_states(body) {
            let mut chain = vec![state];
            chain.extend(self.get_proper_ancestors(state, None));
            'found: for s in chain {
                let Some(found) = self.program.state(s) else { continue };
                for t in found.first_transition..found.first_transition + found.transition_count {
                    if row.transitions.contains(t) && body.holds(t) {
                        add(&mut enabled_transitions, t);
                        break 'found;
                    }
                }
            }
        }
        self.remove_conflicting_transitions(body, enabled_transitions)
    }

    fn remove_conflicting_transitions<B: Body>(&self, body: &B, enabled: Vec<Index>) -> Vec<Index> {
        let mut filtered_transitions: Vec<Index> = Vec::new();
        for t1 in enabled {
            let mut t1_preempted = false;
            let mut transitions_to_remove = Vec::new();
            let exit1 = self.compute_exit_set(body, &[t1]);
            for t2 in &filtered_transitions {
                let exit2 = self.compute_exit_set(body, &[*t2]);
                if exit1.iter().any(|state| exit2.contains(state)) {
                    if self.is_descendant(self.transition(t1).source, self.transition(*t2).source) {
                        transitions_to_remove.push(*t2);
                    } else {
                        t1_preempted = true;
                        break;
                    }
                }
            }
            if !t1_preempted {
                filtered_transitions.retain(|t3| !transitions_to_remove.contains(t3));
                add(&mut filtered_transitions, t1);
            }
        }
        filtered_transitions
    }

    fn compute_exit_set<B: Body>(&self, body: &B, transitions: &[Index]) -> Vec<Index> {
        let mut states_to_exit = Vec::new();
        for t in transitions {
            if self.transition(*t).targets.is_empty() {
                continue;
            }
            let domain = self.get_transition_domain(*t);
            for s in body.active().borrow().iter() {
                if domain.is_some_and(|domain| self.is_descendant(s, domain)) {
                    add(&mut states_to_exit, s);
                }
            }
        }
        states_to_exit
    }

    fn get_transition_domain(&self, t: Index) -> Option<Index> {
        let transition = self.transition(t);
        let tstates = self.get_effective_target_states(&transition);
        if tstates.is_empty() {
            return None;
        }
        let source = transition.source;
        if transition.internal
            && self.kind(source) == Kind::Compound
            && tstates.iter().all(|s| self.is_descendant(*s, source))
        {
            return Some(source);
        }
        let mut states = vec![source];
        states.extend(tstates);
        Some(self.find_lcca(&states))
    }

    fn find_lcca(&self, state_list: &[Index]) -> Index {
        let Some((head, tail)) = state_list.split_first() else { return ROOT };
        let ancestors = self.get_proper_ancestors(*head, None);
        let compound = ancestors.iter().filter(|anc| self.kind(**anc) == Kind::Compound);
        for anc in compound {
            if tail.iter().all(|s| self.is_descendant(*s, *anc)) {
                return *anc;
            }
        }
        ROOT
    }

    fn get_effective_target_states(&self, transition: &Transition) -> Vec<Index> {
        let mut targets = Vec::new();
        for s in &transition.targets {
            if !self.kind(*s).is_history() {
                add(&mut targets, *s);
            } else if let Some(value) = self.history_value.get(*s as usize).cloned().flatten() {
                value.into_iter().for_each(|state| add(&mut targets, state));
            } else {
                let initial = self.program.state(*s).and_then(|found| found.initial);
                let default = initial.map(|initial| self.transition(initial)).unwrap_or_default();
                self.get_effective_target_states(&default).into_iter().for_each(|state| add(&mut targets, state));
            }
        }
        targets
    }

    fn exit_states<B: Body>(&mut self, body: &mut B, enabled_transitions: &[Index]) {
        let states_to_exit = in_document_order(self.compute_exit_set(body, enabled_transitions));
        for s in states_to_exit.iter().rev() {
            let histories = self.program.state(*s).map(|found| found.histories.clone()).unwrap_or_default();
            for h in histories {
                let active: Vec<Index> = body.active().borrow().iter().collect();
                let value = active.into_iter().filter(|s0| {
                    if self.kind(h) == Kind::DeepHistory {
                        self.kind(*s0).is_atomic() && self.is_descendant(*s0, *s)
                    } else {
                        self.parent(*s0) == *s
                    }
                });
                let value = value.collect();
                self.set_history(h, value);
            }
        }
        for s in states_to_exit.iter().rev() {
            body.leaving(*s);
            body.active().borrow_mut().remove(*s);
        }
    }

    fn compute_entry_set(&self, transitions: &[Index], to_enter: &mut ToEnter) {
        for t in transitions {
            let transition = self.transition(*t);
            for s in &transition.targets {
                self.add_descendant_states_to_enter(*s, to_enter);
            }
            let Some(ancestor) = self.get_transition_domain(*t) else { continue };
            for s in self.get_effective_target_states(&transition) {
                self.add_ancestor_states_to_enter(s, ancestor, to_enter);
            }
        }
    }

    fn add_descendant_states_to_enter(&self, state: Index, to_enter: &mut ToEnter) {
        if self.kind(state).is_history() {
            let parent = self.parent(state);
            if let Some(value) = self.history_value.get(state as usize).cloned().flatten() {
                value.iter().for_each(|s| self.add_descendant_states_to_enter(*s, to_enter));
                value.iter().for_each(|s| self.add_ancestor_states_to_enter(*s, parent, to_enter));
            } else {
                let initial = self.program.state(state).and_then(|found| found.initial);
                let Some(initial) = initial else { return };
                to_enter.default_history_content.retain(|(of, _)| *of != parent);
                to_enter.default_history_content.push((parent, initial));
                let targets = self.transition(initial).targets;
                targets.iter().for_each(|s| self.add_descendant_states_to_enter(*s, to_enter));
                targets.iter().for_each(|s| self.add_ancestor_states_to_enter(*s, parent, to_enter));
            }
            return;
        }
        add(&mut to_enter.states, state);
        if self.kind(state) == Kind::Compound {
            add(&mut to_enter.for_default_entry, state);
            let targets = self.initial_targets(state);
            targets.iter().for_each(|s| self.add_descendant_states_to_enter(*s, to_enter));
            targets.iter().for_each(|s| self.add_ancestor_states_to_enter(*s, state, to_enter));
        } else if self.kind(state) == Kind::Parallel {
            self.add_children(state, to_enter);
        }
    }

    fn add_children(&self, parallel: Index, to_enter: &mut ToEnter) {
        for child in self.children(parallel) {
            if !to_enter.states.iter().any(|s| *s == child || self.is_descendant(*s, child)) {
                self.add_descendant_states_to_enter(child, to_enter);
            }
        }
    }

    fn add_ancestor_states_to_enter(&self, state: Index, ancestor: Index, to_enter: &mut ToEnter) {
        for anc in self.get_proper_ancestors(state, Some(ancestor)) {
            add(&mut to_enter.states, anc);
            if self.kind(anc) == Kind::Parallel {
                self.add_children(anc, to_enter);
            }
        }
    }

    fn enter_states<B: Body>(&mut self, body: &mut B, to_enter: ToEnter) {
        for s in in_document_order(to_enter.states) {
            body.active().borrow_mut().insert(s);
            body.entering(s);
            body.run_entry(s);
            if to_enter.for_default_entry.contains(&s)
                && let Some(initial) = self.program.state(s).and_then(|found| found.initial)
            {
                body.run_content(initial);
            }
            if let Some((_, default)) = to_enter.default_history_content.iter().find(|(parent, _)| *parent == s) {
                body.run_content(*default);
            }
            if self.kind(s) == Kind::Final {
                let parent = self.parent(s);
                if parent == ROOT {
                    body.finish();
                } else {
                    body.done(parent, Some(s));
                    let grandparent = self.parent(parent);
                    let is_done = self.kind(grandparent) == Kind::Parallel
                        && self.children(grandparent).iter().all(|region| self.is_in_final_state(body, *region));
                    if is_done {
                        body.done(grandparent, None);
                    }
                }
            }
        }
    }

    fn is_in_final_state<B: Body>(&self, body: &B, s: Index) -> bool {
        let children = self.children(s);
        match self.kind(s) {
            Kind::Compound => {
                children.iter().any(|child| self.kind(*child) == Kind::Final && body.active().borrow().contains(*child))
            }
            Kind::Parallel => children.iter().all(|child| self.is_in_final_state(body, *child)),
            _ => false,
        }
    }
}

impl Steps for Reference {
    fn of(program: &Program) -> Reference {
        Reference {
            program: Rc::new(program.clone()),
            enabled_transitions: Vec::new(),
            history_value: vec![None; program.states.len()],
        }
    }

    fn select<B: Body>(&mut self, body: &mut B, row: &Row) -> bool {
        self.enabled_transitions = self.select_transitions(body, row);
        !self.enabled_transitions.is_empty()
    }

    fn microstep<B: Body>(&mut self, body: &mut B) {
        let enabled = std::mem::take(&mut self.enabled_transitions);
        self.exit_states(body, &enabled);
        for t in &enabled {
            body.run_transition(*t);
        }
        let mut to_enter = ToEnter::default();
        self.compute_entry_set(&enabled, &mut to_enter);
        self.enter_states(body, to_enter);
    }

    fn begin<B: Body>(&mut self, body: &mut B, initial: Index) {
        let mut to_enter = ToEnter::default();
        let targets = self.transition(initial).targets;
        targets.iter().for_each(|s| self.add_descendant_states_to_enter(*s, &mut to_enter));
        for s in self.get_effective_target_states(&self.transition(initial)) {
            self.add_ancestor_states_to_enter(s, ROOT, &mut to_enter);
        }
        self.enter_states(body, to_enter);
    }

    fn history(&self, state: Index) -> Option<Vec<Index>> {
        self.history_value.get(state as usize).cloned().flatten()
    }

    fn set_history(&mut self, state: Index, remembered: Vec<Index>) {
        if let Some(slot) = self.history_value.get_mut(state as usize) {
            *slot = Some(remembered);
        }
    }
}
