//! Expressions: which of them need no engine to be parsed, and their nodes.

use jackfield_scxml_program::Index;
use jackfield_scxml_program::expression::{Binary, DEEPEST, Form, Node, Unary};
use oxc_allocator::Allocator;
use oxc_ast::ast::{
    Argument, ArrayExpressionElement, BinaryOperator, CallExpression, Expression, LogicalOperator, ObjectExpression,
    ObjectPropertyKind, PropertyKind, UnaryOperator,
};

use super::{Builder, index};
use crate::ecmascript::{parse_expression, parse_program};

/// What a text is, and its nodes where it can be compiled.
pub(super) fn compile(builder: &mut Builder<'_, '_, '_>, text: &str) -> (Form, Vec<Node>) {
    let trimmed = text.trim().trim_end_matches(|character: char| character == ';' || character.is_whitespace());
    if trimmed.is_empty() && !(builder.is_ors() && text.trim().starts_with(';')) {
        return (Form::Invalid("there is no expression".to_owned()), Vec::new());
    }
    let allocator = Allocator::default();
    match parse_expression(&allocator, trimmed) {
        Ok(expression) => {
            let mut nodes = Nodes { builder, code: Vec::new() };
            let code = match nodes.node(&expression, 0) {
                Some(_) => nodes.code,
                None => Vec::new(),
            };
            (Form::Expression, code)
        }
        Err(_) if builder.is_ors() && parse_program(&allocator, text).is_ok() => (Form::Program, Vec::new()),
        Err(error) => (Form::Invalid(format!("SyntaxError: {error}")), Vec::new()),
    }
}

struct Nodes<'b, 'a, 'c, 'f> {
    builder: &'b mut Builder<'a, 'c, 'f>,
    code: Vec<Node>,
}

impl Nodes<'_, '_, '_, '_> {
    fn push(&mut self, node: Node) -> Option<Index> {
        self.code.push(node);
        Some(index(self.code.len() - 1))
    }

    /// The number of an expression's node; none for one that is left to the engine.
    fn node(&mut self, expression: &Expression<'_>, depth: usize) -> Option<Index> {
        if depth >= DEEPEST {
            return None;
        }
        let below = depth + 1;
        let node = match expression {
            Expression::ParenthesizedExpression(inner) => return self.node(&inner.expression, below),
            Expression::BooleanLiteral(literal) => Node::Boolean(literal.value),
            Expression::NullLiteral(_) => Node::Null,
            Expression::NumericLiteral(literal) => Node::Number(literal.value),
            Expression::StringLiteral(literal) if !literal.lone_surrogates => {
                Node::Text(self.builder.text(&literal.value))
            }
            Expression::Identifier(identifier) => self.name(&identifier.name)?,
            Expression::StaticMemberExpression(member) if !member.optional => {
                let object = self.node(&member.object, below)?;
                let is_event = matches!(self.code.get(object as usize), Some(Node::Event));
                if is_event && member.property.name == "name" {
                    self.code.pop();
                    Node::EventName
                } else {
                    Node::Member { object, name: self.builder.text(&member.property.name) }
                }
            }
            Expression::ComputedMemberExpression(member) if !member.optional => {
                let object = self.node(&member.object, below)?;
                let key = self.node(&member.expression, below)?;
                Node::Item { object, key }
            }
            Expression::CallExpression(call) => self.call(call, below)?,
            Expression::UnaryExpression(unary) => {
                if unary.operator == UnaryOperator::Typeof
                    && let Expression::Identifier(identifier) = unary.argument.without_parentheses()
                {
                    match self.name(&identifier.name)? {
                        Node::Name(name) => return self.push(Node::TypeOfName(name)),
                        known => {
                            let operand = self.push(known)?;
                            return self.push(Node::Unary(Unary::TypeOf, operand));
                        }
                    }
                }
                let operator = match unary.operator {
                    UnaryOperator::LogicalNot => Unary::Not,
                    UnaryOperator::UnaryNegation => Unary::Minus,
                    UnaryOperator::UnaryPlus => Unary::Plus,
                    UnaryOperator::Typeof => Unary::TypeOf,
                    UnaryOperator::Void => Unary::Void,
                    UnaryOperator::BitwiseNot | UnaryOperator::Delete => return None,
                };
                Node::Unary(operator, self.node(&unary.argument, below)?)
            }
            Expression::BinaryExpression(binary) => {
                let operator = binary_of(binary.operator)?;
                let left = self.node(&binary.left, below)?;
                Node::Binary(operator, left, self.node(&binary.right, below)?)
            }
            Expression::LogicalExpression(logical) => {
                let left = self.node(&logical.left, below)?;
                let right = self.node(&logical.right, below)?;
                match logical.operator {
                    LogicalOperator::And => Node::And(left, right),
                    LogicalOperator::Or => Node::Or(left, right),
                    LogicalOperator::Coalesce => return None,
                }
            }
            Expression::ConditionalExpression(conditional) => {
                let test = self.node(&conditional.test, below)?;
                let yes = self.node(&conditional.consequent, below)?;
                Node::Conditional { test, yes, no: self.node(&conditional.alternate, below)? }
            }
            Expression::ArrayExpression(array) => {
                let mut items = Vec::new();
                for item in &array.elements {
                    match item {
                        ArrayExpressionElement::SpreadElement(_) | ArrayExpressionElement::Elision(_) => return None,
                        item => items.push(self.node(item.as_expression()?, below)?),
                    }
                }
                Node::Array(items)
            }
            Expression::ObjectExpression(object) => self.object(object, below)?,
            _ => return None,
        };
        self.push(node)
    }

    fn name(&mut self, name: &str) -> Option<Node> {
        match name {
            "_event" => Some(Node::Event),
            "undefined" => Some(Node::Undefined),
            "arguments" | "eval" => None,
            name if self.builder.lexical.contains(name) => None,
            name => Some(Node::Name(self.builder.text(name))),
        }
    }

    fn call(&mut self, call: &CallExpression<'_>, below: usize) -> Option<Node> {
        if call.optional {
            return None;
        }
        if let (Expression::Identifier(callee), [argument]) = (&call.callee, call.arguments.as_slice())
            && callee.name == "In"
            && let Some(Expression::StringLiteral(state)) = argument.as_expression()
        {
            let found = self.builder.document.find(&state.value);
            return Some(found.map_or(Node::Boolean(false), |state| Node::In(state.0)));
        }
        let callee = self.node(&call.callee, below)?;
        let mut arguments = Vec::new();
        for argument in &call.arguments {
            match argument {
                Argument::SpreadElement(_) => return None,
                argument => arguments.push(self.node(argument.as_expression()?, below)?),
            }
        }
        Some(Node::Call { callee, arguments })
    }

    fn object(&mut self, object: &ObjectExpression<'_>, below: usize) -> Option<Node> {
        let mut pairs = Vec::new();
        for property in &object.properties {
            let ObjectPropertyKind::ObjectProperty(property) = property else { return None };
            if property.kind != PropertyKind::Init || property.method || property.computed {
                return None;
            }
            let name = property.key.static_name().filter(|name| name != "__proto__")?;
            let name = self.builder.text(&name);
            pairs.push((name, self.node(&property.value, below)?));
        }
        Some(Node::Object(pairs))
    }
}

fn binary_of(operator: BinaryOperator) -> Option<Binary> {
    Some(match operator {
        BinaryOperator::Equality => Binary::Equal,
        BinaryOperator::Inequality => Binary::NotEqual,
        BinaryOperator::StrictEquality => Binary::StrictEqual,
        BinaryOperator::StrictInequality => Binary::StrictNotEqual,
        BinaryOperator::LessThan => Binary::Less,
        BinaryOperator::LessEqualThan => Binary::LessOrEqual,
        BinaryOperator::GreaterThan => Binary::Greater,
        BinaryOperator::GreaterEqualThan => Binary::GreaterOrEqual,
        BinaryOperator::Addition => Binary::Add,
        BinaryOperator::Subtraction => Binary::Subtract,
        BinaryOperator::Multiplication => Binary::Multiply,
        BinaryOperator::Division => Binary::Divide,
        BinaryOperator::Remainder => Binary::Remainder,
        BinaryOperator::Instanceof => Binary::InstanceOf,
        BinaryOperator::In => Binary::HasProperty,
        _ => return None,
    })
}
