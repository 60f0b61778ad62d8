//! Which states can be entered at all.

use super::Check;
use crate::model::{Document, Initial, StateIndex, StateKind};
use crate::problem::Problem;
use crate::source::Text;

impl Check<'_> {
    pub(super) fn reach(&mut self) {
        let document = self.document;
        let none = vec![false; document.states.len()];
        let mut reach = Reach { document, reached: none.clone(), entered: none, new: Vec::new() };
        reach.enter(StateIndex::ROOT);
        while let Some(index) = reach.new.pop() {
            let transitions = document.state(index).into_iter().flat_map(|state| &state.transitions);
            for transition in transitions.filter_map(|transition| document.transition(*transition)) {
                reach.lead_to(&transition.targets);
            }
        }
        let reached = reach.reached;
        let is_reached = |index: StateIndex| reached.get(index.0 as usize).copied().unwrap_or(true);
        for (index, state) in document.indexed_states() {
            // Of a whole part that is not reached, the outermost state alone.
            if is_reached(index) || state.parent.is_some_and(|parent| !is_reached(parent)) {
                continue;
            }
            let message = format!("{} cannot be entered", state.called());
            let problem = Problem::warning("unreachable-state", state.span, message);
            self.tell(problem.help("no transition leads to it; write one, or remove it"));
        }
    }
}

struct Reach<'d> {
    document: &'d Document,
    reached: Vec<bool>,
    /// Entered themselves, and not only as what is around another state.
    entered: Vec<bool>,
    /// Reached, and not looked at.
    new: Vec<StateIndex>,
}

impl Reach<'_> {
    fn mark(&mut self, index: StateIndex) {
        if let Some(reached) = self.reached.get_mut(index.0 as usize)
            && !std::mem::replace(reached, true)
        {
            self.new.push(index);
        }
    }

    fn lead_to(&mut self, targets: &[Text]) {
        for target in targets.iter().filter_map(|target| self.document.find(target.as_str())) {
            self.enter(target);
            let ancestors: Vec<_> = self.document.ancestors(target).collect();
            for ancestor in ancestors {
                self.mark(ancestor);
                self.regions(ancestor);
            }
        }
    }

    /// A state is entered itself, and with it those where it begins.
    fn enter(&mut self, index: StateIndex) {
        let document = self.document;
        let mut open = vec![index];
        while let Some(index) = open.pop() {
            if self.entered.get_mut(index.0 as usize).is_none_or(|entered| std::mem::replace(entered, true)) {
                continue;
            }
            self.mark(index);
            let Some(state) = document.state(index) else { continue };
            let targets: Vec<StateIndex> = match (state.kind, &state.initial) {
                (StateKind::Parallel, _) => state.children.clone(),
                (StateKind::History(_), _) => {
                    let default = state.default.and_then(|default| document.transition(default));
                    default.map_or(Vec::new(), |default| known(document, &default.targets))
                }
                (_, Initial::Attribute(targets)) => known(document, targets),
                (_, Initial::Element(transition)) => document
                    .transition(*transition)
                    .map_or(Vec::new(), |transition| known(document, &transition.targets)),
                (_, Initial::Default) => {
                    state.children.iter().copied().find(|child| !is_history(document, *child)).into_iter().collect()
                }
            };
            for target in targets {
                if is_history(document, target) && state.kind == StateKind::Parallel {
                    continue;
                }
                open.push(target);
                // Between a state and where it begins there may be others.
                for ancestor in document.ancestors(target).take_while(|ancestor| *ancestor != index) {
                    self.mark(ancestor);
                    let parallel = document.state(ancestor).filter(|state| state.kind == StateKind::Parallel);
                    open.extend(
                        parallel
                            .into_iter()
                            .flat_map(|state| &state.children)
                            .filter(|child| !is_history(document, **child)),
                    );
                }
            }
        }
    }

    /// All regions of a parallel state are entered with it.
    fn regions(&mut self, index: StateIndex) {
        let Some(state) = self.document.state(index).filter(|state| state.kind == StateKind::Parallel) else { return };
        for child in &state.children {
            let reached = self.reached.get(child.0 as usize).copied().unwrap_or(true);
            if !reached && !is_history(self.document, *child) {
                self.enter(*child);
            }
        }
    }
}

fn known(document: &Document, targets: &[Text]) -> Vec<StateIndex> {
    targets.iter().filter_map(|target| document.find(target.as_str())).collect()
}

fn is_history(document: &Document, index: StateIndex) -> bool {
    document.state(index).is_some_and(|state| matches!(state.kind, StateKind::History(_)))
}
