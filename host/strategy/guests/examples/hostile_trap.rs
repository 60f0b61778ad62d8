//! Asks for something, then panics.

#![allow(clippy::panic, reason = "to panic is what it is for")]

use test_guests::{Guest, Manifest, events, interactions, manifest};

struct Strategy;

impl Guest for Strategy {
    fn describe() -> Manifest {
        manifest("hostile_trap", &[])
    }

    fn run(_checkpoint: Option<Vec<u8>>) -> Result<(), String> {
        events::next(None);
        for id in interactions::held() {
            interactions::stop_processing(&id, None);
        }
        panic!("on purpose");
    }
}

test_guests::export!(Strategy with_types_in test_guests::bindings);
