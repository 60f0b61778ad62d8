//! What a document may not do: each ends its machine with a reason, and nothing goes on after it.

use std::rc::Rc;

use jackfield_scxml::model::Profile;
use jackfield_scxml_runtime::{Datum, Failure, Limits, Machine, MachineOf, Status};

use crate::support::{World, compile_text};

fn run(body: &str, limits: Limits) -> Result<Status, Failure> {
    let text = format!(
        r#"<scxml xmlns="http://www.w3.org/2005/07/scxml" version="1.0" datamodel="ecmascript">{body}</scxml>"#
    );
    let bundle = compile_text(&text, Profile::W3c);
    let mut machine: Machine = MachineOf::new(bundle, Rc::new(World::default()), limits).unwrap();
    machine.start()?;
    machine.external("go", Datum::Undefined)
}

fn reason_of(body: &str) -> String {
    run(body, Limits::default()).expect_err("it must not go on").to_string()
}

#[test]
fn a_loop_of_transitions_ends_with_the_states_it_is_in() {
    let reason =
        reason_of(r#"<state id="a"><transition target="b"/></state><state id="b"><transition target="a"/></state>"#);
    assert_eq!(reason, "microsteps: more than 1000, in session session-1 in a");
}

#[test]
fn events_that_raise_themselves_end() {
    let body = r#"<state id="a"><onentry><raise event="e"/></onentry>
        <transition event="e"><raise event="e"/><raise event="e"/></transition></state>"#;
    assert!(reason_of(body).starts_with("microsteps: more than 1000"));
}

#[test]
fn a_flood_of_events_ends() {
    let body = r#"<state id="a"><onentry><script>var many = []; for (var i = 0; i &lt; 20000; i++) many.push(i);</script>
        <foreach array="many" item="one"><send event="e"/></foreach></onentry></state>"#;
    assert_eq!(reason_of(body), "events that wait: more than 10000, in session session-1");
}

#[test]
fn scripts_that_loop_or_call_themselves_for_ever_end_and_cannot_catch_it() {
    let limits = Limits { loops: 10_000, ..Limits::default() };
    let script = |text: &str| {
        let body =
            format!("<state id=\"a\"><onentry><script>try {{ {text} }} catch (error) {{}}</script></onentry></state>");
        run(&body, limits).expect_err("it must not go on").to_string()
    };
    assert!(script("while (true) {}").contains("loop"), "{}", script("while (true) {}"));
    assert!(script("(function f() { f(); })()").contains("recursive"));
}

#[test]
fn a_document_that_invokes_itself_ends() {
    let body = r#"<state id="a"><invoke src="test.scxml" type="scxml"/></state>"#;
    let reason = reason_of(body);
    assert!(reason.starts_with("sessions within each other: more than 8, in test.scxml:1:"), "{reason}");
}

#[test]
fn delayed_events_and_items_of_foreach_are_counted() {
    let body = r#"<state id="a"><onentry><script>var list = [1, 2, 3, 4];</script>
        <foreach array="list" item="one"><send event="e" delay="1s"/></foreach></onentry></state>"#;
    let reason = |limits| run(body, limits).expect_err("it must not go on").to_string();
    assert!(
        reason(Limits { pending: 3, ..Limits::default() }).starts_with("delayed events: more than 3, in test.scxml:2:")
    );
    assert!(reason(Limits { iterations: 3, ..Limits::default() }).starts_with("items of a foreach: more than 3"));
}

#[test]
fn data_that_holds_itself_and_names_that_are_too_long_are_errors_of_the_document() {
    let body = r##"<state id="a"><onentry><script>var loop = {}; loop.self = loop; var long = 'x';
            for (var i = 0; i &lt; 22; i++) long += long;</script></onentry>
          <invoke id="child"><content><scxml version="1.0" xmlns="http://www.w3.org/2005/07/scxml"><state/></scxml></content></invoke>
          <transition event="go"><send event="e" target="#_child"><param name="p" expr="loop"/></send></transition>
          <transition event="error.execution" cond="/levels/.test(_event.data.message)" target="b"/></state>
        <state id="b"><onentry><send eventexpr="long"/></onentry><transition event="error.execution" target="end"/></state>
        <final id="end"/>"##;
    assert_eq!(run(body, Limits::default()), Ok(Status::Finished));
}
