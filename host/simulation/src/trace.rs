//! What happened, in short: the last of it for people, all of it as a hash.

use std::collections::VecDeque;
use std::hash::{DefaultHasher, Hasher};

/// Lines that are kept; the hash covers all.
const LINES: usize = 20_000;

/// See the module.
#[derive(Clone, Debug, Default)]
pub struct Trace {
    lines: VecDeque<String>,
    hash: DefaultHasher,
    count: u64,
}

impl Trace {
    pub(crate) fn note(&mut self, line: String) {
        self.hash.write(line.as_bytes());
        self.hash.write_u8(b'\n');
        self.count += 1;
        if self.lines.len() >= LINES {
            self.lines.pop_front();
        }
        self.lines.push_back(line);
    }

    /// Two runs of one seed have the same.
    pub fn hash(&self) -> u64 {
        self.hash.finish()
    }

    /// Lines there were.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The last lines, the oldest first.
    pub fn lines(&self) -> impl Iterator<Item = &str> {
        self.lines.iter().map(String::as_str)
    }
}
