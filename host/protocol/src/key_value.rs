//! Key-value lists: ordered, with repeated keys, nested.

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Map, Number, Value as Json};

use crate::limits::KEY_VALUE_DEPTH;
use crate::v1::{KeyValue, KeyValueList, key_value::Value};

impl KeyValueList {
    /// The first value of `key`, where there is one.
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.pairs.iter().find(|pair| pair.key == key)?.value.as_ref()
    }

    /// The first value of `key` where that is text.
    pub fn text(&self, key: &str) -> Option<&str> {
        match self.get(key)? {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The first value of `key` where that is an integer, or text that reads as one.
    pub fn integer(&self, key: &str) -> Option<i32> {
        match self.get(key)? {
            Value::Integer(integer) => Some(*integer),
            Value::Text(text) => text.trim().parse().ok(),
            _ => None,
        }
    }

    /// Append a pair, whatever is there.
    pub fn push(&mut self, key: impl Into<String>, value: impl Into<Value>) {
        self.pairs.push(KeyValue { key: key.into(), value: Some(value.into()) });
    }

    /// [`push`](Self::push), in one expression.
    #[must_use]
    pub fn with(mut self, key: impl Into<String>, value: impl Into<Value>) -> Self {
        self.push(key, value);
        self
    }

    /// Remove every pair whose key is `key`.
    pub fn remove(&mut self, key: &str) {
        self.pairs.retain(|pair| pair.key != key);
    }

    /// Each key named in `pairs` loses its values here, then `pairs` are appended in order.
    pub fn set(&mut self, pairs: Vec<KeyValue>) {
        self.pairs.retain(|old| !pairs.iter().any(|new| new.key == old.key));
        self.pairs.extend(pairs);
    }

    /// Whether lists nest at most [`KEY_VALUE_DEPTH`] deep.
    pub fn depth_is_allowed(&self) -> bool {
        fn fits(list: &KeyValueList, left: usize) -> bool {
            list.pairs.iter().all(|pair| match &pair.value {
                Some(Value::List(inner)) => left > 0 && fits(inner, left - 1),
                _ => true,
            })
        }
        fits(self, KEY_VALUE_DEPTH)
    }

    /// As a JSON array of `[key, value]` pairs, which keeps order and repeated keys. Binary values
    /// become `{"binary": "<base64>"}`.
    pub fn to_json(&self) -> Json {
        Json::Array(
            self.pairs
                .iter()
                .map(|pair| {
                    let value = match &pair.value {
                        None => Json::Null,
                        Some(Value::Text(text)) => Json::String(text.clone()),
                        Some(Value::Integer(integer)) => Json::Number(Number::from(*integer)),
                        Some(Value::Binary(bytes)) => {
                            Json::Object(Map::from_iter([("binary".into(), Json::String(STANDARD.encode(bytes)))]))
                        }
                        Some(Value::List(list)) => list.to_json(),
                    };
                    Json::Array(vec![Json::String(pair.key.clone()), value])
                })
                .collect(),
        )
    }

    /// From what [`to_json`](Self::to_json) makes, or from a JSON object (whose order is kept).
    ///
    /// # Errors
    /// Says which part is not a key-value list: another JSON type, a number that is no 32-bit
    /// integer, bad base64, or lists nested too deep.
    pub fn from_json(json: &Json) -> Result<KeyValueList, String> {
        from_json(json, KEY_VALUE_DEPTH)
    }
}

fn from_json(json: &Json, left: usize) -> Result<KeyValueList, String> {
    let mut list = KeyValueList::default();
    match json {
        Json::Object(map) => {
            for (key, value) in map {
                list.pairs.push(KeyValue { key: key.clone(), value: Some(value_from_json(key, value, left)?) });
            }
        }
        Json::Array(pairs) => {
            for pair in pairs {
                let Some([Json::String(key), value]) = pair.as_array().map(Vec::as_slice) else {
                    return Err(format!("expected a [key, value] pair, found {pair}"));
                };
                list.pairs.push(KeyValue { key: key.clone(), value: Some(value_from_json(key, value, left)?) });
            }
        }
        other => return Err(format!("expected a key-value list, found {other}")),
    }
    Ok(list)
}

fn value_from_json(key: &str, json: &Json, left: usize) -> Result<Value, String> {
    match json {
        Json::String(text) => Ok(Value::Text(text.clone())),
        Json::Bool(flag) => Ok(Value::Text(flag.to_string())),
        Json::Null => Ok(Value::Text(String::new())),
        Json::Number(number) => number
            .as_i64()
            .and_then(|number| i32::try_from(number).ok())
            .map(Value::Integer)
            .ok_or_else(|| format!("`{key}`: {number} is not a 32-bit integer; write it as text")),
        Json::Object(map) if map.len() == 1 && map.contains_key("binary") => map
            .get("binary")
            .and_then(Json::as_str)
            .and_then(|text| STANDARD.decode(text).ok())
            .map(Value::Binary)
            .ok_or_else(|| format!("`{key}`: `binary` must be base64 text")),
        nested if left > 0 => from_json(nested, left - 1).map(Value::List).map_err(|error| format!("`{key}`: {error}")),
        _ => Err(format!("`{key}`: lists nest more than {KEY_VALUE_DEPTH} deep")),
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Value::Text(text.into())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Value::Text(text)
    }
}

impl From<i32> for Value {
    fn from(integer: i32) -> Self {
        Value::Integer(integer)
    }
}

impl From<Vec<u8>> for Value {
    fn from(bytes: Vec<u8>) -> Self {
        Value::Binary(bytes)
    }
}

impl From<KeyValueList> for Value {
    fn from(list: KeyValueList) -> Self {
        Value::List(list)
    }
}

impl<K: Into<String>, V: Into<Value>> FromIterator<(K, V)> for KeyValueList {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(pairs: I) -> Self {
        KeyValueList {
            pairs: pairs
                .into_iter()
                .map(|(key, value)| KeyValue { key: key.into(), value: Some(value.into()) })
                .collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn values() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            ".{0,12}".prop_map(Value::Text),
            any::<i32>().prop_map(Value::Integer),
            prop::collection::vec(any::<u8>(), 0..12).prop_map(Value::Binary),
        ];
        leaf.prop_recursive(4, 16, 4, |inner| {
            prop::collection::vec(("[a-c]{1,2}", inner), 0..4)
                .prop_map(|pairs| Value::List(pairs.into_iter().collect()))
        })
    }

    proptest! {
        #[test]
        fn json_keeps_order_repeats_and_every_value(
            pairs in prop::collection::vec(("[a-c]{1,2}", values()), 0..8)
        ) {
            let list: KeyValueList = pairs.into_iter().collect();
            prop_assert_eq!(KeyValueList::from_json(&list.to_json()), Ok(list));
        }
    }

    #[test]
    fn setting_replaces_all_values_of_a_key_and_keeps_repeats_of_the_new() {
        let mut list = KeyValueList::default().with("a", 1).with("b", "x").with("a", 2);
        list.set(KeyValueList::default().with("a", 3).with("a", 4).pairs);
        assert_eq!(list, KeyValueList::default().with("b", "x").with("a", 3).with("a", 4));
    }

    #[test]
    fn what_is_no_list_is_named() {
        let error = KeyValueList::from_json(&serde_json::json!({"a": {"b": 1.5}})).expect_err("a fraction");
        assert!(error.contains("`a`") && error.contains("`b`"), "{error}");
    }
}
