//! The Basic HTTP event I/O processor (appendix C.2): how events look in requests.

use std::fmt::Write;

use crate::datum::Datum;

/// The content type of what is sent.
pub const FORM: &str = "application/x-www-form-urlencoded";

/// A request that came in for a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpRequest {
    /// Such as `POST`.
    pub method: String,
    /// Path and query, as they came.
    pub target: String,
    /// Headers, in their order.
    pub headers: Vec<(String, String)>,
    /// Its body, as text.
    pub body: String,
}

impl HttpRequest {
    /// The whole of it, as `_event.raw` has it.
    pub fn raw(&self) -> String {
        let mut raw = format!("{} {} HTTP/1.1\r\n", self.method, self.target);
        for (name, value) in &self.headers {
            let _ = write!(raw, "{name}: {value}\r\n");
        }
        raw.push_str("\r\n");
        raw.push_str(&self.body);
        raw
    }

    /// The event it stands for: name and data. Parameters come from the query and from a body that is a form.
    pub fn event(&self) -> (String, Datum) {
        let query = self.target.split_once('?').map_or("", |(_, query)| query);
        let content_type = self.headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("content-type"));
        let is_form = content_type.is_none_or(|(_, value)| value.starts_with(FORM));
        let body = self.body.trim();
        let is_parameters = is_form && (body.is_empty() || body.contains('='));
        let mut pairs = parameters(query);
        if is_parameters {
            pairs.extend(parameters(body));
        }
        let is_name = |(key, _): &(String, String)| key == "_scxmleventname";
        let name = pairs.iter().find(|pair| is_name(pair)).map(|(_, value)| value.clone());
        pairs.retain(|pair| !is_name(pair));
        let data = if !is_parameters {
            let text = if is_form { unescaped(body) } else { body.to_owned() };
            crate::content::text_value(&text)
        } else if pairs.is_empty() {
            Datum::Undefined
        } else {
            Datum::Map(pairs.into_iter().map(|(key, value)| (key, Datum::Text(value))).collect())
        };
        (name.unwrap_or_else(|| format!("HTTP.{}", self.method)), data)
    }
}

/// Parameters as a form. Spaces are `%20`, which every reader of forms understands.
pub(crate) fn form(pairs: &[(String, String)]) -> String {
    let pairs: Vec<String> =
        pairs.iter().map(|(name, value)| format!("{}={}", escaped(name), escaped(value))).collect();
    pairs.join("&")
}

/// Text with everything escaped but letters, digits and `-_.~`.
pub(crate) fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            escaped.push(char::from(byte));
        } else {
            let _ = write!(escaped, "%{byte:02X}");
        }
    }
    escaped
}

fn parameters(text: &str) -> Vec<(String, String)> {
    let pairs = text.split('&').filter(|pair| !pair.is_empty());
    pairs
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (unescaped(name), unescaped(value))
        })
        .collect()
}

fn unescaped(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        match byte {
            b'+' => bytes.push(b' '),
            b'%' => {
                let mut ahead = rest.clone();
                let digit = |byte: Option<u8>| char::from(byte?).to_digit(16);
                match (digit(ahead.next()), digit(ahead.next())) {
                    (Some(high), Some(low)) => {
                        bytes.push((high * 16 + low) as u8);
                        rest = ahead;
                    }
                    _ => bytes.push(b'%'),
                }
            }
            byte => bytes.push(byte),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(body: &str) -> HttpRequest {
        HttpRequest { method: "POST".into(), target: "/a?b=1".into(), headers: Vec::new(), body: body.into() }
    }

    #[test]
    fn parameters_become_data_and_the_name_is_taken_out() {
        let body = form(&[("_scxmleventname".into(), "a b".into()), ("ö".into(), "1&2=3".into())]);
        let (name, data) = request(&body).event();
        assert_eq!(name, "a b");
        assert_eq!(data.to_json(), r#"{"b":"1","ö":"1&2=3"}"#);
    }

    #[test]
    fn content_without_a_name_is_an_event_of_the_method() {
        let (name, data) = request(&escaped("some content")).event();
        assert_eq!((name.as_str(), data), ("HTTP.POST", Datum::text("some content")));
        assert_eq!(unescaped("100%+%zz%4"), "100% %zz%4");
    }
}
