//! Calls itself without end.

use test_guests::{Guest, Manifest, events, manifest};

struct Strategy;

impl Guest for Strategy {
    fn describe() -> Manifest {
        manifest("hostile_recursion", &[])
    }

    fn run(_checkpoint: Option<Vec<u8>>) -> Result<(), String> {
        events::next(None);
        Err(deeper(1).to_string())
    }
}

#[allow(unconditional_recursion, reason = "that is the point")]
fn deeper(depth: u64) -> u64 {
    // Nothing of it is in the stack that is in memory, so it is the call stack that ends it.
    deeper(depth.wrapping_add(1)).rotate_left(7) ^ depth
}

test_guests::export!(Strategy with_types_in test_guests::bindings);
