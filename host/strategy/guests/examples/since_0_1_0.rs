//! A strategy as one was built for version 0.1.0 of the contract. The fixture of that version
//! (`tests/fixtures/since-0.1.0.wasm`) was made of it; see the README there.

#[allow(missing_docs, clippy::all, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
mod bindings {
    wit_bindgen::generate!({ path: "../../../wit/since-0.1.0", world: "strategy", generate_all });
}

const NAME: &str = "since-0.1.0";
const CAPABILITIES: &[&str] = &["messages", "routing", "virtual-queues"];

fn more(name: &str, data: &str) {
    tell("unknown", &format!("{name} {data}"));
}

fn target(target_type: routing::TargetType, name: &str) -> routing::Target {
    routing::Target { target_type, name: name.into() }
}

fn route(interaction: String, targets: Vec<routing::Target>) -> routing::RouteRequest {
    routing::RouteRequest {
        interaction,
        virtual_queue: Some("VQ".into()),
        priority: -5,
        targets,
        timeout: Some(60_000),
        deliver: true,
    }
}

fn outcome(outcome: events::Outcome) -> String {
    match outcome {
        events::Outcome::Done => "done".into(),
        events::Outcome::MessageCreated(id) => format!("created {id}"),
        events::Outcome::Routed(routed) => routed_text(routed),
        events::Outcome::ServiceResponse(pairs) => format!("answered {}", pairs.len()),
    }
}

include!("../since/everything.rs");
