//! Does with its interaction what the messages it gets say, and nothing else: never ends unasked.

use test_guests::{Guest, Manifest, events, interactions, manifest};

struct Strategy;

impl Guest for Strategy {
    fn describe() -> Manifest {
        manifest("obeys", &[])
    }

    fn run(_checkpoint: Option<Vec<u8>>) -> Result<(), String> {
        loop {
            let Some(events::Event::Message(message)) = events::next(None) else { continue };
            let id = interactions::held().into_iter().next().unwrap_or_default();
            match message.name.as_str() {
                "place" => {
                    interactions::place_in_queue(&id, &message.data);
                }
                "stop" => {
                    interactions::stop_processing(&id, Some(&message.data));
                }
                "finish" => return Ok(()),
                other => return Err(format!("what is `{other}`?")),
            }
        }
    }
}

test_guests::export!(Strategy with_types_in test_guests::bindings);
