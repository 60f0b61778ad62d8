//! A compiled SCXML document: what the compiler writes and the runtime reads, and the bytes in between.
//!
//! States and transitions are numbered in document order, so that the descendants of a state are the numbers after it
//! up to [`State::last`]: ancestry is two comparisons, and exit sets and configurations are ranges of [`Bits`]. What a
//! transition enters is known beforehand wherever it does not depend on history ([`Plan`]). Event descriptors are
//! sequences of interned tokens ([`names`]); expressions are flat lists of nodes ([`expression`]); executable content is
//! lists of actions that name others by number ([`content`]). Nothing in it is nested, so reading it needs no stack.
//!
//! [`Bundle::decode`] checks every number in the bytes; what it returns can be run without a look at its bounds.

pub mod bits;
pub mod content;
mod encoding;
pub mod entry;
pub mod expression;
pub mod names;

pub use bits::Bits;
pub use encoding::{DEEPEST, DecodeError, FORMAT};
use serde::{Deserialize, Serialize};

use content::{Block, Invoke, Payload, Script, Value, Xml};
use expression::Expression;
use names::Descriptors;

/// Number of something in one of the tables of a [`Program`].
pub type Index = u32;

/// The number of the state that stands for the element `scxml`.
pub const ROOT: Index = 0;

/// A document and those it may invoke. The first is the one that a session starts with.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Bundle {
    /// In the order in which they were found.
    pub documents: Vec<Document>,
}

/// One document of a [`Bundle`].
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Document {
    /// What `src` and `srcexpr` of an invoke may call it.
    pub addresses: Vec<String>,
    /// Its tables.
    pub program: Program,
}

/// One document as tables.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Program {
    /// The rules it runs by.
    pub profile: Profile,
    /// Attribute `name` of `scxml`; empty where there is none.
    pub name: String,
    /// Where its start document was read from (`__GetDocumentURL`).
    pub location: String,
    /// Its data model.
    pub data_model: DataModel,
    /// When its data is bound.
    pub binding: Binding,
    /// Names of the files it was made of; a [`Place`] counts in them.
    pub files: Vec<String>,
    /// Names of variables and properties, and texts, that its expressions name by number.
    pub texts: Vec<String>,
    /// What its transitions wait for.
    pub descriptors: Descriptors,
    /// In document order, the first being `scxml` itself.
    pub states: Vec<State>,
    /// State by state, in document order. Those of `initial` and `history` come after all others.
    pub transitions: Vec<Transition>,
    /// Executable content. A block names only blocks before it.
    pub blocks: Vec<Block>,
    /// Expressions.
    pub expressions: Vec<Expression>,
    /// All `data`, in document order.
    pub data: Vec<Data>,
    /// All `invoke`, in document order.
    pub invokes: Vec<Invoke>,
    /// All `script`.
    pub scripts: Vec<Script>,
    /// Those of them that are children of `scxml`: they run once, before anything else.
    pub load: Vec<Index>,
    /// XML that is the value of something.
    pub xml: Vec<Xml>,
}

/// The rules a document runs by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Profile {
    /// The Recommendation of 2015 with the ECMAScript data model.
    #[default]
    W3c,
    /// The dialect of the Orchestration Server, which is the draft of 2009 with additions.
    Ors,
}

/// The data model of a document.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum DataModel {
    /// ECMAScript (appendix B.2).
    #[default]
    Ecmascript,
    /// Nothing but `In()` (appendix B.1).
    Null,
}

/// When data is bound (section 5.3.3).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Binding {
    /// All of it when the document is loaded.
    #[default]
    Early,
    /// That of a state when the state is entered for the first time.
    Late,
}

/// Where something was written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Place {
    /// Index in [`Program::files`].
    pub file: Index,
    /// From 1.
    pub line: u32,
    /// From 1, in characters.
    pub column: u32,
}

/// What a state is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Kind {
    /// No children.
    #[default]
    Atomic,
    /// One of its children is active while it is. Also `scxml` itself.
    Compound,
    /// All of its children are active while it is.
    Parallel,
    /// Its parent is done when it is entered.
    Final,
    /// Remembers the children of its parent that were active.
    ShallowHistory,
    /// Remembers all descendants of its parent that were active and atomic.
    DeepHistory,
}

impl Kind {
    /// A pseudo-state, which is never active.
    pub fn is_history(self) -> bool {
        matches!(self, Kind::ShallowHistory | Kind::DeepHistory)
    }

    /// Without children.
    pub fn is_atomic(self) -> bool {
        matches!(self, Kind::Atomic | Kind::Final)
    }
}

/// A state, or `scxml` itself.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct State {
    /// Its id; one made up where the document gives none.
    pub id: String,
    /// What it is.
    pub kind: Kind,
    /// The state it is in; that of `scxml` is itself.
    pub parent: Index,
    /// The last of its descendants; itself where it has none.
    pub last: Index,
    /// Its child states, in document order, without history.
    pub children: Vec<Index>,
    /// The histories among its children.
    pub histories: Vec<Index>,
    /// The transition of its `initial`, or of a history.
    pub initial: Option<Index>,
    /// The first of its transitions.
    pub first_transition: Index,
    /// How many it has.
    pub transition_count: Index,
    /// Handlers `onentry`, in document order.
    pub on_entry: Vec<Index>,
    /// Handlers `onexit`, in document order.
    pub on_exit: Vec<Index>,
    /// Its data.
    pub data: Vec<Index>,
    /// Its invocations.
    pub invokes: Vec<Index>,
    /// `donedata` of a final state.
    pub done_data: Option<Payload>,
    /// The states whose script scopes its content sees, the outermost first, itself included where it has one. Only in
    /// profile `ors`, and only states whose scripts declare something have one.
    pub scopes: Vec<Index>,
    /// The value of `_my_prefix` in its scope: the prefix it was included with.
    pub my_prefix: Option<String>,
    /// Where it was written.
    pub at: Place,
}

/// A transition.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Transition {
    /// The state it belongs to.
    pub source: Index,
    /// Attribute `event` as it was written; empty for none.
    pub events: String,
    /// It takes no event.
    pub eventless: bool,
    /// Its condition.
    pub condition: Option<Index>,
    /// The states it names.
    pub targets: Vec<Index>,
    /// `type="internal"`.
    pub internal: bool,
    /// Its content.
    pub content: Option<Index>,
    /// What it leaves and enters, where that does not depend on history.
    pub plan: Option<Plan>,
    /// Where it was written.
    pub at: Place,
}

/// What a transition does to the configuration, worked out beforehand.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// Everything active below it is left (`getTransitionDomain`).
    pub domain: Index,
    /// The states it enters, in document order (`computeEntrySet`).
    pub enter: Vec<Index>,
    /// Those of them that are entered by their `initial`.
    pub by_default: Vec<Index>,
}

/// One `data`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Data {
    /// Its name.
    pub id: String,
    /// Its value; none for one that has none.
    pub value: Option<Value>,
    /// Where it was written.
    pub at: Place,
}

impl Program {
    /// A state.
    pub fn state(&self, state: Index) -> Option<&State> {
        self.states.get(state as usize)
    }

    /// A transition.
    pub fn transition(&self, transition: Index) -> Option<&Transition> {
        self.transitions.get(transition as usize)
    }

    /// An expression.
    pub fn expression(&self, expression: Index) -> Option<&Expression> {
        self.expressions.get(expression as usize)
    }

    /// Name, line and column of a place.
    pub fn place(&self, at: Place) -> String {
        let file = self.files.get(at.file as usize).map_or("", String::as_str);
        format!("{file}:{}:{}", at.line, at.column)
    }

    /// True when `state` is within `ancestor` and not it.
    pub fn is_descendant(&self, state: Index, ancestor: Index) -> bool {
        state > ancestor && self.state(ancestor).is_some_and(|found| state <= found.last)
    }
}
