//! How the sessions of one plugin have behaved lately: whether the next one is trusted with the threads
//! that everybody shares.
//!
//! A session that loops, eats memory or fails has cost the others something before it could be seen: a
//! slice of a shared thread, the taking apart of its instance. Once is nothing. A version whose sessions do
//! so again and again would cost it again and again, so those that follow run apart (`long_turn`) from
//! their first instruction to their last, until enough of them have ended well. Nothing is refused, and no
//! clock is in it. A better version is another plugin, and begins with a clean sheet.

use std::sync::atomic::{AtomicU32, Ordering};

/// What one misdeed counts; a session that ends well takes one away. So sessions run apart once about
/// one in so many misbehaves.
const MISDEED: u32 = 10;
/// From here on sessions run apart: the second misdeed, with none that ended well in between.
const APART: u32 = 2 * MISDEED;
/// It does not grow beyond this: after `MOST - APART + 1` sessions that end well, a version that was as bad
/// as can be is trusted again.
const MOST: u32 = 4 * MISDEED;

/// Of one version of one plugin. May be read and written by all its sessions at once.
#[derive(Debug, Default)]
pub(crate) struct Conduct(AtomicU32);

impl Conduct {
    /// A session of it has failed, or has had a turn that takes long.
    pub fn misbehaved(&self) {
        self.change(|count| (count + MISDEED).min(MOST));
    }

    /// A session of it has ended well.
    pub fn behaved(&self) {
        self.change(|count| count.saturating_sub(1));
    }

    /// Whether its sessions are to run apart.
    pub fn is_bad(&self) -> bool {
        self.0.load(Ordering::Relaxed) >= APART
    }

    fn change(&self, change: impl Fn(u32) -> u32) {
        // There always is a next value.
        let _ = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |count| Some(change(count)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_bad_after(misdeeds: impl IntoIterator<Item = bool>) -> bool {
        let conduct = Conduct::default();
        for misdeed in misdeeds {
            if misdeed { conduct.misbehaved() } else { conduct.behaved() }
        }
        conduct.is_bad()
    }

    #[test]
    fn once_is_an_accident_and_twice_in_a_row_is_not() {
        assert!(!is_bad_after([]));
        assert!(!is_bad_after([true]));
        assert!(!is_bad_after([true, false, true]));
        assert!(is_bad_after([true, true]));
    }

    #[test]
    fn it_is_the_share_of_misdeeds_that_counts() {
        let one_in = |share: usize| is_bad_after((0..1_000).map(|number| number % share == 0).chain([true]));
        assert!(!one_in(20));
        assert!(one_in(5));
    }

    #[test]
    fn whoever_behaves_again_is_trusted_again() {
        let worst = || std::iter::repeat_n(true, 1_000);
        assert!(is_bad_after(worst().chain(std::iter::repeat_n(false, 20))));
        assert!(!is_bad_after(worst().chain(std::iter::repeat_n(false, 21))));
    }
}
