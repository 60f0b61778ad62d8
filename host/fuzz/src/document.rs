//! SCXML documents with what they include.

use std::collections::BTreeMap;

use jackfield_scxml::graph::{Format, Paints, graph};
use jackfield_scxml::merge::{MergeLimits, PLACEHOLDER, merge};
use jackfield_scxml::model::{Document, Profile, read};
use jackfield_scxml::problem::Problem;
use jackfield_scxml::report::{Run, for_people, sarif};
use jackfield_scxml::source::{Sources, Span};
use jackfield_scxml::xml::{self, Limits, write};
use jackfield_scxml::{OpenOptions, Opened, open, rules};

pub(crate) const WORDS: &[&str] = &[
    "<state id='a'>",
    "</state>",
    "<parallel>",
    "</parallel>",
    "<history id='h' type='deep'/>",
    "<final id='f'/>",
    "<initial>",
    "<transition event='e' target='a'/>",
    "<transition cond='In(\"a\")' target='a b'/>",
    "<onentry>",
    "</onentry>",
    "<if cond='x'><elseif cond='y'/><else/></if>",
    "<send event=\"'e'\" delay=\"'1s'\"/>",
    "<raise event='e'/>",
    "<xi:include href='page.scxml' xpointer='entry' resolveid='P'/>",
    "<xi:include href='lib.js' parse='text'/>",
    "<xi:include href='../up'><xi:fallback/></xi:include>",
    "<script src='lib.js'/>",
    "<data id='d' src='file:lib.js'/>",
    "<queue:submit requestid='r'><queue:targets/></queue:submit>",
    "<ixn:redirect to='x'/>",
    "<dialog:play/>",
    "$$_MY_PREFIX_$$",
    "$$_MY_PREFIX_$$.",
    "id=\"",
    "initial='a'",
    "datamodel='null'",
    "profile='ecmascript'",
    "xmlns=\"\"",
    "xmlns:xi='urn:x'",
    "&lt;",
    "&#10;",
    "&#xfffe;",
    "&e;",
    "<![CDATA[",
    "]]>",
    "<!--",
    "-->",
    "<?pi?>",
    "<!DOCTYPE a [",
    "\r\n",
    "((((((((",
    "/[(/]/",
    "`${",
    "function(){",
    "\u{feff}",
    "é",
    "\n=== page.scxml\n",
    "\n=== lib.js\n",
];

/// Begins a file; its name is the rest of the line. What is before the first is the document.
const FILE: &str = "\n=== ";

/// Whatever it is, it is told where it is wrong and what to do, in the files as they are; what can be merged is the same
/// when it is written and read again; and it can be drawn.
pub fn document(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let mut parts = text.split(FILE);
    let start = parts.next().unwrap_or("").to_owned();
    let mut files: BTreeMap<String, String> = parts
        .map(|part| part.split_once('\n').unwrap_or((part, "")))
        .map(|(name, content)| (name.trim().to_owned(), content.to_owned()))
        .collect();
    files.insert("start.scxml".to_owned(), start);

    let limits = MergeLimits { elements: 5_000, bytes: 1 << 20, ..MergeLimits::default() };
    for profile in [None, Some(Profile::W3c), Some(Profile::Ors)] {
        let opened = open(&files, "start.scxml", OpenOptions { profile, limits, ..OpenOptions::default() });
        told(&opened);
        if let Some(document) = &opened.document {
            drawn(document);
            assert!(profile.is_none_or(|profile| document.profile == profile), "the dialect is the one asked for");
        }
        if opened.is_loadable() {
            leads_to_states(opened.document.as_ref().expect("a document"));
        }
    }
    written(&files, &limits);
}

fn told(opened: &Opened) {
    for problem in &opened.problems {
        assert!(rules().any(|(rule, _)| rule == problem.rule), "{} is no rule", problem.rule);
        assert!(!problem.message.is_empty() && !problem.message.contains('\n'), "{:?} is no line", problem.message);
        inside(problem.span, &opened.sources, problem);
        for (span, _) in &problem.related {
            inside(*span, &opened.sources, problem);
        }
    }
    assert!(opened.document.is_some() || !opened.problems.is_empty(), "why there is no document is not told");
    // All that is told costs most of the time.
    let few = opened.problems.get(..opened.problems.len().min(5)).unwrap_or_default();
    let report = for_people(few, &opened.sources, "", false);
    for problem in few {
        assert!(report.contains(&format!("{}[{}]", problem.severity.as_str(), problem.rule)), "not told: {problem:?}");
    }
    let log = sarif(&[Run { problems: few, sources: &opened.sources, base: "" }], "0");
    let results = log.pointer("/runs/0/results").and_then(|results| results.as_array()).map(Vec::len);
    assert_eq!(results, Some(few.len()), "a log leaves one out");
}

fn inside(span: Span, sources: &Sources, problem: &Problem) {
    let file = sources.file(span.file).unwrap_or_else(|| panic!("{problem:?} is in no file"));
    let (start, end) = (span.start as usize, span.end as usize);
    assert!(file.text.get(start..end).is_some(), "{problem:?} is not in {:?}", file.name);
}

fn leads_to_states(document: &Document) {
    for target in document.transitions.iter().flat_map(|transition| &transition.targets) {
        assert!(document.find(target.as_str()).is_some(), "{target} is loaded, and not there");
    }
}

fn drawn(document: &Document) {
    for format in [Format::Svg, Format::Mermaid, Format::Dot] {
        let Ok(picture) = graph(document, format, &Paints::default()) else { continue };
        if format == Format::Svg {
            let mut sources = Sources::default();
            let file = sources.add("picture.svg", picture);
            if let Err(problem) = xml::read(&sources, file, Limits::default()) {
                panic!("a picture is no XML: {}", problem.line(&sources));
            }
        }
    }
}

/// What was merged is a document of its own: written and read again it has the same states in the same order.
fn written(files: &BTreeMap<String, String>, limits: &MergeLimits) {
    let merged = merge(files, "start.scxml", limits);
    let Some(root) = merged.root.filter(|_| merged.problems.is_empty()) else { return };
    let text = write(&root);
    // In what was included as text the placeholder stays, and would be replaced now.
    if text.contains(PLACEHOLDER) {
        return;
    }
    let alone = BTreeMap::from([("start.scxml".to_owned(), text.clone())]);
    let again = merge(&alone, "start.scxml", limits);
    if again.problems.iter().any(|problem| problem.rule == "document-size") {
        return;
    }
    assert_eq!(again.problems, [], "what was merged cannot be merged again:\n{text}");
    let root_again = again.root.expect("a root");
    assert_eq!(write(&root_again), text, "what was written is not what is read");
    let ids = |document: Option<Document>| -> Option<Vec<String>> {
        Some(document?.states.iter().map(|state| format!("{:?} {}", state.kind, state.called())).collect())
    };
    let (first, second) = (read(&root, None), read(&root_again, None));
    assert_eq!(ids(first.document), ids(second.document), "other states");
    assert_eq!(first.problems.len(), second.problems.len(), "other problems");
}
