//! Says that it needs `routing`, and never calls it.

use test_guests::{Guest, Manifest, events, manifest};

struct Strategy;

impl Guest for Strategy {
    fn describe() -> Manifest {
        manifest("names_routing", &["routing"])
    }

    fn run(_checkpoint: Option<Vec<u8>>) -> Result<(), String> {
        events::next(None);
        Ok(())
    }
}

test_guests::export!(Strategy with_types_in test_guests::bindings);
