//! XML that is a value: its nodes, and the document it is where it is one.

use jackfield_scxml_program::Index;
use jackfield_scxml_program::content::{Xml, XmlNode};

use super::{Builder, index};
use crate::model::{Content, SCXML_NAMESPACE, read};
use crate::problem::any_error;
use crate::source::Sources;
use crate::xml::{Element, Limits, Node, read as read_xml, write_nodes};

impl Builder<'_, '_, '_> {
    /// The number of an XML value.
    pub(super) fn xml(&mut self, nodes: &[Node]) -> Index {
        let mut built = Vec::new();
        flatten(nodes, None, &mut built);
        let mut elements = nodes.iter().filter_map(|node| match node {
            Node::Element(element) => Some(element),
            Node::Text(_) => None,
        });
        let root = elements.next().filter(|_| elements.next().is_none());
        let document = root.and_then(|root| self.inner_document(root));
        self.program.xml.push(Xml { text: write_nodes(nodes), nodes: built, document });
        index(self.program.xml.len() - 1)
    }

    /// The number of an XML value that came as text, from a file.
    pub(super) fn xml_of(&mut self, content: &Content) -> Option<Index> {
        let Content::Text(text) = content else { return None };
        let text = text.as_str().trim();
        if !text.starts_with('<') {
            return None;
        }
        let mut sources = Sources::default();
        let file = sources.add("data", text);
        let root = read_xml(&sources, file, Limits::default()).ok()?;
        Some(self.xml(&[Node::Element(root)]))
    }

    fn inner_document(&mut self, root: &Element) -> Option<Index> {
        let namespace = &*root.name.namespace;
        if &*root.name.local != "scxml" || !(namespace.is_empty() || namespace == SCXML_NAMESPACE) {
            return None;
        }
        let reading = read(root, Some(self.document.profile));
        let document = reading.document.filter(|_| !any_error(&reading.problems));
        let Some(document) = document else {
            let mut problems = reading.problems;
            self.problems.append(&mut problems);
            return None;
        };
        let number = self.compiler.new_document(&[])?;
        let mut problems = Vec::new();
        self.compiler.document(number, &document, self.sources, self.path, &mut problems);
        self.problems.append(&mut problems);
        Some(index(number))
    }
}

fn flatten(nodes: &[Node], parent: Option<Index>, to: &mut Vec<XmlNode>) {
    for node in nodes {
        match node {
            Node::Text(text) => {
                to.push(XmlNode { parent, text: text.as_str().to_owned(), ..XmlNode::default() });
            }
            Node::Element(element) => {
                let number = index(to.len());
                let attributes = element.attributes.iter();
                let attributes = attributes
                    .map(|attribute| (attribute.name.local.to_string(), attribute.value.as_str().to_owned()))
                    .collect();
                let name = element.name.local.to_string();
                to.push(XmlNode { parent, name, attributes, text: String::new() });
                flatten(&element.children, Some(number), to);
            }
        }
    }
}
