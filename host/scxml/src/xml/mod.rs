//! XML as a tree in which everything knows where it was written.
//!
//! Namespaces are resolved, references replaced, CDATA and text joined; comments and processing instructions are left
//! out. Document type declarations that declare anything are refused, so no entity can grow. [`write()`] makes text of
//! a tree again.

mod decode;
mod read;
mod write;

use std::fmt;
use std::sync::Arc;

pub use read::{Limits, RULES, check_characters, read};
pub use write::{write, write_nodes};

use crate::source::{Span, Text};

/// A name and the namespace it belongs to.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Name {
    /// Empty for no namespace.
    pub namespace: Arc<str>,
    /// Without a prefix.
    pub local: Arc<str>,
}

impl Name {
    /// True for this name.
    pub fn is(&self, namespace: &str, local: &str) -> bool {
        &*self.namespace == namespace && &*self.local == local
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.namespace.is_empty() {
            write!(formatter, "{}", self.local)
        } else {
            write!(formatter, "{{{}}}{}", self.namespace, self.local)
        }
    }
}

/// An attribute.
#[derive(Clone, Debug)]
pub struct Attribute {
    /// Its name; attributes without a prefix are in no namespace.
    pub name: Name,
    /// As it was written; empty for none.
    pub prefix: Arc<str>,
    /// Its value.
    pub value: Text,
    /// The whole of it, from its name to its last quote.
    pub span: Span,
}

/// An element.
#[derive(Clone, Debug)]
pub struct Element {
    /// Its name.
    pub name: Name,
    /// As it was written; empty for none.
    pub prefix: Arc<str>,
    /// In the order they were written; declarations of namespaces are not among them.
    pub attributes: Vec<Attribute>,
    /// What is in it.
    pub children: Vec<Node>,
    /// Its start tag.
    pub span: Span,
    /// From its start tag to its end tag.
    pub whole: Span,
}

/// What can be in an element.
#[derive(Clone, Debug)]
pub enum Node {
    /// Another element.
    Element(Element),
    /// Text and CDATA that follow each other, joined.
    Text(Text),
}

impl Element {
    /// The attribute of this name that is in no namespace.
    pub fn attribute(&self, local: &str) -> Option<&Attribute> {
        self.attributes.iter().find(|attribute| attribute.name.is("", local))
    }

    /// The attribute of this name in a namespace.
    pub fn attribute_of(&self, namespace: &str, local: &str) -> Option<&Attribute> {
        self.attributes.iter().find(|attribute| attribute.name.is(namespace, local))
    }

    /// The elements in it.
    pub fn elements(&self) -> impl Iterator<Item = &Element> {
        self.children.iter().filter_map(|child| match child {
            Node::Element(element) => Some(element),
            Node::Text(_) => None,
        })
    }

    /// All text right in it, joined.
    pub fn text(&self) -> Text {
        text_of(&self.children, self.span)
    }

    /// As it was written: with its prefix.
    pub fn written_name(&self) -> String {
        if self.prefix.is_empty() {
            self.name.local.to_string()
        } else {
            format!("{}:{}", self.prefix, self.name.local)
        }
    }
}

/// All text right in `nodes`, joined; `span` is where there would be some.
pub fn text_of(nodes: &[Node], span: Span) -> Text {
    let mut all: Option<Text> = None;
    for node in nodes {
        if let Node::Text(text) = node {
            match &mut all {
                Some(all) => all.join(text),
                None => all = Some(text.clone()),
            }
        }
    }
    all.unwrap_or_else(|| Text::empty(Span { start: span.end, ..span }))
}
