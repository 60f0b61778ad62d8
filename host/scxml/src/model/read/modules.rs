//! Actions of functional modules.

use std::sync::Arc;

use super::super::module::{Module, ModuleAttribute, ModuleElement};
use super::{Element, INCLUDE_NAMESPACE, Reader};

impl Reader {
    /// An element of a module with all in it.
    pub(super) fn module_element(&mut self, element: &Element) -> ModuleElement {
        let module = if self.core(element).is_some() { Module::Core } else { Module::of(&element.name.namespace) };
        let attributes = element.attributes.iter().map(|attribute| ModuleAttribute {
            name: if attribute.name.namespace.is_empty() {
                Arc::clone(&attribute.name.local)
            } else {
                Arc::from(format!("{:?}", attribute.name))
            },
            value: attribute.value.clone(),
            span: attribute.span,
        });
        let mut read = ModuleElement {
            module,
            name: Arc::clone(&element.name.local),
            attributes: attributes.collect(),
            params: Vec::new(),
            content: None,
            children: Vec::new(),
            text: element.text(),
            span: element.span,
        };
        for child in element.elements() {
            match self.core(child) {
                Some("param") => read.params.extend(self.param(child)),
                Some("content") => read.content = self.content(child),
                _ if child.name.is(INCLUDE_NAMESPACE, "include") => self.misplaced(child, element),
                _ => {
                    let inner = self.module_element(child);
                    read.children.push(inner);
                }
            }
        }
        read
    }
}
