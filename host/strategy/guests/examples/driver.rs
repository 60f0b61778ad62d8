//! Does what the messages it gets say, and tells what came of it with `events.send`, whose requests
//! the test reads from its turns. Other events it only names.

#![allow(clippy::panic, reason = "to panic is what it is for")]

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use test_guests::{
    Guest, Manifest, events, facts, http, interactions, log, manifest, messages, route, routing, session, target,
    timers, types, virtual_queues,
};

struct Strategy;

impl Guest for Strategy {
    fn describe() -> Manifest {
        manifest("driver", &["routing"])
    }

    fn run(checkpoint: Option<Vec<u8>>) -> Result<(), String> {
        if let Some(state) = checkpoint {
            log::write(log::Level::Debug, &format!("rebuilt from {}", String::from_utf8_lossy(&state)));
        }
        let mut timeout = None;
        loop {
            let event = events::next(timeout.take());
            match event {
                None => tell("timeout", ""),
                Some(events::Event::Message(message)) => match message.name.as_str() {
                    "finish" => {
                        tell("finishing", "");
                        return Ok(());
                    }
                    "fail" => {
                        tell("failing", "");
                        return Err(message.data);
                    }
                    "wait" => timeout = Some(number(&message.data)),
                    name => act(name, message.data),
                },
                Some(other) => tell("event", format!("{other:?}")),
            }
        }
    }
}

fn act(name: &str, data: String) {
    let id = interactions::held().first().cloned().unwrap_or_default();
    match name {
        "held" => tell("held", interactions::held().join(",")),
        "subject" => tell("subject", format!("{:?}", interactions::get(&id).map(|interaction| interaction.user_data))),
        "update" => {
            interactions::update_user_data(&id, &[text("Subject", &data), text("Subject", "again")]);
        }
        "delete" => {
            interactions::delete_user_data(&id, &[data]);
        }
        "nested" => {
            let value = types::KvValue::Nested(data);
            interactions::update_user_data(&id, &[types::KvPair { key: "Extension".into(), value }]);
        }
        "place" => {
            interactions::place_in_queue(&id, &data);
        }
        "stop" => {
            interactions::stop_processing(&id, Some(&data));
        }
        "stop-other" => {
            interactions::stop_processing(&data, None);
        }
        "route" => {
            routing::submit(&route(id, vec![target(routing::TargetType::Skill, data)]));
        }
        "send-message" => {
            messages::send(&id, None);
        }
        "fetch" => {
            let (method, headers, body) = (http::Method::Get, Vec::new(), Vec::new());
            http::fetch(&http::Request { method, url: data, headers, body, timeout: None });
        }
        "attach" => {
            virtual_queues::attach(&id, &data, &[]);
        }
        "checkpoint" => session::checkpoint(data.as_bytes()),
        "large-checkpoint" => session::checkpoint(&vec![0; (1 << 20) + 1]),
        "timer" => {
            timers::start(number(&data));
        }
        "cancel-timer" => tell("cancel-timer", timers::cancel(number(&data))),
        "many-timers" => {
            for _ in 0..number(&data) {
                timers::start(1_000_000);
            }
        }
        "facts" => tell("facts", format!("{:?} {:?}", facts::parameter(&data), facts::list_item("list", &data, None))),
        "session" => tell("session", format!("{} {:?}", session::id(), session::parameters())),
        "clocks" => {
            let (wall, monotonic) = (SystemTime::now(), Instant::now());
            let mut number = 0_u64;
            for _ in 0..1_000_000 {
                number = std::hint::black_box(number.wrapping_add(1));
            }
            let stands = wall == SystemTime::now() && monotonic == Instant::now();
            let same = wall.duration_since(UNIX_EPOCH).unwrap_or_default().as_millis() == u128::from(facts::now());
            tell("clocks", format!("{stands} {same}"));
        }
        "compute" => {
            let mut number = 0_u64;
            for _ in 0..self::number(&data) {
                number = std::hint::black_box(number.wrapping_add(1));
            }
            tell("computed", number);
        }
        "tell-many" => {
            for count in 0..number(&data) {
                tell("many", count);
            }
        }
        "random" => tell("random", std::collections::hash_map::RandomState::new().hash_one_number()),
        "environment" => tell(
            "environment",
            format!(
                "{:?} {:?} {:?} {:?}",
                std::env::vars().count(),
                std::env::args().count(),
                std::fs::read_dir("/").is_ok(),
                std::io::stdin().read_line(&mut String::new()).unwrap_or(0)
            ),
        ),
        "sleep" => std::thread::sleep(Duration::from_millis(1)),
        "exit" => std::process::exit(3),
        "print" => {
            print!("{data} out");
            eprintln!("{data} err");
            log::write(log::Level::Error, &data);
        }
        "panic" => panic!("{data}"),
        "large-request" => {
            interactions::delete_user_data(&id, &["x".repeat(usize::try_from(number(&data)).unwrap_or(0))]);
        }
        other => tell("unknown", other),
    }
}

/// A number that two sessions hardly share.
trait HashOneNumber {
    fn hash_one_number(&self) -> u64;
}

impl HashOneNumber for std::collections::hash_map::RandomState {
    fn hash_one_number(&self) -> u64 {
        std::hash::BuildHasher::hash_one(self, 1)
    }
}

fn tell(name: &str, data: impl ToString) {
    events::send("test", name, &data.to_string());
}

fn text(key: &str, value: &str) -> types::KvPair {
    types::KvPair { key: key.into(), value: types::KvValue::Text(value.into()) }
}

fn number(text: &str) -> u64 {
    text.parse().unwrap_or_default()
}

test_guests::export!(Strategy with_types_in test_guests::bindings);
