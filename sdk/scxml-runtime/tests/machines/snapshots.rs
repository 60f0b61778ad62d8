//! A session that is restored from a snapshot goes on as the one it was taken of.

use std::rc::Rc;

use jackfield_scxml::model::Profile;
use jackfield_scxml_program::Bundle;
use jackfield_scxml_runtime::{Datum, Limits, Machine, MachineOf};

use crate::support::{World, compile_text};

const BODY: &str = r##"<script>function next(x) { return x + step; } var step = 2;</script>
    <datamodel><data id="n" expr="1"/><data id="o" expr="({list: [1, {deep: 'x'}], none: undefined, nothing: null})"/></datamodel>
    <state id="out"><transition event="in" target="h"/></state>
    <parallel id="p"><history id="h" type="deep"><transition target="a b"/></history>
      <onexit><log expr="'left with ' + n"/></onexit>
      <transition event="leave" target="out"/>
      <state id="a"><state id="a1"><transition event="e" target="a2"/></state>
        <state id="a2"><onentry><script>step = 3;</script></onentry><transition event="e" target="a1"/></state></state>
      <state id="b"><onentry><send event="late" delay="100s" id="late"><param name="when" expr="n"/></send></onentry>
        <transition event="e" cond="n &lt; 100"><assign location="n" expr="next(n)"/>
          <script>o.list.push(n);</script></transition>
        <transition event="late"><log expr="'late ' + _event.data.when"/></transition>
        <transition event="stop"><cancel sendid="late"/></transition></state>
    </parallel>"##;

fn bundle(body: &str, profile: Profile) -> Bundle {
    let text = format!(r#"<scxml xmlns="http://www.w3.org/2005/07/scxml" version="1.0" initial="out">{body}</scxml>"#);
    compile_text(&text, profile)
}

/// What a machine does from here on, in all that can be seen of it.
fn rest(machine: &mut Machine, world: &World, events: &[&str]) -> Vec<String> {
    world.log.borrow_mut().clear();
    for event in events {
        machine.external(event, Datum::Undefined).unwrap();
    }
    while let Some(timer) = world.next_timer() {
        machine.timer_fired(timer).unwrap();
    }
    let mut seen = world.log.take();
    let data: Vec<String> = machine.data().iter().map(|(name, value)| format!("{name}={}", value.to_json())).collect();
    seen.push(format!("{} {}", machine.active().join(" "), data.join(" ")));
    seen
}

#[test]
fn a_restored_session_goes_on_as_the_one_that_did_not_stop() {
    let bundle = bundle(BODY, Profile::W3c);
    let events = ["in", "e", "e", "leave", "in", "e", "stop", "leave", "in", "e"];
    for stop in 0..events.len() {
        let (before, after) = events.split_at(stop);
        let world = World::new();
        let mut machine: Machine = MachineOf::new(bundle.clone(), world.clone(), Limits::default()).unwrap();
        machine.start().unwrap();
        before.iter().for_each(|event| {
            machine.external(event, Datum::Undefined).unwrap();
        });
        let bytes = machine.snapshot().expect("a snapshot");
        // Its timers go on in the other world too.
        let other = Rc::new(World::default());
        other.timers.borrow_mut().extend(world.timers.borrow().iter().map(|(timer, ())| (*timer, ())));
        other.numbers.set(world.numbers.get());
        let mut restored: Machine =
            MachineOf::restore(bundle.clone(), other.clone(), Limits::default(), &bytes).unwrap();
        assert_eq!(rest(&mut restored, &other, after), rest(&mut machine, &world, after), "stopped after {before:?}");
    }
}

#[test]
fn what_could_not_be_had_again_has_no_snapshot() {
    let refused = [
        "<script>var f = function () {};</script>",
        "<script>function f() {} f.count = 1;</script>",
        "<script>var d = new Date(0);</script>",
        "<script>var a = {}; var b = [a];</script>",
        "<script>let hidden = 1;</script>",
        "<script>var m = new Map();</script>",
    ];
    for body in refused {
        let body = format!("{body}<state id=\"out\"/>");
        let mut machine: Machine =
            MachineOf::new(bundle(&body, Profile::W3c), World::new(), Limits::default()).unwrap();
        machine.start().unwrap();
        assert_eq!(machine.snapshot(), None, "{body}");
    }
}

#[test]
fn a_snapshot_is_of_one_document_and_bytes_that_are_none_are_refused() {
    let one = bundle(BODY, Profile::W3c);
    let other = bundle(r#"<state id="out"/>"#, Profile::W3c);
    let mut machine: Machine = MachineOf::new(one, World::new(), Limits::default()).unwrap();
    machine.start().unwrap();
    let bytes = machine.snapshot().expect("a snapshot");
    let restore = |bytes: &[u8]| {
        let restored: Result<Machine, _> = MachineOf::restore(other.clone(), World::new(), Limits::default(), bytes);
        restored.err().expect("it is refused").to_string()
    };
    assert_eq!(restore(&bytes), "this session cannot go on: its state is that of another document");
    assert_eq!(restore(b"no"), "this session cannot go on: its state is damaged");
}

#[test]
fn variables_of_states_are_saved_too() {
    let body = r#"<script>function inc(by) { count = count + by; return count; }</script>
        <datamodel><data id="seen" expr="[]"/></datamodel>
        <state id="out"><onentry><script>var count = 10;</script></onentry>
          <transition event="e"><script>_data.seen.push(inc(1));</script><log expr="_data.seen.join()"/></transition></state>"#;
    let bundle = bundle(body, Profile::Ors);
    let world = World::new();
    let mut machine: Machine = MachineOf::new(bundle.clone(), world.clone(), Limits::default()).unwrap();
    machine.start().unwrap();
    machine.external("e", Datum::Undefined).unwrap();
    let bytes = machine.snapshot().expect("a snapshot");
    let mut restored: Machine = MachineOf::restore(bundle, world.clone(), Limits::default(), &bytes).unwrap();
    assert_eq!(rest(&mut restored, &world, &["e"])[0], ": 11,12");
}
