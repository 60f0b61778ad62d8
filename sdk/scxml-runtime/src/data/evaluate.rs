//! Evaluates compiled expressions over the values of the engine, with the results the engine itself would have.

use std::rc::Rc;

use boa_engine::object::builtins::JsArray;
use boa_engine::property::PropertyKey;
use boa_engine::{Context, JsNativeError, JsObject, JsResult, JsString, JsValue, js_string};
use jackfield_scxml_program::Index;
use jackfield_scxml_program::expression::{Binary, Expression, Node, Unary};

use super::scopes::Scopes;
use super::{Text, globals};
use crate::shared::Shared;

struct Evaluation<'a> {
    context: &'a mut Context,
    shared: &'a Rc<Shared>,
    scopes: &'a Scopes,
    texts: &'a [Text],
    code: &'a [Node],
    /// States with scopes, the innermost last.
    chain: &'a [Index],
}

/// The value of a compiled expression.
pub(super) fn value(
    context: &mut Context,
    shared: &Rc<Shared>,
    scopes: &Scopes,
    texts: &[Text],
    expression: &Expression,
) -> JsResult<JsValue> {
    let chain = shared.program.state(expression.state).map_or(&[][..], |state| &state.scopes);
    let root = (expression.code.len() as Index).saturating_sub(1);
    Evaluation { context, shared, scopes, texts, code: &expression.code, chain }.value(root)
}

/// Assigns to the member or item that a compiled expression names.
pub(super) fn assign(
    context: &mut Context,
    shared: &Rc<Shared>,
    scopes: &Scopes,
    texts: &[Text],
    expression: &Expression,
    new: JsValue,
) -> JsResult<()> {
    let chain = shared.program.state(expression.state).map_or(&[][..], |state| &state.scopes);
    let mut evaluation = Evaluation { context, shared, scopes, texts, code: &expression.code, chain };
    let (object, key) = match expression.code.last() {
        Some(Node::Member { object, name }) => {
            let object = evaluation.value(*object)?;
            (object, evaluation.key(*name)?)
        }
        Some(Node::Item { object, key }) => {
            let object = evaluation.value(*object)?;
            let key = evaluation.value(*key)?.to_property_key(evaluation.context)?;
            (object, key)
        }
        _ => return Err(missing()),
    };
    object.to_object(evaluation.context)?.set(key, new, true, evaluation.context)?;
    Ok(())
}

/// True when a location begins with `_event`.
pub(super) fn is_of_event(code: &[Node]) -> bool {
    let mut at = code.last();
    loop {
        match at {
            Some(Node::Member { object, .. } | Node::Item { object, .. }) => at = code.get(*object as usize),
            Some(Node::Event | Node::EventName) => return true,
            _ => return false,
        }
    }
}

fn missing() -> boa_engine::JsError {
    JsNativeError::error().with_message("a compiled expression is incomplete").into()
}

impl Evaluation<'_> {
    fn node(&self, at: Index) -> JsResult<&'_ Node> {
        self.code.get(at as usize).ok_or_else(missing)
    }

    fn key(&self, text: Index) -> JsResult<PropertyKey> {
        self.texts.get(text as usize).map(|text| text.key.clone()).ok_or_else(missing)
    }

    fn string(&self, text: Index) -> JsResult<JsString> {
        self.texts.get(text as usize).map(|text| text.string.clone()).ok_or_else(missing)
    }

    fn value(&mut self, at: Index) -> JsResult<JsValue> {
        let code = self.code;
        let node = code.get(at as usize).ok_or_else(missing)?;
        Ok(match node {
            Node::Undefined => JsValue::undefined(),
            Node::Null => JsValue::null(),
            Node::Boolean(value) => JsValue::from(*value),
            Node::Number(number) => JsValue::from(*number),
            Node::Text(text) => self.string(*text)?.into(),
            Node::Name(name) => {
                let (value, _) = self.variable(*name)?;
                value.ok_or_else(|| self.no_variable(*name))?
            }
            Node::Event => globals::event(self.shared, self.context)?,
            Node::EventName => return self.event_name(),
            Node::Member { object, name } => {
                if let Some(data) = self.event_data(*object, *name)? {
                    return Ok(data);
                }
                let object = self.value(*object)?;
                let key = self.key(*name)?;
                self.property(&object, key)?
            }
            Node::Item { object, key } => {
                let object = self.value(*object)?;
                let key = self.value(*key)?;
                if object.is_null_or_undefined() {
                    return Err(no_property(&object));
                }
                let key = key.to_property_key(self.context)?;
                self.property(&object, key)?
            }
            Node::Call { callee, arguments } => return self.call(*callee, arguments),
            Node::In(state) => JsValue::from(self.shared.active.borrow().contains(*state)),
            Node::Unary(operator, operand) => {
                let operand = self.value(*operand)?;
                match operator {
                    Unary::Not => JsValue::from(!operand.to_boolean()),
                    Unary::Minus => operand.neg(self.context)?,
                    Unary::Plus => JsValue::from(operand.to_number(self.context)?),
                    Unary::TypeOf => operand.js_type_of().into(),
                    Unary::Void => JsValue::undefined(),
                }
            }
            Node::TypeOfName(name) => {
                let (value, _) = self.variable(*name)?;
                value.unwrap_or_default().js_type_of().into()
            }
            Node::Binary(operator, left, right) => {
                let left = self.value(*left)?;
                let right = self.value(*right)?;
                self.binary(*operator, &left, &right)?
            }
            Node::And(left, right) => {
                let left = self.value(*left)?;
                if left.to_boolean() { self.value(*right)? } else { left }
            }
            Node::Or(left, right) => {
                let left = self.value(*left)?;
                if left.to_boolean() { left } else { self.value(*right)? }
            }
            Node::Conditional { test, yes, no } => {
                let test = self.value(*test)?.to_boolean();
                self.value(if test { *yes } else { *no })?
            }
            Node::Array(items) => {
                let items = items.iter().map(|item| self.value(*item)).collect::<JsResult<Vec<_>>>()?;
                JsArray::from_iter(items, self.context).into()
            }
            Node::Object(pairs) => {
                let object = JsObject::with_object_proto(self.context.intrinsics());
                for (name, value) in pairs {
                    let value = self.value(*value)?;
                    object.create_data_property_or_throw(self.key(*name)?, value, self.context)?;
                }
                object.into()
            }
        })
    }

    /// The value of a variable, and the scope object it is in; no value where there is no such variable.
    fn variable(&mut self, name: Index) -> JsResult<(Option<JsValue>, Option<JsObject>)> {
        let key = self.key(name)?;
        for state in self.chain.iter().rev() {
            if let Some(scope) = self.scopes.get(*state)
                && scope.has_own_property(key.clone(), self.context)?
            {
                return Ok((Some(scope.get(key, self.context)?), Some(scope)));
            }
        }
        let global = self.context.global_object();
        let value = global.get(key.clone(), self.context)?;
        if value.is_undefined() && !global.has_property(key, self.context)? {
            return Ok((None, None));
        }
        Ok((Some(value), None))
    }

    fn no_variable(&self, name: Index) -> boa_engine::JsError {
        let name = self.string(name).map(|name| name.to_std_string_lossy()).unwrap_or_default();
        JsNativeError::reference().with_message(format!("{name} is not defined")).into()
    }

    fn event_name(&mut self) -> JsResult<JsValue> {
        // Once there is an object a script may hold it, and it is what counts.
        if self.shared.event_object.borrow().is_some() || self.shared.current.borrow().is_none() {
            let event = globals::event(self.shared, self.context)?;
            return self.property(&event, PropertyKey::from(js_string!("name")));
        }
        let name = self.shared.current.borrow().as_ref().map(|event| self.shared.name(&event.name));
        Ok(JsString::from(&*name.unwrap_or_default()).into())
    }

    /// `_event.data`, as long as nothing needed `_event` itself.
    fn event_data(&mut self, object: Index, name: Index) -> JsResult<Option<JsValue>> {
        let is_data = matches!(self.node(object)?, Node::Event)
            && self.texts.get(name as usize).is_some_and(|text| text.is_data)
            && self.shared.event_object.borrow().is_none()
            && self.shared.current.borrow().is_some();
        if is_data { globals::event_data(self.shared, self.context).map(Some) } else { Ok(None) }
    }

    fn property(&mut self, object: &JsValue, key: PropertyKey) -> JsResult<JsValue> {
        if let Some(object) = object.as_object() {
            return object.get(key, self.context);
        }
        if object.is_null_or_undefined() {
            return Err(no_property(object));
        }
        object.to_object(self.context)?.get(key, self.context)
    }

    fn call(&mut self, callee: Index, arguments: &[Index]) -> JsResult<JsValue> {
        let (this, function) = match self.node(callee)?.clone() {
            Node::Member { object, name } => {
                let object = self.value(object)?;
                let key = self.key(name)?;
                let function = self.property(&object, key)?;
                (object, function)
            }
            Node::Item { object, key } => {
                let object = self.value(object)?;
                let key = self.value(key)?.to_property_key(self.context)?;
                let function = self.property(&object, key)?;
                (object, function)
            }
            Node::Name(name) => {
                let (function, scope) = self.variable(name)?;
                let function = function.ok_or_else(|| self.no_variable(name))?;
                (scope.map_or_else(JsValue::undefined, JsValue::from), function)
            }
            _ => (JsValue::undefined(), self.value(callee)?),
        };
        let arguments = arguments.iter().map(|argument| self.value(*argument)).collect::<JsResult<Vec<_>>>()?;
        let Some(function) = function.as_callable() else {
            return Err(JsNativeError::typ().with_message("not a callable function").into());
        };
        function.call(&this, &arguments, self.context)
    }

    fn binary(&mut self, operator: Binary, left: &JsValue, right: &JsValue) -> JsResult<JsValue> {
        let context = &mut *self.context;
        Ok(match operator {
            Binary::Equal => JsValue::from(left.equals(right, context)?),
            Binary::NotEqual => JsValue::from(!left.equals(right, context)?),
            Binary::StrictEqual => JsValue::from(left.strict_equals(right)),
            Binary::StrictNotEqual => JsValue::from(!left.strict_equals(right)),
            Binary::Less => JsValue::from(left.lt(right, context)?),
            Binary::LessOrEqual => JsValue::from(left.le(right, context)?),
            Binary::Greater => JsValue::from(left.gt(right, context)?),
            Binary::GreaterOrEqual => JsValue::from(left.ge(right, context)?),
            Binary::Add => left.add(right, context)?,
            Binary::Subtract => left.sub(right, context)?,
            Binary::Multiply => left.mul(right, context)?,
            Binary::Divide => left.div(right, context)?,
            Binary::Remainder => left.rem(right, context)?,
            Binary::InstanceOf => JsValue::from(left.instance_of(right, context)?),
            Binary::HasProperty => {
                let Some(object) = right.as_object() else {
                    return Err(JsNativeError::typ().with_message("right-hand side of 'in' is no object").into());
                };
                let key = left.to_property_key(context)?;
                JsValue::from(object.has_property(key, context)?)
            }
        })
    }
}

fn no_property(of: &JsValue) -> boa_engine::JsError {
    let what = if of.is_null() { "null" } else { "undefined" };
    JsNativeError::typ().with_message(format!("cannot read a property of {what}")).into()
}
