//! The dialect of the Orchestration Server (reference page *SCXML*).

use std::cell::RefCell;
use std::rc::Rc;

use jackfield_scxml::model::Profile;
use jackfield_scxml_runtime::{
    Answer, Call, CallKind, Datum, Destination, Limits, Machine, MachineOf, ModuleError, Platform, Status,
};

use crate::support::{World, compile_file, compile_text};

/// A platform with the interactions it is given, which keeps what it is asked for.
#[derive(Default)]
pub struct Site {
    pub interactions: RefCell<Vec<Datum>>,
    pub calls: RefCell<Vec<(String, Call)>>,
}

impl Platform for Site {
    fn interactions(&self) -> Vec<Datum> {
        self.interactions.borrow().clone()
    }

    fn session_facts(&self) -> Datum {
        Datum::from_json(r#"{"tenant":"Resources","tenantid":101,"server":{"name":"jackfield"}}"#).unwrap()
    }

    fn function(&self, module: &str, name: &str, arguments: &[Datum]) -> Option<Result<Datum, String>> {
        match (module, name) {
            ("ixn", "setuData") => {
                let mut interactions = self.interactions.borrow_mut();
                let Some(Datum::Map(pairs)) = interactions.first_mut() else {
                    return Some(Err("there is no interaction".to_owned()));
                };
                pairs.retain(|(name, _)| name != "udata");
                pairs.push(("udata".to_owned(), arguments.first().cloned().unwrap_or_default()));
                Some(Ok(Datum::Undefined))
            }
            ("session", "getListItemValue") => Some(Ok(Datum::text("listed"))),
            _ => None,
        }
    }

    fn perform(&self, request: &str, call: Call) -> Result<(), ModuleError> {
        if call.action == CallKind::Accept {
            return Err(ModuleError { error: Datum::text("invalidstate"), description: "not here".to_owned() });
        }
        self.calls.borrow_mut().push((request.to_owned(), call));
        Ok(())
    }
}

fn document(body: &str) -> String {
    format!(
        r#"<scxml version="1.0" xmlns="http://www.w3.org/2005/07/scxml" profile="ecmascript" name="Test"
        xmlns:ixn="www.genesyslab.com/modules/interaction" xmlns:queue="http://www.genesyslab.com/modules/queue"
        xmlns:session="www.genesyslab.com/modules/session">{body}</scxml>"#
    )
}

fn started(body: &str) -> (Machine, Rc<World>, Rc<Site>) {
    let site = Rc::new(Site::default());
    let world = Rc::new(World { platform: Some(site.clone()), ..World::default() });
    let bundle = compile_text(&document(body), Profile::Ors);
    let mut machine: Machine = MachineOf::new(bundle, world.clone(), Limits::default()).unwrap();
    machine.start().unwrap();
    (machine, world, site)
}

/// The calls made since the last time.
fn calls_of(site: &Site) -> Vec<(String, Call)> {
    site.calls.take()
}

#[test]
fn the_application_of_composer_offers_a_mail_twice_and_hands_it_over() {
    let examples = std::path::PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../examples");
    let bundle = compile_file(&examples.join("composer/src-gen/IPD_default_Mail.scxml")).expect("it compiles");
    let site = Rc::new(Site::default());
    let interaction = r#"{"g_uid":"0001","category":"msgbased","udata":{"Subject":"Refund of invoice 17"}}"#;
    site.interactions.borrow_mut().push(Datum::from_json(interaction).unwrap());
    let world = Rc::new(World { platform: Some(site.clone()), ..World::default() });
    let mut machine: Machine = MachineOf::new(bundle, world.clone(), Limits::default()).unwrap();
    machine.start().unwrap();
    let data = Datum::from_json(r#"{"interactionid":"0001"}"#).unwrap();
    machine.external("interaction.added", data.clone()).unwrap();
    machine.external("interaction.present", data.clone()).unwrap();
    assert!(calls_of(&site).is_empty(), "it waits for its user data");
    machine.external("interaction.udata.changed", data).unwrap();
    assert_eq!(machine.active_atoms(), ["Mail.Experts.Submit", "_composer_event_handler"]);
    let [(request, submit)] = calls_of(&site).try_into().expect("one submit");
    assert_eq!(
        (submit.action, submit.boolean("route"), submit.number("timeout")),
        (CallKind::Submit, Some(false), Some(20.0))
    );
    let error = ModuleError { error: Datum::text("timeout"), description: "nobody in 20 s".into() };
    machine.answer(&Answer { request, action: CallKind::Submit, result: Err(error) }).unwrap();
    assert_eq!(machine.active_atoms(), ["Mail.Group.Submit", "_composer_event_handler"]);
    let [(request, _)] = calls_of(&site).try_into().expect("another submit");
    let resource = Datum::from_json(r#"{"agent":"kim","type":"A"}"#).unwrap();
    machine
        .answer(&Answer { request, action: CallKind::Submit, result: Ok(vec![("resource".into(), resource)]) })
        .unwrap();
    let [(request, redirect)] = calls_of(&site).try_into().expect("a redirect");
    assert_eq!(Destination::of(redirect.attribute("to").unwrap()), Ok(Destination::Agent("kim".into())));
    let ended = machine.answer(&Answer { request, action: CallKind::Redirect, result: Ok(Vec::new()) });
    let log = world.log.take();
    assert_eq!((ended, machine.ended_in()), (Ok(Status::Finished), Some("_composer_global_exit")), "{log:?}");
    assert!(log.contains(&"Mail: Refund of invoice 17: routed to the group".to_owned()), "{log:?}");
}

fn log_of(body: &str, events: &[&str]) -> Vec<String> {
    let (mut machine, world, _) = started(body);
    for event in events {
        machine.external(event, Datum::Undefined).unwrap();
    }
    while let Some(timer) = world.next_timer() {
        machine.timer_fired(timer).unwrap();
    }
    world.log.take().iter().map(|line| line.trim_start_matches(": ").to_owned()).collect()
}

#[test]
fn variables_of_a_state_are_seen_within_it_and_gone_after_it() {
    let log = log_of(
        r#"<script>var shared = 'global'; function library() { return typeof inner + ' ' + shared + ' ' + local(); }
             function change() { counter = counter + 1; return counter; }
             function local() { return typeof counter == 'undefined' ? 'none' : counter; }</script>
        <state id="a" initial="b">
          <onentry><script>var shared = 'of a'; var counter = 1; function own() { return 'own ' + counter; }</script></onentry>
          <state id="b">
            <onentry><script>var inner = 5; counter += 10; shared = shared + '!';</script>
              <log expr="shared + ' ' + counter + ' ' + own()"/>
              <log expr="library()"/><log expr="change()"/><log expr="counter"/></onentry>
            <transition event="next" target="c"/>
          </state>
          <state id="c"><onentry><log expr="typeof inner + ' ' + counter"/></onentry>
            <transition event="out" target="d"/><transition event="again" target="a"/></state>
        </state>
        <state id="d"><onentry><log expr="shared + ' ' + typeof counter + ' ' + library()"/></onentry></state>"#,
        &["next", "again", "next", "out"],
    );
    let round = ["of a! 11 own 11", "number global 11", "12", "12", "undefined 12"];
    let expected: Vec<&str> =
        round.iter().chain(&round).copied().chain(["global undefined undefined global none"]).collect();
    assert_eq!(log, expected);
}

#[test]
fn an_event_is_one_object_for_all_regions_and_stays_what_it_was() {
    let log = log_of(
        r#"<datamodel><data id="seen" expr="[]"/></datamodel>
        <parallel id="p">
          <state id="one"><transition event="e"><script>_data.seen.push(_event);</script></transition></state>
          <state id="two"><transition event="e"><log expr="_data.seen.indexOf(_event)"/></transition>
            <transition event="f"><log expr="_data.seen[0].name + ' ' + _data.seen.indexOf(_event)"/></transition></state>
        </parallel>"#,
        &["e", "f"],
    );
    assert_eq!(log, ["0", "e -1"]);
}

#[test]
fn what_is_cancelled_is_answered_and_names_of_events_are_expressions() {
    let log = log_of(
        r#"<state id="a">
          <onentry><send event="'late.' + _name" delay="'10s'" sendid="t1"/><send event="'kept'" delay="'1s'"/>
            <cancel sendid="'t1'"/><cancel sendid="'t1'"/></onentry>
          <transition event="cancel.successful"><log expr="'cancelled ' + _event.data.sendid"/></transition>
          <transition event="error.notallowed"><log expr="'not allowed ' + _event.data.sendid"/></transition>
          <transition event="*"><log expr="_event.name"/></transition>
        </state>"#,
        &[],
    );
    assert_eq!(log, ["cancelled t1", "not allowed t1", "kept"]);
}

#[test]
fn expressions_may_be_programs_and_functions_of_the_old_engine_are_there() {
    let log = log_of(
        r#"<state id="a"><onentry>
          <script>var req = {}; const LIMIT = 3; var i = 0; var cycle = {n: 1}; cycle.self = cycle;</script>
          <log expr="caller_id: 'labelled';"/><log expr="i = 2; i * LIMIT"/>
          <log expr="uneval({a: [1, 'x'], 'b c': null})"/><log expr="cycle.toSource()"/><log expr="'text'.toSource()"/>
          <log expr="eval('(' + '{&quot;k&quot;: 7}' + ')').k"/><log expr="'abc'.substr(1, 1)"/>
          <assign location="req['x']" expr="1"/><assign location="req.y" expr="req['x'] + 1"/><log expr="req.y"/>
          <log expr="__GetCurrentStates().join() + ' ' + __GetDocumentURL()"/>
          <log expr="_genesys.queue.rType.RouteTypeDefault + ' ' + _genesys.session.tenant + ' ' + _genesys.session.day.Saturday"/>
          <script>__Log('from a script', 'label', 4); __Raise('raised', {k: 'v'});</script></onentry>
          <transition event="raised"><log expr="_event.data.k"/></transition></state>"#,
        &[],
    );
    let expected = [
        "labelled",
        "6",
        r#"({a:[1, "x"], "b c":null})"#,
        "({n:1, self:{}})",
        r#"(new String("text"))"#,
        "7",
        "b",
        "2",
        "a test.scxml",
        "1 Resources 6",
        "label: from a script",
        "v",
    ];
    assert_eq!(log, expected);
}

#[test]
fn errors_are_named_and_say_where_they_come_from() {
    let log = log_of(
        r#"<state id="a"><onentry><script>nothing.here();</script></onentry>
          <onentry><log expr="also.nothing"/></onentry><onentry><send event="'x'" targettype="'fm'"/></onentry>
          <transition event="error"><log expr="_event.name + ' ' + _event.data.element + ' ' + _event.data.linenumber"/></transition>
        </state>"#,
        &[],
    );
    let expected = ["error.script.a script 3", "error.illegalvalue.a log 4", "error.send.targettypeinvalid.a send 4"];
    assert_eq!(log, expected);
}

#[test]
fn a_final_state_hands_on_what_it_brings() {
    let log = log_of(
        r#"<state id="a" initial="b"><state id="b"><transition target="f"/></state>
            <final id="f"><donedata><param name="result" expr="40 + 2"/></donedata></final>
            <transition event="done.state.a"><log expr="_event.data.params.result + ' ' + _event.data.reason"/></transition>
        </state>"#,
        &[],
    );
    assert_eq!(log, ["42 done"]);
}

#[test]
fn the_miniature_of_the_reference_routes_an_interaction() {
    let (mut machine, _, site) = started(
        r#"<datamodel><data id="ixn"/><data id="req" expr="new Object()"/></datamodel>
        <state id="wait"><transition event="interaction.present" target="tag">
            <assign location="_data.ixn" expr="_event.data.interactionid"/></transition></state>
        <state id="tag">
            <onentry><script>_genesys.ixn.setuData({ Segment : 'gold' }, _data.ixn);</script></onentry>
            <transition event="interaction.udata.changed" target="pick"
                cond="_genesys.ixn.interactions[_data.ixn].udata.Segment == 'gold'"/></state>
        <state id="pick"><onentry>
            <queue:submit requestid="_data.req['submit']" interactionid="_data.ixn" queue="'VQ_Mail'" priority="5"
                    timeout="60" clearontimeout="true" route="false">
              <queue:targets statserver="'Stat'"><queue:target name="'Mail_Agents'" type="agentgroup"/></queue:targets>
            </queue:submit></onentry>
          <transition event="queue.submit.done" cond="_event.data.requestid == _data.req['submit']" target="hand">
            <assign location="_data.res" expr="_event.data.resource"/></transition>
          <transition event="error.queue.submit" target="park"/></state>
        <state id="hand"><onentry><ixn:redirect requestid="_data.req['r']" interactionid="_data.ixn" to="_data.res" detach="true"/></onentry>
          <transition event="interaction.redirect.done" target="end"/>
          <transition event="error.interaction.redirect" target="park"/></state>
        <state id="park"><onentry><ixn:redirect interactionid="_data.ixn" to="({ type : 'iq', id : 'Mail_Overflow' })"/></onentry>
          <transition event="interaction.redirect.done" target="end"/><transition event="error" target="stop"/></state>
        <state id="stop"><onentry><ixn:terminate interactionid="_data.ixn" reason="'no route'"/></onentry>
          <transition event="interaction.terminate.done" target="end"/></state>
        <final id="end"/>"#,
    );
    site.interactions.borrow_mut().push(Datum::from_json(r#"{"g_uid":"0001","category":"msgbased"}"#).unwrap());
    let present = Datum::from_json(r#"{"interactionid":"0001"}"#).unwrap();
    machine.external("interaction.present", present.clone()).unwrap();
    machine.external("interaction.udata.changed", present).unwrap();
    assert_eq!(machine.active_atoms(), ["pick"]);
    let (request, submit) = site.calls.borrow_mut().pop().unwrap();
    assert_eq!(
        (submit.action, submit.number("timeout"), submit.boolean("route")),
        (CallKind::Submit, Some(60.0), Some(false))
    );
    assert_eq!((submit.text("queue"), submit.text("interactionid")), (Some("VQ_Mail".into()), Some("0001".into())));
    let target = &submit.elements[1];
    assert_eq!((target.name.as_str(), target.parent), ("target", Some(0)));
    assert_eq!(target.attribute("type"), Some(&Datum::text("agentgroup")));
    let resource = Datum::from_json(r#"{"agent":"kim","type":"A"}"#).unwrap();
    let result = Ok(vec![("resource".to_owned(), resource)]);
    machine.answer(&Answer { request, action: CallKind::Submit, result }).unwrap();
    let (request, redirect) = site.calls.borrow_mut().pop().unwrap();
    assert_eq!(Destination::of(redirect.attribute("to").unwrap()), Ok(Destination::Agent("kim".into())));
    let error = ModuleError { error: Datum::text("invalidstate"), description: "logged out".into() };
    machine.answer(&Answer { request, action: CallKind::Redirect, result: Err(error) }).unwrap();
    let (request, park) = site.calls.borrow_mut().pop().unwrap();
    assert_eq!(Destination::of(park.attribute("to").unwrap()), Ok(Destination::Queue("Mail_Overflow".into())));
    let ended = machine.answer(&Answer { request, action: CallKind::Redirect, result: Ok(Vec::new()) });
    assert_eq!((ended, machine.ended_in()), (Ok(Status::Finished), Some("end")));
}

#[test]
fn actions_that_cannot_begin_and_those_nobody_knows_are_error_events() {
    let log = log_of(
        r#"<state id="a"><onentry><script>var id;</script><ixn:accept requestid="id" interactionid="'1'"/></onentry>
          <onentry><session:nothing/></onentry>
          <transition event="error.interaction.accept" cond="_event.data.requestid == id">
            <log expr="_event.data.error + ', ' + _event.data.description"/></transition>
          <transition event="error.unsupported.nothing"><log expr="_event.name"/></transition></state>"#,
        &[],
    );
    assert_eq!(log, ["error.unsupported.nothing", "invalidstate, not here"]);
}
