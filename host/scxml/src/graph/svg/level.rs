//! The layout of what is right in one state: boxes in rows from top to bottom, and lines between them that bend around
//! the boxes of the rows they cross (after Sugiyama, Tagawa and Toda, 1981).
//!
//! A line goes down: which way round that is, is decided before. What crosses several rows has a bend in each, and every
//! line has its label on a row between two rows of boxes, where it takes room as a box does.

use super::order::order;
use super::place::{Wish, place};

/// Room between boxes of one row.
const BESIDE: f64 = 26.0;

/// Room between lines of one row.
const BESIDE_LINES: f64 = 14.0;

/// Room between rows, at least. Between two rows of boxes there are two, with that of labels between.
const BELOW: f64 = 18.0;

/// What is added to that for each pixel that a line goes to the side there, so that it is not too flat; and at most.
const SLOPE: (f64, f64) = (0.10, 34.0);

/// Rounds in which rows are moved below those above them, and above those below.
const ROUNDS: usize = 24;

/// A box, or what is as good as one.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Item {
    /// All it takes.
    pub width: f64,
    /// All it takes.
    pub height: f64,
    /// Where lines to it end that have no place of their own, from its left.
    pub middle: f64,
    /// Its row; the least is at the top.
    pub row: i32,
}

/// A line.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Link {
    /// The item above.
    pub upper: usize,
    /// The item below; its row is a later one.
    pub lower: usize,
    /// Where it leaves the upper item, from its left; none: where there is room.
    pub upper_port: Option<f64>,
    /// Where it reaches the lower item.
    pub lower_port: Option<f64>,
    /// Width and height of its label; nothing for none.
    pub label: (f64, f64),
    /// The label is near the lower item, because that is where the arrow begins.
    pub label_below: bool,
}

/// Where everything is.
#[derive(Clone, Debug, Default)]
pub(super) struct Placed {
    /// Of all of it.
    pub width: f64,
    /// Of all of it.
    pub height: f64,
    /// Left and top of each item.
    pub items: Vec<(f64, f64)>,
    /// Points of each line, from top to bottom.
    pub links: Vec<Vec<(f64, f64)>>,
    /// Left and top of each label.
    pub labels: Vec<(f64, f64)>,
}

/// Something in a row: an item, or a place where a line crosses it.
#[derive(Clone, Copy, Debug, Default)]
struct Cell {
    width: f64,
    height: f64,
    /// Where lines go through or end, from its left.
    middle: f64,
    is_line: bool,
}

/// A line from one row to the next.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Piece {
    /// Cell in the upper row.
    pub upper: usize,
    /// Cell in the next.
    pub lower: usize,
    /// Where it leaves the upper cell, from 0 at its left to 1 at its right.
    pub upper_share: f64,
    /// Where it reaches the lower one.
    pub lower_share: f64,
    /// Where it leaves the upper cell, from its left.
    pub upper_port: f64,
    /// Where it reaches the lower one.
    pub lower_port: f64,
}

/// The layout of `items` and `links`.
pub(super) fn layout(items: &[Item], links: &[Link]) -> Placed {
    let first = items.iter().map(|item| item.row).min().unwrap_or(0);
    let row_of = |item: &Item| usize::try_from(2 * (item.row - first)).unwrap_or(0);
    let mut rows: Vec<Vec<usize>> = vec![Vec::new(); items.iter().map(row_of).max().map_or(0, |last| last + 1)];
    let mut cells: Vec<Cell> = Vec::new();
    for item in items {
        if let Some(row) = rows.get_mut(row_of(item)) {
            row.push(cells.len());
        }
        cells.push(Cell { width: item.width, height: item.height, middle: item.middle, is_line: false });
    }
    // Each line as the cells it goes through, and where its label is.
    let mut paths: Vec<(Vec<usize>, Option<usize>)> = Vec::new();
    let mut pieces: Vec<Piece> = Vec::new();
    for link in links {
        let (Some(upper), Some(lower)) = (items.get(link.upper), items.get(link.lower)) else {
            paths.push((Vec::new(), None));
            continue;
        };
        let (top, bottom) = (row_of(upper), row_of(lower));
        let label_row = if link.label_below { bottom.saturating_sub(1) } else { top + 1 };
        let mut path = vec![link.upper];
        let mut label = None;
        for row in top + 1..bottom {
            let is_label = row == label_row && link.label.0 > 0.0;
            let (width, height) = if is_label { (link.label.0 + 12.0, link.label.1) } else { (0.0, 0.0) };
            // The line goes along the left of its label.
            let middle = if is_label { 4.0 } else { 0.0 };
            if is_label {
                label = Some(cells.len());
            }
            path.push(cells.len());
            if let Some(row) = rows.get_mut(row) {
                row.push(cells.len());
            }
            cells.push(Cell { width, height, middle, is_line: true });
        }
        path.push(link.lower);
        for pair in path.windows(2) {
            if let [from, to] = *pair {
                let end = |cell: usize, own: Option<f64>| {
                    let cell = cells.get(cell).copied().unwrap_or_default();
                    let port = own.unwrap_or(cell.middle);
                    (port, if cell.width > 0.0 { port / cell.width } else { 0.5 })
                };
                let (upper_port, upper_share) = end(from, link.upper_port.filter(|_| from == link.upper));
                let (lower_port, lower_share) = end(to, link.lower_port.filter(|_| to == link.lower));
                pieces.push(Piece { upper: from, lower: to, upper_share, lower_share, upper_port, lower_port });
            }
        }
        paths.push((path, label));
    }
    order(&mut rows, &pieces, cells.len());
    let mut lefts = in_a_row(&rows, &cells);
    settle(&rows, &cells, &pieces, &mut lefts);
    // Now it is known from which side lines come, and they share the sides of boxes; then all can be straight once more.
    let ports = ports(links, &paths, &cells, &lefts);
    let mut taken = pieces.iter_mut();
    for ((path, _), port) in paths.iter().zip(&ports) {
        let steps = path.len().saturating_sub(1);
        for (step, piece) in taken.by_ref().take(steps).enumerate() {
            if step == 0 {
                piece.upper_port = port.0;
            }
            if step + 1 == steps {
                piece.lower_port = port.1;
            }
        }
    }
    settle(&rows, &cells, &pieces, &mut lefts);
    let (tops, bottoms) = row_sides(&rows, &cells, &pieces, &lefts);
    finish(items.len(), &ports, &rows, &cells, &paths, &lefts, &tops, &bottoms)
}

fn at(numbers: &[f64], index: usize) -> f64 {
    numbers.get(index).copied().unwrap_or(0.0)
}

/// From the left side of a cell to that of the next in its row.
fn step(row: &[usize], place: usize, cells: &[Cell]) -> f64 {
    let cell = |place: usize| cells.get(*row.get(place)?);
    match (cell(place), cell(place + 1)) {
        (Some(this), Some(next)) => this.width + if this.is_line && next.is_line { BESIDE_LINES } else { BESIDE },
        _ => 0.0,
    }
}

/// Left sides when each row begins at the left.
fn in_a_row(rows: &[Vec<usize>], cells: &[Cell]) -> Vec<f64> {
    let mut lefts = vec![0.0; cells.len()];
    for row in rows {
        let mut left = 0.0;
        for (place, index) in row.iter().enumerate() {
            set(&mut lefts, *index, left);
            left += step(row, place, cells);
        }
    }
    lefts
}

fn set(lefts: &mut [f64], index: usize, left: f64) {
    if let Some(to) = lefts.get_mut(index) {
        *to = left;
    }
}

/// The end of a line at a cell: the cell at the other end, and by how much that one's left side is to the left of this
/// one's when the line is straight.
#[derive(Clone, Copy)]
struct Pull {
    other: usize,
    by: f64,
    weight: f64,
}

/// Move cells, without changing their order, so that lines are straight.
fn settle(rows: &[Vec<usize>], cells: &[Cell], pieces: &[Piece], lefts: &mut [f64]) {
    let is_line = |index: usize| cells.get(index).is_some_and(|cell| cell.is_line);
    let mut above: Vec<Vec<Pull>> = vec![Vec::new(); cells.len()];
    let mut below: Vec<Vec<Pull>> = vec![Vec::new(); cells.len()];
    for piece in pieces {
        // Long lines are straight before others are.
        let weight = if is_line(piece.upper) && is_line(piece.lower) { 6.0 } else { 1.0 };
        let by = piece.upper_port - piece.lower_port;
        if let Some(above) = above.get_mut(piece.lower) {
            above.push(Pull { other: piece.upper, by, weight });
        }
        if let Some(below) = below.get_mut(piece.upper) {
            below.push(Pull { other: piece.lower, by: -by, weight });
        }
    }
    for round in 0..ROUNDS {
        let down = round % 2 == 0;
        // In the last rounds both sides count, so that neither is left behind.
        let both = round + 6 >= ROUNDS;
        let order: Vec<_> = if down { rows.iter().collect() } else { rows.iter().rev().collect() };
        for row in order {
            let mut wishes: Vec<Wish> = Vec::with_capacity(row.len());
            for (place, index) in row.iter().enumerate() {
                let none: &[Pull] = &[];
                let up = above.get(*index).map_or(none, Vec::as_slice);
                let under = below.get(*index).map_or(none, Vec::as_slice);
                let up_counts = both || down || under.is_empty();
                let under_counts = both || !down || up.is_empty();
                let pulls = up.iter().filter(|_| up_counts).chain(under.iter().filter(|_| under_counts));
                let (mut sum, mut weight) = (0.0, 0.0);
                for pull in pulls {
                    sum += (at(lefts, pull.other) + pull.by) * pull.weight;
                    weight += pull.weight;
                }
                let step = step(row, place, cells);
                wishes.push(if weight > 0.0 {
                    Wish { at: sum / weight, weight, step }
                } else {
                    // What nothing pulls is beside what is before it.
                    let beside = wishes.last().map_or(at(lefts, *index), |before| before.at + before.step);
                    Wish { at: beside, weight: 0.02, step }
                });
            }
            beside_the_next(&mut wishes);
            for (index, left) in row.iter().zip(place(&wishes)) {
                set(lefts, *index, left);
            }
        }
    }
    let least = lefts.iter().copied().fold(f64::INFINITY, f64::min);
    if least.is_finite() {
        lefts.iter_mut().for_each(|left| *left -= least);
    }
}

/// What nothing pulls at the start of a row is beside what comes after it.
fn beside_the_next(wishes: &mut [Wish]) {
    let Some(first) = wishes.iter().position(|wish| wish.weight >= 1.0) else { return };
    let mut next = wishes.get(first).map_or(0.0, |wish| wish.at);
    for wish in wishes.iter_mut().take(first).rev() {
        next -= wish.step;
        wish.at = next;
    }
}

/// Top and bottom of each row.
fn row_sides(rows: &[Vec<usize>], cells: &[Cell], pieces: &[Piece], lefts: &[f64]) -> (Vec<f64>, Vec<f64>) {
    let mut aside = vec![0.0_f64; cells.len()];
    for piece in pieces {
        let far = (at(lefts, piece.upper) + piece.upper_port) - (at(lefts, piece.lower) + piece.lower_port);
        if let Some(aside) = aside.get_mut(piece.upper) {
            *aside = aside.max(far.abs());
        }
    }
    let (mut tops, mut bottoms) = (Vec::new(), Vec::new());
    let mut top = 0.0;
    for row in rows {
        let aside = row.iter().map(|cell| at(&aside, *cell)).fold(0.0, f64::max);
        let height = row.iter().filter_map(|cell| cells.get(*cell)).map(|cell| cell.height).fold(0.0, f64::max);
        tops.push(top);
        bottoms.push(top + height);
        top += height + BELOW + (aside * SLOPE.0).min(SLOPE.1);
    }
    (tops, bottoms)
}

#[allow(clippy::too_many_arguments, reason = "all that was found out, put together once")]
fn finish(
    items: usize,
    ports: &[(f64, f64)],
    rows: &[Vec<usize>],
    cells: &[Cell],
    paths: &[(Vec<usize>, Option<usize>)],
    lefts: &[f64],
    tops: &[f64],
    bottoms: &[f64],
) -> Placed {
    let mut row_of = vec![0_usize; cells.len()];
    for (row, members) in rows.iter().enumerate() {
        for member in members {
            if let Some(to) = row_of.get_mut(*member) {
                *to = row;
            }
        }
    }
    let row_of = |cell: usize| row_of.get(cell).copied().unwrap_or(0);
    let cell = |index: usize| cells.get(index).copied().unwrap_or_default();
    // In the middle of its row.
    let top_of = |index: usize| {
        let row = row_of(index);
        f64::midpoint(at(tops, row), at(bottoms, row)) - cell(index).height / 2.0
    };
    let mut placed = Placed {
        width: cells.iter().enumerate().map(|(index, cell)| at(lefts, index) + cell.width).fold(0.0, f64::max),
        height: bottoms.last().copied().unwrap_or(0.0),
        items: (0..items).map(|index| (at(lefts, index), top_of(index))).collect(),
        ..Placed::default()
    };
    for ((path, label), (upper_port, lower_port)) in paths.iter().zip(ports) {
        let mut points = Vec::new();
        for (place, index) in path.iter().enumerate() {
            let row = row_of(*index);
            let left = at(lefts, *index);
            if place == 0 {
                points.push((left + upper_port, top_of(*index) + cell(*index).height));
                points.push((left + upper_port, at(bottoms, row)));
            } else if place + 1 == path.len() {
                points.push((left + lower_port, at(tops, row)));
                points.push((left + lower_port, top_of(*index)));
            } else {
                let x = left + cell(*index).middle;
                points.push((x, at(tops, row)));
                points.push((x, at(bottoms, row)));
            }
        }
        placed.links.push(points);
        let label = label.map(|label| (at(lefts, label) + cell(label).middle + 6.0, top_of(label)));
        placed.labels.push(label.unwrap_or_default());
    }
    placed
}

/// Where each line leaves its upper item and reaches its lower one. Lines without a place of their own share the side
/// of the item, in the order of where they come from.
fn ports(links: &[Link], paths: &[(Vec<usize>, Option<usize>)], cells: &[Cell], lefts: &[f64]) -> Vec<(f64, f64)> {
    let x_of = |cell: Option<&usize>| {
        cell.map_or(0.0, |index| at(lefts, *index) + cells.get(*index).map_or(0.0, |cell| cell.middle))
    };
    let mut ports: Vec<(f64, f64)> = vec![(0.0, 0.0); links.len()];
    let mut sides: std::collections::BTreeMap<(usize, bool), Vec<(f64, usize)>> = std::collections::BTreeMap::new();
    for (index, (link, (path, _))) in links.iter().zip(paths).enumerate() {
        let port = ports.get_mut(index);
        let (upper, lower) = (link.upper_port, link.lower_port);
        if let Some(port) = port {
            *port = (upper.unwrap_or(0.0), lower.unwrap_or(0.0));
        }
        if upper.is_none() {
            sides.entry((link.upper, true)).or_default().push((x_of(path.get(1)), index));
        }
        if lower.is_none() {
            sides.entry((link.lower, false)).or_default().push((x_of(path.iter().rev().nth(1)), index));
        }
    }
    for ((item, is_bottom), mut lines) in sides {
        lines.sort_by(|one, other| one.0.total_cmp(&other.0));
        let Some(cell) = cells.get(item) else { continue };
        let room = (2.0 * cell.middle - 24.0).max(0.0);
        let count = lines.len();
        #[allow(clippy::cast_precision_loss, reason = "there are few")]
        let step = (room / count as f64).min(22.0);
        for (place, (_, index)) in lines.iter().enumerate() {
            #[allow(clippy::cast_precision_loss, reason = "there are few")]
            let port = cell.middle + (place as f64 - (count - 1) as f64 / 2.0) * step;
            if let Some(ports) = ports.get_mut(*index) {
                if is_bottom { ports.0 = port } else { ports.1 = port }
            }
        }
    }
    ports
}
