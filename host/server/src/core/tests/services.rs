//! ESP requests, relayed; and events of clients' own making.

use jackfield_protocol::v1::ReportingName::*;
use jackfield_protocol::v1::event::Message as EventMessage;
use jackfield_protocol::v1::request::Message as RequestMessage;
use jackfield_protocol::v1::*;

use super::world::*;

fn call(name: &str, media: &str) -> RequestMessage {
    RequestMessage::ThirdServer(Request3rdServer {
        app_name: name.into(),
        app_type: media.into(),
        service: "Email".into(),
        method: "Create".into(),
        parameters: Some(KeyValueList::default().with("Queue", "inbound")),
        ..Request3rdServer::default()
    })
}

fn answer(server_reference_id: u64, fault: bool, parameters: KeyValueList) -> RequestMessage {
    RequestMessage::ThirdServerAnswer(Answer3rdServer {
        server_reference_id,
        fault,
        parameters: Some(parameters),
        user_data: None,
    })
}

#[test]
fn relayed_with_its_key_and_answered() {
    let mut world = World::new();
    let media = world.client(ClientType::MediaServer);
    let router = world.client(ClientType::RoutingEngine);
    let reporter = world.reporter();
    let reference = world.send(router, "key 1", call("", "email"));
    world.settle();
    let events = world.events(media);
    let [EventMessage::ThirdServerRequest(request)] = events.as_slice() else { panic!("{events:?}") };
    assert_eq!(
        (request.method.as_str(), request.version.as_str(), request.idempotency_key.as_str()),
        ("Create", "1.0", "key 1")
    );
    let made = KeyValueList::default().with("InteractionId", "abc");
    world.done(media, answer(request.server_reference_id, false, made.clone()));
    assert_eq!(
        world.reply(router, reference),
        Some(EventMessage::ThirdServerResponse(Event3rdServerResponse {
            parameters: Some(made.clone()),
            user_data: None
        }))
    );
    assert_eq!(world.reported(reporter, 0), [ExternalServiceRequested, ExternalServiceResponded]);
    assert_eq!(world.refused(media, answer(request.server_reference_id, false, made)), 1000, "once only");
}

#[test]
fn a_fault_is_a_fault() {
    let mut world = World::new();
    let media = world.client(ClientType::MediaServer);
    let router = world.client(ClientType::RoutingEngine);
    let reference = world.send(router, "", call(&format!("client {media}"), ""));
    let fault = KeyValueList::default().with("FaultCode", 7).with("FaultString", "no such template");
    world.done(media, answer(1, true, fault.clone()));
    assert_eq!(
        world.reply(router, reference),
        Some(EventMessage::ThirdServerFault(Event3rdServerFault {
            fault_code: 7,
            fault_string: "no such template".into(),
            parameters: Some(fault),
        }))
    );
}

#[test]
fn nobody_there_or_silent_or_gone() {
    let mut world = World::new();
    let router = world.client(ClientType::RoutingEngine);
    assert_eq!(world.refused(router, call("", "email")), 1014);
    assert_eq!(world.refused(router, call("nobody", "")), 1014);
    assert_eq!(world.refused(router, call("", "")), 1000);
    let media = world.client(ClientType::MediaServer);
    let code = |event: Option<EventMessage>| match event {
        Some(EventMessage::Error(error)) => error.code,
        other => panic!("not refused: {other:?}"),
    };
    let silent = world.send(router, "", call("", "email"));
    world.pass(29_999);
    assert_eq!(world.reply(router, silent), None);
    world.pass(1);
    assert_eq!(code(world.reply(router, silent)), 1015);
    let gone = world.send(router, "", call("", "email"));
    world.disconnect(media);
    assert_eq!(code(world.reply(router, gone)), 1015);
}

#[test]
fn whoever_asked_and_left_is_not_answered() {
    let mut world = World::new();
    let media = world.client(ClientType::MediaServer);
    let router = world.client(ClientType::RoutingEngine);
    world.send(router, "", call("", "email"));
    world.disconnect(router);
    assert_eq!(world.refused(media, answer(1, false, KeyValueList::default())), 1000);
}

#[test]
fn an_event_of_a_clients_own_making_is_reported() {
    let mut world = World::new();
    let router = world.client(ClientType::RoutingEngine);
    let reporter = world.reporter();
    let event = RequestDistributeEvent {
        interaction_id: String::new(),
        name: "Queued".into(),
        data: Some(KeyValueList::default().with("RVQID", "1")),
        ..Default::default()
    };
    world.done(router, RequestMessage::DistributeEvent(event));
    let events = world.events(reporter);
    let [EventMessage::Reporting(reporting)] = events.as_slice() else { panic!("{events:?}") };
    assert_eq!((reporting.name(), reporting.custom_name.as_str()), (CustomReporting, "Queued"));
    assert_eq!(reporting.data.as_ref().unwrap().text("RVQID"), Some("1"));
}
