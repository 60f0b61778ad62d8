//! What has a place is drawn.

use std::fmt::Write;

use super::super::{Paints, labels};
use super::routes::Arrow;
use super::{BETWEEN, DOT, LABEL, Layout, Shape, label, text};
use crate::model::{Document, HistoryKind, StateIndex, StateKind, TransitionIndex};

/// Around everything.
const MARGIN: f64 = 12.0;

const STYLE: &str = "\
text{font-family:Helvetica,Arial,'DejaVu Sans',sans-serif;fill:#26324a}\
.name{font-size:13px;font-weight:bold}\
.small{font-size:11px;fill:#4a5872}\
.label{font-size:11px;fill:#33415c;stroke:#ffffff;stroke-opacity:.75;stroke-width:3px;stroke-linejoin:round;paint-order:stroke}\
.state{fill:#ffffff;stroke:#5f7191;stroke-width:1.3}\
.region{stroke-dasharray:6 4}\
.rule{stroke:#c3ccdb;stroke-width:1}\
.arrow{fill:none;stroke:#51617d;stroke-width:1.3}\
.tip{fill:#51617d;stroke:none}\
.dot{fill:#26324a}";

/// Of states within states, from the outside.
const FILLS: [&str; 4] = ["#f6f8fb", "#edf1f7", "#e4eaf3", "#dce3ef"];

/// The whole picture.
pub(super) fn draw(document: &Document, paints: &Paints, layout: &Layout<'_>) -> String {
    let root = layout.boxes.get(&StateIndex::ROOT).cloned().unwrap_or_default();
    let (width, height) = ((root.width + 2.0 * MARGIN).ceil(), (root.height + 2.0 * MARGIN).ceil());
    let mut draw = Draw { document, paints, layout, out: String::new() };
    let _ = write!(
        draw.out,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" viewBox=\"{:.0} {:.0} {width} \
         {height}\">\n<style>{STYLE}</style>\n<rect x=\"{:.0}\" y=\"{:.0}\" width=\"{width}\" height=\"{height}\" \
         fill=\"#ffffff\"/>\n",
        -MARGIN, -MARGIN, -MARGIN, -MARGIN
    );
    draw.state(StateIndex::ROOT, 0);
    // Names of states stand over the arrows that cross them, and labels over all.
    let mut labels = Vec::new();
    for (at, arrow) in layout.routes.arrows.iter().enumerate() {
        labels.extend(draw.arrow(at, arrow));
    }
    for (transition, state) in &layout.routes.loops {
        labels.extend(draw.circle(*transition, *state));
    }
    draw.headers();
    for (lines, at, colour) in labels {
        draw.lines(&lines, at, "label", colour.as_deref());
    }
    draw.out.push_str("</svg>\n");
    draw.out
}

type Label = (Vec<String>, (f64, f64), Option<String>);

struct Draw<'d, 'l> {
    document: &'d Document,
    paints: &'d Paints,
    layout: &'l Layout<'d>,
    out: String,
}

impl Draw<'_, '_> {
    fn state(&mut self, index: StateIndex, depth: usize) {
        let (Some(state), Some(shape)) = (self.document.state(index), self.layout.boxes.get(&index)) else { return };
        let is_outer = !shape.children.is_empty();
        let paint = self.paints.states.get(&index);
        let mut style = String::new();
        let fill = FILLS.get(depth % FILLS.len()).filter(|_| is_outer).map(|fill| (*fill).to_owned());
        if let Some(fill) = paint.and_then(|paint| paint.fill.clone()).or(fill) {
            let _ = write!(style, "fill:{};", escaped(&fill));
        }
        if let Some(line) = paint.and_then(|paint| paint.line.as_ref()) {
            let _ = write!(style, "stroke:{};stroke-width:2;", escaped(line));
        }
        let style = if style.is_empty() { style } else { format!(" style=\"{style}\"") };
        let id = state.id.as_ref().map_or(String::new(), ToString::to_string);
        let _ = writeln!(self.out, "<g data-state=\"{}\"><title>{}</title>", index.0, escaped(&id));
        let in_parallel = state
            .parent
            .and_then(|parent| self.document.state(parent))
            .is_some_and(|parent| parent.kind == StateKind::Parallel);
        let class = if in_parallel { "state region" } else { "state" };
        let (x, y) = shape.at;
        let (width, height) = (shape.width, shape.height);
        match state.kind {
            StateKind::History(kind) => {
                let (centre_x, centre_y) = (x + width / 2.0, y + height / 2.0);
                let letter = if kind == HistoryKind::Deep { "H*" } else { "H" };
                let _ = writeln!(
                    self.out,
                    "<circle class=\"state\"{style} cx=\"{centre_x:.1}\" cy=\"{centre_y:.1}\" r=\"13\"/><text \
                     class=\"small\" text-anchor=\"middle\" x=\"{centre_x:.1}\" y=\"{:.1}\">{letter}</text>",
                    centre_y + 4.0
                );
            }
            StateKind::Final => {
                self.rectangle(class, &style, (x, y, width, height), height / 2.0);
                self.rectangle(class, &style, (x + 3.0, y + 3.0, width - 6.0, height - 6.0), height / 2.0 - 3.0);
            }
            StateKind::Scxml | StateKind::State | StateKind::Parallel => {
                self.rectangle(class, &style, (x, y, width, height), 9.0);
                if is_outer && !(shape.name.is_empty() && shape.lines.is_empty()) {
                    let rule = y + shape.header - 3.0;
                    let _ = writeln!(
                        self.out,
                        "<line class=\"rule\" x1=\"{x:.1}\" y1=\"{rule:.1}\" x2=\"{:.1}\" y2=\"{rule:.1}\"/>",
                        x + width
                    );
                }
            }
        }
        if let Some((left, top)) = shape.dot {
            let half = DOT / 2.0;
            let _ = writeln!(
                self.out,
                "<circle class=\"dot\" cx=\"{:.1}\" cy=\"{:.1}\" r=\"{half:.1}\"/>",
                x + left + half,
                y + top + half
            );
        }
        self.out.push_str("</g>\n");
        for (child, _) in &shape.children {
            self.state(*child, depth + 1);
        }
    }

    fn rectangle(&mut self, class: &str, style: &str, (x, y, width, height): (f64, f64, f64, f64), round: f64) {
        let _ = writeln!(
            self.out,
            "<rect class=\"{class}\"{style} x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{height:.1}\" \
             rx=\"{round:.1}\"/>"
        );
    }

    /// Names of states, and what happens in them.
    fn headers(&mut self) {
        for (index, state) in self.document.indexed_states() {
            let Some(shape) = self.layout.boxes.get(&index) else { continue };
            if let StateKind::History(_) = state.kind {
                continue;
            }
            let is_outer = !shape.children.is_empty();
            self.header(shape, is_outer);
        }
    }

    fn header(&mut self, shape: &Shape, is_outer: bool) {
        let (x, y) = shape.at;
        let mut baseline = y + 8.0 + text::NAME * 0.85;
        if !is_outer && shape.lines.is_empty() {
            baseline = y + shape.height / 2.0 + text::NAME * 0.36;
        }
        let (anchor, at) = if is_outer { ("start", x + 12.0) } else { ("middle", x + shape.width / 2.0) };
        if !shape.name.is_empty() {
            let _ = writeln!(
                self.out,
                "<text class=\"name\" text-anchor=\"{anchor}\" x=\"{at:.1}\" y=\"{baseline:.1}\">{}</text>",
                escaped(&shape.name)
            );
            baseline += text::line_height(text::NAME);
        }
        baseline += 3.0;
        for line in &shape.lines {
            let _ = writeln!(
                self.out,
                "<text class=\"small\" text-anchor=\"{anchor}\" x=\"{at:.1}\" y=\"{baseline:.1}\">{}</text>",
                escaped(line)
            );
            baseline += text::line_height(text::SMALL);
        }
    }

    fn colour(&self, transition: Option<TransitionIndex>) -> Option<String> {
        transition.and_then(|transition| self.paints.transitions.get(&transition)?.line.clone())
    }

    fn arrow(&mut self, at: usize, arrow: &Arrow) -> Option<Label> {
        let mut line = self.layout.points(at, arrow);
        let colour = self.colour(arrow.transition);
        let path = path(&mut line.points, line.turn);
        let whole = arrow.transition.and_then(|transition| self.document.transition(transition)).map(labels::label);
        self.path(&path, arrow.transition, whole.as_deref(), colour.as_deref());
        let lines = label(self.document, arrow);
        line.label.filter(|_| !lines.is_empty()).map(|at| (lines, at, colour))
    }

    /// An arrow from a state to itself, on its right.
    fn circle(&mut self, transition: TransitionIndex, state: StateIndex) -> Option<Label> {
        let shape = self.layout.boxes.get(&state)?;
        let all = self.layout.loops.get(&state)?;
        let place = all.iter().position(|other| *other == transition)?;
        #[allow(clippy::cast_precision_loss, reason = "there are few")]
        let (share, centre) = {
            let share = shape.height / all.len() as f64;
            (share, shape.at.1 + share * (place as f64 + 0.5))
        };
        let right = shape.at.0 + shape.width;
        let half = (share / 2.0 - 3.0).min(11.0);
        let path = format!(
            "M{right:.1} {:.1}C{:.1} {:.1} {:.1} {:.1} {:.1} {:.1}",
            centre - half,
            right + 30.0,
            centre - half,
            right + 30.0,
            centre + half,
            right + 6.0,
            centre + half
        );
        let tip = format!("M{right:.1} {:.1}l8 -4v8z", centre + half);
        let colour = self.colour(Some(transition));
        let whole = self.document.transition(transition).map(labels::label);
        self.path(&(path, tip), Some(transition), whole.as_deref(), colour.as_deref());
        let lines = self.document.transition(transition).map(|transition| labels::label_lines(transition, LABEL))?;
        let (_, height) = text::size(&lines, text::SMALL);
        (!lines.is_empty()).then_some((lines, (right + 30.0, centre - height / 2.0), colour))
    }

    fn path(
        &mut self,
        (path, tip): &(String, String),
        transition: Option<TransitionIndex>,
        whole: Option<&str>,
        colour: Option<&str>,
    ) {
        let (mut stroke, mut fill) = (String::new(), String::new());
        if let Some(colour) = colour {
            stroke = format!(" style=\"stroke:{};stroke-width:2\"", escaped(colour));
            fill = format!(" style=\"fill:{}\"", escaped(colour));
        }
        let data = transition.map(|transition| format!(" data-transition=\"{}\"", transition.0)).unwrap_or_default();
        let title = whole.filter(|whole| !whole.is_empty());
        let title = title.map(|whole| format!("<title>{}</title>", escaped(whole))).unwrap_or_default();
        let _ = writeln!(
            self.out,
            "<g{data}>{title}<path class=\"arrow\"{stroke} d=\"{path}\"/><path class=\"tip\"{fill} d=\"{tip}\"/></g>"
        );
    }

    fn lines(&mut self, lines: &[String], (x, y): (f64, f64), class: &str, colour: Option<&str>) {
        let fill = colour.map(|colour| format!(" style=\"fill:{}\"", escaped(colour))).unwrap_or_default();
        let mut baseline = y + text::SMALL * 0.95;
        for line in lines {
            let _ = writeln!(
                self.out,
                "<text class=\"{class}\"{fill} x=\"{x:.1}\" y=\"{baseline:.1}\">{}</text>",
                escaped(line)
            );
            baseline += text::line_height(text::SMALL);
        }
    }
}

/// The path through `points`, bent between rows, and the tip of the arrow at its end. After the point `turn` it goes
/// below both.
fn path(points: &mut [(f64, f64)], turn: Option<usize>) -> (String, String) {
    let Some((last, before)) = points.split_last_mut() else { return (String::new(), String::new()) };
    let up = before.last().is_some_and(|before| before.1 > last.1) || turn.is_some_and(|turn| turn + 1 == before.len());
    let (tip_x, tip_y) = *last;
    let tip = if up { format!("M{tip_x:.1} {tip_y:.1}l4 8h-8z") } else { format!("M{tip_x:.1} {tip_y:.1}l4 -8h-8z") };
    last.1 += if up { 6.0 } else { -6.0 };
    let mut path = String::new();
    let mut from: Option<(f64, f64)> = None;
    for (at, (x, y)) in points.iter().copied().enumerate() {
        match from {
            None => {
                let _ = write!(path, "M{x:.1} {y:.1}");
            }
            Some((from_x, from_y)) if turn == Some(at.wrapping_sub(1)) => {
                let low = from_y.max(y) + BETWEEN * 0.8;
                let _ = write!(path, "C{from_x:.1} {low:.1} {x:.1} {low:.1} {x:.1} {y:.1}");
            }
            Some((from_x, _)) if (from_x - x).abs() < 0.5 => {
                let _ = write!(path, "L{x:.1} {y:.1}");
            }
            Some((from_x, from_y)) => {
                let middle = f64::midpoint(from_y, y);
                let _ = write!(path, "C{from_x:.1} {middle:.1} {x:.1} {middle:.1} {x:.1} {y:.1}");
            }
        }
        from = Some((x, y));
    }
    (path, tip)
}

/// As text of XML.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
