//! What ORS's functional modules can do: their actions, and for each attribute whether its text is a name, a value or
//! a place that is assigned to (reference page *SCXML*, chapters 3 to 10 and *Attribute typing cheat sheet*).

mod table;

use crate::model::Module;
pub use table::FORMS;

/// What the text of an attribute is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Typing {
    /// A plain word, which is not evaluated.
    Name,
    /// An expression.
    Value,
    /// An expression that is assigned to.
    Location,
    /// A number or truth value, the same whether it is read plain or as an expression.
    Plain,
}

/// An attribute of an action.
#[derive(Clone, Copy, Debug)]
pub struct AttributeForm {
    /// Its name.
    pub name: &'static str,
    /// What its text is.
    pub typing: Typing,
    /// The action cannot do without it.
    pub required: bool,
    /// Of a name: all it can be. Of a value: words that stand in quotes.
    pub words: &'static [&'static str],
}

/// An action of a module, or an element within one.
#[derive(Clone, Copy, Debug)]
pub struct ActionForm {
    /// Whose it is.
    pub module: &'static Module,
    /// Without a prefix.
    pub name: &'static str,
    /// Its attributes.
    pub attributes: &'static [AttributeForm],
    /// Elements of modules that can be in it, without prefix.
    pub children: &'static [&'static str],
    /// `<param>` and `<content>` can be in it.
    pub takes_params: bool,
    /// It can stand among executable content; otherwise only in another element of a module.
    pub is_action: bool,
    /// Why it is refused, if it is.
    pub refused: Option<&'static str>,
}

impl ActionForm {
    /// One of its attributes.
    pub fn attribute(&self, name: &str) -> Option<&'static AttributeForm> {
        self.attributes.iter().find(|attribute| attribute.name == name)
    }
}

/// The form of an action or of an element within one; none for what is not known.
pub fn form(module: &Module, name: &str) -> Option<&'static ActionForm> {
    FORMS.iter().find(|form| form.module == module && form.name == name)
}

/// Why all actions of a module are refused, if they are.
pub fn refused(module: &Module) -> Option<&'static str> {
    match module {
        Module::Dialog => Some("treatments of calls are not supported"),
        Module::WebService => Some("web services are called with session:fetch"),
        Module::ElasticConnector => Some("there is no Elasticsearch to send to"),
        Module::Agent => Some("actions on agents are not supported"),
        Module::Resource => Some("the resource module has no actions"),
        _ => None,
    }
}

/// True for events that the platform and the functional modules send.
pub fn is_platform_event(event: &str) -> bool {
    const PREFIXES: &[&str] = &[
        "error",
        "done",
        "cancel",
        "interaction",
        "voice",
        "msgbased",
        "chat",
        "session",
        "queue",
        "dialog",
        "classification",
        "statistic",
        "ws",
        "resource",
        "elasticconnector",
        "agent",
    ];
    let first = event.split('.').next().unwrap_or(event);
    event == "*" || PREFIXES.contains(&first)
}
