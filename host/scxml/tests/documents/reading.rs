//! Single files become documents, and what is wrong with one is told all at once.

use jackfield_scxml::model::{ActionKind, DataValue, Initial, Module, Profile, StateKind, Value, read};
use jackfield_scxml::source::Sources;
use jackfield_scxml::xml::{self, Limits};

use crate::written::{document, merged, told};

fn parse(text: &str) -> Result<xml::Element, String> {
    let mut sources = Sources::default();
    let file = sources.add("a.scxml", text);
    xml::read(&sources, file, Limits::default()).map_err(|problem| problem.line(&sources))
}

#[test]
fn what_is_not_well_formed_is_refused_with_its_place() {
    for (text, place, says) in [
        ("", "1:1", "no element"),
        ("<a>\n<b></a>", "2:4", "expected"),
        ("<a>\n", "1:1", "<a> has no end tag"),
        ("<a/><b/>", "1:5", "a second element"),
        ("<a/>text", "1:5", "outside of the root"),
        ("<a>&nbsp;</a>", "1:4", "`&nbsp;` means nothing"),
        ("<a b='&x'/>", "1:7", "`&` that begins no reference"),
        ("<a>&#0;</a>", "1:4", "means nothing"),
        ("<a b='x < y'/>", "1:9", "`<` in the value"),
        ("<a b='1' b='2'/>", "1:1", "duplicate"),
        ("<a xmlns:x='u' xmlns:y='u' x:b='1' y:b='2'/>", "1:36", "twice"),
        ("<x:a/>", "1:1", "the prefix x stands for no namespace"),
        ("<a x:b=''/>", "1:4", "the prefix x"),
        ("<!DOCTYPE a [<!ENTITY e 'x'>]><a/>", "1:1", "a document type that declares"),
        ("<a>\u{1}</a>", "1:4", "U+0001"),
        ("<?xml version='1.0' encoding='ISO-8859-1'?><a>ä</a>", "1:1", "says that it is in ISO-8859-1"),
        ("<1a/>", "1:1", "is no name"),
    ] {
        let error = parse(text).expect_err(text);
        assert!(error.starts_with(&format!("a.scxml:{place}: error[not-well-formed]")), "{text}: {error}");
        assert!(error.contains(says), "{text}: {error}");
    }
    let deep = "<a>".repeat(101);
    assert!(parse(&deep).expect_err("too deep").contains("100 elements within each other"));
}

#[test]
fn what_is_written_is_what_was_read() {
    let text = "<!DOCTYPE a><a xmlns='u' xmlns:p='v' p:x='1&#10;2 &quot;'><p:b/>x &lt; y<![CDATA[ & z]]><c xmlns=''/><d/>\r\n</a>";
    let read = parse(text).unwrap();
    let again = xml::write(&read);
    assert_eq!(
        again,
        "<a xmlns=\"u\" xmlns:p=\"v\" p:x=\"1&#10;2 &quot;\"><p:b/>x &lt; y &amp; z<c xmlns=\"\"/><d/>\n</a>"
    );
    assert_eq!(xml::write(&parse(&again).unwrap()), again);
}

#[test]
fn references_in_the_name_of_a_namespace_are_replaced() {
    let read = parse("<a xmlns='u&amp;v&#x41;'/>").unwrap();
    assert!(read.name.is("u&vA", "a"), "{:?}", read.name);
    assert_eq!(xml::write(&read), "<a xmlns=\"u&amp;vA\"/>");
    assert!(parse("<a xmlns='u&x;'/>").is_err());
}

#[test]
fn attributes_that_are_expressions_in_ors_alone_are_told_apart() {
    let inner = "<state id='s'><onentry><send event='x.done' delay='1s' targettype='scxml'/><cancel sendid='t'/></onentry></state>";
    let kinds = |attributes: &str| {
        let merged = merged(&[("a.scxml", &document(attributes, inner))]);
        let document = read(merged.root.as_ref().unwrap(), None).document.unwrap();
        let actions = document.states[1].on_entry[0].actions.clone();
        let mut values = Vec::new();
        for action in actions {
            match action.kind {
                ActionKind::Send(send) => values.extend([send.event, send.delay, send.kind].into_iter().flatten()),
                ActionKind::Cancel(cancel) => values.push(cancel.send_id),
                other => panic!("{other:?}"),
            }
        }
        (document.profile, values.iter().map(|value| matches!(value, Value::Expression(_))).collect::<Vec<_>>())
    };
    assert_eq!(kinds("profile='ecmascript'"), (Profile::Ors, vec![true; 4]));
    assert_eq!(kinds("datamodel='ecmascript'"), (Profile::W3c, vec![false; 4]));
}

#[test]
fn the_dialect_follows_from_what_only_one_of_them_has() {
    for (attributes, inner, profile) in [
        ("", "<final id='f'/>", Profile::W3c),
        ("datamodel='ecmascript'", "<final id='f'/>", Profile::W3c),
        ("profile='ecmascript'", "<final id='f'/>", Profile::Ors),
        (
            "",
            "<state id='s'><onentry><x:submit xmlns:x='www.genesyslab.com/modules/queue'/></onentry></state>",
            Profile::Ors,
        ),
        (
            "datamodel='ecmascript'",
            "<state id='s'><onentry><x:fetch xmlns:x='http://www.genesyslab.com/modules/session'/></onentry></state>",
            Profile::Ors,
        ),
        ("", "<state id='s' _persist='no'/>", Profile::Ors),
        ("", "<state id='s'><onentry><event name='e'/></onentry></state>", Profile::Ors),
        ("", "<state id='s'><onentry><send eventexpr='e'/></onentry></state>", Profile::W3c),
        ("", "<xi:include href='b.scxml' xpointer='f' resolveid='x'/>", Profile::Ors),
    ] {
        let text = document(attributes, inner);
        assert_eq!(jackfield_scxml::model::profile_of(&parse(&text).unwrap()).profile, profile, "{text}");
    }
}

#[test]
fn states_and_transitions_are_numbered_in_document_order() {
    let text = document(
        "initial='b'",
        "<datamodel><data id='x' expr='1'/><data id='y'>text</data><data id='z'/></datamodel>\
         <state id='a'><initial><transition target='a2'/></initial><state id='a1'><transition event='e.* f.' target='b'/></state><state id='a2'/>\
         <history id='h' type='deep'><transition target='a1'/></history></state>\
         <parallel id='b'><state id='b1'/><transition type='internal' cond='x'/></parallel><final id='c'/>",
    );
    let document = read(&parse(&text).unwrap(), None).document.unwrap();
    let called: Vec<_> = document.states.iter().map(|state| state.called()).collect();
    assert_eq!(called, ["the document", "a", "a1", "a2", "h", "b", "b1", "c"]);
    let data: Vec<_> = document.states[0].data.iter().map(|data| &data.value).collect();
    assert!(matches!(data[..], [DataValue::Expression(_), DataValue::Content(_), DataValue::None]));
    assert!(matches!(&document.states[0].initial, Initial::Attribute(targets) if targets[0] == "b"));
    assert!(matches!(document.states[1].initial, Initial::Element(_)));
    let events: Vec<_> = document.transitions[1].events.iter().map(|event| event.as_str()).collect();
    assert_eq!(events, ["e", "f"]);
    assert!(document.transitions[3].internal);
    assert!(document.states[1].is_compound(&document) && document.states[2].is_atomic(&document));
    assert_eq!(document.states[5].kind, StateKind::Parallel);
}

#[test]
fn actions_of_modules_keep_what_is_in_them_whatever_their_prefix_is() {
    let text = document(
        "",
        "<state id='s'><onentry><Q:submit xmlns:Q='www.genesyslab.com/modules/queue' requestid='r' route='false'>\
         <Q:targets type='agentgroup'><Q:target name=\"'Mail'\"/></Q:targets></Q:submit>\
         <f:fetch xmlns:f='http://www.genesyslab.com/modules/session'><param name='a' expr='1'/><content _expr='body'/></f:fetch></onentry></state>",
    );
    let document = read(&parse(&text).unwrap(), None).document.unwrap();
    let modules: Vec<_> = document.states[1].on_entry[0]
        .actions
        .iter()
        .map(|action| match &action.kind {
            ActionKind::Module(element) => element,
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(modules[0].module, Module::Queue);
    assert_eq!(modules[0].to_string(), "queue:submit");
    assert_eq!(modules[0].children[0].children[0].attribute("name").unwrap().as_str(), "'Mail'");
    assert_eq!((modules[1].params.len(), modules[1].content.is_some()), (1, true));
}

#[test]
fn all_that_is_wrong_with_a_document_is_told_at_once() {
    let text = "<scxml xmlns='http://www.w3.org/2005/07/scxml' xmlns:o='urn:o' datamodel='xpath' binding='soon'>
<state id='s' Initial='t'>words
<onentry><raise/><if><else/><elseif cond='1'/></if><assign expr='1'/><foreach array='a'/><state/></onentry>
<raise event='e'/>
<o:info/>
<transition type='outer' target='s'/>
<history type='long'/>
<final id='t'><transition/></final>
<initial/>
</state>
<datamodel><data/><data id='x' expr='1'>2</data></datamodel>
<xi:include xmlns:xi='http://www.w3.org/2001/XInclude' href='a'/>
</scxml>";
    let merged = merged(&[("a.scxml", &text.replace("xi:include", "xi:exclude"))]);
    let reading = read(merged.root.as_ref().unwrap(), None);
    let told: Vec<_> = told(&merged, &reading.problems).iter().map(|line| line.replace("a.scxml:", "")).collect();
    assert_eq!(
        told,
        [
            "unsupported-datamodel 1:64",
            "attribute-value 1:82",
            "unknown-attribute 2:15",
            "misplaced-text 2:27",
            "missing-attribute 3:10",
            "missing-attribute 3:18",
            "misplaced-element 3:29",
            "missing-attribute 3:52",
            "missing-attribute 3:70",
            "misplaced-element 3:90",
            "misplaced-element 4:1",
            "unknown-element 5:1",
            "attribute-value 6:13",
            "attribute-value 7:10",
            "misplaced-element 8:15",
            "misplaced-element 9:1",
            "missing-attribute 11:12",
            "conflicting-attributes 11:19",
            "unknown-element 12:1",
        ]
    );
    let without_help = reading.problems.iter().filter(|problem| problem.help.is_none());
    assert_eq!(without_help.map(|problem| &problem.message).collect::<Vec<_>>(), Vec::<&String>::new());
}
