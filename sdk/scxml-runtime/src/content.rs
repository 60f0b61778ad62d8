//! Executable content (section 4): what the actions of a document do.

use std::rc::Rc;

use boa_engine::JsValue;
use jackfield_scxml_program::content::{Action, Branch, Operand, Payload, Value, What};
use jackfield_scxml_program::{Index, Place};

use crate::data::Trouble;
use crate::datum::Datum;
use crate::event::{Details, EventData, EventKind};
use crate::fault::Fault;
use crate::host::{LogLine, Step};
use crate::session::SessionBody;

/// An action failed and its error was raised: what is left of its block is not run.
pub(crate) struct Failed;

impl SessionBody {
    /// Runs a block up to its end or its first error.
    pub(crate) fn block(&mut self, block: Index) {
        let _ended_early = self.actions(block);
    }

    fn actions(&mut self, block: Index) -> Result<(), Failed> {
        let program = Rc::clone(&self.shared.program);
        for action in program.blocks.get(block as usize).map_or(&[][..], Vec::as_slice) {
            self.act(action)?;
            if self.shared.world.has_failed() {
                return Err(Failed);
            }
        }
        Ok(())
    }

    pub(crate) fn failed(&mut self, fault: Fault, trouble: &Trouble, at: Place, element: &str) -> Failed {
        self.fault(fault, trouble, at, element, None);
        Failed
    }

    fn act(&mut self, action: &Action) -> Result<(), Failed> {
        let at = action.at;
        match &action.what {
            What::Raise { event, payload } => {
                let details = if payload.is_empty() {
                    None
                } else {
                    let data = self.payload(payload, at, "raise", false)?;
                    Some(Box::new(Details { data, ..Details::default() }))
                };
                self.shared.raise(self.shared.event(event, EventKind::Internal, details));
                Ok(())
            }
            What::If(branches) => self.branch(branches, at),
            What::ForEach { array, item, index, body } => self.for_each(*array, *item, *index, *body, at),
            What::Log { label, expression, level } => self.log(label.as_deref(), *expression, *level, at),
            What::Assign { location, value } => {
                let value = self.value(value).map_err(|trouble| self.failed(Fault::Value, &trouble, at, "assign"))?;
                self.assign(*location, value, at, "assign")
            }
            What::Script(script) => {
                let result = self.data().and_then(|data| data.run(*script, false));
                result.map_err(|trouble| self.failed(Fault::Script, &trouble, at, "script"))
            }
            What::Send(send) => self.send(send, at),
            What::Cancel(id) => self.cancel_send(id, at),
            What::Module(module) => self.module(module, at),
        }
    }

    fn branch(&mut self, branches: &[Branch], at: Place) -> Result<(), Failed> {
        for branch in branches {
            if branch.condition.is_none_or(|condition| self.condition(condition, at, "if")) {
                return self.actions(branch.body);
            }
        }
        Ok(())
    }

    /// Section 4.6: over a copy of the collection.
    fn for_each(
        &mut self,
        array: Index,
        item: Index,
        index: Option<Index>,
        body: Index,
        at: Place,
    ) -> Result<(), Failed> {
        let prepared = self.data().and_then(|data| {
            let array = data.value(array)?;
            let items = data.items(&array)?;
            data.ensure(item)?;
            index.map_or(Ok(()), |index| data.ensure(index))?;
            if items.is_empty() {
                // Variables that cannot be are an error even where there is nothing to put into them.
                data.assign(item, JsValue::undefined())?;
            }
            Ok(items)
        });
        let items = prepared.map_err(|trouble| self.failed(Fault::Value, &trouble, at, "foreach"))?;
        for (number, value) in items.into_iter().enumerate() {
            self.assign(item, value, at, "foreach")?;
            if let Some(index) = index {
                self.assign(index, JsValue::from(number as u32), at, "foreach")?;
            }
            self.actions(body)?;
        }
        Ok(())
    }

    fn log(
        &mut self,
        label: Option<&str>,
        expression: Option<Index>,
        level: Option<Index>,
        at: Place,
    ) -> Result<(), Failed> {
        let text = match expression {
            None => Ok(String::new()),
            Some(expression) => self.data().and_then(|data| {
                let value = data.value(expression)?;
                Ok(data.display(&value))
            }),
        };
        let text = text.map_err(|trouble| self.failed(Fault::Value, &trouble, at, "log"))?;
        let level = match level {
            None => Ok(1),
            Some(level) => self
                .data()
                .and_then(|data| {
                    let value = data.value(level)?;
                    data.text(&value)
                })
                .map(|text| text.trim().parse().unwrap_or(1)),
        };
        let level = level.map_err(|trouble| self.failed(Fault::Value, &trouble, at, "log"))?;
        self.write_log(label.unwrap_or(""), &text, level, Some(at));
        Ok(())
    }

    pub(crate) fn write_log(&self, label: &str, text: &str, level: u8, at: Option<Place>) {
        self.shared.trace(Step::Log { expr: text, label, level }, at);
        self.shared.world.environment.log(&LogLine { session: &self.shared.id, label, text, level });
    }

    /// Assigns to a location.
    pub(crate) fn assign(&mut self, location: Index, value: JsValue, at: Place, element: &str) -> Result<(), Failed> {
        let result = self.data().and_then(|data| data.assign(location, value));
        result.map_err(|trouble| self.failed(Fault::Assignment, &trouble, at, element))
    }

    /// Assigns a text to a location.
    pub(crate) fn assign_text(&mut self, location: Index, text: &str, at: Place, element: &str) -> Result<(), Failed> {
        let value = self.data().and_then(|data| data.import(&Datum::text(text)));
        let value = value.map_err(|trouble| self.failed(Fault::Value, &trouble, at, element))?;
        self.assign(location, value, at, element)
    }

    /// What `data`, `assign` and `content` hold.
    pub(crate) fn value(&mut self, value: &Value) -> Result<JsValue, Trouble> {
        match value {
            Value::Expression(expression) => self.expression(*expression),
            Value::Text(text) => {
                let datum = text_value(text);
                self.data()?.import(&datum)
            }
            Value::Xml(xml) => self.data()?.xml(*xml),
            Value::Missing(message) => Err(Trouble::new(message.clone())),
        }
    }

    /// The value of an expression.
    pub(crate) fn expression(&mut self, expression: Index) -> Result<JsValue, Trouble> {
        let value = self.data()?.value(expression)?;
        if self.shared.world.traces {
            let result = self.data()?.display(&value);
            let program = Rc::clone(&self.shared.program);
            if let Some(found) = program.expression(expression) {
                let step = Step::EvalExpression { expression: &found.text, kind: value.type_of(), result: &result };
                self.shared.trace(step, Some(found.at));
            }
        }
        Ok(value)
    }

    /// A text that is given, or the text an expression yields.
    pub(crate) fn operand(&mut self, operand: &Operand) -> Result<String, Trouble> {
        match operand {
            Operand::Text(text) => Ok(text.clone()),
            Operand::Expression(expression) => {
                let value = self.expression(*expression)?;
                self.data()?.text(&value)
            }
        }
    }

    /// What an event carries. `lenient`: a parameter that fails raises its error and is left out (section 5.7), instead
    /// of failing the whole.
    pub(crate) fn payload(
        &mut self,
        payload: &Payload,
        at: Place,
        element: &str,
        lenient: bool,
    ) -> Result<EventData, Failed> {
        if let Some(content) = &payload.content {
            if let Value::Text(text) = content {
                return Ok(EventData::Datum(text_value(text)));
            }
            return match self.value(content) {
                Ok(value) => Ok(EventData::Value(value)),
                Err(trouble) => Err(self.failed(Fault::Value, &trouble, at, element)),
            };
        }
        if payload.parameters.is_empty() {
            return Ok(EventData::None);
        }
        let pairs = self.parameters(payload, at, element, lenient)?;
        if pairs.is_empty() {
            return Ok(EventData::None);
        }
        let object = self.data().and_then(|data| data.object(&pairs));
        object.map(EventData::Value).map_err(|trouble| self.failed(Fault::Value, &trouble, at, element))
    }

    /// The values of parameters.
    pub(crate) fn parameters(
        &mut self,
        payload: &Payload,
        at: Place,
        element: &str,
        lenient: bool,
    ) -> Result<Vec<(String, JsValue)>, Failed> {
        let mut pairs = Vec::new();
        for parameter in &payload.parameters {
            match self.expression(parameter.value) {
                Ok(value) => pairs.push((parameter.name.clone(), value)),
                Err(trouble) => {
                    let fault = if parameter.is_location { Fault::Location } else { Fault::Value };
                    let failed = self.failed(fault, &trouble, at, element);
                    if !lenient {
                        return Err(failed);
                    }
                }
            }
        }
        Ok(pairs)
    }
}

/// JSON where it is, otherwise the text with its white space normalised (appendix B.2.1).
pub(crate) fn text_value(text: &str) -> Datum {
    Datum::from_json(text).unwrap_or_else(|| Datum::Text(text.split_whitespace().collect::<Vec<_>>().join(" ")))
}
