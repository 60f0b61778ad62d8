//! Answers each event with one request.

use test_guests::{Guest, Manifest, events, interactions, manifest};

struct Strategy;

impl Guest for Strategy {
    fn describe() -> Manifest {
        manifest("echo", &[])
    }

    fn run(_checkpoint: Option<Vec<u8>>) -> Result<(), String> {
        loop {
            if let Some(events::Event::StopRequested(_)) = events::next(None) {
                return Ok(());
            }
            if let Some(id) = interactions::held().first() {
                interactions::delete_user_data(id, &["seen".into()]);
            }
        }
    }
}

test_guests::export!(Strategy with_types_in test_guests::bindings);
