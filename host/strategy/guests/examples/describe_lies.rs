//! Has a name that no plugin may have.

use test_guests::{Guest, Manifest, manifest};

struct Strategy;

impl Guest for Strategy {
    fn describe() -> Manifest {
        manifest("../../etc/passwd", &[])
    }

    fn run(_checkpoint: Option<Vec<u8>>) -> Result<(), String> {
        Ok(())
    }
}

test_guests::export!(Strategy with_types_in test_guests::bindings);
