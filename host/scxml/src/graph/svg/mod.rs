//! SVG: everything gets a place, from the innermost states outwards, and is then drawn.

mod draw;
mod level;
mod order;
mod place;
mod routes;
mod text;

use std::collections::HashMap;

use super::{Paints, labels};
use crate::model::{Document, StateIndex, StateKind, TransitionIndex};
use level::{Item, Link};
use routes::{Arrow, End, Routes};

/// Room between the border of a state and what is in it.
const PADDING: f64 = 16.0;

/// Side of the dot where a state begins.
const DOT: f64 = 11.0;

/// Room for arrows between regions, below them.
const BETWEEN: f64 = 46.0;

/// Characters in a line of a label.
const LABEL: usize = 30;

/// A picture of `document` in SVG.
pub(super) fn svg(document: &Document, paints: &Paints) -> String {
    let routes = routes::routes(document);
    let mut layout =
        Layout { document, routes: &routes, boxes: HashMap::new(), pieces: HashMap::new(), loops: HashMap::new() };
    for (transition, state) in &routes.loops {
        layout.loops.entry(*state).or_default().push(*transition);
    }
    // What is in a state comes after it in document order.
    for at in (0..document.states.len()).rev() {
        layout.measure(StateIndex(u32::try_from(at).unwrap_or(u32::MAX)));
    }
    layout.set(StateIndex::ROOT, (0.0, 0.0));
    draw::draw(document, paints, &layout)
}

/// A state in the picture.
#[derive(Clone, Debug, Default)]
struct Shape {
    width: f64,
    height: f64,
    /// Room that is taken beside it, by arrows that lead to it from itself.
    beside: f64,
    /// Height of its name and lines.
    header: f64,
    name: String,
    lines: Vec<String>,
    /// Where its children are, from its own left and top.
    children: Vec<(StateIndex, (f64, f64))>,
    /// Where the dot is.
    dot: Option<(f64, f64)>,
    /// Where arrows cross its border: by arrow, and whether it is the lower side.
    ports: HashMap<(usize, bool), f64>,
    /// Its own left and top.
    at: (f64, f64),
}

/// Points of a piece of an arrow, and the place of its label.
type PlacedPiece = (Vec<(f64, f64)>, (f64, f64));

struct Layout<'d> {
    document: &'d Document,
    routes: &'d Routes,
    boxes: HashMap<StateIndex, Shape>,
    /// Points and place of the label of each piece, by arrow and piece, from the left and top of the state it is in.
    pieces: HashMap<(usize, usize), PlacedPiece>,
    loops: HashMap<StateIndex, Vec<TransitionIndex>>,
}

/// The lines beside an arrow.
fn label(document: &Document, arrow: &Arrow) -> Vec<String> {
    match arrow.transition.and_then(|transition| document.transition(transition)) {
        Some(transition) if arrow.labelled => labels::label_lines(transition, LABEL),
        _ => Vec::new(),
    }
}

impl Layout<'_> {
    /// The size of a state whose children have theirs.
    fn measure(&mut self, index: StateIndex) {
        let document = self.document;
        let Some(state) = document.state(index) else { return };
        let mut shape = Shape { name: labels::name(document, index), ..Shape::default() };
        if let StateKind::History(_) = state.kind {
            (shape.width, shape.height) = (28.0, 28.0);
        } else {
            shape.lines = labels::lines(document, state);
            let name = text::width(&shape.name, text::NAME) * 1.06;
            let (lines, lines_height) = text::size(&shape.lines, text::SMALL);
            let name_height = if shape.name.is_empty() { 0.0 } else { text::line_height(text::NAME) };
            let between = if shape.lines.is_empty() { 0.0 } else { 5.0 };
            shape.header = 8.0 + name_height + between + lines_height + 8.0;
            shape.width = (name + 28.0).max(lines + 24.0).max(64.0);
            shape.height = shape.header.max(34.0);
            let is_outer = state.kind == StateKind::Parallel || state.is_compound(document);
            if is_outer {
                self.inside(index, state.kind == StateKind::Parallel, &mut shape);
            }
        }
        for transition in self.loops.get(&index).into_iter().flatten() {
            let lines = document.transition(*transition).map(|transition| labels::label_lines(transition, LABEL));
            let (width, height) = text::size(&lines.unwrap_or_default(), text::SMALL);
            shape.beside = shape.beside.max(width + 38.0);
            // They are one below the other.
            let count = self.loops.get(&index).map_or(0, Vec::len);
            #[allow(clippy::cast_precision_loss, reason = "there are few")]
            let needed = (height.max(24.0) + 6.0) * count as f64;
            shape.height = shape.height.max(needed);
        }
        self.boxes.insert(index, shape);
    }

    fn row(&self, state: StateIndex) -> i32 {
        self.routes.rows.get(state.0 as usize).copied().unwrap_or(0)
    }

    /// Lay out the children of a state, and the pieces of arrows between them.
    fn inside(&mut self, index: StateIndex, is_parallel: bool, shape: &mut Shape) {
        let document = self.document;
        let children = document.state(index).map_or(Vec::new(), |state| state.children.clone());
        if is_parallel {
            // Regions are equally high.
            let heights = children.iter().filter_map(|child| Some(self.boxes.get(child)?.height));
            let highest = heights.fold(0.0, f64::max);
            for child in &children {
                let is_history =
                    document.state(*child).is_some_and(|child| matches!(child.kind, StateKind::History(_)));
                if let Some(inner) = self.boxes.get_mut(child).filter(|_| !is_history) {
                    inner.height = highest;
                }
            }
        }
        let mut items: Vec<Item> = Vec::new();
        for child in &children {
            let inner = self.boxes.get(child).cloned().unwrap_or_default();
            let width = inner.width + inner.beside;
            items.push(Item { width, height: inner.height, middle: inner.width / 2.0, row: self.row(*child) });
        }
        let (first, last) = (items.iter().map(|item| item.row).min(), items.iter().map(|item| item.row).max());
        let (above, below) = (first.unwrap_or(0) - 1, last.unwrap_or(0) + 1);
        let mut links = Vec::new();
        // The arrow and piece of each link, and the items of ports.
        let mut known = Vec::new();
        let mut ports = Vec::new();
        let mut dot = None;
        let routes = self.routes;
        let all = routes.arrows.iter().enumerate();
        for (arrow_at, arrow) in all {
            for (piece_at, piece) in arrow.pieces.iter().enumerate().filter(|(_, piece)| piece.inside == index) {
                let mut end = |end: End, items: &mut Vec<Item>| match end {
                    End::Child(child) => children.iter().position(|other| *other == child).unwrap_or(0),
                    End::Dot => *dot.get_or_insert_with(|| {
                        let row = arrow_row(&arrow.pieces, |state| self.row(state)) - 1;
                        items.push(Item { width: DOT, height: DOT, middle: DOT / 2.0, row });
                        items.len() - 1
                    }),
                    End::Top | End::Bottom => {
                        let is_bottom = end == End::Bottom;
                        items.push(Item {
                            width: 2.0,
                            height: 0.0,
                            middle: 1.0,
                            row: if is_bottom { below } else { above },
                        });
                        ports.push((arrow_at, is_bottom, items.len() - 1));
                        items.len() - 1
                    }
                };
                let (upper, lower) = (end(piece.upper, &mut items), end(piece.lower, &mut items));
                let port = |end: End, is_bottom: bool| match end {
                    End::Child(child) => self.boxes.get(&child)?.ports.get(&(arrow_at, is_bottom)).copied(),
                    End::Dot | End::Top | End::Bottom => None,
                };
                let lines = if piece_at == 0 { label(document, arrow) } else { Vec::new() };
                links.push(Link {
                    upper,
                    lower,
                    upper_port: port(piece.upper, true),
                    lower_port: port(piece.lower, false),
                    label: text::size(&lines, text::SMALL),
                    label_below: piece.upward,
                });
                known.push((arrow_at, piece_at));
            }
        }
        let placed = level::layout(&items, &links);
        shape.width = shape.width.max(placed.width + 2.0 * PADDING);
        let left = (shape.width - placed.width) / 2.0;
        let top = shape.header;
        shape.height = top + placed.height + PADDING;
        if is_parallel && routes.arrows.iter().any(|arrow| self.is_between_regions(arrow, index)) {
            shape.height += BETWEEN;
        }
        let moved = |point: &(f64, f64)| (point.0 + left, point.1 + top);
        for (child, at) in children.iter().zip(&placed.items) {
            shape.children.push((*child, moved(at)));
        }
        shape.dot = dot.and_then(|dot| placed.items.get(dot)).map(moved);
        for (arrow, is_bottom, item) in ports {
            let x = placed.items.get(item).map_or(0.0, |at| moved(at).0 + 1.0);
            shape.ports.insert((arrow, is_bottom), x);
        }
        for ((key, points), label) in known.into_iter().zip(&placed.links).zip(&placed.labels) {
            self.pieces.insert(key, (points.iter().map(moved).collect(), moved(label)));
        }
    }

    /// An arrow from one region of a parallel state to another.
    fn is_between_regions(&self, arrow: &Arrow, parallel: StateIndex) -> bool {
        let around = |state| self.document.ancestors(state).collect::<Vec<_>>();
        let (source, target) = (around(arrow.source), around(arrow.target));
        arrow.turn.is_some() && source.iter().find(|outer| target.contains(outer)) == Some(&parallel)
    }

    /// Give a state and all in it their places.
    fn set(&mut self, index: StateIndex, at: (f64, f64)) {
        let mut open = vec![(index, at)];
        while let Some((index, at)) = open.pop() {
            let Some(shape) = self.boxes.get_mut(&index) else { continue };
            shape.at = at;
            open.extend(shape.children.iter().map(|(child, from)| (*child, (at.0 + from.0, at.1 + from.1))));
        }
    }

    /// The points of an arrow, from its source to its target, and the place of its label.
    fn points(&self, arrow_at: usize, arrow: &Arrow) -> Line {
        let mut line = Line::default();
        for (piece_at, piece) in arrow.pieces.iter().enumerate() {
            if arrow.turn == Some(piece_at) {
                self.turn(&mut line, arrow.source);
            }
            let Some((inner, label_at)) = self.pieces.get(&(arrow_at, piece_at)) else { continue };
            let Some(shape) = self.boxes.get(&piece.inside) else { continue };
            let mut absolute: Vec<_> = inner.iter().map(|point| (point.0 + shape.at.0, point.1 + shape.at.1)).collect();
            // To the border of the state it leaves or goes into; from a state to one within it, below the name.
            if let (End::Top, Some(first)) = (piece.upper, absolute.first().copied())
                && arrow.source != piece.inside
            {
                absolute.insert(0, (first.0, shape.at.1));
            }
            if let (End::Bottom, Some(last)) = (piece.lower, absolute.last().copied()) {
                absolute.push((last.0, shape.at.1 + shape.height));
            }
            if piece.upward {
                absolute.reverse();
            }
            if piece_at == 0 && arrow.turn != Some(0) {
                line.label = Some((label_at.0 + shape.at.0, label_at.1 + shape.at.1));
            }
            for point in absolute {
                line.push(point);
            }
        }
        if arrow.turn.is_some() && line.turn.is_none() {
            self.turn(&mut line, arrow.source);
        }
        if arrow.turn == Some(arrow.pieces.len()) {
            line.points.extend(self.lower_side(arrow.target));
        }
        if let (Some(turn), None) = (line.turn, line.label)
            && let (Some(from), Some(to)) = (line.points.get(turn), line.points.get(turn + 1))
        {
            line.label = Some((f64::midpoint(from.0, to.0), from.1.max(to.1) + BETWEEN * 0.62));
        }
        line
    }

    /// The arrow goes over to another region: it is at the lower side of the one it comes from.
    fn turn(&self, line: &mut Line, source: StateIndex) {
        if line.points.is_empty() {
            line.points.extend(self.lower_side(source));
        }
        line.turn = line.points.len().checked_sub(1);
    }

    fn lower_side(&self, state: StateIndex) -> Option<(f64, f64)> {
        let shape = self.boxes.get(&state)?;
        Some((shape.at.0 + shape.width / 2.0, shape.at.1 + shape.height))
    }
}

/// An arrow with its place.
#[derive(Clone, Debug, Default)]
struct Line {
    points: Vec<(f64, f64)>,
    label: Option<(f64, f64)>,
    /// After this point it goes over to another region, below both.
    turn: Option<usize>,
}

impl Line {
    fn push(&mut self, point: (f64, f64)) {
        let is_new = |last: &(f64, f64)| (last.0 - point.0).abs() > 0.1 || (last.1 - point.1).abs() > 0.1;
        if self.points.last().is_none_or(is_new) {
            self.points.push(point);
        }
    }
}

/// The least row of what an arrow from a dot leads to.
fn arrow_row(pieces: &[routes::Piece], row: impl Fn(StateIndex) -> i32) -> i32 {
    match pieces.first().map(|piece| piece.lower) {
        Some(End::Child(child)) => row(child),
        _ => 0,
    }
}
