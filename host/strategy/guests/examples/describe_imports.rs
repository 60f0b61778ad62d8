//! Calls the contract while there is no session.

use test_guests::{Guest, Manifest, facts, manifest};

struct Strategy;

impl Guest for Strategy {
    fn describe() -> Manifest {
        manifest(&facts::now().to_string(), &[])
    }

    fn run(_checkpoint: Option<Vec<u8>>) -> Result<(), String> {
        Ok(())
    }
}

test_guests::export!(Strategy with_types_in test_guests::bindings);
