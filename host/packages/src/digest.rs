//! Digests as registries write them.

use std::fmt::Write as _;

use sha2::{Digest, Sha256};

/// Hexadecimal digits of a SHA-256.
const DIGITS: usize = 64;

/// `sha256:` and the SHA-256 of `bytes` in lower-case hexadecimal.
pub fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().fold("sha256:".to_owned(), |mut digest, byte| {
        let _ = write!(digest, "{byte:02x}");
        digest
    })
}

/// Whether `text` is written as [`sha256`] writes.
pub fn is_sha256(text: &str) -> bool {
    let lower_hex = |digit: u8| matches!(digit, b'0'..=b'9' | b'a'..=b'f');
    text.strip_prefix("sha256:").is_some_and(|hex| hex.len() == DIGITS && hex.bytes().all(lower_hex))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_nothing_as_everybody_knows_it() {
        let nothing = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(sha256(b""), nothing);
        assert!(is_sha256(nothing));
        for other in
            ["", "sha256:", "sha256:E3", &nothing.to_uppercase(), &nothing.replace("256", "512"), &nothing[1..]]
        {
            assert!(!is_sha256(other), "{other}");
        }
    }
}
