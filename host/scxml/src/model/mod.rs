//! A document as SCXML means it, with the place of everything in the files it was written in.
//!
//! States and transitions lie in arenas in document order, so that their indexes are the numbers the Recommendation's
//! algorithm orders by. State 0 is the `<scxml>` element itself. Expressions and names of states stay texts: checking
//! and compiling read them. What differs between the dialects in writing alone does not differ here: `send/@event` is
//! a [`Value::Expression`] in one and a [`Value::Literal`] in the other.

mod action;
mod module;
mod names;
mod profile;
mod read;

use std::collections::HashMap;

pub use action::{
    Action, ActionKind, Assign, Body, Branch, Cancel, Content, Foreach, If, Log, Param, Raise, Script, Send, Value,
};
pub use module::{Module, ModuleAttribute, ModuleElement};
pub use names::{INCLUDE_NAMESPACE, MERGE_NAMESPACE, SCXML_NAMESPACE};
pub use profile::{FoundProfile, Profile, profile_of};
pub use read::{RULES, Reading, read};

use crate::source::{Span, Text};
use crate::xml::Attribute;

/// Place of a state in [`Document::states`]; its number in document order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct StateIndex(pub u32);

impl StateIndex {
    /// The `<scxml>` element.
    pub const ROOT: StateIndex = StateIndex(0);
}

/// Place of a transition in [`Document::transitions`]; its number in document order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TransitionIndex(pub u32);

/// A whole document.
#[derive(Clone, Debug)]
pub struct Document {
    /// Which dialect it is read as.
    pub profile: Profile,
    /// `scxml/@name`.
    pub name: Option<Text>,
    /// `scxml/@datamodel`.
    pub data_model: DataModel,
    /// `scxml/@binding`.
    pub binding: Binding,
    /// Scripts of the `<scxml>` element, in order; they run when the document is loaded.
    pub scripts: Vec<Script>,
    /// All states in document order; the first is the `<scxml>` element.
    pub states: Vec<State>,
    /// All transitions in document order.
    pub transitions: Vec<Transition>,
    /// The states that have an id; of several with the same one, the first.
    pub ids: HashMap<String, StateIndex>,
    /// The start tag of `<scxml>`.
    pub span: Span,
}

impl Document {
    /// One state.
    pub fn state(&self, index: StateIndex) -> Option<&State> {
        self.states.get(index.0 as usize)
    }

    /// One transition.
    pub fn transition(&self, index: TransitionIndex) -> Option<&Transition> {
        self.transitions.get(index.0 as usize)
    }

    /// The state with this id.
    pub fn find(&self, id: &str) -> Option<StateIndex> {
        self.ids.get(id).copied()
    }

    /// All states with their indexes, in document order.
    pub fn indexed_states(&self) -> impl Iterator<Item = (StateIndex, &State)> {
        self.states.iter().enumerate().map(|(at, state)| (StateIndex(u32::try_from(at).unwrap_or(u32::MAX)), state))
    }

    /// The parent of a state, its parent, and so on to the `<scxml>` element.
    pub fn ancestors(&self, of: StateIndex) -> impl Iterator<Item = StateIndex> {
        std::iter::successors(self.state(of).and_then(|state| state.parent), |at| {
            self.state(*at).and_then(|state| state.parent)
        })
    }

    /// True when `inner` is within `outer`; a state is not within itself.
    pub fn is_within(&self, inner: StateIndex, outer: StateIndex) -> bool {
        self.ancestors(inner).any(|ancestor| ancestor == outer)
    }
}

/// `scxml/@datamodel`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DataModel {
    /// ECMAScript; also where nothing is said.
    Ecmascript,
    /// Null: conditions are `In(...)` alone.
    Null,
    /// Another one, which is not supported.
    Other(String),
}

/// `scxml/@binding`: when data get their first values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Binding {
    /// All when the session starts.
    Early,
    /// Those of a state when it is first entered.
    Late,
}

/// What a state is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StateKind {
    /// The `<scxml>` element.
    Scxml,
    /// `<state>`: compound when it has children that are states, else atomic.
    State,
    /// `<parallel>`.
    Parallel,
    /// `<final>`.
    Final,
    /// `<history>`.
    History(HistoryKind),
}

/// How much a history remembers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HistoryKind {
    /// The children of its parent that were active.
    Shallow,
    /// The atomic descendants of its parent that were active.
    Deep,
}

/// A state.
#[derive(Clone, Debug)]
pub struct State {
    /// What it is.
    pub kind: StateKind,
    /// Its id, with the prefixes of the includes around it.
    pub id: Option<Text>,
    /// None for the `<scxml>` element.
    pub parent: Option<StateIndex>,
    /// Its children in document order, histories among them.
    pub children: Vec<StateIndex>,
    /// Where it begins when it is entered itself.
    pub initial: Initial,
    /// Its transitions in document order; not those of `<initial>` and `<history>`.
    pub transitions: Vec<TransitionIndex>,
    /// Of a history: its default.
    pub default: Option<TransitionIndex>,
    /// What runs when it is entered: each `<onentry>` is one block.
    pub on_entry: Vec<Block>,
    /// What runs when it is left.
    pub on_exit: Vec<Block>,
    /// Its `<data>`.
    pub data: Vec<Data>,
    /// What it invokes.
    pub invokes: Vec<Invoke>,
    /// Of a final state: the data of the event that tells of it.
    pub done_data: Option<DoneData>,
    /// The prefix bound as `_my_prefix` in it and below, when it was included with one.
    pub my_prefix: Option<Text>,
    /// Attributes with a leading `_`, and those of other namespaces.
    pub extensions: Vec<Attribute>,
    /// Its start tag.
    pub span: Span,
    /// From its start tag to its end tag.
    pub whole: Span,
}

impl State {
    /// True for `<state>` and `<scxml>` with children that are states.
    pub fn is_compound(&self, document: &Document) -> bool {
        matches!(self.kind, StateKind::State | StateKind::Scxml) && self.has_real_children(document)
    }

    /// True for final states, and `<state>` without children that are states.
    pub fn is_atomic(&self, document: &Document) -> bool {
        match self.kind {
            StateKind::Final => true,
            StateKind::State => !self.has_real_children(document),
            StateKind::Scxml | StateKind::Parallel | StateKind::History(_) => false,
        }
    }

    fn has_real_children(&self, document: &Document) -> bool {
        self.children
            .iter()
            .filter_map(|child| document.state(*child))
            .any(|child| !matches!(child.kind, StateKind::History(_)))
    }

    /// Its id, or what it is, for messages.
    pub fn called(&self) -> String {
        match (&self.id, self.kind) {
            (Some(id), _) => id.to_string(),
            (None, StateKind::Scxml) => "the document".to_owned(),
            (None, StateKind::State) => "a state without id".to_owned(),
            (None, StateKind::Parallel) => "a parallel state without id".to_owned(),
            (None, StateKind::Final) => "a final state without id".to_owned(),
            (None, StateKind::History(_)) => "a history without id".to_owned(),
        }
    }
}

/// Where a compound state begins.
#[derive(Clone, Debug)]
pub enum Initial {
    /// In its first child.
    Default,
    /// In these: its attribute `initial`.
    Attribute(Vec<Text>),
    /// Where the transition of its `<initial>` leads.
    Element(TransitionIndex),
}

/// A transition.
#[derive(Clone, Debug)]
pub struct Transition {
    /// The state it is in.
    pub source: StateIndex,
    /// What it is for.
    pub role: Role,
    /// The events it matches, without `.*` or `.` at their ends; `*` for every event. None: it is eventless.
    pub events: Vec<Text>,
    /// `cond`.
    pub cond: Option<Text>,
    /// Ids of the states it leads to. None: it is targetless.
    pub targets: Vec<Text>,
    /// True for `type="internal"`.
    pub internal: bool,
    /// What it does.
    pub actions: Vec<Action>,
    /// Attributes with a leading `_`, and those of other namespaces.
    pub extensions: Vec<Attribute>,
    /// Its start tag.
    pub span: Span,
}

/// What a transition is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// It is taken when its event comes.
    Ordinary,
    /// It is that of an `<initial>`.
    Initial,
    /// It is the default of a `<history>`.
    History,
}

/// An `<onentry>` or `<onexit>`: an error in it ends it, and not the next.
#[derive(Clone, Debug)]
pub struct Block {
    /// What it does.
    pub actions: Vec<Action>,
    /// Its start tag.
    pub span: Span,
}

/// A `<data>`.
#[derive(Clone, Debug)]
pub struct Data {
    /// Its name.
    pub id: Text,
    /// Its first value.
    pub value: DataValue,
    /// Attributes with a leading `_`, and those of other namespaces.
    pub extensions: Vec<Attribute>,
    /// Its start tag.
    pub span: Span,
}

/// The first value of a `<data>`.
#[derive(Clone, Debug)]
pub enum DataValue {
    /// Undefined.
    None,
    /// That of an expression.
    Expression(Text),
    /// What is written in it, or in the file it named.
    Content(Content),
    /// What is at this address, which was not read.
    Address(Text),
}

/// An `<invoke>`.
#[derive(Clone, Debug)]
pub struct Invoke {
    /// `type`, `typeexpr`, `targettype`.
    pub kind: Option<Value>,
    /// `src`, `srcexpr`.
    pub source: Option<Value>,
    /// `id`, `invokeid`.
    pub id: Option<Text>,
    /// `idlocation`.
    pub id_location: Option<Text>,
    /// `namelist`.
    pub namelist: Vec<Text>,
    /// `autoforward`.
    pub autoforward: bool,
    /// `<param>`.
    pub params: Vec<Param>,
    /// `<content>`.
    pub content: Option<Body>,
    /// `<finalize>`: an empty one is not none.
    pub finalize: Option<Block>,
    /// Attributes with a leading `_`, and those of other namespaces.
    pub extensions: Vec<Attribute>,
    /// Its start tag.
    pub span: Span,
}

/// A `<donedata>`.
#[derive(Clone, Debug)]
pub struct DoneData {
    /// `<content>`.
    pub content: Option<Body>,
    /// `<param>`.
    pub params: Vec<Param>,
    /// Its start tag.
    pub span: Span,
}
