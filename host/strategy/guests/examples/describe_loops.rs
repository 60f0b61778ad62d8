//! Does not come back from `describe`.

use test_guests::{Guest, Manifest};

struct Strategy;

impl Guest for Strategy {
    fn describe() -> Manifest {
        let mut number = 0_u64;
        loop {
            number = std::hint::black_box(number.wrapping_add(1));
        }
    }

    fn run(_checkpoint: Option<Vec<u8>>) -> Result<(), String> {
        Ok(())
    }
}

test_guests::export!(Strategy with_types_in test_guests::bindings);
