//! `invoke` and `finalize` (sections 6.4 and 6.5): sessions within sessions.

use std::rc::Rc;

use jackfield_scxml_program::content::{Invoke, Value};
use jackfield_scxml_program::{Index, Place};

use crate::content::Failed;
use crate::data::{Trouble, dom};
use crate::event::{Event, EventData};
use crate::fault::Fault;
use crate::limits::Failure;
use crate::session::{Invocation, SessionBody};
use crate::shared::{Foreign, Live, Task};

impl SessionBody {
    /// At the end of a macrostep: what the states that were entered and not left invoke, in document order.
    pub(crate) fn invoke_all(&mut self) {
        let program = Rc::clone(&self.shared.program);
        for state in self.take_states_to_invoke() {
            for number in program.state(state).map_or(&[][..], |found| &found.invokes) {
                if let Some(invoke) = program.invokes.get(*number as usize) {
                    self.state = state;
                    let _failed = self.invoke(invoke, state, *number);
                }
            }
        }
    }

    fn invoke(&mut self, invoke: &Invoke, state: Index, number: Index) -> Result<(), Failed> {
        let at = invoke.at;
        let id: Rc<str> = match &invoke.id {
            Some(id) => id.as_str().into(),
            None => {
                let state = self.shared.program.state(state).map_or("", |found| found.id.as_str());
                format!("{state}.{}", self.shared.world.generate()).into()
            }
        };
        if let Some(location) = invoke.id_location {
            self.assign_text(location, &id, at, "invoke")?;
        }
        let kind = match &invoke.kind {
            None => String::new(),
            Some(kind) => self.operand(kind).map_err(|trouble| self.failed(Fault::Value, &trouble, at, "invoke"))?,
        };
        if !matches!(kind.trim_end_matches('/'), "" | "scxml" | "http://www.w3.org/TR/scxml") {
            let trouble = Trouble::new(format!("services of type {kind} cannot be invoked"));
            return Err(self.failed(Fault::InvokeKind, &trouble, at, "invoke"));
        }
        let document = self.document(invoke, at)?;
        let pairs = self.parameters(&invoke.payload, at, "invoke", false)?;
        let mut data = Vec::new();
        for (name, value) in pairs {
            let value = self.data().and_then(|engine| engine.export(&value));
            data.push((name, value.map_err(|trouble| self.failed(Fault::Value, &trouble, at, "invoke"))?));
        }
        let child = self.register(at)?;
        self.invocations.push(Invocation { state, invoke: number, id: Rc::clone(&id), number: child.number });
        let invoked = (self.shared.number, id);
        self.shared.world.task(Task::Start { number: child.number, document, id: child.id, invoked, data });
        Ok(())
    }

    fn register(&mut self, at: Place) -> Result<Live, Failed> {
        let world = Rc::clone(&self.shared.world);
        let passed = [
            ("sessions", world.live.borrow().len(), world.limits.sessions),
            ("sessions within each other", self.depth, world.limits.invoke_depth),
        ];
        for (what, count, limit) in passed {
            if count >= limit {
                let place = self.shared.program.place(at);
                world.fail(Failure::Limit { what, limit: limit as u64, place });
                return Err(Failed);
            }
        }
        let number = world.generate();
        let child = Live { number, id: format!("{}.{number}", self.shared.id).into(), depth: self.depth + 1 };
        world.live.borrow_mut().push(child.clone());
        Ok(child)
    }

    /// Which document of the bundle is meant.
    fn document(&mut self, invoke: &Invoke, at: Place) -> Result<usize, Failed> {
        let missing =
            |what: String| Trouble::new(format!("{what} is none of the documents this one was compiled with"));
        if let Some(source) = &invoke.source {
            let address = self.operand(source).map_err(|trouble| self.failed(Fault::Value, &trouble, at, "invoke"))?;
            let documents = &self.shared.world.documents;
            let found = documents.iter().position(|document| document.addresses.contains(&address));
            return found.ok_or_else(|| self.failed(Fault::InvokeSource, &missing(address), at, "invoke"));
        }
        let xml = match &invoke.payload.content {
            Some(Value::Xml(xml)) => Ok(Some(*xml)),
            Some(Value::Expression(expression)) => self.expression(*expression).map(|value| dom::number_of(&value)),
            Some(Value::Missing(message)) => Err(Trouble::new(message.clone())),
            Some(Value::Text(_)) | None => Ok(None),
        };
        let xml = xml.map_err(|trouble| self.failed(Fault::Value, &trouble, at, "invoke"))?;
        let program = &self.shared.program;
        let document = xml.and_then(|xml| program.xml.get(xml as usize)).and_then(|xml| xml.document);
        match document {
            Some(document) => Ok(document as usize),
            None => Err(self.failed(Fault::InvokeSource, &missing("this content".to_owned()), at, "invoke")),
        }
    }

    /// What a state invoked ends with it.
    pub(crate) fn cancel_invocations(&mut self, state: Index) {
        let mut cancelled = Vec::new();
        self.invocations.retain(|invocation| {
            if invocation.state == state {
                cancelled.push(invocation.number);
            }
            invocation.state != state
        });
        for number in cancelled {
            self.shared.world.task(Task::Cancel { number });
        }
    }

    /// Before an external event is processed: `finalize` of the invocation it came from, and copies for all that want
    /// them.
    pub(crate) fn finalize_and_forward(&mut self, event: &Event) {
        let program = Rc::clone(&self.shared.program);
        let active: Vec<(Index, Index, Rc<str>, u64)> = {
            let found = self.invocations.iter();
            found.map(|one| (one.state, one.invoke, Rc::clone(&one.id), one.number)).collect()
        };
        for (state, number, id, child) in active {
            let Some(invoke) = program.invokes.get(number as usize) else { continue };
            if event.invoke_id() == Some(&id) {
                self.state = state;
                match invoke.finalize {
                    Some(Some(block)) => self.block(block),
                    Some(None) => self.write_back(invoke),
                    None => {}
                }
            }
            if invoke.autoforward {
                self.forward(event, child);
            }
        }
        // One that has ended is no longer there.
        let name = self.shared.name(&event.name);
        if let Some(id) = name.strip_prefix("done.invoke.") {
            self.invocations.retain(|invocation| &*invocation.id != id);
        }
    }

    /// An empty `finalize`: locations of the payload get the values of the same names (section 6.5.2).
    fn write_back(&mut self, invoke: &Invoke) {
        for parameter in invoke.payload.parameters.iter().filter(|parameter| parameter.is_location) {
            let value = self.data().and_then(|data| {
                let event = data.event()?;
                data.with(|_, context| {
                    let Some(event) = event.as_object() else { return Ok(None) };
                    let carried = event.get(boa_engine::js_string!("data"), context)?;
                    let Some(carried) = carried.as_object() else { return Ok(None) };
                    let key = boa_engine::JsString::from(parameter.name.as_str());
                    if carried.has_property(key.clone(), context)? {
                        carried.get(key, context).map(Some)
                    } else {
                        Ok(None)
                    }
                })
            });
            match value {
                Ok(Some(value)) => {
                    let _failed = self.assign(parameter.value, value, invoke.at, "finalize");
                }
                Ok(None) => {}
                Err(trouble) => self.fault(Fault::Value, &trouble, invoke.at, "finalize", None),
            }
        }
    }

    fn forward(&mut self, event: &Event, to: u64) {
        let details = event.details.as_deref().cloned().unwrap_or_default();
        let data = match details.data {
            EventData::None => Ok(Default::default()),
            data => self.export(data),
        };
        let event = Foreign {
            name: self.shared.name(&event.name).to_string(),
            send_id: details.send_id,
            origin: details.origin,
            origin_type: details.origin_type,
            invoke_id: details.invoke_id,
            data: data.unwrap_or_default(),
        };
        self.shared.world.task(Task::Deliver { to, event });
    }
}
