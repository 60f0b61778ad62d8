//! What a session shows of itself when it was started with the parameter `jackfield.trace`: `macrosteps`, a line of JSON
//! for each; `steps`, also a line for each step of the engine before it. They go to the session's log.

use jackfield_scxml_runtime::{Machine, TraceLine};
use jackfield_sdk::bindings::jackfield::strategy::{log, session, types};
use serde_json::{Map, Value, json};

/// The parameter.
const PARAMETER: &str = "jackfield.trace";
/// How lines of macrosteps begin.
const MACROSTEP: &str = "macrostep ";

/// What somebody wants to see.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Wanted {
    pub macrosteps: bool,
    pub steps: bool,
}

impl Wanted {
    /// As the parameters of the session say.
    pub fn of_session() -> Wanted {
        let value = session::parameters().into_iter().find(|pair| pair.key == PARAMETER).map(|pair| pair.value);
        match value {
            Some(types::KvValue::Text(text)) => Wanted { macrosteps: !text.is_empty(), steps: text == "steps" },
            _ => Wanted::default(),
        }
    }
}

/// The configuration and the data after a macrostep.
pub(crate) fn macrostep(machine: &mut Machine, wanted: Wanted) {
    if !wanted.macrosteps {
        return;
    }
    let data: Map<String, Value> = machine.data().iter().map(|(name, value)| (name.clone(), value.into())).collect();
    let mut line = json!({ "configuration": machine.active_atoms(), "data": data });
    if let (Some(line), Some(end)) = (line.as_object_mut(), machine.ended_in()) {
        line.insert("ended-in".into(), end.into());
    }
    log::write(log::Level::Debug, &format!("{MACROSTEP}{line}"));
}

/// One step, as ORS writes it (reference page, *Trace format of ORS*).
pub(crate) fn step(step: &TraceLine<'_>) {
    let mut line = format!("METRIC <{} sid='{}'", step.step.name(), step.session);
    for (name, value) in step.step.attributes() {
        line.push_str(&format!(" {name}='{}'", value.replace('\'', "&apos;")));
    }
    if !step.place.is_empty() {
        line.push_str(&format!(" line='{}'", step.place));
    }
    line.push_str(" />");
    log::write(log::Level::Trace, &line);
}
