//! SARIF 2.1.0 (OASIS Standard, 27 March 2020): what editors, forges and CI show beside the lines of a file.

use serde_json::{Value as Json, json};

use crate::problem::{Problem, Severity};
use crate::source::{Sources, Span};

/// What was found in the files of one document.
#[derive(Clone, Copy, Debug)]
pub struct Run<'r> {
    /// What was found.
    pub problems: &'r [Problem],
    /// In which files.
    pub sources: &'r Sources,
    /// What names of files have before them.
    pub base: &'r str,
}

/// One log of all `runs`, by the tool `jackfield` of this version.
pub fn sarif(runs: &[Run<'_>], version: &str) -> Json {
    let rules: Vec<(&str, &str)> = crate::rules().collect();
    let results: Vec<Json> =
        runs.iter().flat_map(|run| run.problems.iter().map(|problem| result(problem, run, &rules))).collect();
    let rules: Vec<Json> =
        rules.iter().map(|(id, text)| json!({ "id": id, "shortDescription": { "text": text } })).collect();
    json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": { "name": "jackfield", "version": version, "rules": rules } },
            "columnKind": "unicodeCodePoints",
            "results": results,
        }],
    })
}

fn result(problem: &Problem, run: &Run<'_>, rules: &[(&str, &str)]) -> Json {
    let text = match &problem.help {
        Some(help) => format!("{}; {help}", problem.message),
        None => problem.message.clone(),
    };
    let level = match problem.severity {
        Severity::Note => "note",
        Severity::Warning => "warning",
        Severity::Error => "error",
    };
    let related = problem.related.iter().enumerate();
    let related = related.map(
        |(at, (span, what))| json!({ "id": at, "message": { "text": what }, "physicalLocation": location(*span, run) }),
    );
    json!({
        "ruleId": problem.rule,
        // As the standard has it, -1 is for a rule that is not listed.
        "ruleIndex": rules.iter().position(|(id, _)| *id == problem.rule).map_or(json!(-1), |index| json!(index)),
        "level": level,
        "message": { "text": text },
        "locations": [{ "physicalLocation": location(problem.span, run) }],
        "relatedLocations": related.collect::<Vec<_>>(),
    })
}

fn location(span: Span, run: &Run<'_>) -> Json {
    let (start, end) = (run.sources.position(span), run.sources.end_position(span));
    json!({
        "artifactLocation": { "uri": uri(&format!("{}{}", run.base, run.sources.name(span.file))) },
        "region": {
            "startLine": start.line,
            "startColumn": start.column,
            "endLine": end.line,
            "endColumn": end.column,
        },
    })
}

/// A path as a relative reference (RFC 3986).
fn uri(path: &str) -> String {
    let mut uri = String::with_capacity(path.len());
    for byte in path.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => uri.push(char::from(byte)),
            other => uri.push_str(&format!("%{other:02X}")),
        }
    }
    uri
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_says_where_and_which_rule() {
        let mut sources = Sources::default();
        let file = sources.add("my page.scxml", "<a>\n<b/></a>");
        let span = Span { file, start: 4, end: 8 };
        let problems = [Problem::warning("syntax", span, "it is odd").help("mend it").related(span, "here")];
        let log = sarif(&[Run { problems: &problems, sources: &sources, base: "src/" }], "1");
        let result = &log["runs"][0]["results"][0];
        assert_eq!(result["message"]["text"], "it is odd; mend it");
        let place = &result["locations"][0]["physicalLocation"];
        assert_eq!(place["artifactLocation"]["uri"], "src/my%20page.scxml");
        assert_eq!(place["region"], json!({"startLine": 2, "startColumn": 1, "endLine": 2, "endColumn": 5}));
        let index = usize::try_from(result["ruleIndex"].as_u64().unwrap()).unwrap();
        assert_eq!(log["runs"][0]["tool"]["driver"]["rules"][index]["id"], "syntax");
        assert_eq!(result["relatedLocations"][0]["message"]["text"], "here");
    }
}
