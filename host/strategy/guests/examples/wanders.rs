//! Another version of `counts`, which decides differently from the third number on: it tells a total
//! that is 1,000 too large.

use test_guests::{Guest, Manifest, events, manifest, number, tell};

struct Strategy;

impl Guest for Strategy {
    fn describe() -> Manifest {
        Manifest { version: "2".into(), ..manifest("counts", &[]) }
    }

    fn run(_checkpoint: Option<Vec<u8>>) -> Result<(), String> {
        let (mut total, mut added) = (0_i64, 0_u64);
        loop {
            match events::next(None) {
                Some(events::Event::Message(message)) if message.name == "add" => {
                    total = total.wrapping_add(number(&message));
                    added += 1;
                    tell("total", if added < 3 { total } else { total.wrapping_add(1_000) });
                }
                Some(events::Event::Message(message)) if message.name == "finish" => return Ok(()),
                _ => {}
            }
        }
    }
}

test_guests::export!(Strategy with_types_in test_guests::bindings);
