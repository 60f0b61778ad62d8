//! The next version of `reduces`: tells totals doubled, writes the format `reduces-2`, which is
//! `2 <total>`, and goes on from `reduces-1` too.

use test_guests::{Guest, Manifest, events, manifest, number, session, tell};

struct Strategy;

impl Guest for Strategy {
    fn describe() -> Manifest {
        let states = vec!["reduces-2".into(), "reduces-1".into()];
        Manifest { version: "2".into(), states, ..manifest("reduces", &[]) }
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
                    tell("total", total.wrapping_mul(2));
                }
                Some(events::Event::Message(message)) if message.name == "finish" => return Ok(()),
                _ => {}
            }
            session::checkpoint(format!("2 {total}").as_bytes());
        }
    }
}

/// The total is the same in both formats.
fn read(state: &[u8]) -> Result<i64, String> {
    let text = String::from_utf8_lossy(state);
    let total = text.strip_prefix("2 ").or_else(|| text.strip_prefix("1 ")).and_then(|total| total.parse().ok());
    total.ok_or_else(|| format!("`{text}` is no state of reduces-2 or reduces-1"))
}

test_guests::export!(Strategy with_types_in test_guests::bindings);
