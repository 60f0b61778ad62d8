//! Problems as they are told: to people, with what they wrote ([`for_people`]), to programs, one JSON object each
//! ([`to_json`]), and to editors and forges, as SARIF ([`sarif()`]).

mod people;
mod sarif;

use serde_json::{Value as Json, json};

pub use people::for_people;
pub use sarif::{Run, sarif};

use crate::problem::Problem;
use crate::source::{Sources, Span};

/// A problem as an object: `severity`, `rule`, `file`, `line`, `column`, `endLine`, `endColumn`, `message`, `help`, and
/// `related`, which are other places. Names of files have `base` before them.
pub fn to_json(problem: &Problem, sources: &Sources, base: &str) -> Json {
    let mut object = place(problem.span, sources, base);
    let related: Vec<Json> = problem
        .related
        .iter()
        .map(|(span, message)| {
            let mut object = place(*span, sources, base);
            object.insert("message".into(), json!(message));
            Json::Object(object)
        })
        .collect();
    object.insert("severity".into(), json!(problem.severity.as_str()));
    object.insert("rule".into(), json!(problem.rule));
    object.insert("message".into(), json!(problem.message));
    object.insert("help".into(), json!(problem.help));
    object.insert("related".into(), json!(related));
    Json::Object(object)
}

fn place(span: Span, sources: &Sources, base: &str) -> serde_json::Map<String, Json> {
    let (start, end) = (sources.position(span), sources.end_position(span));
    let fields = [
        ("file", json!(format!("{base}{}", sources.name(span.file)))),
        ("line", json!(start.line)),
        ("column", json!(start.column)),
        ("endLine", json!(end.line)),
        ("endColumn", json!(end.column)),
    ];
    fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}
