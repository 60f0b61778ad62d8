//! `session:fetch` (section 3.1): HTTP through the host's policy; the method `esp` is a service (`messages`).

use jackfield_scxml_runtime::{Call, Datum, ModuleError};
use jackfield_sdk::bindings::jackfield::strategy::events::Outcome;
use jackfield_sdk::bindings::jackfield::strategy::http::{self, Method, Request};
use jackfield_sdk::bindings::jackfield::strategy::types::{Failure, HttpHeader};

use super::{Modules, Purpose, refused, values};

const FORM: &str = "application/x-www-form-urlencoded";
const JSON: &str = "application/json";

impl Modules {
    pub(super) fn fetch(&self, request: &str, call: &Call) -> Result<(), ModuleError> {
        let method = call.text("method").unwrap_or_default().to_lowercase();
        let method = match method.as_str() {
            "esp" => return self.service(request, call),
            "" | "get" => Method::Get,
            "post" => Method::Post,
            "put" => Method::Put,
            "delete" => Method::Delete,
            "head" => Method::Head,
            other => return Err(refused("Request Invalid", format!("there is no method {other}"))),
        };
        let mut url = call.text("srcexpr").unwrap_or_default();
        let has_body = matches!(method, Method::Post | Method::Put);
        let encoding = call.text("enctype").unwrap_or_else(|| FORM.to_owned());
        let mut body = Vec::new();
        if has_body {
            body = match &call.content {
                Some(Datum::Text(text)) => text.clone().into_bytes(),
                Some(content) => content.to_json().into_bytes(),
                None if encoding.starts_with(JSON) => Datum::Map(call.parameters.clone()).to_json().into_bytes(),
                None => form(&call.parameters).into_bytes(),
            };
        } else if !call.parameters.is_empty() {
            url.push(if url.contains('?') { '&' } else { '?' });
            url.push_str(&form(&call.parameters));
        }
        let mut headers = Vec::new();
        let mut header = |name: &str, value: String| headers.push(HttpHeader { name: name.to_owned(), value });
        if let Some(Datum::Map(given)) = call.attribute("headers") {
            given.iter().for_each(|(name, value)| header(name, value.display()));
        }
        if has_body {
            header("content-type", encoding);
        }
        let expected = call.text("type").unwrap_or_default();
        if !expected.is_empty() {
            header("accept", expected.clone());
        }
        let timeout = call.number("timeout").and_then(values::milliseconds);
        let asked = http::fetch(&Request { method, url, headers, body, timeout });
        self.expect(asked, Purpose::Fetch { request: request.to_owned(), json: expected.starts_with(JSON) });
        Ok(())
    }
}

fn form(parameters: &[(String, Datum)]) -> String {
    let pairs = parameters.iter().map(|(name, value)| (name, value.display()));
    form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish()
}

/// What the server answered; `json`: it must be JSON.
pub(super) fn fetched(result: Result<Outcome, Failure>, json: bool) -> Result<Vec<(String, Datum)>, ModuleError> {
    let response = match result {
        Ok(Outcome::HttpResponse(response)) => response,
        Ok(_) => return Ok(Vec::new()),
        Err(failure) => {
            let description = format!("{}: {}", failure.name, failure.description);
            return Err(ModuleError { error: Datum::Number(0.0), description });
        }
    };
    let content = String::from_utf8_lossy(&response.body).into_owned();
    if !(200..300).contains(&response.status) {
        let description = format!("the server answered with status {}: {content}", response.status);
        return Err(ModuleError { error: Datum::Number(response.status.into()), description });
    }
    if json && Datum::from_json(&content).is_none() {
        let description = "the server answered with something that is not JSON".to_owned();
        return Err(ModuleError { error: Datum::Number(response.status.into()), description });
    }
    let headers = response.headers.into_iter().map(|header| (header.name, Datum::Text(header.value)));
    Ok(vec![("content".to_owned(), Datum::Text(content)), ("hints".to_owned(), Datum::Map(headers.collect()))])
}
