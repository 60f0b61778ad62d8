//! What a process takes from outside without being told: the time of day, and chance.
//!
//! Everything whose decisions or records depend on them asks here. They are the system's, unless a
//! simulation has given its thread others ([`enter`]): then everything on that thread repeats itself when
//! the simulation is run again. Monotonic time is not here: that is tokio's clock, which can be paused.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rand::Rng;
use uuid::{Builder, Uuid};

/// A world that is not the real one.
pub trait World {
    /// Its time of day, since 1970-01-01T00:00:00Z. It may jump, forward and back.
    fn wall(&self) -> Duration;
    /// Its chance.
    fn fill(&self, bytes: &mut [u8]);
}

struct Entered {
    world: Rc<dyn World>,
    /// Ids made so far.
    ids: Cell<u64>,
}

thread_local! {
    static ENTERED: RefCell<Option<Entered>> = const { RefCell::new(None) };
}

/// Puts this thread into another world, until the answer is dropped. Worlds do not nest: a second one
/// takes the place of the first.
#[must_use = "the thread leaves the world when this is dropped"]
pub fn enter(world: Rc<dyn World>) -> Leave {
    ENTERED.with(|entered| *entered.borrow_mut() = Some(Entered { world, ids: Cell::new(0) }));
    Leave(())
}

/// See [`enter`].
#[derive(Debug)]
pub struct Leave(());

impl Drop for Leave {
    fn drop(&mut self) {
        let world = ENTERED.with(|entered| entered.borrow_mut().take());
        drop(world);
    }
}

fn inside<T>(ask: impl FnOnce(&Entered) -> T) -> Option<T> {
    ENTERED.with(|entered| entered.borrow().as_ref().map(ask))
}

/// The time of day, since 1970-01-01T00:00:00Z. It may jump, forward and back; a clock set before 1970
/// reads as 1970.
pub fn wall() -> Duration {
    inside(|entered| entered.world.wall())
        .unwrap_or_else(|| SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default())
}

/// The same in milliseconds.
pub fn wall_ms() -> u64 {
    u64::try_from(wall().as_millis()).unwrap_or(u64::MAX)
}

/// Bytes nobody can guess.
pub fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    if inside(|entered| entered.world.fill(&mut bytes)).is_none() {
        rand::rng().fill_bytes(&mut bytes);
    }
    bytes
}

/// From 0 to 1, without 1.
pub fn chance() -> f64 {
    /// What a float tells apart.
    const STEPS: u64 = 1 << 53;
    #[expect(clippy::cast_precision_loss, reason = "both are below what a float tells apart")]
    let chance = (u64::from_le_bytes(random()) % STEPS) as f64 / STEPS as f64;
    chance
}

/// An id that nobody else makes: 32 characters, later ones sort after earlier ones while the clock is not
/// set back.
pub fn unique_id() -> String {
    let made = inside(|entered| {
        entered.ids.set(entered.ids.get() + 1);
        let millis = u64::try_from(entered.world.wall().as_millis()).unwrap_or(u64::MAX);
        let mut rest = [0; 10];
        entered.world.fill(&mut rest);
        // Those of one millisecond sort by the bytes that follow it; the upper bits of the first and of the
        // third byte are overwritten with version and variant.
        let [third, second, first, ..] = entered.ids.get().to_le_bytes();
        let [a, b, c, d, ..] = &mut rest;
        (*a, *b, *c, *d) = (0, first, 0, second);
        let [.., e, _, _, _, _, _] = &mut rest;
        *e = third;
        Builder::from_unix_timestamp_millis(millis, &rest).into_uuid()
    });
    made.unwrap_or_else(Uuid::now_v7).simple().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Still;

    impl World for Still {
        fn wall(&self) -> Duration {
            Duration::from_millis(1_234)
        }

        fn fill(&self, bytes: &mut [u8]) {
            bytes.fill(7);
        }
    }

    #[test]
    fn a_thread_in_another_world_repeats_itself_and_comes_back() {
        let run = || {
            let _leave = enter(Rc::new(Still));
            (wall_ms(), random::<4>(), chance().to_bits(), [unique_id(), unique_id(), unique_id()])
        };
        let first = run();
        assert_eq!((first.0, first.1), (1_234, [7; 4]));
        assert_eq!(run(), first);
        assert!(first.3.is_sorted() && first.3[0] != first.3[1], "{:?}", first.3);
        assert!(wall_ms() > 1_000_000_000_000, "back in the real one");
        assert_ne!(random::<16>(), random::<16>());
    }

    #[test]
    fn chance_stays_below_one() {
        assert!((0..1_000).map(|_| chance()).all(|chance| (0.0..1.0).contains(&chance)));
    }
}
