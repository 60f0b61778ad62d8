//! A strategy as one is built for version 0.3.0 of the contract. The fixture of that version
//! (`tests/fixtures/since-0.3.0.wasm`) was made of it; see the README there. Beyond what is since 0.2.0 it
//! tells what a text of targets means, what it looks up, and what the files say that it carries.

#[allow(missing_docs, clippy::all, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
mod bindings {
    wit_bindgen::generate!({ path: "../../../wit/since-0.3.0", world: "strategy", generate_all });
}

use bindings::jackfield::strategy::{files, http};

const NAME: &str = "since-0.3.0";
const CAPABILITIES: &[&str] = &["messages", "routing", "virtual-queues", "http"];

fn more(name: &str, data: &str) {
    match name {
        "fetch" => fetch(http::Method::Get, data, Vec::new()),
        "post" => fetch(http::Method::Post, data, b"body".to_vec()),
        "targets" => tell("targets", &format!("{:?}", routing::read_targets(data))),
        "look up" => tell(
            "looked up",
            &format!(
                "{:?} {:?} {:?} {:?}",
                facts::statistic(data, "StatAgentsReady"),
                facts::local_time(Some("Europe/Vienna")),
                facts::is_open("support"),
                facts::is_special_day("holidays", Some("christmas"), None)
            ),
        ),
        "file" => tell("file", &format!("{:?}", files::read(data).map(|bytes| bytes.len()))),
        "query" => {
            routing::query(data.parse().unwrap_or_default());
        }
        "relax" => relax(),
        _ => tell("unknown", &format!("{name} {data}")),
    }
}

fn fetch(method: http::Method, url: &str, body: Vec<u8>) {
    http::fetch(&http::Request {
        method,
        url: url.into(),
        headers: vec![types::HttpHeader { name: "accept".into(), value: "*/*".into() }],
        body,
        timeout: Some(5_000),
    });
}

/// A submit with all there is.
fn relax() {
    let target = |name: &str| routing::Target {
        group: Some("Night".into()),
        workbin: Some("drafts".into()),
        threshold: Some("StatAgentsReady>0".into()),
        weight: Some(3),
        ..target(routing::TargetType::Skill, name)
    };
    let interaction = interactions::held().first().cloned().unwrap_or_default();
    routing::submit(&routing::RouteRequest {
        choice: Some(routing::Choice { order: routing::Order::Max, statistic: Some("StatTimeInReadyState".into()) }),
        aging: Some(routing::Aging { every: 60_000, by: 5, at_most: 100 }),
        relaxation: Some(vec![routing::Step { after: 30_000, targets: vec![target("Billing > 1")] }]),
        clear_on_timeout: Some(false),
        ..route(interaction, vec![target("Billing > 5")])
    });
}

fn target(target_type: routing::TargetType, name: &str) -> routing::Target {
    routing::Target { target_type, name: name.into(), group: None, workbin: None, threshold: None, weight: None }
}

fn route(interaction: String, targets: Vec<routing::Target>) -> routing::RouteRequest {
    routing::RouteRequest {
        interaction,
        virtual_queue: Some("VQ".into()),
        priority: -5,
        targets,
        timeout: Some(60_000),
        deliver: true,
        choice: None,
        aging: None,
        relaxation: None,
        clear_on_timeout: None,
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
        events::Outcome::Waiting(waiting) => {
            format!("waiting {} {} {:?}", waiting.priority, waiting.position, waiting.expected)
        }
    }
}

include!("../since/everything.rs");
