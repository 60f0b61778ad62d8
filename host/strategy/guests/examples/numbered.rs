//! A strategy of ordinary size whose file is copied under many names: the characters of its name are there once,
//! and others may be put in their place.

use std::collections::BTreeMap;

use test_guests::{Guest, Manifest, events, interactions, manifest, route, routing, session, target, timers, types};

struct Strategy;

impl Guest for Strategy {
    fn describe() -> Manifest {
        manifest("numbered-0000", &["routing"])
    }

    fn run(checkpoint: Option<Vec<u8>>) -> Result<(), String> {
        let mut seen = checkpoint.as_deref().map(read).unwrap_or_default();
        loop {
            match events::next(Some(60_000)) {
                Some(events::Event::StopRequested(_)) => return Ok(()),
                Some(events::Event::Message(message)) => {
                    *seen.entry(message.name).or_default() += 1;
                    timers::start(1_000);
                }
                Some(other) => *seen.entry(format!("{other:?}")).or_default() += 1,
                None => ask_for()?,
            }
            let lines: Vec<_> = seen.iter().map(|(name, count)| format!("{name} {count}")).collect();
            session::checkpoint(lines.join("\n").as_bytes());
        }
    }
}

fn ask_for() -> Result<(), String> {
    let id = interactions::held().first().cloned().ok_or("nothing is held")?;
    let subject = interactions::get(&id).map(|interaction| subject(&interaction.user_data)).unwrap_or_default();
    let words: Vec<_> = subject.split_whitespace().map(str::to_lowercase).collect();
    let skill = if words.iter().any(|word| word == "invoice") { "Billing" } else { "Support" };
    let fits = target(routing::TargetType::Skill, format!("{skill} >= 5"));
    routing::submit(&routing::RouteRequest { timeout: Some(60_000), ..route(id, vec![fits]) });
    Ok(())
}

fn subject(pairs: &[types::KvPair]) -> String {
    let found = pairs.iter().find(|pair| pair.key == "Subject");
    match found.map(|pair| &pair.value) {
        Some(types::KvValue::Text(text)) => text.clone(),
        other => format!("{other:?}"),
    }
}

fn read(state: &[u8]) -> BTreeMap<String, u64> {
    let text = String::from_utf8_lossy(state);
    let lines = text.lines().filter_map(|line| line.rsplit_once(' '));
    lines.map(|(name, count)| (name.to_owned(), count.parse().unwrap_or_default())).collect()
}

test_guests::export!(Strategy with_types_in test_guests::bindings);
