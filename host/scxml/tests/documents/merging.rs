//! Documents made of pieces become one, and every part still knows its file.

use jackfield_scxml::merge::{MergeLimits, merge};
use jackfield_scxml::model::{Profile, read};

use crate::written::{document, files, inside, merged, told};

#[test]
fn an_included_state_gets_the_prefix_and_references_to_it_do_too() {
    let start = document(
        "",
        r#"<state id="Main" initial="Main._entry"><xi:include href="b.scxml" xpointer="_entry" resolveid="Main"/></state>"#,
    );
    let page = document(
        "initial='_noboot'",
        r#"<final id="_noboot"/><state id="_entry" initial="$$_MY_PREFIX_$$.One"><state id="One"><transition event="done.state.$$_MY_PREFIX_$$.Two" target="$$_MY_PREFIX_$$.Two" cond="_event.data.resolveid == _my_prefix"/></state><final id="Two"/></state>"#,
    );
    let merged = merged(&[("a.scxml", &start), ("b.scxml", &page)]);
    assert_eq!(told(&merged, &merged.problems), Vec::<String>::new());
    assert_eq!(
        inside(&merged),
        r#"<state id="Main" initial="Main._entry"><state xmlns:merge="urn:jackfield:scxml:merge" id="Main._entry" initial="Main.One" merge:my-prefix="Main"><state id="Main.One"><transition event="done.state.Main.Two" target="Main.Two" cond="_event.data.resolveid == _my_prefix"/></state><final id="Main.Two"/></state></state>"#
    );
}

#[test]
fn prefixes_nest_and_one_page_may_be_included_twice() {
    let start = document("", r#"<xi:include href="flow.scxml" xpointer="entry" resolveid="Flow"/>"#);
    let flow = document(
        "",
        r#"<state id="entry"><xi:include href="sub.scxml" xpointer="entry" resolveid="A"/><xi:include href="sub.scxml" xpointer="entry" resolveid="$$_MY_PREFIX_$$.B"/></state>"#,
    );
    let sub = document(
        "",
        r#"<state id="entry"><state id="S"/><final id="E"/><transition target="$$_MY_PREFIX_$$.E"/></state>"#,
    );
    let merged = merged(&[("a.scxml", &start), ("flow.scxml", &flow), ("sub.scxml", &sub)]);
    assert_eq!(told(&merged, &merged.problems), Vec::<String>::new());
    let document = read(merged.root.as_ref().unwrap(), None).document.unwrap();
    let ids: Vec<_> = document.states.iter().filter_map(|state| state.id.as_ref()).map(|id| id.as_str()).collect();
    assert_eq!(ids, ["Flow.entry", "Flow.A.entry", "Flow.A.S", "Flow.A.E", "Flow.B.entry", "Flow.B.S", "Flow.B.E"]);
    let prefixes: Vec<_> =
        document.states.iter().filter_map(|state| state.my_prefix.as_ref()).map(|p| p.as_str()).collect();
    assert_eq!(prefixes, ["Flow", "Flow.A", "Flow.B"]);
    let targets: Vec<_> = document.transitions.iter().map(|transition| transition.targets[0].to_string()).collect();
    assert_eq!(targets, ["Flow.A.E", "Flow.B.E"]);
    assert_eq!(document.profile, Profile::Ors, "only ORS has a resolveid");
}

#[test]
fn everything_points_at_the_file_it_was_written_in() {
    let start = document("", "\n<xi:include href='pages/b.scxml' xpointer='entry' resolveid='Main'/>");
    let page = document("", "\n<state id='entry'>\n  <transition target='$$_MY_PREFIX_$$.Nowhere'/></state>");
    let merged = merged(&[("a.scxml", &start), ("pages/b.scxml", &page)]);
    let document = read(merged.root.as_ref().unwrap(), None).document.unwrap();
    let target = &document.transitions[0].targets[0];
    assert_eq!(target.as_str(), "Main.Nowhere");
    assert_eq!(merged.sources.place(target.span()), "pages/b.scxml:3:23");
    assert_eq!(merged.sources.text(target.span_of(5..12)), "Nowhere");
    assert_eq!(merged.sources.text(document.states[1].id.as_ref().unwrap().span()), "entry");
    assert_eq!(merged.sources.place(document.states[1].my_prefix.as_ref().unwrap().span()), "a.scxml:2:51");
}

#[test]
fn scripts_come_from_files_as_they_are_and_addresses_count_from_the_file_they_are_in() {
    let start = document(
        "",
        r#"<script>/* a */<xi:include href="../lib/a.js" parse="text"/>/* b */</script><script src="b.js"/><xi:include href="../sub/p.scxml" xpointer="s" resolveid="P"/>"#,
    );
    let page = document(
        "",
        r#"<state id="s"><datamodel><data id="d" src="file:d.json"/></datamodel><onentry><script><xi:include href="../lib/a.js" parse="text"/></script></onentry></state>"#,
    );
    let merged = merged(&[
        ("gen/a.scxml", &start),
        ("lib/a.js", "if (a < b && c) {\r\n  '$$_MY_PREFIX_$$';\r\n}"),
        ("gen/b.js", "\u{feff}var b;"),
        ("sub/p.scxml", &page),
        ("sub/d.json", "{\"x\": 1}"),
    ]);
    assert_eq!(told(&merged, &merged.problems), Vec::<String>::new());
    let document = read(merged.root.as_ref().unwrap(), None).document.unwrap();
    assert_eq!(document.scripts[0].text.as_str(), "/* a */if (a < b && c) {\n  '$$_MY_PREFIX_$$';\n}/* b */");
    assert_eq!(document.scripts[1].text.as_str(), "var b;");
    let at = document.scripts[0].text.as_str().find("'$$").unwrap();
    assert_eq!(merged.sources.place(document.scripts[0].text.span_of(at..at + 1)), "lib/a.js:2:3");
    let data = format!("{:?}", document.states[1].data[0].value);
    assert!(data.contains(r#"{\"x\": 1}"#), "{data}");
}

#[test]
fn a_fallback_stands_in_for_a_file_that_is_missing() {
    let start = document("", r#"<xi:include href="no.scxml"><xi:fallback><final id="f"/></xi:fallback></xi:include>"#);
    let merged = merged(&[("a.scxml", &start)]);
    assert_eq!(told(&merged, &merged.problems), Vec::<String>::new());
    assert_eq!(inside(&merged), r#"<final id="f"/>"#);
}

#[test]
fn what_cannot_be_included_is_told_where_it_is_written() {
    let page = document("", "<state id='s'><xi:include href='self.scxml' xpointer='s'/></state><final id='f'/>");
    for (include, problem) in [
        ("href='no.scxml'", "missing-file a.scxml:2:13"),
        ("href='../up.scxml'", "outside-project a.scxml:2:13"),
        ("href='/etc/passwd' parse='text'", "outside-project a.scxml:2:13"),
        ("href='http://host/x.scxml'", "unreachable-address a.scxml:2:13"),
        ("href='self.scxml' xpointer='s'", "include-cycle self.scxml:1:120"),
        ("href='self.scxml' xpointer='none'", "include-pointer a.scxml:2:31"),
        ("href='self.scxml' xpointer='/1/2'", "include-pointer a.scxml:2:31"),
        ("href='self.scxml'", "include-form a.scxml:2:1"),
        ("parse='xml'", "include-form a.scxml:2:1"),
        ("href='self.scxml' parse='html'", "include-form a.scxml:2:1"),
        ("href='broken.scxml' xpointer='s'", "not-well-formed broken.scxml:1:7"),
    ] {
        let start = document("", &format!("\n<xi:include {include}/>"));
        let merged = merged(&[("a.scxml", &start), ("self.scxml", &page), ("broken.scxml", "<a><b></a>")]);
        assert_eq!(told(&merged, &merged.problems), [problem], "{include}");
        assert!(merged.problems[0].help.is_some(), "{include}");
    }
}

#[test]
fn a_page_that_is_not_included_can_still_be_looked_at() {
    let page = document("", "<state id='s'><transition target='$$_MY_PREFIX_$$.t'/></state><final id='t'/>");
    let merged = merged(&[("a.scxml", &page)]);
    assert_eq!(told(&merged, &merged.problems), ["not-included a.scxml:1:140"]);
    assert_eq!(inside(&merged), r#"<state id="s"><transition target="t"/></state><final id="t"/>"#);
}

#[test]
fn files_that_include_each_other_many_times_end_at_a_limit() {
    let mut written = Vec::new();
    for at in 0..10 {
        let next = format!("<xi:include href='{}.scxml' xpointer='s' resolveid='x'/>", (at + 1) % 10).repeat(8);
        written.push((format!("{at}.scxml"), document("", &format!("<state id='s'>{next}</state>"))));
    }
    let first = document("", "<xi:include href='0.scxml' xpointer='s' resolveid='x'/>");
    let mut all = files(&[("start.scxml", &first)]);
    all.extend(written);
    for limits in [
        MergeLimits { elements: 2_000, ..MergeLimits::default() },
        MergeLimits { includes: 5, ..MergeLimits::default() },
    ] {
        let merged = merge(&all, "start.scxml", &limits);
        let rules: Vec<_> = merged.problems.iter().map(|problem| problem.rule).collect();
        assert_eq!(rules.iter().filter(|rule| **rule != "include-cycle").collect::<Vec<_>>(), [&"document-size"]);
    }
}

#[test]
fn prefixes_cannot_make_a_text_grow_without_end() {
    let long = "p".repeat(1_000);
    let start = document("", &format!("<xi:include href='b.scxml' xpointer='s' resolveid='{long}'/>"));
    let page = document(
        "",
        &format!("<state id='s'><onentry><log label='{}'/></onentry></state>", "$$_MY_PREFIX_$$".repeat(500)),
    );
    let all = files(&[("a.scxml", &start), ("b.scxml", &page)]);
    let merged = merge(&all, "a.scxml", &MergeLimits { bytes: 100_000, ..MergeLimits::default() });
    assert_eq!(told(&merged, &merged.problems), ["document-size a.scxml:1:1"]);
}
