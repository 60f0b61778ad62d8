//! Does what `counts` does, with a checkpoint in each turn that has as many bytes as a message named `size` says.

use test_guests::{Guest, Manifest, events, manifest, number, session, tell};

struct Strategy;

impl Guest for Strategy {
    fn describe() -> Manifest {
        Manifest { states: vec!["checkpoints-1".into()], ..manifest("checkpoints", &[]) }
    }

    fn run(checkpoint: Option<Vec<u8>>) -> Result<(), String> {
        let (mut total, mut size) = match checkpoint {
            Some(state) => (read(&state)?, state.len()),
            None => (0, 0),
        };
        loop {
            match events::next(None) {
                Some(events::Event::Message(message)) if message.name == "add" => {
                    total = total.wrapping_add(number(&message));
                    tell("total", total);
                }
                Some(events::Event::Message(message)) if message.name == "size" => {
                    size = usize::try_from(number(&message)).unwrap_or_default();
                }
                Some(events::Event::Message(message)) if message.name == "finish" => return Ok(()),
                _ => {}
            }
            let mut state = total.to_le_bytes().to_vec();
            state.resize(size.max(state.len()), 0);
            session::checkpoint(&state);
        }
    }
}

fn read(state: &[u8]) -> Result<i64, String> {
    let first = state.first_chunk().ok_or("the state has less than eight bytes")?;
    Ok(i64::from_le_bytes(*first))
}

test_guests::export!(Strategy with_types_in test_guests::bindings);
