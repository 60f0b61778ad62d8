//! The language of Graphviz.

use std::fmt::Write;

use super::{Paints, labels};
use crate::model::{Document, StateIndex, StateKind, TransitionIndex};

/// A picture of `document` in DOT.
pub(super) fn dot(document: &Document, paints: &Paints) -> String {
    let mut dot = Dot { document, paints, out: String::new() };
    dot.out.push_str(
        "digraph chart {\n  compound=true; fontname=\"sans-serif\"; fontsize=12;\n  \
         node [shape=box, style=\"rounded,filled\", fillcolor=\"#ffffff\", fontname=\"sans-serif\", fontsize=11];\n  \
         edge [fontname=\"sans-serif\", fontsize=10];\n",
    );
    dot.begin(StateIndex::ROOT, 1);
    for child in document.state(StateIndex::ROOT).into_iter().flat_map(|root| &root.children) {
        dot.state(*child, 1);
    }
    dot.arrows();
    dot.out.push_str("}\n");
    dot.out
}

struct Dot<'d> {
    document: &'d Document,
    paints: &'d Paints,
    out: String,
}

impl Dot<'_> {
    fn line(&mut self, depth: usize, line: &str) {
        let _ = writeln!(self.out, "{}{line}", "  ".repeat(depth));
    }

    /// The point where a compound state begins.
    fn begin(&mut self, index: StateIndex, depth: usize) {
        let targets = labels::begins_in(self.document, index);
        if targets.is_empty() {
            return;
        }
        let point = format!("i{}", index.0);
        self.line(depth, &format!("{point} [shape=point, width=0.12, label=\"\", fillcolor=\"#333333\"];"));
        for target in targets {
            let arrow = format!("{point} -> {}{};", self.end(target), self.arrow_attributes(target, &[]));
            self.line(depth, &arrow);
        }
    }

    fn state(&mut self, index: StateIndex, depth: usize) {
        let document = self.document;
        let Some(state) = document.state(index) else { return };
        let mut label = labels::name(document, index);
        for line in labels::lines(document, state) {
            label.push('\n');
            label.push_str(&line);
        }
        let paint = self.paints.states.get(&index);
        let line = paint.and_then(|paint| paint.line.as_ref()).map(|line| format!(", color={}", quoted(line)));
        let fill = paint.and_then(|paint| paint.fill.as_ref()).map(|fill| format!(", fillcolor={}", quoted(fill)));
        let colours = format!("{}{}", line.unwrap_or_default(), fill.unwrap_or_default());
        let is_outer = state.kind == StateKind::Parallel || state.is_compound(document);
        if !is_outer {
            let shape = match state.kind {
                StateKind::Final => ", peripheries=2",
                StateKind::History(_) => ", shape=circle",
                _ => "",
            };
            self.line(depth, &format!("s{} [label={}{shape}{colours}];", index.0, quoted(&label)));
            return;
        }
        self.line(depth, &format!("subgraph cluster_{} {{", index.0));
        let style = if state.kind == StateKind::Parallel { "rounded,dashed" } else { "rounded" };
        let bare =
            colours.strip_prefix(", ").map(|colours| format!(" {colours};").replace(", ", "; ")).unwrap_or_default();
        self.line(depth + 1, &format!("label={}; style=\"{style}\";{bare}", quoted(&label)));
        // Arrows end at a point within, and are cut at the border.
        self.line(depth + 1, &format!("s{} [shape=point, style=invis, width=0, label=\"\"];", index.0));
        self.begin(index, depth + 1);
        for child in &state.children {
            self.state(*child, depth + 1);
        }
        self.line(depth, "}");
    }

    fn arrows(&mut self) {
        let document = self.document;
        for (at, transition, targets) in labels::arrows(document) {
            let paint = self.paints.transitions.get(&TransitionIndex(u32::try_from(at).unwrap_or(u32::MAX)));
            let colour = paint.and_then(|paint| paint.line.as_ref());
            for target in targets {
                let mut attributes = Vec::new();
                let label = labels::label_lines(transition, 28).join("\n");
                if !label.is_empty() {
                    attributes.push(format!("label={}", quoted(&label)));
                }
                if let Some(colour) = colour {
                    attributes.push(format!("color={}, fontcolor={}", quoted(colour), quoted(colour)));
                }
                if self.is_outer(transition.source) {
                    attributes.push(format!("ltail=cluster_{}", transition.source.0));
                }
                let into = self.arrow_attributes(target, &attributes);
                let arrow = format!("{} -> {}{into};", self.end(transition.source), self.end(target));
                self.line(1, &arrow);
            }
        }
    }

    fn is_outer(&self, index: StateIndex) -> bool {
        self.document
            .state(index)
            .is_some_and(|state| state.kind == StateKind::Parallel || state.is_compound(self.document))
    }

    fn end(&self, index: StateIndex) -> String {
        format!("s{}", index.0)
    }

    /// Attributes of an arrow to `target`.
    fn arrow_attributes(&self, target: StateIndex, attributes: &[String]) -> String {
        let mut attributes = attributes.to_vec();
        if self.is_outer(target) {
            attributes.push(format!("lhead=cluster_{}", target.0));
        }
        if attributes.is_empty() { String::new() } else { format!(" [{}]", attributes.join(", ")) }
    }
}

/// A text of DOT, with line ends that keep lines to the left.
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n"))
}
