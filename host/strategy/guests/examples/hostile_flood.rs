//! Never waits, but makes requests in a loop.

use test_guests::{Guest, Manifest, events, interactions, manifest};

struct Strategy;

impl Guest for Strategy {
    fn describe() -> Manifest {
        manifest("hostile_flood", &[])
    }

    fn run(_checkpoint: Option<Vec<u8>>) -> Result<(), String> {
        events::next(None);
        loop {
            for id in interactions::held() {
                interactions::delete_user_data(&id, &["key".into()]);
            }
        }
    }
}

test_guests::export!(Strategy with_types_in test_guests::bindings);
