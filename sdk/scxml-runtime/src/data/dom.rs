//! XML values: the little of the Document Object Model that documents use (appendix B.2.1).

use std::rc::Rc;

use boa_engine::object::ObjectInitializer;
use boa_engine::object::builtins::JsArray;
use boa_engine::property::Attribute;
use boa_engine::{
    Context, Finalize, JsArgs, JsData, JsNativeError, JsObject, JsResult, JsString, JsValue, NativeFunction, Trace,
    js_string,
};
use jackfield_scxml_program::content::{Xml, XmlNode};
use jackfield_scxml_program::{Index, Program};

/// A document or an element.
#[derive(Trace, Finalize, JsData)]
struct DomNode {
    #[unsafe_ignore_trace]
    program: Rc<Program>,
    xml: Index,
    /// None for the document.
    node: Option<Index>,
}

impl DomNode {
    fn xml(&self) -> Option<&Xml> {
        self.program.xml.get(self.xml as usize)
    }

    fn node(&self) -> Option<&XmlNode> {
        self.xml()?.nodes.get(self.node? as usize)
    }

    /// Nodes within it, in document order.
    fn inner(&self) -> Vec<Index> {
        let nodes = self.xml().map_or(&[][..], |xml| &xml.nodes);
        let mut inner: Vec<Index> = Vec::new();
        for (number, node) in nodes.iter().enumerate() {
            let is_inner = match (self.node, node.parent) {
                (None, _) => true,
                (Some(own), Some(parent)) => parent == own || inner.binary_search(&parent).is_ok(),
                (Some(_), None) => false,
            };
            if is_inner {
                inner.push(number as Index);
            }
        }
        inner
    }

    fn with(&self, node: Index) -> DomNode {
        DomNode { program: Rc::clone(&self.program), xml: self.xml, node: Some(node) }
    }
}

/// The value of an XML text.
pub(super) fn document(program: &Rc<Program>, xml: Index, context: &mut Context) -> JsResult<JsValue> {
    object(DomNode { program: Rc::clone(program), xml, node: None }, context)
}

/// The number of the XML text that an object is the value of.
pub(crate) fn number_of(value: &JsValue) -> Option<Index> {
    let object = value.as_object()?;
    let node = object.downcast_ref::<DomNode>()?;
    node.node.is_none().then_some(node.xml)
}

/// The text of an XML value.
pub(super) fn text_of(object: &JsObject) -> Option<String> {
    let node = object.downcast_ref::<DomNode>()?;
    match node.node {
        None => node.xml().map(|xml| xml.text.clone()),
        Some(_) => Some(content_of(&node)),
    }
}

fn content_of(node: &DomNode) -> String {
    let nodes = node.xml().map_or(&[][..], |xml| &xml.nodes);
    node.inner().iter().filter_map(|inner| nodes.get(*inner as usize)).map(|inner| inner.text.as_str()).collect()
}

fn object(node: DomNode, context: &mut Context) -> JsResult<JsValue> {
    let name = node.node().map_or("#document", |node| node.name.as_str()).to_owned();
    let first = node.xml().and_then(|xml| xml.nodes.iter().position(|node| !node.name.is_empty()));
    let root = first.filter(|_| node.node.is_none()).map(|first| node.with(first as Index));
    let text = JsString::from(content_of(&node));
    let element = match root {
        Some(root) => object(root, context)?,
        None => JsValue::undefined(),
    };
    let made = ObjectInitializer::with_native_data(node, context)
        .function(NativeFunction::from_fn_ptr(elements_by_name), js_string!("getElementsByTagName"), 1)
        .function(NativeFunction::from_fn_ptr(attribute), js_string!("getAttribute"), 1)
        .function(NativeFunction::from_fn_ptr(to_text), js_string!("toString"), 0)
        .property(js_string!("nodeName"), JsString::from(name.as_str()), Attribute::READONLY)
        .property(js_string!("tagName"), JsString::from(name.as_str()), Attribute::READONLY)
        .property(js_string!("textContent"), text, Attribute::READONLY)
        .property(js_string!("documentElement"), element, Attribute::READONLY)
        .build();
    Ok(made.into())
}

fn no_node() -> boa_engine::JsError {
    JsNativeError::typ().with_message("this is no XML").into()
}

fn elements_by_name(this: &JsValue, arguments: &[JsValue], context: &mut Context) -> JsResult<JsValue> {
    let name = arguments.get_or_undefined(0).to_string(context)?.to_std_string_lossy();
    let found: Vec<DomNode> = {
        let object = this.as_object().ok_or_else(no_node)?;
        let node = object.downcast_ref::<DomNode>().ok_or_else(no_node)?;
        let nodes = node.xml().map_or(&[][..], |xml| &xml.nodes);
        let is_meant = |inner: &Index| {
            let inner = nodes.get(*inner as usize).map_or("", |inner| inner.name.as_str());
            !inner.is_empty() && (name == "*" || inner == name)
        };
        node.inner().into_iter().filter(is_meant).map(|inner| node.with(inner)).collect()
    };
    let found = found.into_iter().map(|node| object(node, context)).collect::<JsResult<Vec<_>>>()?;
    Ok(JsArray::from_iter(found, context).into())
}

fn attribute(this: &JsValue, arguments: &[JsValue], context: &mut Context) -> JsResult<JsValue> {
    let name = arguments.get_or_undefined(0).to_string(context)?.to_std_string_lossy();
    let object = this.as_object().ok_or_else(no_node)?;
    let node = object.downcast_ref::<DomNode>().ok_or_else(no_node)?;
    let attributes = node.node().map_or(&[][..], |node| &node.attributes);
    let value = attributes.iter().find(|(key, _)| *key == name).map(|(_, value)| JsString::from(value.as_str()));
    Ok(value.map_or_else(JsValue::null, JsValue::from))
}

fn to_text(this: &JsValue, _arguments: &[JsValue], _context: &mut Context) -> JsResult<JsValue> {
    let object = this.as_object().ok_or_else(no_node)?;
    Ok(JsString::from(text_of(&object).unwrap_or_default()).into())
}
