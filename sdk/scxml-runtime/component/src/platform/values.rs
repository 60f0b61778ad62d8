//! Key-value lists of the contract as values of documents, and back.

use jackfield_scxml_runtime::Datum;
use jackfield_sdk::bindings::jackfield::strategy::types::{KvPair, KvValue};

/// A list as an object: of a key that repeats, the first value.
pub(crate) fn object(pairs: &[KvPair]) -> Datum {
    let mut object: Vec<(String, Datum)> = Vec::with_capacity(pairs.len());
    for pair in pairs {
        if !object.iter().any(|(key, _)| *key == pair.key) {
            object.push((pair.key.clone(), value(&pair.value)));
        }
    }
    Datum::Map(object)
}

fn value(value: &KvValue) -> Datum {
    match value {
        KvValue::Text(text) => Datum::text(text.as_str()),
        KvValue::Integer(number) => Datum::Number(f64::from(*number)),
        KvValue::Nested(json) => Datum::from_json(json).map_or(Datum::Null, |list| nested(&list)),
        KvValue::Binary(_) => Datum::Null,
    }
}

/// `[[key, value], …]`
fn nested(list: &Datum) -> Datum {
    let Datum::List(pairs) = list else { return list.clone() };
    let mut object: Vec<(String, Datum)> = Vec::with_capacity(pairs.len());
    for pair in pairs {
        if let Datum::List(pair) = pair
            && let [Datum::Text(key), value] = pair.as_slice()
            && !object.iter().any(|(known, _)| known == key)
        {
            object.push((key.clone(), nested(value)));
        }
    }
    Datum::Map(object)
}

/// An object as a list. Whole numbers of 32 bits are integers, everything else that is no object is text.
pub(crate) fn pairs(object: &Datum) -> Vec<KvPair> {
    let Datum::Map(members) = object else { return Vec::new() };
    members.iter().map(|(key, value)| KvPair { key: key.clone(), value: pair_value(value) }).collect()
}

fn pair_value(value: &Datum) -> KvValue {
    match value {
        Datum::Number(number) => match integer(*number) {
            Some(integer) => KvValue::Integer(integer),
            None => KvValue::Text(value.display()),
        },
        Datum::Map(_) => KvValue::Nested(listed(value).to_json()),
        Datum::Undefined | Datum::Null => KvValue::Text(String::new()),
        other => KvValue::Text(other.display()),
    }
}

/// An object as `[[key, value], …]`, with what those lists may hold.
fn listed(value: &Datum) -> Datum {
    match value {
        Datum::Map(members) => Datum::List(
            members.iter().map(|(key, value)| Datum::List(vec![Datum::text(key.as_str()), listed(value)])).collect(),
        ),
        Datum::Number(number) if integer(*number).is_some() => value.clone(),
        Datum::Undefined | Datum::Null => Datum::text(""),
        other => Datum::Text(other.display()),
    }
}

/// A whole number of 32 bits.
pub(crate) fn integer(number: f64) -> Option<i32> {
    let is_one = number.fract() == 0.0 && number >= f64::from(i32::MIN) && number <= f64::from(i32::MAX);
    #[allow(clippy::cast_possible_truncation, reason = "it was looked at")]
    is_one.then_some(number as i32)
}

/// Seconds as milliseconds; none where they are no time.
pub(crate) fn milliseconds(seconds: f64) -> Option<u64> {
    const MOST: f64 = 1e12;
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is within")]
    (0.0..=MOST).contains(&seconds).then_some((seconds * 1e3) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn user_data_comes_back_as_it_went() {
        let json = r#"{"Subject":"hello","Level":-3,"Extension":{"a":1,"b":{"c":"d"}}}"#;
        let data = Datum::from_json(json).unwrap();
        assert_eq!(object(&pairs(&data)), data);
        let odd = Datum::from_json(r#"{"a":true,"b":1.5,"c":null,"d":[1]}"#).unwrap();
        assert_eq!(object(&pairs(&odd)).to_json(), r#"{"a":"true","b":"1.5","c":"","d":"[1]"}"#);
    }

    #[test]
    fn of_a_key_that_repeats_the_first_value_is_seen() {
        let pair = |value: &str| KvPair { key: "Subject".into(), value: KvValue::Text(value.into()) };
        assert_eq!(object(&[pair("one"), pair("two")]).to_json(), r#"{"Subject":"one"}"#);
    }

    #[test]
    fn seconds_that_are_no_time_are_none() {
        assert_eq!(milliseconds(1.5), Some(1_500));
        for seconds in [-1.0, f64::NAN, f64::INFINITY, 1e13] {
            assert_eq!(milliseconds(seconds), None);
        }
    }
}
