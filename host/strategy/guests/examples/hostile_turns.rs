//! Makes turns without end, each with a request whose outcome it does not wait for.

use test_guests::{Guest, Manifest, events, manifest};

struct Strategy;

impl Guest for Strategy {
    fn describe() -> Manifest {
        manifest("hostile_turns", &[])
    }

    fn run(_checkpoint: Option<Vec<u8>>) -> Result<(), String> {
        loop {
            events::next(Some(0));
            events::send("nobody", "nothing", "null");
        }
    }
}

test_guests::export!(Strategy with_types_in test_guests::bindings);
