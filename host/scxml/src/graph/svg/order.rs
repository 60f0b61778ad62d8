//! The order of boxes and lines in each row, so that few lines cross.

use super::level::Piece;

/// Rounds of sorting rows by their neighbours.
const ROUNDS: usize = 16;

/// A line to a neighbouring row: the cell it ends at, and where on it, from 0 at its left to 1 at its right.
type End = (usize, f64);

/// Bring `rows` into an order in which few of `pieces` cross. `cells` is how many there are.
pub(super) fn order(rows: &mut Vec<Vec<usize>>, pieces: &[Piece], cells: usize) {
    let mut above: Vec<Vec<End>> = vec![Vec::new(); cells];
    let mut below: Vec<Vec<(f64, End)>> = vec![Vec::new(); cells];
    for piece in pieces {
        if let Some(above) = above.get_mut(piece.lower) {
            above.push((piece.upper, piece.upper_share));
        }
        if let Some(below) = below.get_mut(piece.upper) {
            below.push((piece.upper_share, (piece.lower, piece.lower_share)));
        }
    }
    let mut places = vec![0_usize; cells];
    number(rows, &mut places);
    let mut best = rows.clone();
    let mut least = crossings(rows, &below, &places);
    for round in 0..ROUNDS {
        if least == 0 {
            break;
        }
        let down = round % 2 == 0;
        let count = rows.len();
        for step in 0..count {
            let at = if down { step } else { count - 1 - step };
            let Some(row) = rows.get_mut(at) else { continue };
            let mut keyed: Vec<(f64, usize)> = row
                .iter()
                .map(|cell| {
                    let upper = above.get(*cell).into_iter().flatten();
                    let lower = below.get(*cell).into_iter().flatten().map(|(_, end)| end);
                    let mean = if down { mean(upper, &places) } else { mean(lower, &places) };
                    (mean.unwrap_or_else(|| 0.5 + to_float(places.get(*cell).copied().unwrap_or(0))), *cell)
                })
                .collect();
            keyed.sort_by(|one, other| one.0.total_cmp(&other.0));
            *row = keyed.into_iter().map(|(_, cell)| cell).collect();
            for (place, cell) in row.iter().enumerate() {
                if let Some(to) = places.get_mut(*cell) {
                    *to = place;
                }
            }
        }
        let now = crossings(rows, &below, &places);
        if now < least {
            least = now;
            best.clone_from(rows);
        }
    }
    *rows = best;
}

fn number(rows: &[Vec<usize>], places: &mut [usize]) {
    for row in rows {
        for (place, cell) in row.iter().enumerate() {
            if let Some(to) = places.get_mut(*cell) {
                *to = place;
            }
        }
    }
}

#[allow(clippy::cast_precision_loss, reason = "rows are short")]
fn to_float(number: usize) -> f64 {
    number as f64
}

fn mean<'e>(of: impl Iterator<Item = &'e End>, places: &[usize]) -> Option<f64> {
    let (sum, count) = of.fold((0.0, 0), |(sum, count), end| (sum + position(*end, places), count + 1));
    (count > 0).then(|| sum / to_float(count))
}

fn position((cell, share): End, places: &[usize]) -> f64 {
    to_float(places.get(cell).copied().unwrap_or(0)) + share
}

/// How often lines cross between rows: for each pair of rows the lines in the order of their upper ends, and how many
/// of those before each have a lower end to the right of it.
fn crossings(rows: &[Vec<usize>], below: &[Vec<(f64, End)>], places: &[usize]) -> usize {
    let mut all = 0;
    for row in rows {
        let mut lines: Vec<(f64, f64)> = Vec::new();
        for cell in row {
            let ends = below.get(*cell).into_iter().flatten();
            lines.extend(ends.map(|(share, end)| (position((*cell, *share), places), position(*end, places))));
        }
        lines.sort_by(|one, other| one.0.total_cmp(&other.0).then(one.1.total_cmp(&other.1)));
        let mut lower: Vec<f64> = lines.iter().map(|line| line.1).collect();
        lower.sort_by(f64::total_cmp);
        // A tree of counts (after Fenwick) over the lower ends.
        let mut counts = vec![0_usize; lower.len() + 1];
        for (before, line) in lines.iter().enumerate() {
            let last = lower.partition_point(|end| *end <= line.1);
            let mut at = last;
            let mut left_or_same = 0;
            while at > 0 {
                left_or_same += counts.get(at).copied().unwrap_or(0);
                at &= at - 1;
            }
            all += before - left_or_same;
            at = last;
            while let Some(count) = counts.get_mut(at) {
                *count += 1;
                at += at & at.wrapping_neg();
            }
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn piece(upper: usize, upper_share: f64, lower: usize) -> Piece {
        Piece { upper, lower, upper_share, lower_share: 0.5, ..Piece::default() }
    }

    #[test]
    fn lines_that_cross_are_put_beside_each_other() {
        let mut rows = vec![vec![0, 1, 2], vec![3, 4, 5]];
        order(&mut rows, &[piece(0, 0.5, 5), piece(1, 0.5, 4), piece(2, 0.5, 3)], 6);
        let places =
            |row: &[usize], cells: [usize; 3]| cells.map(|cell| row.iter().position(|at| *at == cell).unwrap());
        assert_eq!(places(&rows[0], [0, 1, 2]), places(&rows[1], [5, 4, 3]));
    }

    #[test]
    fn lines_of_one_box_are_in_the_order_of_where_they_leave_it() {
        let mut rows = vec![vec![0], vec![1, 2]];
        order(&mut rows, &[piece(0, 0.9, 1), piece(0, 0.1, 2)], 3);
        assert_eq!(rows[1], [2, 1]);
    }

    #[test]
    fn crossings_are_counted_once_each() {
        let below = [vec![(0.5, (3, 0.5)), (0.6, (2, 0.5))], vec![(0.5, (2, 0.5))]];
        assert_eq!(crossings(&[vec![0, 1], vec![2, 3]], &below, &[0, 1, 0, 1]), 2);
    }
}
