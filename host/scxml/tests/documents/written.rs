//! Documents written in tests.

use std::collections::BTreeMap;

use jackfield_scxml::merge::{MergeLimits, Merged, merge};
use jackfield_scxml::problem::Problem;
use jackfield_scxml::xml::write;

/// Files by their paths.
pub fn files(files: &[(&str, &str)]) -> BTreeMap<String, String> {
    files.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())).collect()
}

/// The first of `written` merged with the others.
pub fn merged(written: &[(&str, &str)]) -> Merged {
    merge(&files(written), written[0].0, &MergeLimits::default())
}

/// The text of a merged document, without the `<scxml>` around it.
pub fn inside(merged: &Merged) -> String {
    let text = write(merged.root.as_ref().unwrap());
    let start = text.find('>').unwrap() + 1;
    text[start..].trim_end_matches("</scxml>").trim().to_owned()
}

/// Rules and places of problems: `rule path:line:column`.
pub fn told(merged: &Merged, problems: &[Problem]) -> Vec<String> {
    problems.iter().map(|problem| format!("{} {}", problem.rule, merged.sources.place(problem.span))).collect()
}

/// A document around `inner`.
pub fn document(attributes: &str, inner: &str) -> String {
    format!(
        "<scxml xmlns=\"http://www.w3.org/2005/07/scxml\" xmlns:xi=\"http://www.w3.org/2001/XInclude\" \
         version=\"1.0\" {attributes}>{inner}</scxml>"
    )
}
