//! Tree in, text out: what is read again from it is the same tree.

use std::fmt::Write;

use super::{Element, Name, Node};

/// The text of `element`, with all the namespaces it needs declared in it.
pub fn write(element: &Element) -> String {
    let mut writer = Writer { out: String::new(), scope: Vec::new() };
    writer.element(element);
    writer.out
}

/// The text of `nodes` one after the other.
pub fn write_nodes(nodes: &[Node]) -> String {
    let mut writer = Writer { out: String::new(), scope: Vec::new() };
    writer.nodes(nodes);
    writer.out
}

struct Writer {
    out: String,
    /// Prefixes and their namespaces, the innermost last.
    scope: Vec<(String, String)>,
}

impl Writer {
    fn nodes(&mut self, nodes: &[Node]) {
        for node in nodes {
            match node {
                Node::Element(element) => self.element(element),
                Node::Text(text) => self.text(text.as_str(), false),
            }
        }
    }

    fn element(&mut self, element: &Element) {
        let outer = self.scope.len();
        let mut declared = String::new();
        let name = self.name(&element.name, &element.prefix, false, &mut declared);
        let mut attributes = String::new();
        for attribute in &element.attributes {
            let name = self.name(&attribute.name, &attribute.prefix, true, &mut declared);
            let before = std::mem::take(&mut self.out);
            self.text(attribute.value.as_str(), true);
            let value = std::mem::replace(&mut self.out, before);
            let _ = write!(attributes, " {name}=\"{value}\"");
        }
        let _ = write!(self.out, "<{name}{declared}{attributes}");
        if element.children.is_empty() {
            self.out.push_str("/>");
        } else {
            self.out.push('>');
            self.nodes(&element.children);
            let _ = write!(self.out, "</{name}>");
        }
        self.scope.truncate(outer);
    }

    /// The name with a prefix that stands for its namespace here; one that does not yet is declared.
    fn name(&mut self, name: &Name, prefix: &str, attribute: bool, declared: &mut String) -> String {
        if &*name.namespace == "http://www.w3.org/XML/1998/namespace" {
            return format!("xml:{}", name.local);
        }
        let mut prefix = prefix.to_owned();
        if name.namespace.is_empty() {
            prefix.clear();
            if attribute {
                return name.local.to_string();
            }
        } else if attribute && prefix.is_empty() {
            "n".clone_into(&mut prefix);
        }
        let mut bound = self.bound(&prefix);
        // On one element a prefix stands for one namespace: another one is taken where two parts of a merged
        // document disagree.
        while bound != &*name.namespace && declared.contains(&declaration_start(&prefix)) {
            prefix.push('_');
            bound = self.bound(&prefix);
        }
        if bound != &*name.namespace {
            let before = std::mem::take(&mut self.out);
            self.text(&name.namespace, true);
            let namespace = std::mem::replace(&mut self.out, before);
            let _ = write!(declared, "{}{namespace}\"", declaration_start(&prefix));
            self.scope.push((prefix.clone(), name.namespace.to_string()));
        }
        if prefix.is_empty() { name.local.to_string() } else { format!("{prefix}:{}", name.local) }
    }

    fn bound(&self, prefix: &str) -> &str {
        self.scope.iter().rev().find(|(bound, _)| bound == prefix).map_or("", |(_, namespace)| namespace)
    }

    fn text(&mut self, text: &str, attribute: bool) {
        for character in text.chars() {
            match character {
                '&' => self.out.push_str("&amp;"),
                '<' => self.out.push_str("&lt;"),
                '>' => self.out.push_str("&gt;"),
                '"' if attribute => self.out.push_str("&quot;"),
                '\r' => self.out.push_str("&#13;"),
                '\n' if attribute => self.out.push_str("&#10;"),
                '\t' if attribute => self.out.push_str("&#9;"),
                other => self.out.push(other),
            }
        }
    }
}

fn declaration_start(prefix: &str) -> String {
    if prefix.is_empty() { " xmlns=\"".to_owned() } else { format!(" xmlns:{prefix}=\"") }
}
