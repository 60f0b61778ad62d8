//! The test strategy `versioned` in any version and mood, made from the one file it is built to.

// Each test that includes it uses its own part of this.
#![allow(dead_code)]

use super::guest::guest;

/// What the guest says of its version; other versions have other digits in its place.
const VERSION: &str = "0.0.000000";
/// The mood it is built with.
const MOOD: &str = "mood:good";

/// The text of a version.
pub fn version(number: u32) -> String {
    format!("0.0.{number:06}")
}

/// Its component, in this version and mood: `good`, `fail`, `trap`, `loop` or `else`.
pub fn versioned(number: u32, mood: &str) -> Vec<u8> {
    let mut bytes = std::fs::read(guest("versioned")).expect("a guest");
    write(&mut bytes, VERSION, &version(number));
    write(&mut bytes, MOOD, &format!("mood:{mood}"));
    bytes
}

fn write(bytes: &mut [u8], old: &str, new: &str) {
    let places: Vec<usize> =
        (0..bytes.len() - old.len()).filter(|&at| bytes[at..].starts_with(old.as_bytes())).collect();
    assert!(!places.is_empty() && old.len() == new.len(), "{old} and {new}");
    for at in places {
        bytes[at..at + new.len()].copy_from_slice(new.as_bytes());
    }
}

/// A component of a version of the contract that there is not.
pub fn of_another_contract() -> Vec<u8> {
    let mut bytes = std::fs::read(guest("versioned")).expect("a guest");
    let package = b"jackfield:strategy/";
    for at in 0..bytes.len() - package.len() {
        if bytes[at..].starts_with(package) {
            let version = bytes[at..].iter().position(|&byte| byte == b'@').expect("a version") + at + 1;
            bytes[version] = b'9';
        }
    }
    bytes
}
