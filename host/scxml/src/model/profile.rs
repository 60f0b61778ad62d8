//! Which dialect a document is in: it follows from what is written in it.

use std::fmt;

use super::module::Module;
use super::names::{INCLUDE_NAMESPACE, MERGE_NAMESPACE, SCXML_NAMESPACE};
use crate::source::Span;
use crate::xml::{Attribute, Element};

/// A dialect of SCXML.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Profile {
    /// The Recommendation of 2015, with the ECMAScript data model.
    W3c,
    /// That of ORS: the draft of 2009 with functional modules (reference page *SCXML*).
    Ors,
}

impl Profile {
    /// As it is written on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Profile::W3c => "w3c",
            Profile::Ors => "ors",
        }
    }
}

impl fmt::Display for Profile {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// The dialect of a document, and what it was known by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundProfile {
    /// The dialect.
    pub profile: Profile,
    /// Such as `the attribute datamodel`.
    pub because: String,
    /// Where that is.
    pub span: Span,
}

/// The dialect of the document `root`. Functional modules are of ORS alone; then what the `<scxml>` element says
/// counts, then forms that only one of the dialects has; and what has none of all that is of the W3C.
pub fn profile_of(root: &Element) -> FoundProfile {
    let found = |profile, because: &str, span| FoundProfile { profile, because: because.to_owned(), span };
    if let Some((name, span)) = module_in(root) {
        return FoundProfile { profile: Profile::Ors, because: format!("the functional module in {name}"), span };
    }
    if let Some(attribute) = root.attribute("datamodel") {
        return found(Profile::W3c, "the attribute datamodel", attribute.span);
    }
    if let Some(attribute) = root.attribute("profile") {
        return found(Profile::Ors, "the attribute profile", attribute.span);
    }
    if let Some((profile, form, span)) = form_in(root) {
        return FoundProfile { profile, because: format!("the form {form}"), span };
    }
    found(Profile::W3c, "nothing in it that only ORS has", root.span)
}

fn module_in(element: &Element) -> Option<(String, Span)> {
    if Module::of(&element.name.namespace).is_known() {
        return Some((format!("<{}>", element.written_name()), element.span));
    }
    element.elements().find_map(module_in)
}

/// The first form that only one dialect has.
fn form_in(element: &Element) -> Option<(Profile, String, Span)> {
    let local = &*element.name.local;
    if element.name.is(INCLUDE_NAMESPACE, "include") && element.attribute("resolveid").is_some() {
        return Some((Profile::Ors, "resolveid".to_owned(), element.span));
    }
    if let Some(prefix) = element.attribute_of(MERGE_NAMESPACE, "my-prefix") {
        return Some((Profile::Ors, "resolveid".to_owned(), prefix.span));
    }
    if &*element.name.namespace == SCXML_NAMESPACE {
        if local == "event" {
            return Some((Profile::Ors, "<event>".to_owned(), element.span));
        }
        if local == "foreach" {
            return Some((Profile::W3c, "<foreach>".to_owned(), element.span));
        }
        let known = |attribute: &Attribute| match &*attribute.name.local {
            "eventexpr" | "targetexpr" | "typeexpr" | "delayexpr" | "sendidexpr" => Some(Profile::W3c),
            "type" if local == "transition" => Some(Profile::W3c),
            "targettype" | "invokeid" => Some(Profile::Ors),
            name if name.starts_with('_') => Some(Profile::Ors),
            _ => None,
        };
        let of_none = element.attributes.iter().filter(|attribute| attribute.name.namespace.is_empty());
        let form = of_none.filter_map(|attribute| Some((known(attribute)?, attribute))).next();
        if let Some((profile, attribute)) = form {
            return Some((profile, format!("{}/@{}", local, attribute.name.local), attribute.span));
        }
        if local == "content" {
            // What is written in it is another document, or none at all.
            return None;
        }
    }
    element.elements().find_map(form_in)
}
