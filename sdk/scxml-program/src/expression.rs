//! Expressions: their text, and the compiled form of those that need no interpreter.

use serde::{Deserialize, Serialize};

use crate::{Index, Place};

/// How deep the nodes of an expression may nest. What is deeper stays text.
pub const DEEPEST: usize = 48;

/// An expression of a document.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Expression {
    /// As it was written.
    pub text: String,
    /// Where.
    pub at: Place,
    /// What the text is.
    pub form: Form,
    /// The state whose script scopes it sees (profile `ors`).
    pub state: Index,
    /// The compiled form, the root last; each node names only nodes before it. Empty where the text is left to the
    /// interpreter.
    pub code: Vec<Node>,
}

/// What the text of an expression is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Form {
    /// An expression of ECMAScript.
    Expression,
    /// A program whose completion value counts (profile `ors`).
    Program,
    /// Neither; evaluating it fails with this message.
    Invalid(String),
}

/// One step of a compiled expression. Numbers are those of nodes before it, or of [`crate::Program::texts`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Node {
    /// `undefined`.
    Undefined,
    /// `null`.
    Null,
    /// `true`, `false`.
    Boolean(bool),
    /// A number.
    Number(f64),
    /// A string, by its number in the texts.
    Text(Index),
    /// A variable, by its name's number in the texts.
    Name(Index),
    /// `_event`.
    Event,
    /// `_event.name`, for which no object has to be made.
    EventName,
    /// `object.name`.
    Member {
        /// The object.
        object: Index,
        /// Name, in the texts.
        name: Index,
    },
    /// `object[key]`.
    Item {
        /// The object.
        object: Index,
        /// The key.
        key: Index,
    },
    /// `callee(arguments)`; a callee that is a member is called on its object.
    Call {
        /// What is called.
        callee: Index,
        /// With what.
        arguments: Vec<Index>,
    },
    /// `In(state)` with a state that is known.
    In(Index),
    /// An operator with one operand.
    Unary(Unary, Index),
    /// `typeof name`, which does not fail where there is no such variable.
    TypeOfName(Index),
    /// An operator with two operands, both evaluated.
    Binary(Binary, Index, Index),
    /// `a && b`.
    And(Index, Index),
    /// `a || b`.
    Or(Index, Index),
    /// `test ? yes : no`.
    Conditional {
        /// The test.
        test: Index,
        /// When it holds.
        yes: Index,
        /// When not.
        no: Index,
    },
    /// `[a, b]`.
    Array(Vec<Index>),
    /// `{a: b}`, names in the texts.
    Object(Vec<(Index, Index)>),
}

/// Operators with one operand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Unary {
    /// `!`.
    Not,
    /// `-`.
    Minus,
    /// `+`.
    Plus,
    /// `typeof`.
    TypeOf,
    /// `void`.
    Void,
}

/// Operators with two operands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs, reason = "named as ECMAScript names them")]
pub enum Binary {
    Equal,
    NotEqual,
    StrictEqual,
    StrictNotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
    InstanceOf,
    HasProperty,
}

impl Node {
    /// Calls `with` for each node this one names.
    pub fn operands(&self, mut with: impl FnMut(Index)) {
        match self {
            Node::Undefined
            | Node::Null
            | Node::Boolean(_)
            | Node::Number(_)
            | Node::Text(_)
            | Node::Name(_)
            | Node::Event
            | Node::EventName
            | Node::In(_)
            | Node::TypeOfName(_) => {}
            Node::Member { object, .. } => with(*object),
            Node::Unary(_, operand) => with(*operand),
            Node::Item { object: left, key: right }
            | Node::Binary(_, left, right)
            | Node::And(left, right)
            | Node::Or(left, right) => [*left, *right].into_iter().for_each(with),
            Node::Call { callee, arguments } => {
                with(*callee);
                arguments.iter().copied().for_each(with);
            }
            Node::Conditional { test, yes, no } => [*test, *yes, *no].into_iter().for_each(with),
            Node::Array(items) => items.iter().copied().for_each(with),
            Node::Object(pairs) => pairs.iter().map(|(_, value)| *value).for_each(with),
        }
    }

    /// Calls `with` for each text it names.
    pub fn texts(&self, mut with: impl FnMut(Index)) {
        match self {
            Node::Text(text) | Node::Name(text) | Node::TypeOfName(text) | Node::Member { name: text, .. } => {
                with(*text)
            }
            Node::Object(pairs) => pairs.iter().map(|(name, _)| *name).for_each(with),
            _ => {}
        }
    }
}
