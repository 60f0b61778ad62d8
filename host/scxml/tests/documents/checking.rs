//! Each rule is told where it is broken, and nowhere else.

use jackfield_scxml::check::CheckOptions;
use jackfield_scxml::problem::Severity;
use jackfield_scxml::{OpenOptions, Opened, open};

use crate::written::{document, files};

/// The problems of a document with `inner` on its second line.
fn opened(attributes: &str, inner: &str, allow_unsupported: bool) -> Opened {
    let text = document(attributes, &format!("\n{inner}"));
    let options = OpenOptions { check: CheckOptions { allow_unsupported }, ..OpenOptions::default() };
    open(&files(&[("a.scxml", &text)]), "a.scxml", options)
}

/// Severity, rule and column of each, all of them on the second line.
fn told(attributes: &str, inner: &str) -> Vec<String> {
    let opened = opened(attributes, inner, false);
    let without_help = opened.problems.iter().filter(|problem| problem.help.is_none());
    assert_eq!(without_help.map(|problem| &problem.message).collect::<Vec<_>>(), Vec::<&String>::new());
    let line = |problem: &jackfield_scxml::problem::Problem| {
        let position = opened.sources.position(problem.span);
        assert_eq!(position.line, 2, "{}", problem.message);
        format!("{} {} {}", problem.severity.as_str(), problem.rule, position.column)
    };
    opened.problems.iter().map(line).collect()
}

const W3C: &str = "datamodel='ecmascript'";
const ORS: &str = "profile='ecmascript' xmlns:queue='www.genesyslab.com/modules/queue' \
                   xmlns:ixn='www.genesyslab.com/modules/interaction' xmlns:dialog='www.genesyslab.com/modules/dialog' \
                   xmlns:session='www.genesyslab.com/modules/session' xmlns:o='urn:other'";

#[test]
fn rules_on_states_and_targets() {
    let cases: &[(&str, &[&str])] = &[
        ("<state id='a'/>", &[]),
        ("<state id='a'><state id='a'/></state>", &["error duplicate-id 26"]),
        ("<state id='a b'/>", &["error malformed-id 12"]),
        ("<state id='1a'/>", &["warning malformed-id 12"]),
        (
            "<datamodel><data id='a-b'/><data id='c'/><data id='c'/></datamodel><state/>",
            &["warning malformed-id 22", "warning duplicate-id 52"],
        ),
        ("<datamodel/>", &[]),
        ("<state id='a'><transition event='error' target='b'/></state>", &["error unknown-target 49"]),
        ("<state id='a' initial='b'/><state id='b'/>", &["error initial-target 1"]),
        ("<state id='a' initial='b'><state id='c'/></state><state id='b'/>", &["error initial-target 24"]),
        (
            "<state id='a'><initial><transition target='b' event='e'/></initial><state id='c'/></state><state id='b'/>",
            &["error initial-form 24", "error initial-target 44"],
        ),
        ("<state id='a'><initial><transition/></initial><state id='c'/></state>", &["error initial-form 24"]),
        (
            "<state id='a'><transition event='error' target='b c'/></state><state id='b'/><state id='c'/>",
            &["error conflicting-targets 51"],
        ),
        (
            "<state id='a'><transition event='error' target='b c'/></state><state id='b'><state id='c'/></state>",
            &["error conflicting-targets 51"],
        ),
        (
            "<state id='a'><transition event='error' target='b1 c1'/></state><parallel><state id='b'><state id='b1'/></state><state id='c'><state id='c1'/></state></parallel>",
            &[],
        ),
        (
            "<state id='a'><transition event='error' target='h b'/></state><state id='s'><history id='h'><transition target='b'/></history><state id='b'/></state>",
            &["error conflicting-targets 51"],
        ),
        (
            "<state id='a'><transition event='error' target='h'/></state><state id='s'><history id='h'><transition target='c'/></history><state id='b'><state id='c'/></state></state>",
            &["warning initial-target 111"],
        ),
        (
            "<state id='a'><transition event='error' target='h'/></state><state id='s'><history id='h'><transition cond='x'/></history><state id='b'/></state>",
            &["error initial-form 91"],
        ),
    ];
    for (inner, expected) in cases {
        // Of these, the document without states is told of on its first line.
        if *inner == "<datamodel/>" {
            let opened = opened(W3C, inner, false);
            assert_eq!(opened.problems.iter().map(|problem| problem.rule).collect::<Vec<_>>(), ["no-states"]);
            continue;
        }
        let mut expected: Vec<_> = expected.iter().map(|line| (*line).to_owned()).collect();
        expected.dedup();
        assert_eq!(told(W3C, inner), expected, "{inner}");
    }
}

#[test]
fn a_history_without_a_default_is_told() {
    let inner = "<state id='a'><history id='h'/><state id='b'><transition event='error' target='h'/></state></state>";
    assert_eq!(told(W3C, inner), ["warning history-default 15"]);
}

#[test]
fn rules_on_reaching_and_firing() {
    let cases: &[(&str, &[&str])] = &[
        ("<state id='a'><transition event='error' target='b'/></state><state id='b'/>", &[]),
        (
            "<state id='a'/><state id='b'><state id='c'/></state><final id='d'/>",
            &["warning unreachable-state 16", "warning unreachable-state 53"],
        ),
        (
            "<state id='a'><transition event='error' target='c'/></state><parallel id='p'><state id='b'/><state id='c'/></parallel>",
            &[],
        ),
        (
            "<state id='a'><transition event='error' target='c'/></state><state id='p'><state id='b'/><state id='c'/></state>",
            &["warning unreachable-state 75"],
        ),
        (
            "<state id='a' initial='c'><state id='b'/><state id='c'><transition event='error' target='a'/></state></state>",
            &["warning unreachable-state 27"],
        ),
        (
            "<state id='a'><transition event='error.x error'/><transition event='error.y'/></state>",
            &["warning shadowed-transition 50"],
        ),
        ("<state id='a'><transition event='error.y'/><transition event='error'/></state>", &[]),
        ("<state id='a'><transition event='error' cond='x'/><transition event='error'/></state>", &[]),
        (
            "<state id='a'><transition event='*'/><transition event='error'/></state>",
            &["warning shadowed-transition 38"],
        ),
        (
            "<state id='a'><transition event='error.x'/><transition event='error.y'/><transition event='error.x.z error.y'/></state>",
            &["warning shadowed-transition 73"],
        ),
        (
            "<state id='a'><transition cond='true' target='b'/><transition event='error'/></state><state id='b'/>",
            &["warning shadowed-transition 51"],
        ),
        ("<state id='a'><transition target='a'/></state>", &["warning endless-loop 15"]),
        ("<state id='a'><transition/></state>", &["warning endless-loop 15"]),
        ("<state id='a'><transition cond='x'/></state>", &[]),
        ("<state id='a'><transition event='go'/></state>", &["note unsent-event 34"]),
        ("<state id='a'><onentry><raise event='go.on'/></onentry><transition event='go'/></state>", &[]),
        (
            "<state id='a'><transition event='done.state.b'/><transition event='done.state.a'/></state>",
            &["warning unsent-event 34", "warning unsent-event 68"],
        ),
        ("<state id='a'><transition event='done.state.a'/><final id='f'/></state>", &[]),
    ];
    for (inner, expected) in cases {
        assert_eq!(told(W3C, inner), *expected, "{inner}");
    }
}

#[test]
fn rules_on_expressions_are_warnings_for_the_w3c_and_errors_for_ors() {
    let both: &[(&str, &str, &str)] = &[
        ("<state id='a'><transition cond='return' event='error'/></state>", "syntax 33", "syntax 33"),
        ("<state id='a'><transition cond='caller: a.b' event='error'/></state>", "syntax 39", ""),
        ("<state id='a'><transition cond='a = 1;' event='error'/></state>", "", ""),
        ("<state id='a'><transition cond='a &lt; &amp;' event='error'/></state>", "syntax 40", "syntax 40"),
        ("<state id='a'><onentry><script>var x = ;</script></onentry></state>", "syntax 40", "syntax 40"),
        ("<state id='a'><onentry><assign location='f()' expr='1'/></onentry></state>", "location 42", "location 42"),
    ];
    for (inner, w3c, ors) in both {
        let with = |severity: &str, problem: &str| {
            if problem.is_empty() { vec![] } else { vec![format!("{severity} {problem}")] }
        };
        assert_eq!(told(W3C, inner), with("warning", w3c), "{inner}");
        assert_eq!(told(ORS, inner), with("error", ors), "{inner}");
    }
    let in_state =
        "<state id='a'><transition cond=\"In('b') &amp;&amp; In('a') &amp;&amp; x.In('c')\" event='error'/></state>";
    assert_eq!(told(W3C, in_state), ["warning unknown-state 37"]);
    let null = "<state id='a'><transition cond=\"In('a')\" event='error'/><transition cond='1' event='error'/></state>";
    assert_eq!(told("datamodel='null'", null), ["warning syntax 75"]);
}

#[test]
fn rules_on_texts_and_names() {
    let w3c: &[(&str, &[&str])] = &[
        ("<raise event=\"'e'\"/>", &["warning quotes 38"]),
        ("<send event='e' delay='10 apples'/>", &["warning delay 47"]),
        ("<send event='e' delay='.5s'/>", &[]),
        ("<send event='e' eventexpr='x'/>", &["warning conflicting-attributes 40"]),
    ];
    for (action, expected) in w3c {
        assert_eq!(told(W3C, &format!("<state id='a'><onentry>{action}</onentry></state>")), *expected, "{action}");
    }
    let ors: &[(&str, &[&str])] = &[
        ("<send event='e.f'/>", &["warning quotes 37"]),
        ("<send event=\"'e.f'\" delay='10s'/>", &["warning quotes 51", "error syntax 53"]),
        ("<send event=\"'e.f'\" delay=\"'10s'\"/>", &[]),
        ("<send event=\"'e.f'\" delay=\"'ten'\"/>", &["warning delay 51"]),
    ];
    for (action, expected) in ors {
        let inner = format!("<state id='a'><onentry>{action}</onentry><transition event='e.f'/></state>");
        let rest: Vec<_> = told(ORS, &inner).into_iter().filter(|line| !line.contains("unsent-event")).collect();
        assert_eq!(rest, *expected, "{action}");
    }
}

#[test]
fn rules_on_actions_of_modules() {
    let cases: &[(&str, &[&str])] = &[
        (
            "<queue:submit queue=\"'VQ'\"><queue:targets type='agentgroup'><queue:target name=\"'x'\"/></queue:targets></queue:submit>",
            &[],
        ),
        ("<queue:submit><queue:targets type=\"'agentgroup'\"/></queue:submit>", &["warning quotes 53"]),
        ("<queue:submit><queue:targets type='person'/></queue:submit>", &["warning attribute-value 53"]),
        ("<queue:submit ordertype='min'/>", &["warning quotes 38"]),
        ("<queue:submit color='1'/>", &["warning unknown-attribute 38"]),
        ("<queue:submit requestid=\"'r'\"/>", &["error location 49"]),
        ("<queue:submit><ixn:terminate interactionid='x'/></queue:submit>", &["error misplaced-action 38"]),
        ("<ixn:terminate interactionid='x'><queue:cancel/></ixn:terminate>", &["error misplaced-action 57"]),
        ("<queue:targets/>", &["error misplaced-action 24"]),
        ("<ixn:terminate/>", &["error missing-attribute 24"]),
        ("<ixn:explode/>", &["error unknown-action 24"]),
        ("<dialog:play/>", &["error unsupported-action 24"]),
        ("<queue:submit><dialog:runtreatments/></queue:submit>", &["error unsupported-action 38"]),
        ("<ixn:associate interactionid='x'/>", &["error unsupported-action 24"]),
        ("<o:thing/>", &["warning unknown-action 24"]),
        (
            "<session:fetch srcexpr='u' method='get'><param name='a' expr='1 +'/></session:fetch>",
            &["warning quotes 51", "error syntax 86"],
        ),
    ];
    for (action, expected) in cases {
        assert_eq!(told(ORS, &format!("<state id='a'><onentry>{action}</onentry></state>")), *expected, "{action}");
    }
}

#[test]
fn unsupported_actions_may_be_allowed() {
    let inner = "<state id='a'><onentry><dialog:play/><ixn:explode/></onentry></state>";
    let opened = opened(ORS, inner, true);
    assert!(opened.is_loadable());
    assert!(opened.problems.iter().all(|problem| problem.severity == Severity::Warning));
    assert_eq!(opened.problems.len(), 2);
}

#[test]
fn a_target_that_lacks_its_prefix_is_told_how_to_be_written() {
    let start = document("", "<xi:include href='b.scxml' xpointer='e' resolveid='Main'/>");
    let page = document("", "<state id='e'><transition event='error' target='Next'/></state>");
    let page = page.replace("</state>", "<state id='Next'/></state>");
    let opened = open(&files(&[("a.scxml", &start), ("b.scxml", &page)]), "a.scxml", OpenOptions::default());
    let help = opened.problems[0].help.clone().unwrap();
    assert_eq!(help, "it is included as Main.Next: write $$_MY_PREFIX_$$.Next, or the whole id");
}

#[test]
fn every_rule_that_is_told_is_listed_once_and_every_listed_one_is_told() {
    let rules: Vec<_> = jackfield_scxml::rules().map(|(rule, _)| rule).collect();
    let mut unique = rules.clone();
    unique.sort_unstable();
    unique.dedup();
    assert_eq!(unique.len(), rules.len());
    let kebab = |rule: &&str| rule.chars().all(|character| character.is_ascii_lowercase() || character == '-');
    assert!(rules.iter().all(kebab));
    // In the source no other rule is written.
    let mut written = Vec::new();
    let mut folders = vec![std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let text = std::fs::read_to_string(path).unwrap();
            for start in ["Problem::error(", "Problem::warning(", "Problem::note("] {
                for (at, found) in text.match_indices(start) {
                    let rest = text[at + found.len()..].trim_start();
                    written.extend(rest.strip_prefix('"').and_then(|rest| rest.split('"').next()).map(str::to_owned));
                }
            }
        }
    }
    assert!(written.len() > 50);
    let unlisted: Vec<_> = written.iter().filter(|rule| !rules.contains(&rule.as_str())).collect();
    assert!(unlisted.is_empty(), "{unlisted:?}");
    let never_told: Vec<_> = rules.iter().filter(|rule| !written.iter().any(|written| written == *rule)).collect();
    assert!(never_told.is_empty(), "{never_told:?}");
}
