//! What transitions leave and enter: the functions of appendix D over tables.
//!
//! Used when a document is compiled, for all that does not depend on history, and when it runs, for the rest.

use crate::{Bits, Index, Kind, Plan, Program, ROOT};

/// The states that a microstep enters, while they are gathered.
#[derive(Clone, Debug, Default)]
pub struct Entry {
    /// `statesToEnter`.
    pub enter: Bits,
    /// `statesForDefaultEntry`.
    pub by_default: Bits,
    /// `defaultHistoryContent`: the parent of a history, and the history's transition.
    pub history_content: Vec<(Index, Index)>,
    /// A history was met, so that this depends on what happened before.
    pub met_history: bool,
}

/// What histories remember; `None` for one that was never set.
pub trait Remembered {
    /// The states a history stands for.
    fn remembered(&self, history: Index) -> Option<&[Index]>;
}

/// No history remembers anything.
pub struct Nothing;

impl Remembered for Nothing {
    fn remembered(&self, _history: Index) -> Option<&[Index]> {
        None
    }
}

impl Entry {
    /// For a document with so many states.
    pub fn with_capacity(states: usize) -> Entry {
        Entry { enter: Bits::with_capacity(states), by_default: Bits::with_capacity(states), ..Entry::default() }
    }

    /// Forget all of it.
    pub fn clear(&mut self) {
        self.enter.clear();
        self.by_default.clear();
        self.history_content.clear();
        self.met_history = false;
    }

    /// `computeEntrySet` for one transition.
    pub fn add_transition(&mut self, program: &Program, transition: Index, domain: Index, histories: &impl Remembered) {
        let Some(found) = program.transition(transition) else { return };
        for target in &found.targets {
            self.add_descendants(program, *target, histories);
        }
        for target in effective_targets(program, &found.targets, histories, &mut self.met_history) {
            self.add_ancestors(program, target, domain, histories);
        }
    }

    /// `addDescendantStatesToEnter`.
    fn add_descendants(&mut self, program: &Program, state: Index, histories: &impl Remembered) {
        let Some(found) = program.state(state) else { return };
        if found.kind.is_history() {
            self.met_history = true;
            if let Some(remembered) = histories.remembered(state) {
                for state in remembered {
                    self.add_descendants(program, *state, histories);
                }
                for state in remembered {
                    self.add_ancestors(program, *state, found.parent, histories);
                }
            } else if let Some(default) = found.initial {
                self.history_content.push((found.parent, default));
                self.add_initial(program, default, found.parent, histories);
            }
            return;
        }
        self.enter.insert(state);
        match found.kind {
            Kind::Compound => {
                self.by_default.insert(state);
                if let Some(initial) = found.initial {
                    self.add_initial(program, initial, state, histories);
                }
            }
            Kind::Parallel => self.add_children(program, state, histories),
            _ => {}
        }
    }

    fn add_initial(&mut self, program: &Program, transition: Index, above: Index, histories: &impl Remembered) {
        let targets = program.transition(transition).map_or(&[][..], |found| &found.targets);
        for target in targets {
            self.add_descendants(program, *target, histories);
        }
        for target in targets {
            self.add_ancestors(program, *target, above, histories);
        }
    }

    /// Of a parallel state: those children of which nothing is entered yet.
    fn add_children(&mut self, program: &Program, parallel: Index, histories: &impl Remembered) {
        let Some(found) = program.state(parallel) else { return };
        for child in &found.children {
            let last = program.state(*child).map_or(*child, |child| child.last);
            // The child itself counts too: it may have been added on its own, and is not added again.
            if self.enter.next(*child).is_none_or(|entered| entered > last) {
                self.add_descendants(program, *child, histories);
            }
        }
    }

    /// `addAncestorStatesToEnter`.
    fn add_ancestors(&mut self, program: &Program, state: Index, domain: Index, histories: &impl Remembered) {
        let mut above = program.state(state).map_or(ROOT, |found| found.parent);
        while above != domain && program.is_descendant(above, domain) {
            self.enter.insert(above);
            if program.state(above).is_some_and(|found| found.kind == Kind::Parallel) {
                self.add_children(program, above, histories);
            }
            above = program.state(above).map_or(ROOT, |found| found.parent);
        }
    }
}

/// `getEffectiveTargetStates`. It ends: the default of a history leads to deeper histories only.
fn effective_targets(
    program: &Program,
    targets: &[Index],
    histories: &impl Remembered,
    met_history: &mut bool,
) -> Vec<Index> {
    let mut effective = Vec::new();
    for target in targets {
        let Some(found) = program.state(*target).filter(|found| found.kind.is_history()) else {
            effective.push(*target);
            continue;
        };
        *met_history = true;
        match histories.remembered(*target) {
            Some(remembered) => effective.extend_from_slice(remembered),
            None => {
                let default = found.initial.and_then(|initial| program.transition(initial));
                let targets = default.map_or(&[][..], |default| &default.targets);
                effective.extend(effective_targets(program, targets, histories, met_history));
            }
        }
    }
    effective
}

/// `getTransitionDomain`: none for a transition without targets.
pub fn domain(
    program: &Program,
    transition: Index,
    histories: &impl Remembered,
    met_history: &mut bool,
) -> Option<Index> {
    let found = program.transition(transition)?;
    let targets = effective_targets(program, &found.targets, histories, met_history);
    if targets.is_empty() {
        return None;
    }
    let all_within = |state: Index| targets.iter().all(|target| program.is_descendant(*target, state));
    let source = program.state(found.source)?;
    if found.internal && source.kind == Kind::Compound && all_within(found.source) {
        return Some(found.source);
    }
    let mut above = found.source;
    while above != ROOT {
        above = program.state(above)?.parent;
        let is_compound = program.state(above).is_some_and(|state| state.kind == Kind::Compound);
        if is_compound && all_within(above) {
            return Some(above);
        }
    }
    Some(ROOT)
}

impl Program {
    /// Works out [`crate::Transition::plan`] wherever it depends on nothing that happens before.
    pub fn plan(&mut self) {
        let mut entry = Entry::with_capacity(self.states.len());
        let plans: Vec<Option<Plan>> = (0..self.transitions.len() as Index)
            .map(|transition| {
                entry.clear();
                let mut met_history = false;
                let domain = domain(self, transition, &Nothing, &mut met_history)?;
                entry.add_transition(self, transition, domain, &Nothing);
                (!met_history && !entry.met_history).then(|| Plan {
                    domain,
                    enter: entry.enter.iter().collect(),
                    by_default: entry.by_default.iter().collect(),
                })
            })
            .collect();
        for (transition, plan) in self.transitions.iter_mut().zip(plans) {
            transition.plan = plan;
        }
    }
}
