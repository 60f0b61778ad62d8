//! The one source of chance a session has: a generator that starts from the session's seed, so that
//! what a strategy drew can be drawn again. It starts anew at each checkpoint, as the session does when
//! it is rebuilt from there.

use chacha20::ChaCha12Rng;
use rand::{Rng, SeedableRng};
use sha2::{Digest, Sha256};

/// Made when it is first asked: most strategies never do.
pub(crate) struct Random {
    seed: [u8; 32],
    /// The turn of the last checkpoint.
    since: u64,
    generator: Option<Box<ChaCha12Rng>>,
}

impl Random {
    pub fn new(seed: [u8; 32], since: u64) -> Random {
        Random { seed, since, generator: None }
    }

    /// A checkpoint was made in this turn.
    pub fn start_anew(&mut self, turn: u64) {
        *self = Random::new(self.seed, turn);
    }

    pub fn fill(&mut self, bytes: &mut [u8]) {
        self.generator().fill_bytes(bytes);
    }

    pub fn next(&mut self) -> u64 {
        self.generator().next_u64()
    }

    fn generator(&mut self) -> &mut ChaCha12Rng {
        let Random { seed, since, generator } = self;
        generator.get_or_insert_with(|| {
            let mixed = Sha256::new().chain_update(*seed).chain_update(since.to_le_bytes()).finalize();
            Box::new(ChaCha12Rng::from_seed(mixed.into()))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_draws_the_same_until_a_checkpoint() {
        let draw = |random: &mut Random| [random.next(), random.next()];
        let (mut one, mut two) = (Random::new([7; 32], 0), Random::new([7; 32], 0));
        let first = draw(&mut one);
        assert_eq!(first, draw(&mut two));
        one.start_anew(3);
        let after = draw(&mut one);
        assert_ne!(after, first);
        assert_eq!(after, draw(&mut Random::new([7; 32], 3)));
    }
}
