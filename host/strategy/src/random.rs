//! The one source of chance a session has: a generator with a seed of its own, so that what a
//! strategy drew can be drawn again from the recorded seed.

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

/// Made when it is first asked: most strategies never do.
#[derive(Default)]
pub(crate) struct Random {
    generator: Option<Box<StdRng>>,
}

impl Random {
    pub fn fill(&mut self, bytes: &mut [u8]) {
        self.generator().fill_bytes(bytes);
    }

    pub fn next(&mut self) -> u64 {
        self.generator().next_u64()
    }

    fn generator(&mut self) -> &mut StdRng {
        self.generator.get_or_insert_with(|| Box::new(StdRng::from_seed(rand::random())))
    }
}
