//! Straight line: adds up the numbers that messages named `add` bring, in its memory alone, and tells
//! the total after each. A message named `finish` ends it.

use test_guests::{Guest, Manifest, events, manifest, number, tell};

struct Strategy;

impl Guest for Strategy {
    fn describe() -> Manifest {
        manifest("counts", &[])
    }

    fn run(_checkpoint: Option<Vec<u8>>) -> Result<(), String> {
        let mut total = 0_i64;
        loop {
            match events::next(None) {
                Some(events::Event::Message(message)) if message.name == "add" => {
                    total = total.wrapping_add(number(&message));
                    tell("total", total);
                }
                Some(events::Event::Message(message)) if message.name == "finish" => return Ok(()),
                _ => {}
            }
        }
    }
}

test_guests::export!(Strategy with_types_in test_guests::bindings);
