//! Has something to do all the time, a little in each turn, and asks for nothing.

use test_guests::{Guest, Manifest, events, manifest, session};

struct Strategy;

impl Guest for Strategy {
    fn describe() -> Manifest {
        manifest("spins", &[])
    }

    fn run(_checkpoint: Option<Vec<u8>>) -> Result<(), String> {
        loop {
            for number in 0..100_000_u32 {
                std::hint::black_box(number);
            }
            session::checkpoint(&[]);
            events::next(Some(0));
        }
    }
}

test_guests::export!(Strategy with_types_in test_guests::bindings);
