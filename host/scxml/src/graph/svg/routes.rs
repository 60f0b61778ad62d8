//! The way each arrow takes through the nesting: a piece in each state it leaves, one where it turns, and one in each
//! state it goes into. Decided before anything has a place.

use std::collections::HashMap;

use super::super::labels;
use crate::model::{Document, StateIndex, StateKind, TransitionIndex};

/// An arrow.
#[derive(Clone, Debug)]
pub(super) struct Arrow {
    /// Its transition; none for the one from the dot where a state begins.
    pub transition: Option<TransitionIndex>,
    /// Where it begins; for the dot, the state that the dot is in.
    pub source: StateIndex,
    /// Where it ends.
    pub target: StateIndex,
    /// It carries the label; of several arrows of one transition the first does.
    pub labelled: bool,
    /// Pieces from source to target.
    pub pieces: Vec<Piece>,
    /// Between regions of a parallel state: how many pieces lead down to its lower side; the others lead up from there.
    pub turn: Option<usize>,
}

/// A piece of an arrow, in one state.
#[derive(Clone, Copy, Debug)]
pub(super) struct Piece {
    /// The state whose children it goes between.
    pub inside: StateIndex,
    /// Its upper end.
    pub upper: End,
    /// Its lower end.
    pub lower: End,
    /// The arrow goes up here.
    pub upward: bool,
}

/// What a piece ends at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// A child of the state it is in.
    Child(StateIndex),
    /// The dot where the state begins.
    Dot,
    /// The upper side of the state.
    Top,
    /// The lower side of the state.
    Bottom,
}

/// All arrows that lead from one state to another, and the rows of children.
pub(super) struct Routes {
    /// In the order of their transitions; those from dots first.
    pub arrows: Vec<Arrow>,
    /// Arrows from a state to itself.
    pub loops: Vec<(TransitionIndex, StateIndex)>,
    /// The row of each state among its siblings.
    pub rows: Vec<i32>,
}

/// The child of `inside` that `state` is or is in.
fn child_in(document: &Document, inside: StateIndex, state: StateIndex) -> Option<StateIndex> {
    std::iter::once(state)
        .chain(document.ancestors(state))
        .find(|above| document.state(*above).and_then(|above| above.parent) == Some(inside))
}

/// The innermost state that both are in; for a state and one within it, the outer one.
fn common(document: &Document, one: StateIndex, other: StateIndex) -> StateIndex {
    if document.is_within(one, other) {
        return other;
    }
    std::iter::once(one)
        .chain(document.ancestors(one))
        .find(|above| *above == other || document.is_within(other, *above))
        .unwrap_or(StateIndex::ROOT)
}

/// The routes of all arrows of `document`.
pub(super) fn routes(document: &Document) -> Routes {
    let mut arrows = Vec::new();
    let mut loops = Vec::new();
    for (index, state) in document.indexed_states() {
        if state.kind == StateKind::Parallel {
            continue;
        }
        for target in labels::begins_in(document, index) {
            arrows.push(Arrow {
                transition: None,
                source: index,
                target,
                labelled: false,
                pieces: Vec::new(),
                turn: None,
            });
        }
    }
    for (at, transition, targets) in labels::arrows(document) {
        let index = TransitionIndex(u32::try_from(at).unwrap_or(u32::MAX));
        for (place, target) in targets.into_iter().enumerate() {
            let source = transition.source;
            if source == target {
                loops.push((index, source));
            } else {
                let labelled = place == 0;
                arrows.push(Arrow {
                    transition: Some(index),
                    source,
                    target,
                    labelled,
                    pieces: Vec::new(),
                    turn: None,
                });
            }
        }
    }
    let rows = rows(document, &arrows);
    for arrow in &mut arrows {
        (arrow.pieces, arrow.turn) = pieces(document, arrow, &rows);
    }
    Routes { arrows, loops, rows }
}

/// Rows of children: below all that leads to them, when the arrows that lead back are left out. Regions of a parallel
/// state are in one row.
fn rows(document: &Document, arrows: &[Arrow]) -> Vec<i32> {
    let mut leads: HashMap<StateIndex, Vec<StateIndex>> = HashMap::new();
    let mut first: HashMap<StateIndex, Vec<StateIndex>> = HashMap::new();
    for arrow in arrows {
        let inside = common(document, arrow.source, arrow.target);
        let (Some(from), Some(to)) =
            (child_in(document, inside, arrow.source), child_in(document, inside, arrow.target))
        else {
            if let (None, Some(to)) = (arrow.transition, child_in(document, arrow.source, arrow.target)) {
                first.entry(arrow.source).or_default().push(to);
            }
            continue;
        };
        leads.entry(from).or_default().push(to);
    }
    let mut rows = vec![0_i32; document.states.len()];
    for (index, state) in document.indexed_states() {
        if state.kind == StateKind::Parallel {
            continue;
        }
        let begin = first.get(&index).cloned().unwrap_or_default();
        let found = forward(&begin, &state.children, &leads);
        let places: HashMap<StateIndex, usize> = found.iter().enumerate().map(|(at, child)| (*child, at)).collect();
        for (at, child) in found.iter().enumerate() {
            let row = rows.get(child.0 as usize).copied().unwrap_or(0);
            for next in leads.get(child).into_iter().flatten() {
                let is_later = places.get(next).is_some_and(|place| *place > at);
                if let Some(to) = rows.get_mut(next.0 as usize).filter(|_| is_later) {
                    *to = (*to).max(row + 1);
                }
            }
        }
    }
    rows
}

/// An order of `children` in which arrows lead forward, but those that close a circle: what is left last comes first,
/// when one goes along all arrows from where the state begins, and then from each child that was not reached.
fn forward(
    begin: &[StateIndex],
    children: &[StateIndex],
    leads: &HashMap<StateIndex, Vec<StateIndex>>,
) -> Vec<StateIndex> {
    let mut seen = std::collections::HashSet::new();
    let mut left = Vec::new();
    for start in begin.iter().chain(children) {
        if !seen.insert(*start) {
            continue;
        }
        // What is open, and how many of the arrows from it have been taken. The last ones are taken first, so that what
        // is written first comes first.
        let mut open = vec![(*start, 0_usize)];
        while let Some((state, taken)) = open.last_mut() {
            let next = leads.get(state).and_then(|leads| leads.iter().rev().nth(*taken));
            *taken += 1;
            match next {
                Some(next) if seen.insert(*next) => open.push((*next, 0)),
                Some(_) => {}
                None => {
                    left.push(*state);
                    open.pop();
                }
            }
        }
    }
    left.reverse();
    left
}

fn pieces(document: &Document, arrow: &Arrow, rows: &[i32]) -> (Vec<Piece>, Option<usize>) {
    let inside = common(document, arrow.source, arrow.target);
    let row = |state: StateIndex| rows.get(state.0 as usize).copied().unwrap_or(0);
    let from = child_in(document, inside, arrow.source);
    let to = child_in(document, inside, arrow.target);
    let down = |inside, upper, lower| Piece { inside, upper, lower, upward: false };
    let up = |inside, upper, lower| Piece { inside, upper, lower, upward: true };
    let mut pieces = Vec::new();
    // Regions of a parallel state are beside each other: out at the bottom, and in at the bottom.
    let between_regions = document.state(inside).is_some_and(|state| state.kind == StateKind::Parallel);
    let upward = match (from, to) {
        (Some(from), Some(to)) => !between_regions && row(to) <= row(from),
        _ => false,
    };
    // Out of the states around the source, up to the one it turns in.
    let out = document.ancestors(arrow.source).take_while(|outer| *outer != inside && arrow.source != inside);
    for outer in out {
        let Some(child) = child_in(document, outer, arrow.source) else { continue };
        pieces.push(match upward {
            false => down(outer, End::Child(child), End::Bottom),
            true => up(outer, End::Top, End::Child(child)),
        });
    }
    let mut turn = None;
    match (from, to) {
        (Some(_), Some(_)) if between_regions => turn = Some(pieces.len()),
        (Some(from), Some(to)) if upward => pieces.push(up(inside, End::Child(to), End::Child(from))),
        (Some(from), Some(to)) => pieces.push(down(inside, End::Child(from), End::Child(to))),
        // From a state to one within it, or from the dot.
        (None, Some(to)) => {
            let start = if arrow.transition.is_none() { End::Dot } else { End::Top };
            pieces.push(down(inside, start, End::Child(to)));
        }
        // From a state to one around it.
        (Some(from), None) => pieces.push(down(inside, End::Child(from), End::Bottom)),
        (None, None) => {}
    }
    // Into the states around the target.
    let around: Vec<_> =
        document.ancestors(arrow.target).take_while(|outer| *outer != inside && arrow.target != inside).collect();
    for outer in around.into_iter().rev() {
        let Some(child) = child_in(document, outer, arrow.target) else { continue };
        pieces.push(match upward || between_regions {
            false => down(outer, End::Top, End::Child(child)),
            true => up(outer, End::Child(child), End::Bottom),
        });
    }
    (pieces, turn)
}
