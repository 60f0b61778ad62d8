//! What a machine needs from outside: time, timers, a log, HTTP, and the platform behind functional modules.
//!
//! Nothing here waits. What takes time ends in a call of the machine later: [`crate::Machine::timer_fired`],
//! [`crate::Machine::post_ended`], [`crate::Machine::external`].

use jackfield_scxml_program::Place;

use crate::datum::Datum;
use crate::platform::Platform;

/// The surroundings of a machine. Its methods take `&self`: scripts call them in the middle of an evaluation.
pub trait Environment {
    /// Milliseconds since 1970, for `Date` and nothing else.
    fn now(&self) -> u64;
    /// Difference of the local time to UTC at a time given in seconds since 1970, in seconds.
    fn offset_from_utc(&self, _seconds: i64) -> i32 {
        0
    }
    /// The id of the session that the start document runs in.
    fn session_id(&self) -> String;
    /// Calls [`crate::Machine::timer_fired`] with the number it returns after so many milliseconds.
    fn start_timer(&self, after: u64) -> u64;
    /// The timer will not fire.
    fn cancel_timer(&self, timer: u64);
    /// A line of `log`.
    fn log(&self, line: &LogLine<'_>);
    /// Where the Basic HTTP event I/O processor of a session takes events, if it does.
    fn http_location(&self, _session: &str) -> Option<String> {
        None
    }
    /// Sends a request and calls [`crate::Machine::post_ended`] with the number it returns; none where it cannot.
    fn post(&self, _post: Post) -> Option<u64> {
        None
    }
    /// Sends an event to a session outside of this machine, and calls [`crate::Machine::post_ended`] with the number it
    /// returns; none where it cannot.
    fn send_outside(&self, _session: &str, _event: &str, _data: &Datum) -> Option<u64> {
        None
    }
    /// True when [`Environment::trace`] is to be called. Asked once, when the machine is made.
    fn traces(&self) -> bool {
        false
    }
    /// One step of the engine.
    fn trace(&self, _step: &TraceLine<'_>) {}
    /// What functional modules and the object `_genesys` act on, where there is such a thing (profile `ors`).
    fn platform(&self) -> Option<&dyn Platform> {
        None
    }
}

/// An HTTP request of the Basic HTTP event I/O processor (appendix C.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Post {
    /// Where to.
    pub url: String,
    /// `application/x-www-form-urlencoded`.
    pub content_type: &'static str,
    /// The encoded parameters or content.
    pub body: String,
}

/// What `log` or `__Log` says.
#[derive(Clone, Debug, PartialEq)]
pub struct LogLine<'a> {
    /// The session.
    pub session: &'a str,
    /// Its label; empty for none.
    pub label: &'a str,
    /// Its text.
    pub text: &'a str,
    /// 1 reporting, 2 error, 3 warning, 4 debug; 1 where the document says nothing.
    pub level: u8,
}

/// One step, for who listens.
#[derive(Clone, Debug)]
pub struct TraceLine<'a> {
    /// The session.
    pub session: &'a str,
    /// What happened.
    pub step: Step<'a>,
    /// Where in the document; none where nothing was written.
    pub at: Option<Place>,
    /// `file:line:column` of it; empty for none.
    pub place: String,
}

/// Steps, named as the Orchestration Server names them in its METRIC lines (reference page, section 12).
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs, reason = "fields are named as the attributes of those lines")]
pub enum Step<'a> {
    StateEnter { name: &'a str },
    StateExit { name: &'a str },
    OnEntry { name: &'a str },
    OnExit { name: &'a str },
    Transition { name: &'a str, event: &'a str, cond: &'a str, target: &'a str },
    EvalExpression { expression: &'a str, kind: &'a str, result: &'a str },
    EvalCondition { condition: &'a str, result: bool },
    Log { expr: &'a str, label: &'a str, level: u8 },
    EventQueued { name: &'a str, kind: &'a str },
    EventProcessed { name: &'a str, kind: &'a str },
    ExecError { name: &'a str, message: &'a str },
    ModuleAction { module: &'a str, action: &'a str, request: &'a str },
    ModuleError { module: &'a str, action: &'a str, message: &'a str },
}

impl Step<'_> {
    /// The name of its METRIC line.
    pub fn name(&self) -> &'static str {
        match self {
            Step::StateEnter { .. } => "state_enter",
            Step::StateExit { .. } => "state_exit",
            Step::OnEntry { .. } => "onentry",
            Step::OnExit { .. } => "onexit",
            Step::Transition { .. } => "transition",
            Step::EvalExpression { .. } => "eval_expr",
            Step::EvalCondition { .. } => "eval_condition",
            Step::Log { .. } => "log",
            Step::EventQueued { .. } => "event_queued",
            Step::EventProcessed { .. } => "event_processed",
            Step::ExecError { .. } => "exec_error",
            Step::ModuleAction { .. } => "extension",
            Step::ModuleError { .. } => "fm_exec_error",
        }
    }

    /// Its attributes, in the order of the METRIC line.
    pub fn attributes(&self) -> Vec<(&'static str, String)> {
        let text = |name: &'static str, value: &str| (name, value.to_owned());
        match self {
            Step::StateEnter { name } | Step::StateExit { name } | Step::OnEntry { name } | Step::OnExit { name } => {
                vec![text("name", name)]
            }
            Step::Transition { name, event, cond, target } => {
                vec![text("name", name), text("event", event), text("cond", cond), text("target", target)]
            }
            Step::EvalExpression { expression, kind, result } => {
                vec![text("expression", expression), text("type", kind), text("result", result)]
            }
            Step::EvalCondition { condition, result } => {
                vec![text("condition", condition), ("result", result.to_string())]
            }
            Step::Log { expr, label, level } => {
                vec![text("expr", expr), text("label", label), ("level", level.to_string())]
            }
            Step::EventQueued { name, kind } | Step::EventProcessed { name, kind } => {
                vec![text("name", name), text("type", kind)]
            }
            Step::ExecError { name, message } => vec![text("name", name), text("message", message)],
            Step::ModuleAction { module, action, request } => {
                vec![text("namespace", module), text("name", action), text("requestid", request)]
            }
            Step::ModuleError { module, action, message } => {
                vec![text("namespace", module), text("name", action), text("message", message)]
            }
        }
    }
}
