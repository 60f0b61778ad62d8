//! The ECMAScript data model (appendix B.2) over the engine Boa.
//!
//! All values live in the engine. An expression that the compiler compiled is evaluated over them through the engine's
//! API ([`evaluate`]); the text of any other is turned into a function of the engine once, and called. A session whose
//! document evaluates nothing never starts an engine at all.

pub(crate) mod dom;
mod evaluate;
mod functions;
mod globals;
mod ors;
pub(crate) mod saved;
mod scopes;
mod source;
pub(crate) mod values;

use std::collections::HashSet;
use std::rc::Rc;

use boa_engine::context::ContextBuilder;
use boa_engine::context::HostHooks;
use boa_engine::context::time::{Clock, JsInstant};
use boa_engine::property::PropertyKey;
use boa_engine::{Context, JsError, JsObject, JsString, JsValue, Script};
use jackfield_scxml_program::expression::{Form, Node};
use jackfield_scxml_program::{Index, Place};

use crate::datum::Datum;
use crate::host::Environment;
use crate::limits::Failure;
use crate::shared::Shared;
use scopes::Scopes;

/// Why an evaluation has no value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Trouble {
    pub message: String,
}

impl Trouble {
    pub(crate) fn new(message: impl Into<String>) -> Trouble {
        Trouble { message: message.into() }
    }
}

/// The data of one session.
pub(crate) struct Ecmascript {
    context: Context,
    shared: Rc<Shared>,
    scopes: Rc<Scopes>,
    /// The texts of the program, as the engine wants them.
    texts: Vec<Text>,
    /// The functions that the texts of expressions were turned into.
    functions: Vec<Option<JsObject>>,
    /// Those that assign to a location.
    setters: Vec<Option<JsObject>>,
    scripts: Vec<Option<Program>>,
    /// Names that are in the global scope of every document.
    known: HashSet<PropertyKey>,
    /// What `function` declares in the scripts of `scxml`, as it was then.
    loaded: Vec<(String, JsValue)>,
}

struct Text {
    key: PropertyKey,
    string: JsString,
    /// It names a system variable.
    is_system: bool,
    /// It is `data`.
    is_data: bool,
}

/// A script, parsed once.
#[derive(Clone)]
enum Program {
    Global(Script),
    Scoped(JsObject),
}

/// Time comes from the environment, so that a session can be run again over what is recorded of it.
struct HostTime(Rc<dyn Environment>);

impl Clock for HostTime {
    fn now(&self) -> JsInstant {
        let now = self.0.now();
        let nanoseconds = u32::try_from(now % 1_000).unwrap_or(0).saturating_mul(1_000_000);
        JsInstant::new(now / 1_000, nanoseconds)
    }

    fn system_time_millis(&self) -> i64 {
        i64::try_from(self.0.now()).unwrap_or(i64::MAX)
    }
}

impl HostHooks for HostTime {
    fn utc_now(&self) -> i64 {
        self.system_time_millis()
    }

    fn local_timezone_offset_seconds(&self, unix_time_seconds: i64) -> i32 {
        self.0.offset_from_utc(unix_time_seconds)
    }

    fn max_buffer_size(&self, _context: &mut Context) -> u64 {
        1 << 20
    }
}

impl Ecmascript {
    /// Starts an engine for a session.
    pub(crate) fn start(shared: &Rc<Shared>) -> Result<Ecmascript, Trouble> {
        let time = Rc::new(HostTime(Rc::clone(&shared.world.environment)));
        let built = ContextBuilder::new().clock(Rc::clone(&time)).host_hooks(time).build();
        let mut context = built.map_err(|error| Trouble::new(format!("the engine does not start: {error}")))?;
        let limits = context.runtime_limits_mut();
        limits.set_loop_iteration_limit(shared.limits().loops);
        limits.set_recursion_limit(shared.limits().recursion);
        let program = &shared.program;
        let scopes = Rc::new(Scopes::new(program.states.len()));
        context.insert_data(Rc::clone(shared));
        context.insert_data(Rc::clone(&scopes));
        let texts = program.texts.iter().map(|text| {
            let string = JsString::from(text.as_str());
            let is_system = globals::SYSTEM_VARIABLES.contains(&text.as_str());
            Text { key: PropertyKey::from(string.clone()), string, is_system, is_data: text == "data" }
        });
        let texts = texts.collect();
        let mut started = Ecmascript {
            context,
            shared: Rc::clone(shared),
            scopes,
            texts,
            functions: vec![None; program.expressions.len()],
            setters: vec![None; program.expressions.len()],
            scripts: vec![None; program.scripts.len()],
            known: HashSet::new(),
            loaded: Vec::new(),
        };
        started.define_globals().map_err(|error| started.trouble(&error, Place::default()))?;
        let keys = started.context.global_object().own_property_keys(&mut started.context);
        started.known = keys.map_err(|error| started.trouble(&error, Place::default()))?.into_iter().collect();
        Ok(started)
    }

    /// What an error of the engine says. One that no script could catch ends the machine.
    fn trouble(&mut self, error: &JsError, at: Place) -> Trouble {
        if let Some(engine) = error.as_engine() {
            let place = self.shared.program.place(at);
            self.shared.world.fail(Failure::Engine { message: engine.to_string(), place });
        }
        let message = match error.as_opaque() {
            Some(thrown) => match thrown.to_string(&mut self.context) {
                Ok(text) => text.to_std_string_lossy(),
                Err(_) => "a value that is no text was thrown".to_owned(),
            },
            None => error
                .as_native()
                .map_or_else(|| error.to_string(), |native| format!("{}: {}", native.kind(), native.message())),
        };
        Trouble { message: self.cut(message) }
    }

    fn cut(&self, text: String) -> String {
        const LONGEST: usize = 1_024;
        if text.len() <= LONGEST { text } else { text.chars().take(LONGEST).collect() }
    }

    /// The value of an expression.
    pub(crate) fn value(&mut self, expression: Index) -> Result<JsValue, Trouble> {
        let program = Rc::clone(&self.shared.program);
        let Some(found) = program.expression(expression) else { return Err(Trouble::new("no such expression")) };
        if let Form::Invalid(message) = &found.form {
            return Err(Trouble::new(message.clone()));
        }
        self.scopes.enter(found.state);
        let result = if found.code.is_empty() {
            self.interpret(expression, found)
        } else {
            evaluate::value(&mut self.context, &self.shared, &self.scopes, &self.texts, found)
        };
        result.map_err(|error| self.trouble(&error, found.at))
    }

    /// Whether a condition holds.
    pub(crate) fn condition(&mut self, expression: Index) -> Result<bool, Trouble> {
        Ok(self.value(expression)?.to_boolean())
    }

    /// Assigns to the location an expression names.
    pub(crate) fn assign(&mut self, expression: Index, value: JsValue) -> Result<(), Trouble> {
        let program = Rc::clone(&self.shared.program);
        let Some(found) = program.expression(expression) else { return Err(Trouble::new("no such expression")) };
        if let Form::Invalid(message) = &found.form {
            return Err(Trouble::new(message.clone()));
        }
        self.scopes.enter(found.state);
        let result = match found.code.last() {
            Some(Node::Event | Node::EventName) => return Err(Trouble::new("_event cannot be assigned to")),
            Some(Node::Name(name)) => self.assign_to_name(*name, value),
            Some(Node::Member { .. } | Node::Item { .. }) => {
                if evaluate::is_of_event(&found.code) {
                    return Err(Trouble::new("_event cannot be changed"));
                }
                let texts = &self.texts;
                evaluate::assign(&mut self.context, &self.shared, &self.scopes, texts, found, value)
            }
            Some(_) => return Err(Trouble::new(format!("{} is no place to assign to", found.text))),
            None => self.interpret_assignment(expression, found, value),
        };
        result.map_err(|error| self.trouble(&error, found.at))
    }

    /// `_event` of the event that is processed.
    pub(crate) fn event(&mut self) -> Result<JsValue, Trouble> {
        globals::event(&self.shared, &mut self.context).map_err(|error| self.trouble(&error, Place::default()))
    }

    /// The items of a collection, as they are now.
    pub(crate) fn items(&mut self, array: &JsValue) -> Result<Vec<JsValue>, Trouble> {
        let Some(object) = array.as_object().filter(JsObject::is_array) else {
            return Err(Trouble::new("this is no array"));
        };
        let length = object.get(boa_engine::js_string!("length"), &mut self.context);
        let length = length.and_then(|length| length.to_length(&mut self.context));
        let length = length.map_err(|error| self.trouble(&error, Place::default()))?;
        let limit = self.shared.limits().iterations as u64;
        if length > limit {
            let place = format!("session {}", self.shared.id);
            self.shared.world.fail(Failure::Limit { what: "items of a foreach", limit, place });
            return Err(Trouble::new("too many items"));
        }
        let mut items = Vec::new();
        for index in 0..length {
            let item = object.get(index, &mut self.context);
            items.push(item.map_err(|error| self.trouble(&error, Place::default()))?);
        }
        Ok(items)
    }

    /// A value of the engine for one from outside.
    pub(crate) fn import(&mut self, datum: &Datum) -> Result<JsValue, Trouble> {
        values::import(datum, &mut self.context).map_err(|error| self.trouble(&error, Place::default()))
    }

    /// A value from outside for one of the engine.
    pub(crate) fn export(&mut self, value: &JsValue) -> Result<Datum, Trouble> {
        let limits = *self.shared.limits();
        values::export(value, limits, &mut self.context).map_err(|error| self.trouble(&error, Place::default()))
    }

    /// As ECMAScript makes a text of it.
    pub(crate) fn text(&mut self, value: &JsValue) -> Result<String, Trouble> {
        let text = value.to_string(&mut self.context).map_err(|error| self.trouble(&error, Place::default()))?;
        if text.len() > self.shared.limits().text {
            return Err(Trouble::new(format!("a text of more than {} characters", self.shared.limits().text)));
        }
        Ok(text.to_std_string_lossy())
    }

    /// For people: a text as it is, everything else as JSON where that is possible.
    pub(crate) fn display(&mut self, value: &JsValue) -> String {
        if let Some(text) = value.as_string() {
            return self.cut_to_limit(text.to_std_string_lossy());
        }
        let text = match value.as_object() {
            Some(object) if !object.is_callable() => self.export(value).map(|datum| datum.to_json()),
            _ => self.text(value),
        };
        text.unwrap_or_else(|trouble| trouble.message)
    }

    fn cut_to_limit(&self, text: String) -> String {
        let limit = self.shared.limits().text;
        if text.len() <= limit { text } else { text.chars().take(limit).collect() }
    }

    /// An object of these properties; a name that repeats counts once, with its last value.
    pub(crate) fn object(&mut self, pairs: &[(String, JsValue)]) -> Result<JsValue, Trouble> {
        let object = JsObject::with_object_proto(self.context.intrinsics());
        for (name, value) in pairs {
            let key = JsString::from(name.as_str());
            object
                .create_data_property_or_throw(key, value.clone(), &mut self.context)
                .map_err(|error| self.trouble(&error, Place::default()))?;
        }
        Ok(object.into())
    }

    /// The value of an XML text of the program.
    pub(crate) fn xml(&mut self, xml: Index) -> Result<JsValue, Trouble> {
        dom::document(&self.shared.program, xml, &mut self.context)
            .map_err(|error| self.trouble(&error, Place::default()))
    }

    /// Runs something over the engine, with its errors said.
    pub(crate) fn with<T>(
        &mut self,
        act: impl FnOnce(&Rc<Shared>, &mut Context) -> boa_engine::JsResult<T>,
    ) -> Result<T, Trouble> {
        act(&self.shared, &mut self.context).map_err(|error| self.trouble(&error, Place::default()))
    }
}
