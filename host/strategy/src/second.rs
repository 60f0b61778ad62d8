//! How much of something there was within a second: what limits a second are counted with.
//!
//! A second begins with the first of it after the one before has passed. It does not know the limit, so
//! that whoever knows only what is recorded counts the same.

use serde::{Deserialize, Serialize};

/// In nanoseconds.
const LENGTH: u64 = 1_000_000_000;

/// The last second in which there was any.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Second {
    /// When it began, in nanoseconds of a session's monotonic time.
    began: u64,
    /// How much there was of it.
    count: usize,
}

impl Second {
    /// There is so much more, now. Returns how much there is in this second.
    pub fn add(&mut self, now: u64, more: usize) -> usize {
        if self.is_unused() || now.saturating_sub(self.began) >= LENGTH {
            *self = Second { began: now, count: 0 };
        }
        self.count = self.count.saturating_add(more);
        self.count
    }

    /// Whether there never was any.
    #[allow(clippy::trivially_copy_pass_by_ref, reason = "what serde calls")]
    pub fn is_unused(&self) -> bool {
        self.count == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_begins_with_the_first_after_the_one_before() {
        let mut second = Second::default();
        assert_eq!(second.add(5 * LENGTH - 1, 2), 2);
        assert_eq!(second.add(5 * LENGTH, 3), 5, "it began with the first, and lasts a second from there");
        assert_eq!(second.add(6 * LENGTH - 2, 1), 6);
        assert_eq!(second.add(6 * LENGTH - 1, 4), 4);
        assert_eq!(second.add(0, usize::MAX), usize::MAX, "time that went back, which it never does, ends none");
    }
}
