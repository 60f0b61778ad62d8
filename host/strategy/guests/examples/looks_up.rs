//! Asks everything that is answered at once, in each turn with a message, and tells the answers:
//! `parameter`, `list-item` (item of the list `list`), both of the name the message brings, `random`
//! (16 bytes as hexadecimal digits), `wall` and `now` (milliseconds since 1970), and `monotonic`
//! (milliseconds since the session began). A message named `finish` ends it.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use test_guests::{Guest, Manifest, events, facts, manifest, tell};

struct Strategy;

impl Guest for Strategy {
    fn describe() -> Manifest {
        manifest("looks-up", &[])
    }

    fn run(_checkpoint: Option<Vec<u8>>) -> Result<(), String> {
        let began = Instant::now();
        loop {
            let message = match events::next(None) {
                Some(events::Event::Message(message)) if message.name == "finish" => return Ok(()),
                Some(events::Event::Message(message)) => message,
                _ => continue,
            };
            tell("parameter", format!("{:?}", facts::parameter(&message.data)));
            tell("list-item", format!("{:?}", facts::list_item("list", &message.data, None)));
            tell("random", random()?);
            tell("wall", SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis());
            tell("now", facts::now());
            tell("monotonic", began.elapsed().as_millis());
        }
    }
}

/// Straight from the host: what the standard library draws, it draws once.
#[allow(unsafe_code)]
fn random() -> Result<String, String> {
    unsafe extern "C" {
        fn getentropy(bytes: *mut u8, length: usize) -> i32;
    }
    let mut bytes = [0_u8; 16];
    // SAFETY: the bytes are there to be written, as many as are said.
    if unsafe { getentropy(bytes.as_mut_ptr(), bytes.len()) } != 0 {
        return Err("no random bytes".into());
    }
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

test_guests::export!(Strategy with_types_in test_guests::bindings);
