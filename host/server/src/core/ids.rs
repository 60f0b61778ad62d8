//! Ids of interactions: 16 characters, unique over servers and restarts.
//!
//! Four characters from a hash of the server's name, four of the incarnation (base 36, so 1.6 million
//! starts), eight of a counter within it.

const LETTERS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

#[derive(Debug)]
pub(super) struct InteractionIds {
    prefix: String,
    counter: u64,
}

impl InteractionIds {
    pub(super) fn new(server: &str, incarnation: u64) -> InteractionIds {
        let mut prefix = String::with_capacity(8);
        digits(&mut prefix, fnv1a(server.as_bytes()), 62, 4);
        digits(&mut prefix, incarnation, 36, 4);
        InteractionIds { prefix, counter: 0 }
    }

    pub(super) fn next(&mut self) -> String {
        let mut id = String::with_capacity(16);
        id.push_str(&self.prefix);
        digits(&mut id, self.counter, 36, 8);
        self.counter += 1;
        id
    }
}

/// The last `count` digits of `number`.
fn digits(text: &mut String, number: u64, base: u64, count: u32) {
    for place in (0..count).rev() {
        let digit = number / base.pow(place) % base;
        text.extend(usize::try_from(digit).ok().and_then(|digit| LETTERS.get(digit)).map(|&letter| char::from(letter)));
    }
}

/// FNV-1a, 64 bits: the same on every machine and in every build, which a stored hash must be.
pub(super) fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, &byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn ids_differ_over_servers_incarnations_and_counts() {
        let mut seen = HashSet::new();
        for server in ["email_server", "chat_server"] {
            for incarnation in [1, 2, 36, 1_000_000] {
                let mut ids = InteractionIds::new(server, incarnation);
                for _ in 0..100 {
                    let id = ids.next();
                    assert!(id.len() == 16 && id.bytes().all(|byte| byte.is_ascii_alphanumeric()), "{id}");
                    assert!(seen.insert(id));
                }
            }
        }
    }
}
