//! Takes memory until there is none.

use test_guests::{Guest, Manifest, events, manifest};

struct Strategy;

impl Guest for Strategy {
    fn describe() -> Manifest {
        manifest("hostile_memory", &[])
    }

    fn run(_checkpoint: Option<Vec<u8>>) -> Result<(), String> {
        events::next(None);
        let mut taken = Vec::new();
        loop {
            taken.push(std::hint::black_box(vec![1_u8; 1 << 20]));
        }
    }
}

test_guests::export!(Strategy with_types_in test_guests::bindings);
