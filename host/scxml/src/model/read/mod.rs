//! From the tree to the document. Reading goes on after a problem, so that all are told at once.

mod actions;
mod attributes;
mod modules;
mod states;

use std::collections::HashMap;

use super::names::{INCLUDE_NAMESPACE, SCXML_NAMESPACE};
use super::profile::{FoundProfile, Profile, profile_of};
use super::{Binding, DataModel, Document, State, StateKind, Transition};
use crate::problem::Problem;
use crate::xml::{Element, Node};
use attributes::Attributes;

/// The rules of this part.
pub const RULES: &[(&str, &str)] = &[
    ("not-scxml", "the root element is <scxml> in the namespace http://www.w3.org/2005/07/scxml"),
    ("misplaced-element", "each element is where SCXML allows it"),
    ("unknown-element", "elements of other namespaces are executable content, or are left out"),
    ("misplaced-text", "text is only where it means something"),
    ("missing-attribute", "each element has the attributes it cannot do without"),
    ("conflicting-attributes", "of attributes that say the same thing, one is given"),
    ("unknown-attribute", "attributes are those of SCXML, or begin with _"),
    ("attribute-value", "an attribute has one of the values it can have"),
    ("extension-attribute", "attributes that begin with _ are kept; none has an effect unless it is documented"),
    ("include-not-merged", "included files are merged before the document is read"),
    ("unsupported-datamodel", "the data model is ecmascript or null"),
];

/// What reading yields.
#[derive(Clone, Debug)]
pub struct Reading {
    /// None when the root element is not `<scxml>`. When there are errors among the problems it is not whole.
    pub document: Option<Document>,
    /// How the dialect was found; none when it was given.
    pub profile: Option<FoundProfile>,
    /// In the order of the document.
    pub problems: Vec<Problem>,
}

/// The document that `root` is, in the dialect given or else in the one found by [`profile_of`].
pub fn read(root: &Element, profile: Option<Profile>) -> Reading {
    let found = profile.is_none().then(|| profile_of(root));
    let profile = profile.or(found.as_ref().map(|found| found.profile)).unwrap_or(Profile::W3c);
    let namespace = &*root.name.namespace;
    if &*root.name.local != "scxml" || !(namespace == SCXML_NAMESPACE || namespace.is_empty()) {
        let message = format!("the root element is <{}>, and not <scxml>", root.written_name());
        let help = format!("a document begins with <scxml xmlns=\"{SCXML_NAMESPACE}\" version=\"1.0\">");
        let problems = vec![Problem::error("not-scxml", root.span, message).help(help)];
        return Reading { document: None, profile: found, problems };
    }
    let mut reader = Reader {
        profile,
        bare: namespace.is_empty(),
        problems: Vec::new(),
        states: Vec::new(),
        transitions: Vec::new(),
        ids: HashMap::new(),
        scripts: Vec::new(),
    };
    if reader.bare {
        let help = format!("write xmlns=\"{SCXML_NAMESPACE}\"");
        reader.problems.push(Problem::warning("not-scxml", root.span, "<scxml> is in no namespace").help(help));
    }
    let (name, data_model, binding) = reader.document_attributes(root);
    reader.state(root, StateKind::Scxml, None);
    let document = Document {
        profile,
        name,
        data_model,
        binding,
        scripts: reader.scripts,
        states: reader.states,
        transitions: reader.transitions,
        ids: reader.ids,
        span: root.span,
    };
    Reading { document: Some(document), profile: found, problems: reader.problems }
}

/// A document as far as it was read.
struct Reader {
    profile: Profile,
    /// The document is in no namespace.
    bare: bool,
    problems: Vec<Problem>,
    states: Vec<State>,
    transitions: Vec<Transition>,
    ids: HashMap<String, super::StateIndex>,
    scripts: Vec<super::Script>,
}

impl Reader {
    /// The name of an element of SCXML.
    fn core<'e>(&self, element: &'e Element) -> Option<&'e str> {
        let namespace = &*element.name.namespace;
        (namespace == SCXML_NAMESPACE || (self.bare && namespace.is_empty())).then_some(&*element.name.local)
    }

    fn is_ors(&self) -> bool {
        self.profile == Profile::Ors
    }

    fn document_attributes(&mut self, root: &Element) -> (Option<crate::source::Text>, DataModel, Binding) {
        let data_model = match root.attribute("datamodel") {
            None => DataModel::Ecmascript,
            Some(attribute) => match attribute.value.as_str() {
                "ecmascript" => DataModel::Ecmascript,
                "null" => DataModel::Null,
                other => {
                    let message = format!("the data model {other} is not supported");
                    let problem = Problem::error("unsupported-datamodel", attribute.span, message);
                    self.problems.push(problem.help("rewrite its expressions for datamodel=\"ecmascript\""));
                    DataModel::Other(other.to_owned())
                }
            },
        };
        if let Some(attribute) = root.attribute("profile").filter(|attribute| attribute.value != "ecmascript") {
            let message = format!("the profile {} is not supported", attribute.value);
            let problem = Problem::error("unsupported-datamodel", attribute.span, message);
            self.problems.push(problem.help("rewrite its expressions for profile=\"ecmascript\""));
        }
        let binding = match root.attribute("binding") {
            Some(attribute) if attribute.value == "late" => Binding::Late,
            Some(attribute) if attribute.value != "early" => {
                self.bad_value(attribute, "early or late");
                Binding::Early
            }
            _ => Binding::Early,
        };
        (root.attribute("name").map(|attribute| attribute.value.clone()), data_model, binding)
    }

    fn bad_value(&mut self, attribute: &crate::xml::Attribute, allowed: &str) {
        let message = format!("`{}` is no value of {}", attribute.value, attribute.name.local);
        self.problems.push(Problem::error("attribute-value", attribute.span, message).help(format!("write {allowed}")));
    }

    /// An element that is not allowed in `parent`.
    fn misplaced(&mut self, element: &Element, parent: &Element) {
        if element.name.is(INCLUDE_NAMESPACE, "include") {
            let problem = Problem::error("include-not-merged", element.span, "an <xi:include> that was not merged");
            self.problems.push(problem.help("give the file itself, so that what it includes is read"));
        } else if self.core(element).is_some() {
            let message = format!("<{}> is not allowed in <{}>", element.written_name(), parent.written_name());
            let help = match &*element.name.local {
                "raise" | "event" | "if" | "foreach" | "log" | "assign" | "send" | "cancel" => {
                    "executable content is in <onentry>, <onexit>, <transition>, <finalize> and what can be in these"
                }
                "elseif" | "else" => "write it right in an <if>",
                _ => "move it, or remove it",
            };
            self.problems.push(Problem::error("misplaced-element", element.span, message).help(help));
        } else {
            let message = format!("<{}> in <{}> means nothing here", element.written_name(), parent.written_name());
            let problem = Problem::warning("unknown-element", element.span, message);
            self.problems.push(problem.help("it is left out; remove it, or move it into executable content"));
        }
    }

    /// Text in an element that has no use for it.
    fn no_text(&mut self, element: &Element) {
        for child in &element.children {
            if let Node::Text(text) = child
                && !text.is_blank()
            {
                let message = format!("text in <{}>", element.written_name());
                let problem = Problem::warning("misplaced-text", text.trimmed().span(), message);
                self.problems.push(problem.help("it is left out; write it as a comment, or remove it"));
            }
        }
    }

    /// Nothing may be in it.
    fn nothing_in(&mut self, element: &Element) {
        self.no_text(element);
        for child in element.elements() {
            self.misplaced(child, element);
        }
    }

    fn missing(&mut self, element: &Element, attribute: &str, help: &str) {
        let message = format!("<{}> without {attribute}", element.written_name());
        self.problems.push(Problem::error("missing-attribute", element.span, message).help(help));
    }
}
