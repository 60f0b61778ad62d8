//! The algorithm over tables.
//!
//! States in document order make exit sets ranges of the configuration, and two transitions conflict where their
//! domains lie within each other. What a transition enters was worked out by the compiler; only what depends on history
//! is worked out here. A step allocates nothing.

use std::rc::Rc;

use jackfield_scxml_program::entry::{Entry, Remembered, domain};
use jackfield_scxml_program::{Bits, Index, Kind, Program, ROOT};

use crate::event::Row;
use crate::steps::{Body, Steps};

/// Its working memory.
pub struct Fast {
    enabled: Vec<Index>,
    selected: Vec<Selected>,
    entry: Entry,
    exit: Bits,
    histories: Histories,
    any_history: bool,
}

#[derive(Clone, Copy)]
struct Selected {
    transition: Index,
    source: Index,
    /// None: it leaves and enters nothing.
    domain: Option<Index>,
}

/// By history state, what it remembers.
struct Histories(Vec<Option<Vec<Index>>>);

impl Remembered for Histories {
    fn remembered(&self, history: Index) -> Option<&[Index]> {
        self.0.get(history as usize)?.as_deref()
    }
}

impl Fast {
    fn domain(&self, program: &Program, transition: Index) -> Option<Index> {
        let found = program.transition(transition)?;
        match &found.plan {
            Some(plan) => Some(plan.domain),
            None if found.targets.is_empty() => None,
            None => domain(program, transition, &self.histories, &mut false),
        }
    }

    /// `removeConflictingTransitions`. Exit sets are the active descendants of domains and never empty, so two of them
    /// meet where one domain is, or is within, the other.
    fn remove_conflicts(&mut self, program: &Program) {
        self.selected.clear();
        for at in 0..self.enabled.len() {
            let Some(transition) = self.enabled.get(at).copied() else { return };
            let source = program.transition(transition).map_or(ROOT, |found| found.source);
            let domain = self.domain(program, transition);
            let new = Selected { transition, source, domain };
            let meets = |other: &Selected| match (new.domain, other.domain) {
                (Some(one), Some(two)) => {
                    one == two || program.is_descendant(one, two) || program.is_descendant(two, one)
                }
                _ => false,
            };
            let is_preempted =
                self.selected.iter().any(|other| meets(other) && !program.is_descendant(new.source, other.source));
            if !is_preempted {
                self.selected.retain(|other| !meets(other));
                self.selected.push(new);
            }
        }
    }

    fn exit<B: Body>(&mut self, body: &mut B, program: &Program) {
        self.exit.clear();
        {
            let active = body.active().borrow();
            for selected in &self.selected {
                let Some(domain) = selected.domain else { continue };
                let last = program.state(domain).map_or(domain, |state| state.last);
                let mut next = active.next(domain.saturating_add(1));
                while let Some(state) = next.filter(|state| *state <= last) {
                    self.exit.insert(state);
                    next = active.next(state.saturating_add(1));
                }
            }
            if self.any_history {
                self.histories.record(program, &self.exit, &active);
            }
        }
        let mut next = self.exit.previous(u32::MAX);
        while let Some(state) = next {
            body.leaving(state);
            body.active().borrow_mut().remove(state);
            next = state.checked_sub(1).and_then(|below| self.exit.previous(below));
        }
    }

    fn enter<B: Body>(&mut self, body: &mut B, program: &Program) {
        let mut next = self.entry.enter.next(0);
        while let Some(state) = next {
            body.active().borrow_mut().insert(state);
            body.entering(state);
            body.run_entry(state);
            let Some(found) = program.state(state) else { return };
            if self.entry.by_default.contains(state)
                && let Some(initial) = found.initial
            {
                body.run_content(initial);
            }
            if !self.entry.history_content.is_empty() {
                let of_state = self.entry.history_content.iter().rev().find(|(parent, _)| *parent == state);
                if let Some((_, default)) = of_state {
                    body.run_content(*default);
                }
            }
            if found.kind == Kind::Final {
                if found.parent == ROOT {
                    body.finish();
                } else {
                    done(body, program, state, found.parent);
                }
            }
            next = self.entry.enter.next(state.saturating_add(1));
        }
    }
}

fn done<B: Body>(body: &mut B, program: &Program, state: Index, parent: Index) {
    body.done(parent, Some(state));
    let above = program.state(parent).map_or(ROOT, |found| found.parent);
    let Some(region_parent) = program.state(above).filter(|found| found.kind == Kind::Parallel) else { return };
    let all = {
        let active = body.active().borrow();
        region_parent.children.iter().all(|child| is_in_final_state(program, &active, *child))
    };
    if all {
        body.done(above, None);
    }
}

/// `isInFinalState`. Compound and parallel states nest no deeper than the format allows.
pub(crate) fn is_in_final_state(program: &Program, active: &Bits, state: Index) -> bool {
    let Some(found) = program.state(state) else { return false };
    match found.kind {
        Kind::Compound => found.children.iter().any(|child| {
            active.contains(*child) && program.state(*child).is_some_and(|child| child.kind == Kind::Final)
        }),
        Kind::Parallel => found.children.iter().all(|child| is_in_final_state(program, active, *child)),
        _ => false,
    }
}

impl Histories {
    fn record(&mut self, program: &Program, exit: &Bits, active: &Bits) {
        for state in exit.iter() {
            let Some(found) = program.state(state) else { continue };
            for history in &found.histories {
                let is_deep = program.state(*history).is_some_and(|found| found.kind == Kind::DeepHistory);
                let Some(remembered) = self.0.get_mut(*history as usize) else { continue };
                let remembered = remembered.get_or_insert_default();
                remembered.clear();
                let mut next = active.next(state.saturating_add(1));
                while let Some(inner) = next.filter(|inner| *inner <= found.last) {
                    let counts = program
                        .state(inner)
                        .is_some_and(|inner| if is_deep { inner.kind.is_atomic() } else { inner.parent == state });
                    if counts {
                        remembered.push(inner);
                    }
                    next = active.next(inner.saturating_add(1));
                }
            }
        }
    }
}

impl Steps for Fast {
    fn of(program: &Program) -> Fast {
        let states = program.states.len();
        Fast {
            enabled: Vec::new(),
            selected: Vec::new(),
            entry: Entry::with_capacity(states),
            exit: Bits::with_capacity(states),
            histories: Histories(vec![None; states]),
            any_history: program.states.iter().any(|state| state.kind.is_history()),
        }
    }

    fn select<B: Body>(&mut self, body: &mut B, row: &Row) -> bool {
        self.enabled.clear();
        let program = Rc::clone(body.program());
        let mut from = 0;
        loop {
            // Conditions may look at the configuration, so it is not held over them.
            let next = {
                let active = body.active().borrow();
                next_of_both(&active, &row.atoms, from)
            };
            let Some(atom) = next else { break };
            from = atom.saturating_add(1);
            if let Some(transition) = enabled_by(body, &program, row, atom)
                && !self.enabled.contains(&transition)
            {
                self.enabled.push(transition);
            }
        }
        match self.enabled.as_slice() {
            [] => false,
            [only] => {
                let transition = *only;
                let source = program.transition(transition).map_or(ROOT, |found| found.source);
                let domain = self.domain(&program, transition);
                self.selected.clear();
                self.selected.push(Selected { transition, source, domain });
                true
            }
            _ => {
                self.remove_conflicts(&program);
                true
            }
        }
    }

    fn microstep<B: Body>(&mut self, body: &mut B) {
        let program = Rc::clone(body.program());
        self.exit(body, &program);
        for at in 0..self.selected.len() {
            if let Some(selected) = self.selected.get(at) {
                body.run_transition(selected.transition);
            }
        }
        self.entry.clear();
        for selected in &self.selected {
            let Some(domain) = selected.domain else { continue };
            match program.transition(selected.transition).and_then(|found| found.plan.as_ref()) {
                Some(plan) => {
                    plan.enter.iter().for_each(|state| self.entry.enter.insert(*state));
                    plan.by_default.iter().for_each(|state| self.entry.by_default.insert(*state));
                }
                None => self.entry.add_transition(&program, selected.transition, domain, &self.histories),
            }
        }
        self.enter(body, &program);
    }

    fn begin<B: Body>(&mut self, body: &mut B, initial: Index) {
        let program = Rc::clone(body.program());
        self.entry.clear();
        self.entry.add_transition(&program, initial, ROOT, &self.histories);
        self.enter(body, &program);
    }

    fn history(&self, state: Index) -> Option<Vec<Index>> {
        self.histories.0.get(state as usize).cloned().flatten()
    }

    fn set_history(&mut self, state: Index, remembered: Vec<Index>) {
        if let Some(slot) = self.histories.0.get_mut(state as usize) {
            *slot = Some(remembered);
        }
    }
}

/// The first member of both sets, at or above `from`.
fn next_of_both(one: &Bits, two: &Bits, from: Index) -> Option<Index> {
    let mut from = from;
    loop {
        let first = one.next(from)?;
        let second = two.next(first)?;
        if first == second {
            return Some(first);
        }
        from = second;
    }
}

/// The first transition of a state or of those around it that takes the event and whose condition holds.
fn enabled_by<B: Body>(body: &mut B, program: &Program, row: &Row, atom: Index) -> Option<Index> {
    let mut state = atom;
    loop {
        let found = program.state(state)?;
        let end = found.first_transition.saturating_add(found.transition_count);
        for transition in found.first_transition..end {
            if row.transitions.contains(transition) && body.holds(transition) {
                return Some(transition);
            }
        }
        if state == ROOT {
            return None;
        }
        state = found.parent;
    }
}
