//! The language of Mermaid: a `stateDiagram-v2`.

use std::fmt::Write;

use super::{Paint, Paints, labels};
use crate::model::{Document, StateIndex, StateKind, TransitionIndex};

/// A picture of `document` in Mermaid.
pub(super) fn mermaid(document: &Document, paints: &Paints) -> String {
    let mut mermaid = Mermaid { document, paints, out: "stateDiagram-v2\n".to_owned(), arrows: 0, styles: Vec::new() };
    mermaid.inside(StateIndex::ROOT, 1);
    for (at, transition, targets) in labels::arrows(document) {
        let paint = paints.transitions.get(&TransitionIndex(u32::try_from(at).unwrap_or(u32::MAX)));
        for target in targets {
            let label = labels::label_lines(transition, 40).join(" ");
            mermaid.arrow(1, &id(transition.source), &id(target), &label, paint);
        }
    }
    for style in std::mem::take(&mut mermaid.styles) {
        mermaid.line(1, &style);
    }
    mermaid.out
}

struct Mermaid<'d> {
    document: &'d Document,
    paints: &'d Paints,
    out: String,
    arrows: usize,
    /// What can only be written at the end.
    styles: Vec<String>,
}

impl Mermaid<'_> {
    fn line(&mut self, depth: usize, line: &str) {
        let _ = writeln!(self.out, "{}{line}", "    ".repeat(depth));
    }

    fn arrow(&mut self, depth: usize, from: &str, to: &str, label: &str, paint: Option<&Paint>) {
        let label = if label.is_empty() { String::new() } else { format!(" : {}", escaped(label)) };
        self.line(depth, &format!("{from} --> {to}{label}"));
        if let Some(line) = paint.and_then(|paint| paint.line.as_ref()) {
            self.styles.push(format!("linkStyle {} stroke:{line}", self.arrows));
        }
        self.arrows += 1;
    }

    fn inside(&mut self, index: StateIndex, depth: usize) {
        let document = self.document;
        let Some(state) = document.state(index) else { return };
        for target in labels::begins_in(document, index) {
            // Where a state begins deeper within, Mermaid only shows in which of its children.
            let shown = std::iter::once(target)
                .chain(document.ancestors(target))
                .find(|shown| document.state(*shown).and_then(|state| state.parent) == Some(index));
            self.arrow(depth, "[*]", &id(shown.unwrap_or(target)), "", None);
        }
        for (at, child) in state.children.iter().enumerate() {
            if state.kind == StateKind::Parallel && at > 0 {
                self.line(depth, "--");
            }
            self.state(*child, depth);
        }
    }

    fn state(&mut self, index: StateIndex, depth: usize) {
        let document = self.document;
        let Some(state) = document.state(index) else { return };
        let name = escaped(&labels::name(document, index));
        self.line(depth, &format!("state \"{}\" as {}", name.replace('"', "'"), id(index)));
        if state.kind == StateKind::Parallel || state.is_compound(document) {
            self.line(depth, &format!("state {} {{", id(index)));
            self.inside(index, depth + 1);
            self.line(depth, "}");
        } else {
            for line in labels::lines(document, state) {
                self.line(depth, &format!("{} : {}", id(index), escaped(&line)));
            }
        }
        if state.kind == StateKind::Final {
            self.arrow(depth, &id(index), "[*]", "", None);
        }
        if let Some(paint) = self.paints.states.get(&index) {
            let line = paint.line.as_ref().map(|line| format!("stroke:{line}"));
            let fill = paint.fill.as_ref().map(|fill| format!("fill:{fill}"));
            let parts: Vec<_> = [line, fill].into_iter().flatten().collect();
            self.styles.push(format!("style {} {}", id(index), parts.join(",")));
        }
    }
}

fn id(index: StateIndex) -> String {
    format!("s{}", index.0)
}

/// What means something to Mermaid, as entities.
fn escaped(text: &str) -> String {
    let mut out = String::new();
    for character in text.chars() {
        match character {
            '#' | ';' | ':' | '<' | '>' | '{' | '}' | '"' => {
                let _ = write!(out, "#{};", u32::from(character));
            }
            other => out.push(other),
        }
    }
    out
}
