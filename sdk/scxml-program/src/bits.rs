//! A set of small numbers, one bit each.
//!
//! A set that was made for some number of members holds all smaller ones without allocating again.

use serde::{Deserialize, Serialize};

/// A set of states or of transitions.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bits {
    words: Vec<u64>,
}

fn split(member: u32) -> (usize, u64) {
    ((member >> 6) as usize, 1 << (member & 63))
}

impl Bits {
    /// An empty set for the members below `count`.
    pub fn with_capacity(count: usize) -> Bits {
        Bits { words: vec![0; count.div_ceil(64)] }
    }

    /// Put a member in. One at or above the capacity is not taken.
    pub fn insert(&mut self, member: u32) {
        let (word, bit) = split(member);
        if let Some(word) = self.words.get_mut(word) {
            *word |= bit;
        }
    }

    /// Take a member out.
    pub fn remove(&mut self, member: u32) {
        let (word, bit) = split(member);
        if let Some(word) = self.words.get_mut(word) {
            *word &= !bit;
        }
    }

    /// True when `member` is in it.
    #[inline]
    pub fn contains(&self, member: u32) -> bool {
        let (word, bit) = split(member);
        self.words.get(word).is_some_and(|word| word & bit != 0)
    }

    /// Take all members out.
    pub fn clear(&mut self) {
        self.words.fill(0);
    }

    /// True when it has no members.
    pub fn is_empty(&self) -> bool {
        self.words.iter().all(|word| *word == 0)
    }

    /// Its words, the lowest members first.
    pub fn words(&self) -> &[u64] {
        &self.words
    }

    /// The first member at or above `from`.
    #[inline]
    pub fn next(&self, from: u32) -> Option<u32> {
        let (first, _) = split(from);
        let mut word = self.words.get(first)? & (u64::MAX << (from & 63));
        let mut at = first;
        loop {
            if word != 0 {
                return Some(((at as u32) << 6) + word.trailing_zeros());
            }
            at += 1;
            word = *self.words.get(at)?;
        }
    }

    /// The last member at or below `from`.
    #[inline]
    pub fn previous(&self, from: u32) -> Option<u32> {
        let last = (self.words.len() as u32).checked_mul(64)?.checked_sub(1)?;
        let from = from.min(last);
        let mut at = (from >> 6) as usize;
        let mut word = self.words.get(at)? & (u64::MAX >> (63 - (from & 63)));
        loop {
            if word != 0 {
                return Some(((at as u32) << 6) + 63 - word.leading_zeros());
            }
            at = at.checked_sub(1)?;
            word = *self.words.get(at)?;
        }
    }

    /// Its members, the lowest first.
    pub fn iter(&self) -> impl Iterator<Item = u32> + '_ {
        let mut from = Some(0);
        std::iter::from_fn(move || {
            let found = self.next(from?);
            from = found.and_then(|member| member.checked_add(1));
            found
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_are_found_upwards_and_downwards_over_words() {
        let mut bits = Bits::with_capacity(200);
        for member in [0, 63, 64, 199, 500] {
            bits.insert(member);
        }
        assert_eq!(bits.iter().collect::<Vec<_>>(), [0, 63, 64, 199]);
        assert_eq!((bits.next(1), bits.next(65), bits.next(200)), (Some(63), Some(199), None));
        assert_eq!((bits.previous(400), bits.previous(198), bits.previous(62)), (Some(199), Some(64), Some(0)));
        bits.remove(0);
        assert_eq!(bits.previous(62), None);
        assert!(Bits::default().next(0).is_none() && Bits::default().previous(9).is_none());
    }
}
