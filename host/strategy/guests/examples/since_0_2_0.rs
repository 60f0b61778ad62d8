//! A strategy as one is built for version 0.2.0 of the contract. The fixture of that version
//! (`tests/fixtures/since-0.2.0.wasm`) was made of it; see the README there. Beyond what is since 0.1.0 it
//! does `fetch` with a URL and `post` with one.

#[allow(missing_docs, clippy::all, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
mod bindings {
    wit_bindgen::generate!({ path: "../../../wit/since-0.2.0", world: "strategy", generate_all });
}

use bindings::jackfield::strategy::http;

const NAME: &str = "since-0.2.0";
const CAPABILITIES: &[&str] = &["messages", "routing", "virtual-queues", "http"];

fn more(name: &str, data: &str) {
    let (method, body) = match name {
        "fetch" => (http::Method::Get, Vec::new()),
        "post" => (http::Method::Post, b"body".to_vec()),
        _ => return tell("unknown", &format!("{name} {data}")),
    };
    http::fetch(&http::Request {
        method,
        url: data.into(),
        headers: vec![types::HttpHeader { name: "accept".into(), value: "*/*".into() }],
        body,
        timeout: Some(5_000),
    });
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
        events::Outcome::HttpResponse(response) => {
            let headers: Vec<String> =
                response.headers.iter().map(|header| format!("{}={}", header.name, header.value)).collect();
            format!("http {} {} {}", response.status, headers.join(","), String::from_utf8_lossy(&response.body))
        }
    }
}

include!("../since/everything.rs");
