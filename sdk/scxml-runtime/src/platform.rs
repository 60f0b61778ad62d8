//! The platform behind functional modules and the object `_genesys` (profile `ors`; reference page, sections 3 to 8).
//!
//! A document asks in two ways. Actions ([`Call`]) are taken at once and answered later by an [`Answer`], which becomes
//! the event that the reference page names, with the request's id in it. Functions and objects
//! ([`Platform::function`], [`Platform::interactions`]) answer in the middle of an expression, from what the platform
//! knows at that time; the object model changes only between events.

use crate::datum::Datum;

/// What functional modules act on. Its methods do not wait.
pub trait Platform {
    /// The interactions of the session, the oldest first, as section 4.1 describes them. Each has a `g_uid`.
    fn interactions(&self) -> Vec<Datum>;
    /// Facts about the session: properties of `_genesys.session` (section 3.3), such as `tenant` and `server`.
    fn session_facts(&self) -> Datum;
    /// Calls a function of a module, such as `session`, `getListItemValue`. None where there is no such function.
    ///
    /// # Errors
    ///
    /// What the script is thrown.
    fn function(&self, module: &str, name: &str, arguments: &[Datum]) -> Option<Result<Datum, String>>;
    /// Begins an action. The request's id is new, and comes back in the [`Answer`].
    ///
    /// # Errors
    ///
    /// When it cannot even begin; the document gets the error event of the action.
    fn perform(&self, request: &str, call: Call) -> Result<(), ModuleError>;
}

/// An action of a functional module, all its attributes evaluated.
#[derive(Clone, Debug, PartialEq)]
pub struct Call {
    /// Which.
    pub action: CallKind,
    /// Attributes by their names, but `requestid` where it is a location.
    pub attributes: Vec<(String, Datum)>,
    /// `param`, in document order.
    pub parameters: Vec<(String, Datum)>,
    /// `content`.
    pub content: Option<Datum>,
    /// Elements within it, such as `queue:target`, in document order.
    pub elements: Vec<CallElement>,
}

/// An element within an action.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CallElement {
    /// Such as `target`.
    pub name: String,
    /// The element it is in, by its number; none for the action.
    pub parent: Option<usize>,
    /// Its attributes.
    pub attributes: Vec<(String, Datum)>,
}

impl Call {
    /// An attribute that is there and not `undefined` or `null`.
    pub fn attribute(&self, name: &str) -> Option<&Datum> {
        attribute(&self.attributes, name)
    }

    /// The same as a text.
    pub fn text(&self, name: &str) -> Option<String> {
        self.attribute(name).map(Datum::display)
    }

    /// The same as a number.
    pub fn number(&self, name: &str) -> Option<f64> {
        match self.attribute(name)? {
            Datum::Number(number) => Some(*number),
            other => other.display().trim().parse().ok(),
        }
    }

    /// The same as a boolean.
    pub fn boolean(&self, name: &str) -> Option<bool> {
        match self.attribute(name)? {
            Datum::Boolean(value) => Some(*value),
            other => match other.display().trim() {
                "true" | "1" => Some(true),
                "false" | "0" => Some(false),
                _ => None,
            },
        }
    }
}

impl CallElement {
    /// An attribute that is there and not `undefined` or `null`.
    pub fn attribute(&self, name: &str) -> Option<&Datum> {
        attribute(&self.attributes, name)
    }
}

fn attribute<'a>(attributes: &'a [(String, Datum)], name: &str) -> Option<&'a Datum> {
    let found = attributes.iter().find(|(key, _)| key == name).map(|(_, value)| value);
    found.filter(|value| !matches!(value, Datum::Undefined | Datum::Null))
}

macro_rules! calls {
    ($($(#[$doc:meta])* $kind:ident = $module:literal $action:literal, $done:literal, $error:literal;)*) => {
        /// Actions that the reference page knows.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum CallKind {
            $($(#[$doc])* $kind,)*
        }

        impl CallKind {
            /// All of them.
            pub const ALL: &'static [CallKind] = &[$(CallKind::$kind,)*];

            /// The action of this element of a module.
            pub fn of(module: &str, action: &str) -> Option<CallKind> {
                match (module, action) {
                    $(($module, $action) => Some(CallKind::$kind),)*
                    _ => None,
                }
            }

            /// Module and element.
            pub fn name(self) -> (&'static str, &'static str) {
                match self {
                    $(CallKind::$kind => ($module, $action),)*
                }
            }

            /// The event that says it was done.
            pub fn done_event(self) -> &'static str {
                match self {
                    $(CallKind::$kind => $done,)*
                }
            }

            /// The event that says it failed.
            pub fn error_event(self) -> &'static str {
                match self {
                    $(CallKind::$kind => $error,)*
                }
            }
        }
    };
}

calls! {
    /// HTTP and ESP (section 3.1).
    Fetch = "session" "fetch", "session.fetch.done", "error.session.fetch";
    /// Starts a session (section 3.2).
    StartSession = "session" "start", "session.start.done", "error.session.start";
    /// Ends a session.
    TerminateSession = "session" "terminate", "session.terminate.done", "error.session.terminate";
    /// Changes the start of a session.
    UpdateStart = "session" "updatestart", "session.updatestart.done", "error.session.updatestart";
    /// Answers a request from outside.
    Respond = "session" "response", "session.response.done", "error.session.response";
    /// Ends an interaction (section 4.3).
    Terminate = "ixn" "terminate", "interaction.terminate.done", "error.interaction.terminate";
    /// Sends an interaction to a destination.
    Redirect = "ixn" "redirect", "interaction.redirect.done", "error.interaction.redirect";
    /// Associates an interaction with this session.
    Attach = "ixn" "attach", "interaction.attach.done", "error.interaction.attach";
    /// Drops that association.
    Detach = "ixn" "detach", "interaction.detach.done", "error.interaction.detach";
    /// Moves an interaction to another session.
    Associate = "ixn" "associate", "interaction.associate.done", "error.interaction.associate";
    /// Accepts an interaction for a resource.
    Accept = "ixn" "accept", "interaction.accept.done", "error.interaction.accept";
    /// Creates a message (section 5.1).
    CreateMessage = "ixn" "createmessage", "msgbased.createmessage.done", "error.msgbased.createmessage";
    /// Sends a message.
    SendMessage = "ixn" "sendmessage", "msgbased.sendmessage.done", "error.msgbased.sendmessage";
    /// Refreshes the content of an interaction.
    GetContent = "ixn" "getcontent", "chat.getcontent.done", "error.chat.getcontent";
    /// Says a line in a chat.
    SendChatMessage = "ixn" "sendchatmessage", "chat.sendchatmessage.done", "error.chat.sendchatmessage";
    /// Selects a target (section 6.2).
    Submit = "queue" "submit", "queue.submit.done", "error.queue.submit";
    /// Ends a selection.
    CancelSubmit = "queue" "cancel", "queue.cancel.done", "error.queue.cancel";
    /// Asks how a selection stands.
    QuerySubmit = "queue" "query", "queue.query.done", "error.queue.query";
    /// Changes a selection.
    UpdateSubmit = "queue" "update", "queue.update.done", "error.queue.update";
    /// Sorts an interaction into categories (section 8).
    Classify = "classification" "classify", "classification.classify.done", "error.classification.classify";
    /// Looks for rules that an interaction fulfils.
    Screen = "classification" "screen", "classification.screen.done", "error.classification.screen";
    /// Subscribes to a statistic (section 7).
    Subscribe = "statistic" "subscribe", "statistic.subscribe.done", "error.statistic.subscribe";
    /// Ends that.
    Unsubscribe = "statistic" "unsubscribe", "statistic.unsubscribe.done", "error.statistic.unsubscribe";
}

/// Why an action failed: `error` and `description` of its event.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ModuleError {
    /// Such as `invalidstate`, `timeout`, or the status of an HTTP answer.
    pub error: Datum,
    /// For people.
    pub description: String,
}

/// How an action ended.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// The id it was begun with.
    pub request: String,
    /// Which action.
    pub action: CallKind,
    /// Further properties of the event's data.
    pub result: Result<Vec<(String, Datum)>, ModuleError>,
}

impl Answer {
    /// Name and data of the event.
    pub fn event(&self) -> (&'static str, Datum) {
        let mut data = vec![("requestid".to_owned(), Datum::text(&*self.request))];
        match &self.result {
            Ok(more) => {
                data.extend(more.iter().cloned());
                (self.action.done_event(), Datum::Map(data))
            }
            Err(error) => {
                data.push(("error".to_owned(), error.error.clone()));
                data.push(("description".to_owned(), Datum::text(&*error.description)));
                (self.action.error_event(), Datum::Map(data))
            }
        }
    }
}

/// Where an interaction is sent (section 5.3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Destination {
    /// An agent, by id.
    Agent(String),
    /// A place, by id.
    Place(String),
    /// An interaction queue.
    Queue(String),
    /// A workbin.
    Workbin {
        /// Its name.
        name: String,
        /// `A`, `AP`, `AG` or `PG`; none where the document leaves it open.
        owner_type: Option<String>,
        /// Whose it is.
        owner: Option<String>,
    },
    /// A text, which may name an agent or a place.
    Named(String),
}

impl Destination {
    /// Of the attribute `to`: a text, or a resource object. Upper and lower case of its type do not matter.
    ///
    /// # Errors
    ///
    /// Says what is no destination.
    pub fn of(to: &Datum) -> Result<Destination, String> {
        let text = |name: &str| to.get(name).filter(|value| **value != Datum::Undefined).map(Datum::display);
        if let Datum::Text(name) = to {
            return Ok(Destination::Named(name.clone()));
        }
        let id = || text("id").filter(|id| !id.is_empty());
        let kind = text("type").unwrap_or_default().to_ascii_uppercase();
        let found = match kind.as_str() {
            "IQ" => id().map(Destination::Queue),
            "WB" => id().map(|name| {
                let owner_type = text("wb_type").map(|kind| kind.to_ascii_uppercase());
                Destination::Workbin { name, owner_type, owner: text("wb_owner") }
            }),
            "AP" => text("place").or_else(id).map(Destination::Place),
            "A" => text("agent").or_else(id).map(Destination::Agent),
            "" => text("agent").map(Destination::Agent).or_else(|| text("place").map(Destination::Place)),
            _ => None,
        };
        found.ok_or_else(|| format!("{} is no destination", to.display()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn destinations_are_texts_or_resource_objects_of_any_case() {
        let of = |json: &str| Destination::of(&Datum::from_json(json).unwrap());
        assert_eq!(of(r#"{"type":"iq","id":"Overflow"}"#), Ok(Destination::Queue("Overflow".into())));
        assert_eq!(of(r#"{"agent":"kim"}"#), Ok(Destination::Agent("kim".into())));
        assert_eq!(of(r#""kim""#), Ok(Destination::Named("kim".into())));
        let workbin = of(r#"{"type":"WB","id":"Drafts","wb_type":"a","wb_owner":"kim"}"#);
        let owner = (Some("A".to_owned()), Some("kim".to_owned()));
        assert_eq!(workbin, Ok(Destination::Workbin { name: "Drafts".into(), owner_type: owner.0, owner: owner.1 }));
        assert!(of(r#"{"type":"dn","dn":"1"}"#).is_err());
    }

    #[test]
    fn each_action_is_found_by_its_own_name() {
        for kind in CallKind::ALL {
            let (module, action) = kind.name();
            assert_eq!(CallKind::of(module, action), Some(*kind));
        }
    }
}
