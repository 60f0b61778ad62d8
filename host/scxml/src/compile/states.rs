//! States and transitions as tables.

use jackfield_scxml_program::names::Descriptors;
use jackfield_scxml_program::{Binding, Data, DataModel, Index, Kind, Profile, ROOT, State, Transition};

use super::{Builder, index};
use crate::model::{self, HistoryKind, Initial, StateIndex, StateKind};
use crate::problem::Problem;
use crate::source::{Span, Text};

impl Builder<'_, '_, '_> {
    pub(super) fn build(&mut self) {
        let document = self.document;
        self.program.profile = if self.is_ors() { Profile::Ors } else { Profile::W3c };
        self.program.name = document.name.as_ref().map(|name| name.as_str().to_owned()).unwrap_or_default();
        self.program.location = self.path.to_owned();
        self.program.data_model = match document.data_model {
            model::DataModel::Null => DataModel::Null,
            _ => DataModel::Ecmascript,
        };
        self.program.binding = match document.binding {
            model::Binding::Early => Binding::Early,
            model::Binding::Late => Binding::Late,
        };
        self.program.files = self.sources.files().iter().map(|file| file.name.clone()).collect();
        self.program.load = document.scripts.iter().map(|script| self.script(script)).collect();
        // What global scripts declare is global.
        self.declares.clear();
        if !document.states.iter().skip(1).any(|state| !matches!(state.kind, StateKind::History(_))) {
            self.problems.push(Problem::error("no-states", document.span, "the document has no states"));
            return;
        }
        for (number, state) in document.indexed_states() {
            let built = self.state(number, state);
            self.program.states.push(built);
        }
        for (number, state) in document.indexed_states() {
            self.own_transitions(number, state);
        }
        for (number, state) in document.indexed_states() {
            let initial = self.beginning(number, state);
            if let (Some(initial), Some(slot)) = (initial, self.program.states.get_mut(number.0 as usize)) {
                slot.initial = Some(initial);
            }
        }
        self.scopes();
        let transitions = self.program.transitions.iter().enumerate();
        let events = transitions.map(|(number, transition)| (index(number), transition.events.as_str()));
        self.program.descriptors = Descriptors::of(events);
        if !crate::problem::any_error(&self.problems) {
            self.program.plan();
        }
    }

    fn state(&mut self, number: StateIndex, state: &model::State) -> State {
        self.state = number.0;
        let document = self.document;
        let is_history = |child: &&StateIndex| {
            document.state(**child).is_some_and(|child| matches!(child.kind, StateKind::History(_)))
        };
        let (histories, children): (Vec<_>, Vec<_>) = state.children.iter().partition(is_history);
        let histories: Vec<StateIndex> = histories;
        let children: Vec<StateIndex> = children;
        let kind = match state.kind {
            StateKind::Scxml => Kind::Compound,
            StateKind::State if children.is_empty() => Kind::Atomic,
            StateKind::State => Kind::Compound,
            StateKind::Parallel => Kind::Parallel,
            StateKind::Final => Kind::Final,
            StateKind::History(HistoryKind::Shallow) => Kind::ShallowHistory,
            StateKind::History(HistoryKind::Deep) => Kind::DeepHistory,
        };
        let id = match &state.id {
            Some(id) => id.as_str().to_owned(),
            None if number == StateIndex::ROOT => self.program.name.clone(),
            None => format!("state.{}", number.0),
        };
        let data = state.data.iter().map(|data| self.data(data)).collect();
        let on_entry = state.on_entry.iter().map(|block| self.block(&block.actions)).collect();
        let on_exit = state.on_exit.iter().map(|block| self.block(&block.actions)).collect();
        let invokes = state.invokes.iter().map(|invoke| self.invoke(invoke)).collect();
        let done_data = state.done_data.as_ref().map(|data| self.payload(&[], &data.params, data.content.as_ref()));
        State {
            id,
            kind,
            parent: state.parent.map_or(ROOT, |parent| parent.0),
            last: self.last_descendant(number),
            children: children.iter().map(|child| child.0).collect(),
            histories: histories.iter().map(|history| history.0).collect(),
            on_entry,
            on_exit,
            data,
            invokes,
            done_data,
            my_prefix: state.my_prefix.as_ref().map(|prefix| prefix.as_str().to_owned()),
            at: self.place(state.span),
            ..State::default()
        }
    }

    /// States are in document order, so the last is the last child's last.
    fn last_descendant(&self, of: StateIndex) -> Index {
        let mut last = of;
        while let Some(child) = self.document.state(last).and_then(|state| state.children.iter().max()) {
            if *child <= last {
                break;
            }
            last = *child;
        }
        last.0
    }

    fn data(&mut self, data: &model::Data) -> Index {
        let at = self.place(data.span);
        let value = self.data_value(&data.value);
        self.program.data.push(Data { id: data.id.as_str().to_owned(), value, at });
        index(self.program.data.len() - 1)
    }

    fn own_transitions(&mut self, number: StateIndex, state: &model::State) {
        self.state = number.0;
        let first = index(self.program.transitions.len());
        for transition in &state.transitions {
            if let Some(found) = self.document.transition(*transition) {
                let built = self.transition(number, found);
                self.program.transitions.push(built);
            }
        }
        let count = index(self.program.transitions.len()).saturating_sub(first);
        if let Some(slot) = self.program.states.get_mut(number.0 as usize) {
            slot.first_transition = first;
            slot.transition_count = count;
        }
    }

    fn transition(&mut self, source: StateIndex, transition: &model::Transition) -> Transition {
        let events: Vec<&str> = transition.events.iter().map(Text::as_str).collect();
        let condition = transition.cond.as_ref().map(|condition| self.expression(condition));
        let content = (!transition.actions.is_empty()).then(|| self.block(&transition.actions));
        Transition {
            source: source.0,
            eventless: events.is_empty(),
            events: events.join(" "),
            condition,
            targets: self.targets(&transition.targets),
            internal: transition.internal,
            content,
            plan: None,
            at: self.place(transition.span),
        }
    }

    fn targets(&mut self, targets: &[Text]) -> Vec<Index> {
        let mut found = Vec::new();
        for target in targets {
            match self.document.find(target.as_str()) {
                Some(state) if state == StateIndex::ROOT => {
                    let message = format!("{target} is the document itself");
                    self.problems.push(Problem::error("unknown-target", target.span(), message));
                }
                Some(state) => found.push(state.0),
                None => {
                    let message = format!("there is no state {target}");
                    self.problems.push(Problem::error("unknown-target", target.span(), message));
                }
            }
        }
        found
    }

    /// The transition by which a compound state or a history begins.
    fn beginning(&mut self, number: StateIndex, state: &model::State) -> Option<Index> {
        self.state = number.0;
        let found = self.program.states.get(number.0 as usize)?;
        let (kind, parent) = (found.kind, found.parent);
        let around = if kind.is_history() { parent } else { number.0 };
        let children = self.program.states.get(around as usize).map(|state| state.children.clone())?;
        let built = match (kind, &state.initial, state.default) {
            (Kind::ShallowHistory | Kind::DeepHistory, _, Some(default)) => {
                let default = self.document.transition(default)?;
                self.transition(number, default)
            }
            (Kind::ShallowHistory | Kind::DeepHistory, _, None) => {
                // Without a default it stands for its parent, entered by itself.
                let parent = self.document.state(StateIndex(parent))?;
                let targets = match (&parent.kind, &parent.initial) {
                    (StateKind::Parallel, _) => children,
                    (_, Initial::Attribute(targets)) => self.targets(targets),
                    (_, Initial::Element(initial)) => {
                        let initial = self.document.transition(*initial)?;
                        self.targets(&initial.targets)
                    }
                    (_, Initial::Default) => children.into_iter().take(1).collect(),
                };
                self.made(number, targets, state.span)
            }
            (Kind::Compound, Initial::Element(initial), _) => {
                let initial = self.document.transition(*initial)?;
                self.transition(number, initial)
            }
            (Kind::Compound, Initial::Attribute(targets), _) => {
                let targets = self.targets(targets);
                self.made(number, targets, state.span)
            }
            (Kind::Compound, Initial::Default, _) => {
                self.made(number, children.into_iter().take(1).collect(), state.span)
            }
            _ => return None,
        };
        let is_within =
            !built.targets.is_empty() && built.targets.iter().all(|target| self.program.is_descendant(*target, around));
        if !is_within && !crate::problem::any_error(&self.problems) {
            let message = format!("{} begins in a state that is not within it", state.called());
            let problem = Problem::error("initial-target", state.span, message);
            self.problems.push(problem.help("name one of the states in it"));
        }
        self.program.transitions.push(built);
        Some(index(self.program.transitions.len() - 1))
    }

    fn made(&self, source: StateIndex, targets: Vec<Index>, span: Span) -> Transition {
        Transition { source: source.0, targets, at: self.place(span), ..Transition::default() }
    }

    /// Which script scopes the content of each state sees (profile `ors`; reference page, section 1.2).
    fn scopes(&mut self) {
        if !self.is_ors() {
            return;
        }
        for number in 1..index(self.program.states.len()) {
            let Some(state) = self.program.states.get(number as usize) else { return };
            let owns = self.declares.contains(&number) || state.my_prefix.is_some();
            let parent = self.program.states.get(state.parent as usize);
            let mut scopes = parent.map(|parent| parent.scopes.clone()).unwrap_or_default();
            scopes.extend(owns.then_some(number));
            if let Some(state) = self.program.states.get_mut(number as usize) {
                state.scopes = scopes;
            }
        }
    }
}
