//! Functions of the engine that documents of profile `ors` were written for, and that is long gone: `uneval`, and
//! `toSource` of every object.

use boa_engine::object::builtins::JsArray;
use boa_engine::property::{PropertyDescriptor, PropertyKey};
use boa_engine::{Context, JsArgs, JsNativeError, JsObject, JsResult, JsString, JsValue, NativeFunction, js_string};

use crate::datum::Datum;

/// How deep objects are written, and how many characters at most. What is beyond is left out.
const DEEPEST: usize = 32;
const LONGEST: usize = 1 << 20;

/// Adds `toSource` to all objects.
pub(super) fn define(context: &mut Context) -> JsResult<()> {
    let function = NativeFunction::from_fn_ptr(to_source).to_js_function(context.realm());
    let prototype = context.intrinsics().constructors().object().prototype();
    let descriptor = PropertyDescriptor::builder().value(function).writable(true).enumerable(false).configurable(true);
    prototype.define_property_or_throw(js_string!("toSource"), descriptor, context)?;
    Ok(())
}

/// `uneval(value)`.
pub(super) fn uneval(_this: &JsValue, arguments: &[JsValue], context: &mut Context) -> JsResult<JsValue> {
    source(arguments.get_or_undefined(0), context)
}

fn to_source(this: &JsValue, _arguments: &[JsValue], context: &mut Context) -> JsResult<JsValue> {
    let this = this.to_object(context)?;
    source(&this.into(), context)
}

fn source(value: &JsValue, context: &mut Context) -> JsResult<JsValue> {
    let mut writer = Writer { text: String::new(), above: Vec::new() };
    writer.value(value, true, context)?;
    Ok(JsString::from(writer.text).into())
}

struct Writer {
    text: String,
    /// The objects that this one is in: one that holds itself is written as `{}` there.
    above: Vec<JsObject>,
}

impl Writer {
    fn value(&mut self, value: &JsValue, outermost: bool, context: &mut Context) -> JsResult<()> {
        if self.text.len() > LONGEST {
            return Err(JsNativeError::range().with_message("the source of this value is too long").into());
        }
        let Some(object) = value.as_object() else {
            let text = match value.as_string() {
                Some(text) => Datum::text(text.to_std_string_lossy()).to_json(),
                None => value.to_string(context)?.to_std_string_lossy(),
            };
            self.text.push_str(&text);
            return Ok(());
        };
        if object.is_callable() {
            let text = value.to_string(context)?.to_std_string_lossy();
            let (open, close) = if outermost { ("(", ")") } else { ("", "") };
            self.text.extend([open, text.as_str(), close]);
            return Ok(());
        }
        if self.above.len() >= DEEPEST || self.above.iter().any(|above| JsObject::equals(above, &object)) {
            self.text.push_str("{}");
            return Ok(());
        }
        self.above.push(object.clone());
        let result = self.object(&object, outermost, context);
        self.above.pop();
        result
    }

    fn object(&mut self, object: &JsObject, outermost: bool, context: &mut Context) -> JsResult<()> {
        if let Ok(array) = JsArray::from_object(object.clone()) {
            self.text.push('[');
            for index in 0..array.length(context)? {
                if index > 0 {
                    self.text.push_str(", ");
                }
                let item = array.get(index, context)?;
                self.value(&item, false, context)?;
            }
            self.text.push(']');
            return Ok(());
        }
        if let Some(wrapped) = self.wrapped(object, context)? {
            self.text.push_str(&wrapped);
            return Ok(());
        }
        self.text.push_str(if outermost { "({" } else { "{" });
        let mut first = true;
        for key in object.own_property_keys(context)? {
            if matches!(key, PropertyKey::Symbol(_)) {
                continue;
            }
            if !std::mem::take(&mut first) {
                self.text.push_str(", ");
            }
            let name = JsValue::from(key.clone()).to_string(context)?.to_std_string_lossy();
            if is_plain(&name) {
                self.text.push_str(&name)
            } else {
                self.text.push_str(&Datum::text(name).to_json())
            }
            self.text.push(':');
            let value = object.get(key, context)?;
            self.value(&value, false, context)?;
        }
        self.text.push_str(if outermost { "})" } else { "}" });
        Ok(())
    }

    /// Strings, numbers, booleans, dates and errors that are objects.
    fn wrapped(&mut self, object: &JsObject, context: &mut Context) -> JsResult<Option<String>> {
        let value = JsValue::from(object.clone());
        let constructors = context.intrinsics().constructors();
        let (string, number, boolean, date, error, pattern) = (
            constructors.string().prototype(),
            constructors.number().prototype(),
            constructors.boolean().prototype(),
            constructors.date().prototype(),
            constructors.error().prototype(),
            constructors.regexp().prototype(),
        );
        let Some(prototype) = object.prototype() else { return Ok(None) };
        let is = |other: &JsObject| JsObject::equals(&prototype, other);
        let inherits = prototype.prototype().is_some_and(|above| JsObject::equals(&above, &error));
        if is(&string) {
            let text = value.to_string(context)?.to_std_string_lossy();
            return Ok(Some(format!("(new String({}))", Datum::text(text).to_json())));
        }
        for (prototype, name) in [(&number, "Number"), (&boolean, "Boolean"), (&date, "Date")] {
            if is(prototype) {
                let inner = object.get(js_string!("valueOf"), context)?;
                let Some(inner) = inner.as_callable() else { return Ok(None) };
                let inner = inner.call(&value, &[], context)?.to_string(context)?.to_std_string_lossy();
                return Ok(Some(format!("(new {name}({inner}))")));
            }
        }
        if is(&error) || inherits {
            let name = object.get(js_string!("name"), context)?.to_string(context)?.to_std_string_lossy();
            let message = object.get(js_string!("message"), context)?.to_string(context)?.to_std_string_lossy();
            return Ok(Some(format!("(new {name}({}))", Datum::text(message).to_json())));
        }
        if is(&pattern) {
            return Ok(Some(value.to_string(context)?.to_std_string_lossy()));
        }
        Ok(None)
    }
}

fn is_plain(name: &str) -> bool {
    let begins = name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_' || first == '$');
    let goes_on = |character: char| character.is_ascii_alphanumeric() || character == '_' || character == '$';
    (begins && name.chars().all(goes_on)) || (!name.is_empty() && name.chars().all(|digit| digit.is_ascii_digit()))
}
