//! Executable content.

use super::module::ModuleElement;
use crate::source::{Span, Text};
use crate::xml::{Attribute, Node, write_nodes};

/// Something a document does.
#[derive(Clone, Debug)]
pub struct Action {
    /// What.
    pub kind: ActionKind,
    /// Attributes with a leading `_`, and those of other namespaces; not of a module's actions, which keep theirs.
    pub extensions: Vec<Attribute>,
    /// Its start tag.
    pub span: Span,
}

/// What a document can do.
#[derive(Clone, Debug)]
pub enum ActionKind {
    /// `<raise>`, and the older `<event>`.
    Raise(Raise),
    /// `<if>`.
    If(If),
    /// `<foreach>`.
    Foreach(Foreach),
    /// `<log>`.
    Log(Log),
    /// `<assign>`.
    Assign(Assign),
    /// `<script>`.
    Script(Script),
    /// `<send>`.
    Send(Box<Send>),
    /// `<cancel>`.
    Cancel(Cancel),
    /// An action of a functional module, or of another namespace.
    Module(Box<ModuleElement>),
}

/// A value of an attribute that one dialect or name writes plain, and another as an expression.
#[derive(Clone, Debug)]
pub enum Value {
    /// The text itself.
    Literal(Text),
    /// What the expression yields.
    Expression(Text),
}

impl Value {
    /// As it is written.
    pub fn text(&self) -> &Text {
        match self {
            Value::Literal(text) | Value::Expression(text) => text,
        }
    }
}

/// What is written in an element that stands for a value.
#[derive(Clone, Debug)]
pub enum Content {
    /// Text alone.
    Text(Text),
    /// Elements, and maybe text around them.
    Xml(Vec<Node>),
}

impl Content {
    /// Text as it is, elements as markup with all namespaces they need.
    pub fn to_markup(&self) -> String {
        match self {
            Content::Text(text) => text.as_str().to_owned(),
            Content::Xml(nodes) => write_nodes(nodes),
        }
    }
}

/// A `<content>`.
#[derive(Clone, Debug)]
pub enum Body {
    /// `expr`, or `_expr`.
    Expression(Text),
    /// What is written in it.
    Inline(Content),
}

/// A `<param>`.
#[derive(Clone, Debug)]
pub struct Param {
    /// Its name.
    pub name: Text,
    /// `expr`.
    pub expr: Option<Text>,
    /// `location`: its value is sent.
    pub location: Option<Text>,
    /// Its start tag.
    pub span: Span,
}

/// `<raise>`.
#[derive(Clone, Debug)]
pub struct Raise {
    /// Name of the event.
    pub event: Text,
    /// Its data; only the ORS dialect has them.
    pub params: Vec<Param>,
}

/// `<if>`: the first branch that holds runs.
#[derive(Clone, Debug)]
pub struct If {
    /// In order; the last may have no condition.
    pub branches: Vec<Branch>,
}

/// A branch of an `<if>`.
#[derive(Clone, Debug)]
pub struct Branch {
    /// None for `<else>`.
    pub cond: Option<Text>,
    /// What it does.
    pub actions: Vec<Action>,
    /// Start tag of `<if>`, `<elseif>` or `<else>`.
    pub span: Span,
}

/// `<foreach>`.
#[derive(Clone, Debug)]
pub struct Foreach {
    /// Expression of the collection.
    pub array: Text,
    /// Variable of the item.
    pub item: Text,
    /// Variable of its place.
    pub index: Option<Text>,
    /// What is done for each.
    pub actions: Vec<Action>,
}

/// `<log>`.
#[derive(Clone, Debug)]
pub struct Log {
    /// Text before it, plain in both dialects.
    pub label: Option<Text>,
    /// What is logged.
    pub expr: Option<Text>,
    /// ORS: how important it is.
    pub level: Option<Text>,
}

/// `<assign>`.
#[derive(Clone, Debug)]
pub struct Assign {
    /// To what.
    pub location: Text,
    /// The new value.
    pub expr: Option<Text>,
    /// The new value, when it is written in the element.
    pub content: Option<Content>,
}

/// `<script>`.
#[derive(Clone, Debug)]
pub struct Script {
    /// The program.
    pub text: Text,
    /// `src`, when it was not read.
    pub source: Option<Text>,
    /// Its start tag.
    pub span: Span,
}

/// `<send>`.
#[derive(Clone, Debug)]
pub struct Send {
    /// `event`, `eventexpr`.
    pub event: Option<Value>,
    /// `target`, `targetexpr`.
    pub target: Option<Value>,
    /// `type`, `typeexpr`, `targettype`.
    pub kind: Option<Value>,
    /// `id`, `sendid`.
    pub id: Option<Text>,
    /// `idlocation`.
    pub id_location: Option<Text>,
    /// `delay`, `delayexpr`.
    pub delay: Option<Value>,
    /// ORS: `hints`, an expression.
    pub hints: Option<Text>,
    /// `namelist`.
    pub namelist: Vec<Text>,
    /// `<param>`.
    pub params: Vec<Param>,
    /// `<content>`.
    pub content: Option<Body>,
}

/// `<cancel>`.
#[derive(Clone, Debug)]
pub struct Cancel {
    /// `sendid`, `sendidexpr`, `id`.
    pub send_id: Value,
}
