//! Does with its interaction what the messages it gets say, and nothing else: never ends unasked. Once
//! told to `watch`, it writes what happens to it into the user data key `Seen` of its interaction.

use test_guests::{
    Guest, Manifest, events, http, interactions, manifest, messages, route, routing, target, types, virtual_queues,
};

struct Strategy;

impl Guest for Strategy {
    fn describe() -> Manifest {
        manifest("obeys", &["messages", "routing", "virtual-queues", "http"])
    }

    fn run(_checkpoint: Option<Vec<u8>>) -> Result<(), String> {
        let mut diary = Diary::default();
        let mut route = 0;
        let mut waiting = Waiting::default();
        loop {
            let message = match events::next(None) {
                Some(events::Event::Message(message)) => message,
                Some(event) => {
                    diary.note(&event);
                    continue;
                }
                None => continue,
            };
            let id = held();
            let data = message.data;
            match message.name.as_str() {
                "watch" => diary.is_kept = true,
                "place" => {
                    interactions::place_in_queue(&id, &data);
                }
                "stop" => {
                    interactions::stop_processing(&id, Some(&data));
                }
                "count" => {
                    let all = interactions::get(&id).map(|interaction| interaction.user_data).unwrap_or_default();
                    diary.write(format!("count {}", all.iter().filter(|pair| pair.key == data).count()));
                }
                "create" => {
                    messages::create(&messages::Message {
                        message_type: messages::MessageType::Acknowledgement,
                        media: "email".into(),
                        server: None,
                        related: Some(id),
                        queue: Some(data).filter(|queue| !queue.is_empty()),
                        parameters: vec![text("Subject", "we have it")],
                    });
                }
                "send" => {
                    messages::send(&data, None);
                }
                "call" => {
                    let (server, timeout) = data.split_once(' ').unwrap_or((&data, "0"));
                    let timeout = timeout.parse().unwrap_or_default();
                    messages::call_service(server, "Weather", "Forecast", &[text("City", "Bern")], &[], timeout);
                }
                "get" => fetch(http::Method::Get, &data),
                "post" => fetch(http::Method::Post, &data),
                "attach" => {
                    virtual_queues::attach(&id, &data, &[text("RTenant", "Resources")]);
                }
                "route" => route = waiting.submit(id, vec![everyone()], true),
                "find" => route = waiting.submit(id, vec![everyone()], false),
                "route-queue" => route = waiting.submit(id, vec![everyone(), queue(data)], true),
                "find-queue" => route = waiting.submit(id, vec![everyone(), queue(data)], false),
                // Where the submits after this one wait, and for how many milliseconds at most.
                "virtual-queue" => waiting = Waiting::read(&data),
                "cancel" => {
                    routing::cancel(route);
                }
                "deliver-agent" => {
                    routing::deliver(&id, &types::Destination::Agent(data));
                }
                "deliver-place" => {
                    routing::deliver(&id, &types::Destination::Place(data));
                }
                "deliver-queue" => {
                    routing::deliver(&id, &types::Destination::InteractionQueue(data));
                }
                "deliver-workbin" => {
                    let owner_type = types::WorkbinOwner::Agent;
                    let workbin = types::Workbin { name: "drafts".into(), owner_type, owner: data };
                    routing::deliver(&id, &types::Destination::Workbin(workbin));
                }
                "finish" => return Ok(()),
                other => return Err(format!("what is `{other}`?")),
            }
        }
    }
}

fn held() -> String {
    interactions::held().into_iter().next().unwrap_or_default()
}

/// A URL, and a time-out in milliseconds where one follows.
fn fetch(method: http::Method, data: &str) {
    let (url, timeout) = data.split_once(' ').unwrap_or((data, ""));
    let body = if method == http::Method::Post { b"body".to_vec() } else { Vec::new() };
    let headers = vec![types::HttpHeader { name: "X-From".into(), value: "obeys".into() }];
    http::fetch(&http::Request { method, url: url.into(), headers, body, timeout: timeout.parse().ok() });
}

#[derive(Default)]
struct Waiting {
    virtual_queue: Option<String>,
    timeout: Option<u64>,
}

impl Waiting {
    /// A name, and a time where one follows.
    fn read(data: &str) -> Waiting {
        let (name, timeout) = data.split_once(' ').unwrap_or((data, ""));
        Waiting { virtual_queue: Some(name.into()), timeout: timeout.parse().ok() }
    }

    fn submit(&self, interaction: String, targets: Vec<routing::Target>, deliver: bool) -> u64 {
        let Waiting { virtual_queue, timeout } = self;
        let (virtual_queue, timeout) = (virtual_queue.clone(), *timeout);
        routing::submit(&routing::RouteRequest { deliver, virtual_queue, timeout, ..route(interaction, targets) })
    }
}

fn everyone() -> routing::Target {
    target(routing::TargetType::AgentGroup, "everyone")
}

fn queue(name: String) -> routing::Target {
    target(routing::TargetType::InteractionQueue, name)
}

/// What has happened, and the requests that wrote it down.
#[derive(Default)]
struct Diary {
    is_kept: bool,
    seen: Vec<String>,
    writes: Vec<u64>,
}

impl Diary {
    fn note(&mut self, event: &events::Event) {
        let line = match event {
            events::Event::RequestDone(done) if self.writes.contains(&done.request) => return,
            events::Event::RequestFailed(failed) if self.writes.contains(&failed.request) => return,
            events::Event::RequestDone(done) => match &done.outcome {
                events::Outcome::Done => "done".into(),
                events::Outcome::MessageCreated(id) => format!("created {id}"),
                events::Outcome::Routed(routed) => format!("routed {} {:?}", routed.target, routed.destination),
                events::Outcome::ServiceResponse(pairs) => {
                    let pairs: Vec<_> = pairs.iter().map(|pair| format!("{}={:?}", pair.key, pair.value)).collect();
                    format!("response {}", pairs.join(" "))
                }
                events::Outcome::Waiting(waiting) => format!("waiting {}", waiting.position),
                events::Outcome::HttpResponse(response) => match response.body.len() {
                    length @ 65.. => format!("http {} {length} bytes", response.status),
                    _ => format!("http {} {}", response.status, String::from_utf8_lossy(&response.body)),
                },
            },
            events::Event::RequestFailed(failed) => {
                let types::Failure { code, name, description } = &failed.failure;
                format!("failed {code} {name}: {description}")
            }
            events::Event::UserDataChanged(id) => match interactions::get(id) {
                Some(interaction) => {
                    let subject = interaction.user_data.iter().find(|pair| pair.key == "Subject");
                    let subject = subject.map(|pair| format!("{:?}", pair.value)).unwrap_or_default();
                    format!("changed online={} view={:?} {subject}", interaction.is_online, interaction.view)
                }
                None => format!("changed {id}, which is not held"),
            },
            other => format!("{other:?}"),
        };
        self.write(line);
    }

    /// All of it again: what was refused because the interaction was busy is written with the next.
    fn write(&mut self, line: String) {
        self.seen.push(line);
        if self.is_kept && !interactions::held().is_empty() {
            let pairs: Vec<_> = self.seen.iter().map(|line| text("Seen", line)).collect();
            self.writes.push(interactions::update_user_data(&held(), &pairs));
        }
    }
}

fn text(key: &str, value: &str) -> types::KvPair {
    types::KvPair { key: key.into(), value: types::KvValue::Text(value.into()) }
}

test_guests::export!(Strategy with_types_in test_guests::bindings);
