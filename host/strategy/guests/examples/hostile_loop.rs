//! Never comes back from its first event.

use test_guests::{Guest, Manifest, events, manifest};

struct Strategy;

impl Guest for Strategy {
    fn describe() -> Manifest {
        manifest("hostile_loop", &[])
    }

    fn run(_checkpoint: Option<Vec<u8>>) -> Result<(), String> {
        events::next(None);
        let mut number = 0_u64;
        loop {
            number = std::hint::black_box(number.wrapping_add(1));
        }
    }
}

test_guests::export!(Strategy with_types_in test_guests::bindings);
