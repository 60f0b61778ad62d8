//! Executable content, and what it carries.

use serde::{Deserialize, Serialize};

use crate::{Index, Place};

/// How deep blocks may nest.
pub const DEEPEST: usize = 64;

/// A list of actions. When one of them fails, those after it are not run.
pub type Block = Vec<Action>;

/// A text that is given, or an expression for it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Operand {
    /// As it was written.
    Text(String),
    /// Number of an expression.
    Expression(Index),
}

/// What `data`, `assign` and `content` hold.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Value {
    /// Number of an expression.
    Expression(Index),
    /// Text: JSON where it is, otherwise a string with its white space normalised.
    Text(String),
    /// Number of an XML value.
    Xml(Index),
    /// It could not be read when the document was compiled; evaluating it fails with this message.
    Missing(String),
}

/// `param`, or a name of a `namelist`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Parameter {
    /// Its name.
    pub name: String,
    /// Number of the expression of its value.
    pub value: Index,
    /// The value is a location, which `finalize` may write back to.
    pub is_location: bool,
}

/// What an event carries.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Payload {
    /// `namelist`, then `param`, in document order. A name may repeat.
    pub parameters: Vec<Parameter>,
    /// `content`.
    pub content: Option<Value>,
}

impl Payload {
    /// True when it carries nothing.
    pub fn is_empty(&self) -> bool {
        self.parameters.is_empty() && self.content.is_none()
    }
}

/// One action of a block.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Action {
    /// What it does.
    pub what: What,
    /// Where it was written.
    pub at: Place,
}

/// What an action does.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum What {
    /// `raise`: an internal event.
    Raise {
        /// Its name.
        event: String,
        /// Its data (profile `ors`).
        payload: Payload,
    },
    /// `if`, with its `elseif` and `else`.
    If(Vec<Branch>),
    /// `foreach`.
    ForEach {
        /// Expression of the collection.
        array: Index,
        /// Variable of the item: an expression that is a location.
        item: Index,
        /// Variable of the index.
        index: Option<Index>,
        /// What is done for each.
        body: Index,
    },
    /// `log`.
    Log {
        /// What comes before it.
        label: Option<String>,
        /// Expression of the text.
        expression: Option<Index>,
        /// Expression of the level (profile `ors`).
        level: Option<Index>,
    },
    /// `assign`.
    Assign {
        /// Expression that is a location.
        location: Index,
        /// What it gets.
        value: Value,
    },
    /// `script`.
    Script(Index),
    /// `send`.
    Send(Box<Send>),
    /// `cancel`: of an event with this id.
    Cancel(Operand),
    /// An action of a functional module (profile `ors`).
    Module(Box<Module>),
}

/// A branch of `if`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Branch {
    /// Its condition; none for `else`.
    pub condition: Option<Index>,
    /// What is done.
    pub body: Index,
}

/// `send`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Send {
    /// Name of the event.
    pub event: Option<Operand>,
    /// Where it goes.
    pub target: Option<Operand>,
    /// Which event I/O processor takes it there.
    pub kind: Option<Operand>,
    /// Its id.
    pub id: Option<Operand>,
    /// Expression of the location that a generated id is put into.
    pub id_location: Option<Index>,
    /// How long it is held back, such as `10s`.
    pub delay: Option<Operand>,
    /// Its data.
    pub payload: Payload,
}

/// `script`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Script {
    /// Its text.
    pub text: String,
    /// Where it was written.
    pub at: Place,
    /// The state whose script scopes it sees (profile `ors`).
    pub state: Index,
    /// Names it declares by `var`, outside of functions.
    pub variables: Vec<String>,
    /// Names it declares by `function`, outside of functions.
    pub functions: Vec<String>,
    /// Names it declares by `let`, `const` and `class`, outside of blocks.
    pub lexical: Vec<String>,
}

/// `invoke`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Invoke {
    /// The state it belongs to.
    pub state: Index,
    /// Its id.
    pub id: Option<String>,
    /// Expression of the location that a generated id is put into.
    pub id_location: Option<Index>,
    /// What kind of service.
    pub kind: Option<Operand>,
    /// Its address.
    pub source: Option<Operand>,
    /// Its data, and the document itself where it is `content`.
    pub payload: Payload,
    /// The child gets a copy of each external event.
    pub autoforward: bool,
    /// There is a `finalize`, with this content; an empty one writes back what `payload` names.
    pub finalize: Option<Option<Index>>,
    /// Where it was written.
    pub at: Place,
}

/// An action of a functional module.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Module {
    /// Last part of the module's namespace, such as `queue`.
    pub module: String,
    /// Its element, such as `submit`.
    pub action: String,
    /// Expression of the location that the generated request id is put into.
    pub request: Option<Index>,
    /// Its other attributes.
    pub attributes: Vec<Attribute>,
    /// Elements within it, in document order.
    pub elements: Vec<Element>,
    /// `param` and `content`.
    pub payload: Payload,
}

/// An attribute of a module's element.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Attribute {
    /// Its name.
    pub name: String,
    /// What it holds.
    pub value: Operand,
}

/// An element within a module's action.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Element {
    /// Its name, such as `target`.
    pub name: String,
    /// The element it is in, by number; none for the action itself.
    pub parent: Option<Index>,
    /// Its attributes.
    pub attributes: Vec<Attribute>,
}

/// XML that is a value.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Xml {
    /// As it was written.
    pub text: String,
    /// Its elements and texts, in document order.
    pub nodes: Vec<XmlNode>,
    /// Which document of the bundle it is, when it is one.
    pub document: Option<Index>,
}

/// An element or a text of an XML value.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct XmlNode {
    /// The element it is in; none at the top.
    pub parent: Option<Index>,
    /// Name of an element; empty for a text.
    pub name: String,
    /// Attributes, in their order.
    pub attributes: Vec<(String, String)>,
    /// The text.
    pub text: String,
}
