// What the guests `since_…` have in common: each is the same strategy over the contract of one version. They
// come with `bindings`, `NAME`, `CAPABILITIES`, `more`, `outcome`, `target` and `route`.
//
// Told `everything` it calls all there is of the contract since 0.1.0, in the order of its text, and tells the
// answers; what happens to it otherwise it tells as `event`. `finish` and `fail` end it.

use bindings::jackfield::strategy::{
    events, facts, interactions, log, messages, routing, session, timers, types, virtual_queues,
};

struct Strategy;

impl bindings::Guest for Strategy {
    fn describe() -> bindings::Manifest {
        bindings::Manifest {
            name: NAME.into(),
            version: "1.2.3".into(),
            description: "Calls all there is.".into(),
            capabilities: CAPABILITIES.iter().map(|&name| name.into()).collect(),
            states: vec!["everything-1".into()],
        }
    }

    fn run(checkpoint: Option<Vec<u8>>) -> Result<(), String> {
        if let Some(state) = checkpoint {
            log::write(log::Level::Debug, &String::from_utf8_lossy(&state));
        }
        let mut timeout = None;
        loop {
            match events::next(timeout.take()) {
                None => tell("timeout", ""),
                Some(events::Event::Message(message)) => match message.name.as_str() {
                    "finish" => return Ok(()),
                    "fail" => return Err(message.data),
                    "wait" => timeout = Some(1),
                    "checkpoint" => session::checkpoint(message.data.as_bytes()),
                    "everything" => everything(),
                    _ => more(&message.name, &message.data),
                },
                Some(event) => tell("event", &event_text(event)),
            }
        }
    }
}

fn everything() {
    let id = interactions::held().first().cloned().unwrap_or_default();
    let interaction = interactions::get(&id);
    tell("held", &format!("{id} {}", interaction.map(|held| held.queue).unwrap_or_default()));
    let pair = |key: &str, value| types::KvPair { key: key.into(), value };
    interactions::update_user_data(&id, &[
        pair("Text", types::KvValue::Text("a".into())),
        pair("Number", types::KvValue::Integer(-1)),
        pair("Bytes", types::KvValue::Binary(vec![0, 255])),
        pair("List", types::KvValue::Nested("[[\"a\", 1]]".into())),
    ]);
    interactions::delete_user_data(&id, &["Subject".into()]);
    messages::create(&messages::Message {
        message_type: messages::MessageType::AutoResponse,
        media: "email".into(),
        server: Some("outbox".into()),
        related: Some(id.clone()),
        queue: None,
        parameters: vec![pair("To", types::KvValue::Text("kim@example.com".into()))],
    });
    messages::send("m1", None);
    messages::call_service("crm", "Customers", "Find", &[], &[], 2_000);
    let submitted = routing::submit(&route(
        id.clone(),
        vec![target(routing::TargetType::Skill, "Billing >= 5"), target(routing::TargetType::AgentGroup, "Billing")],
    ));
    routing::cancel(submitted);
    let owner = types::Workbin { name: "drafts".into(), owner_type: types::WorkbinOwner::AgentGroup, owner: "A".into() };
    routing::deliver(&id, &types::Destination::Workbin(owner));
    virtual_queues::attach(&id, "VQ", &[]);
    let timer = timers::start(1_000_000);
    tell("timer", &format!("{timer} {}", timers::cancel(timer)));
    let item = facts::list_item("list", "item", None).unwrap_or_default();
    tell("facts", &format!("{} {item} {}", facts::now() > 0, facts::parameter("item").unwrap_or_default()));
    tell("session", &format!("{} {}", session::id(), session::parameters().len()));
    log::write(log::Level::Info, "everything");
    interactions::place_in_queue(&id, "done");
    interactions::stop_processing(&id, Some("done"));
}

fn event_text(event: events::Event) -> String {
    match event {
        events::Event::InteractionPresent(id) => format!("present {id}"),
        events::Event::InteractionNotControlled(event) => format!("lost {} {}", event.interaction, event.reason),
        events::Event::InteractionDeleted(event) => format!("deleted {} {}", event.interaction, event.reason),
        events::Event::UserDataChanged(id) => format!("changed {id}"),
        events::Event::RequestDone(done) => format!("done {} {}", done.request, outcome(done.outcome)),
        events::Event::RequestFailed(failed) => {
            let types::Failure { code, name, description } = failed.failure;
            format!("failed {} {code} {name} {description}", failed.request)
        }
        events::Event::TimerFired(timer) => format!("fired {timer}"),
        events::Event::Message(message) => format!("message {}", message.name),
        events::Event::StopRequested(reason) => format!("stop {reason}"),
    }
}

fn routed_text(routed: events::Routed) -> String {
    let destination = match routed.destination {
        types::Destination::Agent(name) => format!("agent {name}"),
        types::Destination::Place(name) => format!("place {name}"),
        types::Destination::InteractionQueue(name) => format!("queue {name}"),
        types::Destination::Workbin(workbin) => format!("workbin {} of {}", workbin.name, workbin.owner),
    };
    format!("routed {} {destination} {}", routed.target, routed.virtual_queue.unwrap_or_default())
}

fn tell(name: &str, data: &str) {
    events::send("test", name, data);
}

bindings::export!(Strategy with_types_in bindings);
