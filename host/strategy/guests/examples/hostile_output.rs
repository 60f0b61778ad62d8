//! Writes megabytes to every place it can, then waits.

use test_guests::{Guest, Manifest, events, log, manifest};

struct Strategy;

impl Guest for Strategy {
    fn describe() -> Manifest {
        manifest("hostile_output", &[])
    }

    fn run(_checkpoint: Option<Vec<u8>>) -> Result<(), String> {
        events::next(None);
        let line = "x".repeat(1_000);
        for _ in 0..2_000 {
            println!("{line}");
            eprintln!("{line}");
            log::write(log::Level::Info, &line);
        }
        events::next(None);
        Ok(())
    }
}

test_guests::export!(Strategy with_types_in test_guests::bindings);
