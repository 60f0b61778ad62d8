//! Does what `counts` does, with a checkpoint in each turn, which it goes on from. The format
//! `reduces-1` is `1 <total>`.

use test_guests::{Guest, Manifest, events, manifest, number, session, tell};

struct Strategy;

impl Guest for Strategy {
    fn describe() -> Manifest {
        Manifest { states: vec!["reduces-1".into()], ..manifest("reduces", &[]) }
    }

    fn run(checkpoint: Option<Vec<u8>>) -> Result<(), String> {
        let mut total = match checkpoint {
            Some(state) => read(&state)?,
            None => 0,
        };
        loop {
            match events::next(None) {
                Some(events::Event::Message(message)) if message.name == "add" => {
                    total = total.wrapping_add(number(&message));
                    tell("total", total);
                }
                Some(events::Event::Message(message)) if message.name == "finish" => return Ok(()),
                _ => {}
            }
            session::checkpoint(format!("1 {total}").as_bytes());
        }
    }
}

fn read(state: &[u8]) -> Result<i64, String> {
    let text = String::from_utf8_lossy(state);
    let total = text.strip_prefix("1 ").and_then(|total| total.parse().ok());
    total.ok_or_else(|| format!("`{text}` is no state of reduces-1"))
}

test_guests::export!(Strategy with_types_in test_guests::bindings);
