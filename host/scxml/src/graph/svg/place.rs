//! Places on one line: each thing as near as possible to where it wants to be, and none nearer to its neighbour than
//! it may.

/// A thing on a line.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Wish {
    /// Where its left side wants to be.
    pub at: f64,
    /// How much it matters.
    pub weight: f64,
    /// What it takes: the next one's left side is at least so far to the right of its own.
    pub step: f64,
}

/// Left sides for `wishes`, in order: the sum of weighted squares of what each is away from its wish is the least there
/// is.
///
/// With the steps before it taken off, what has to be found is a line that never falls; neighbours that would are
/// pooled, and get the mean of their wishes.
pub(super) fn place(wishes: &[Wish]) -> Vec<f64> {
    // Sum of weighted wishes, weight, and how many.
    let mut pools: Vec<(f64, f64, usize)> = Vec::new();
    let mut taken = 0.0;
    for wish in wishes {
        pools.push(((wish.at - taken) * wish.weight, wish.weight, 1));
        taken += wish.step;
        while let [.., before, last] = pools.as_slice()
            && before.0 / before.1 > last.0 / last.1
        {
            let merged = (before.0 + last.0, before.1 + last.1, before.2 + last.2);
            pools.truncate(pools.len() - 2);
            pools.push(merged);
        }
    }
    let means = pools.iter().flat_map(|(sum, weight, count)| std::iter::repeat_n(sum / weight, *count));
    let mut taken = 0.0;
    means
        .zip(wishes)
        .map(|(mean, wish)| {
            let at = mean + taken;
            taken += wish.step;
            at
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_has_room_is_where_it_wants_to_be_and_others_share() {
        let wish = |at, weight| Wish { at, weight, step: 10.0 };
        assert_eq!(place(&[wish(0.0, 1.0), wish(50.0, 1.0)]), [0.0, 50.0]);
        assert_eq!(place(&[wish(20.0, 1.0), wish(20.0, 1.0)]), [15.0, 25.0]);
        assert_eq!(place(&[wish(20.0, 1.0), wish(20.0, 3.0)]), [12.5, 22.5]);
        assert_eq!(place(&[wish(30.0, 1.0), wish(0.0, 1.0), wish(90.0, 1.0)]), [10.0, 20.0, 90.0]);
        assert_eq!(place(&[]), Vec::<f64>::new());
    }
}
