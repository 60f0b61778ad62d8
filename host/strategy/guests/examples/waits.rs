//! Waits until it is asked to stop.

use test_guests::{Guest, Manifest, events, manifest};

struct Strategy;

impl Guest for Strategy {
    fn describe() -> Manifest {
        manifest("waits", &[])
    }

    fn run(_checkpoint: Option<Vec<u8>>) -> Result<(), String> {
        loop {
            if let Some(events::Event::StopRequested(_)) = events::next(None) {
                return Ok(());
            }
        }
    }
}

test_guests::export!(Strategy with_types_in test_guests::bindings);
