//! Values of the engine and values outside of it.

use boa_engine::object::builtins::JsArray;
use boa_engine::{Context, JsNativeError, JsObject, JsResult, JsString, JsValue, js_string};

use super::dom;
use crate::datum::Datum;
use crate::limits::Limits;

/// How many values one value may be made of. What takes more is no message but a program's memory.
const MEMBERS: usize = 100_000;

/// A value of the engine for one from outside.
pub(crate) fn import(datum: &Datum, context: &mut Context) -> JsResult<JsValue> {
    Ok(match datum {
        Datum::Undefined => JsValue::undefined(),
        Datum::Null => JsValue::null(),
        Datum::Boolean(value) => JsValue::from(*value),
        Datum::Number(number) => JsValue::from(*number),
        Datum::Text(text) => JsString::from(text.as_str()).into(),
        Datum::List(items) => {
            let items = items.iter().map(|item| import(item, context)).collect::<JsResult<Vec<_>>>()?;
            JsArray::from_iter(items, context).into()
        }
        Datum::Map(pairs) => {
            let object = JsObject::with_object_proto(context.intrinsics());
            for (name, value) in pairs {
                let value = import(value, context)?;
                object.create_data_property_or_throw(JsString::from(name.as_str()), value, context)?;
            }
            object.into()
        }
    })
}

/// A value from outside for one of the engine: objects by their own enumerable properties, dates and the like by their
/// `toJSON`, XML by its text. Functions are `undefined`.
pub(crate) fn export(value: &JsValue, limits: Limits, context: &mut Context) -> JsResult<Datum> {
    Export { limits, members: 0, text: 0, exact: None }.value(value, 0, context)
}

/// The same for values that can be had again as they are, and fails for all others: functions, objects of classes, and
/// objects that are in more than one place, of all that one `Exact` has seen.
pub(crate) struct Exact(Export);

impl Exact {
    pub(crate) fn new(limits: Limits) -> Exact {
        Exact(Export { limits, members: 0, text: 0, exact: Some(Vec::new()) })
    }

    pub(crate) fn value(&mut self, value: &JsValue, context: &mut Context) -> JsResult<Datum> {
        self.0.value(value, 0, context)
    }
}

struct Export {
    limits: Limits,
    members: usize,
    text: usize,
    /// The objects seen so far, where each may be there once.
    exact: Option<Vec<JsObject>>,
}

/// How many objects can be told apart in reasonable time.
const EXACT_OBJECTS: usize = 2_000;

impl Export {
    fn text(&mut self, text: &JsString) -> JsResult<String> {
        self.text = self.text.saturating_add(text.len());
        if self.text > self.limits.text {
            return Err(too_large(format!("more than {} characters", self.limits.text)));
        }
        Ok(text.to_std_string_lossy())
    }

    fn value(&mut self, value: &JsValue, depth: usize, context: &mut Context) -> JsResult<Datum> {
        self.members += 1;
        if self.members > MEMBERS || depth > self.limits.data_depth {
            return Err(too_large(format!("more than {} levels or {MEMBERS} values", self.limits.data_depth)));
        }
        if let Some(object) = value.as_object() {
            return self.object(&object, depth, context);
        }
        if let Some(text) = value.as_string() {
            return Ok(Datum::Text(self.text(&text)?));
        }
        Ok(match (value.as_boolean(), value.as_number()) {
            (Some(value), _) => Datum::Boolean(value),
            (_, Some(number)) => Datum::Number(number),
            _ if value.is_null() => Datum::Null,
            _ if value.is_undefined() => Datum::Undefined,
            _ if self.exact.is_some() => {
                return Err(JsNativeError::typ().with_message("a value that cannot be had again").into());
            }
            _ if value.is_symbol() => Datum::Undefined,
            _ => Datum::Text(self.text(&value.to_string(context)?)?),
        })
    }

    /// Fails unless an object is plain, and new.
    fn exactly(&mut self, object: &JsObject, context: &mut Context) -> JsResult<()> {
        let Some(seen) = &mut self.exact else { return Ok(()) };
        let constructors = context.intrinsics().constructors();
        let plain =
            if object.is_array() { constructors.array().prototype() } else { constructors.object().prototype() };
        let is_plain = (object.is_ordinary() || object.is_array())
            && object.prototype().is_some_and(|prototype| JsObject::equals(&prototype, &plain));
        if !is_plain || seen.len() >= EXACT_OBJECTS || seen.iter().any(|seen| JsObject::equals(seen, object)) {
            return Err(JsNativeError::typ().with_message("a value that cannot be had again").into());
        }
        seen.push(object.clone());
        let keys = object.own_property_keys(context)?;
        let has_symbols = keys.iter().any(|key| matches!(key, boa_engine::property::PropertyKey::Symbol(_)));
        let has_more = object.is_array()
            && keys.len() as u64 != object.get(js_string!("length"), context)?.to_length(context)? + 1;
        if has_symbols || has_more {
            return Err(JsNativeError::typ().with_message("a value that cannot be had again").into());
        }
        Ok(())
    }

    fn object(&mut self, object: &JsObject, depth: usize, context: &mut Context) -> JsResult<Datum> {
        self.exactly(object, context)?;
        if object.is_callable() {
            return Ok(Datum::Undefined);
        }
        if let Some(text) = dom::text_of(object) {
            return Ok(Datum::Text(self.text(&JsString::from(text))?));
        }
        if object.is_array() {
            let length = object.get(js_string!("length"), context)?.to_length(context)?;
            let mut items = Vec::new();
            for index in 0..length {
                let item = object.get(index, context)?;
                items.push(self.value(&item, depth + 1, context)?);
            }
            return Ok(Datum::List(items));
        }
        if let Some(to_json) = object.get(js_string!("toJSON"), context)?.as_callable() {
            let value = to_json.call(&object.clone().into(), &[], context)?;
            return self.value(&value, depth + 1, context);
        }
        let mut pairs = Vec::new();
        for key in object.own_property_keys(context)? {
            if matches!(key, boa_engine::property::PropertyKey::Symbol(_)) {
                continue;
            }
            let Some(descriptor) = own_property(object, &key, context)? else { continue };
            if !descriptor {
                continue;
            }
            let value = object.get(key.clone(), context)?;
            let name = self.text(&JsValue::from(key).to_string(context)?)?;
            pairs.push((name, self.value(&value, depth + 1, context)?));
        }
        Ok(Datum::Map(pairs))
    }
}

/// Whether an own property is enumerable; none where there is no such property.
fn own_property(
    object: &JsObject,
    key: &boa_engine::property::PropertyKey,
    context: &mut Context,
) -> JsResult<Option<bool>> {
    let prototype = context.intrinsics().constructors().object().prototype();
    let test = prototype.get(js_string!("propertyIsEnumerable"), context)?;
    let Some(test) = test.as_callable() else { return Ok(Some(true)) };
    let is = test.call(&object.clone().into(), &[JsValue::from(key.clone())], context)?;
    Ok(Some(is.to_boolean()))
}

fn too_large(message: String) -> boa_engine::JsError {
    JsNativeError::range().with_message(format!("a value of {message} cannot leave the document")).into()
}
