//! Values outside of an engine: what goes from one session to another, to the host, and into a checkpoint.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Number, Value};

/// A value like those of JSON, and `undefined`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub enum Datum {
    /// `undefined`.
    #[default]
    Undefined,
    /// `null`.
    Null,
    /// `true`, `false`.
    Boolean(bool),
    /// A number.
    Number(f64),
    /// A string.
    Text(String),
    /// An array.
    List(Vec<Datum>),
    /// An object, its properties in their order.
    Map(Vec<(String, Datum)>),
}

impl Datum {
    /// Reads JSON; none for text that is none, or nests more than 128 deep.
    pub fn from_json(text: &str) -> Option<Datum> {
        serde_json::from_str::<Value>(text).ok().map(Datum::from)
    }

    /// As JSON. `undefined` and what is no number become `null`; properties that are `undefined` are left out.
    pub fn to_json(&self) -> String {
        Value::from(self).to_string()
    }

    /// A string.
    pub fn text(text: impl Into<String>) -> Datum {
        Datum::Text(text.into())
    }

    /// The property of an object.
    pub fn get(&self, name: &str) -> Option<&Datum> {
        match self {
            Datum::Map(pairs) => pairs.iter().find(|(key, _)| key == name).map(|(_, value)| value),
            _ => None,
        }
    }

    /// The text of a string.
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Datum::Text(text) => Some(text),
            _ => None,
        }
    }

    /// What ECMAScript makes a string of, for strings, numbers, booleans; JSON for the rest.
    pub fn display(&self) -> String {
        match self {
            Datum::Undefined => "undefined".to_owned(),
            Datum::Text(text) => text.clone(),
            Datum::Number(number) if number.is_nan() => "NaN".to_owned(),
            Datum::Number(number) if number.is_infinite() => {
                if *number > 0.0 { "Infinity" } else { "-Infinity" }.to_owned()
            }
            Datum::Number(number) => number.to_string(),
            other => other.to_json(),
        }
    }
}

impl From<Value> for Datum {
    fn from(value: Value) -> Datum {
        match value {
            Value::Null => Datum::Null,
            Value::Bool(value) => Datum::Boolean(value),
            Value::Number(number) => Datum::Number(number.as_f64().unwrap_or(f64::NAN)),
            Value::String(text) => Datum::Text(text),
            Value::Array(items) => Datum::List(items.into_iter().map(Datum::from).collect()),
            Value::Object(pairs) => Datum::Map(pairs.into_iter().map(|(key, value)| (key, value.into())).collect()),
        }
    }
}

impl From<&Datum> for Value {
    fn from(datum: &Datum) -> Value {
        match datum {
            Datum::Undefined | Datum::Null => Value::Null,
            Datum::Boolean(value) => Value::Bool(*value),
            Datum::Number(number) => number_of(*number),
            Datum::Text(text) => Value::String(text.clone()),
            Datum::List(items) => Value::Array(items.iter().map(Value::from).collect()),
            Datum::Map(pairs) => {
                let defined = pairs.iter().filter(|(_, value)| *value != Datum::Undefined);
                Value::Object(defined.map(|(key, value)| (key.clone(), value.into())).collect::<Map<_, _>>())
            }
        }
    }
}

/// Whole numbers are written without a fraction.
fn number_of(number: f64) -> Value {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    if number.fract() == 0.0 && number.abs() < EXACT {
        return Value::from(number as i64);
    }
    Number::from_f64(number).map_or(Value::Null, Value::Number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_goes_both_ways_and_keeps_the_order_of_properties() {
        let text = r#"{"z":1,"a":[true,null,"x",1.5,-2],"m":{}}"#;
        assert_eq!(Datum::from_json(text).map(|datum| datum.to_json()), Some(text.to_owned()));
        assert_eq!(Datum::from_json("{"), None);
        let odd = Datum::Map(vec![("a".into(), Datum::Undefined), ("b".into(), Datum::Number(f64::NAN))]);
        assert_eq!(odd.to_json(), r#"{"b":null}"#);
    }
}
