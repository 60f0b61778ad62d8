//! Actions of functional modules: kept as they are written, and named by module, whatever their prefix is.

use std::fmt;
use std::sync::Arc;

use super::action::{Body, Param};
use crate::source::{Span, Text};

/// Whose action it is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Module {
    /// Plain SCXML, such as an element within an action of a module.
    Core,
    /// `session`: fetch, start, terminate, response.
    Session,
    /// `ws`: web services.
    WebService,
    /// `queue`: target selection.
    Queue,
    /// `ixn`: interactions.
    Interaction,
    /// `dialog`: treatments of calls.
    Dialog,
    /// `classification`.
    Classification,
    /// `statistic`.
    Statistic,
    /// `resource`.
    Resource,
    /// `elasticconnector`.
    ElasticConnector,
    /// `agent`.
    Agent,
    /// Of this namespace, which nothing is known of.
    Foreign(Arc<str>),
}

impl Module {
    /// The module of a namespace, in either spelling (reference page *SCXML*, *Namespaces*).
    pub fn of(namespace: &Arc<str>) -> Module {
        let short = namespace.strip_prefix("http://").unwrap_or(namespace);
        match short.strip_prefix("www.genesyslab.com/modules/").map(|name| name.trim_end_matches('/')) {
            Some("session") => Module::Session,
            Some("ws") => Module::WebService,
            Some("queue") => Module::Queue,
            Some("interaction") => Module::Interaction,
            Some("dialog") => Module::Dialog,
            Some("classification") => Module::Classification,
            Some("statistic") => Module::Statistic,
            Some("resource") => Module::Resource,
            Some("elasticconnector") => Module::ElasticConnector,
            Some("agent") => Module::Agent,
            _ => Module::Foreign(Arc::clone(namespace)),
        }
    }

    /// Its usual prefix; for an unknown namespace, all of it.
    pub fn prefix(&self) -> &str {
        match self {
            Module::Core => "",
            Module::Session => "session",
            Module::WebService => "ws",
            Module::Queue => "queue",
            Module::Interaction => "ixn",
            Module::Dialog => "dialog",
            Module::Classification => "classification",
            Module::Statistic => "statistic",
            Module::Resource => "resource",
            Module::ElasticConnector => "elasticconnector",
            Module::Agent => "agent",
            Module::Foreign(namespace) => namespace,
        }
    }

    /// True for every one that ORS has.
    pub fn is_known(&self) -> bool {
        !matches!(self, Module::Core | Module::Foreign(_))
    }
}

/// An action of a module, or an element within one.
#[derive(Clone, Debug)]
pub struct ModuleElement {
    /// Whose it is.
    pub module: Module,
    /// Without a prefix, such as `submit`.
    pub name: Arc<str>,
    /// In the order they are written.
    pub attributes: Vec<ModuleAttribute>,
    /// `<param>` of plain SCXML in it.
    pub params: Vec<Param>,
    /// `<content>` of plain SCXML in it.
    pub content: Option<Body>,
    /// All other elements in it.
    pub children: Vec<ModuleElement>,
    /// Text right in it.
    pub text: Text,
    /// Its start tag.
    pub span: Span,
}

impl ModuleElement {
    /// The value of an attribute that is in no namespace.
    pub fn attribute(&self, name: &str) -> Option<&Text> {
        self.attributes.iter().find(|attribute| &*attribute.name == name).map(|attribute| &attribute.value)
    }
}

impl fmt::Display for ModuleElement {
    /// `queue:submit`, whatever the prefix in the file is.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.module {
            Module::Core => write!(formatter, "{}", self.name),
            Module::Foreign(namespace) => write!(formatter, "{{{namespace}}}{}", self.name),
            module => write!(formatter, "{}:{}", module.prefix(), self.name),
        }
    }
}

/// An attribute of an action of a module.
#[derive(Clone, Debug)]
pub struct ModuleAttribute {
    /// Its name; with the namespace in braces before it when it has one.
    pub name: Arc<str>,
    /// Its value.
    pub value: Text,
    /// The whole of it.
    pub span: Span,
}
