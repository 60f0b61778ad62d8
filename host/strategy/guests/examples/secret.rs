//! Looks for a secret in all of its memory, then leaves one there.

use test_guests::{Guest, Manifest, events, manifest, session};

struct Strategy;

/// What is left, byte by byte; never in one piece in the data of the component.
const SECRET: [u8; 8] = [0x5a, 0xa5, 0x17, 0x71, 0x3c, 0xc3, 0x99, 0x66];
/// Bytes it is written over, and over.
const BYTES: usize = 4 << 20;

impl Guest for Strategy {
    fn describe() -> Manifest {
        manifest("secret", &[])
    }

    fn run(_checkpoint: Option<Vec<u8>>) -> Result<(), String> {
        // Memory that nobody has initialised, as the allocator gives it.
        let mut room: Vec<u8> = Vec::with_capacity(BYTES);
        let found = found_in(&room);
        events::send(&session::id(), if found { "found" } else { "clean" }, "null");
        room.extend(SECRET.iter().cycle().take(BYTES));
        if !std::hint::black_box(&room).ends_with(&SECRET) {
            return Err("the secret was not written".into());
        }
        std::mem::forget(room);
        events::next(None);
        Ok(())
    }
}

#[allow(unsafe_code)]
fn found_in(room: &Vec<u8>) -> bool {
    (0..room.capacity()).step_by(SECRET.len()).any(|at| {
        // SAFETY: within the allocation; whatever byte is there is a valid `u8`, and the volatile
        // read keeps the compiler from reasoning about its never having been written.
        let byte = unsafe { room.as_ptr().add(at).read_volatile() };
        byte == SECRET[0]
    })
}

test_guests::export!(Strategy with_types_in test_guests::bindings);
