//! Actions of functional modules (profile `ors`): evaluated here, done by the platform.

use jackfield_scxml_program::Place;
use jackfield_scxml_program::content::{Attribute, Module};

use crate::content::Failed;
use crate::data::Trouble;
use crate::datum::Datum;
use crate::event::{Details, EventData, EventKind};
use crate::fault::Fault;
use crate::host::Step;
use crate::platform::{Answer, Call, CallElement, CallKind, ModuleError};
use crate::session::SessionBody;

impl SessionBody {
    /// Begins an action: its request id is generated and put where the document wants it, whatever becomes of it.
    pub(crate) fn module(&mut self, module: &Module, at: Place) -> Result<(), Failed> {
        let Some(kind) = CallKind::of(&module.module, &module.action) else {
            let trouble = Trouble::new(format!("{}:{} is not supported", module.module, module.action));
            return Err(self.failed(Fault::Unsupported, &trouble, at, &module.action));
        };
        let request = format!("{}-{}", self.shared.id, self.shared.world.generate());
        if let Some(location) = module.request {
            self.assign_text(location, &request, at, &module.action)?;
        }
        let call =
            self.call(kind, module).map_err(|trouble| self.failed(Fault::Value, &trouble, at, &module.action))?;
        let step = Step::ModuleAction { module: &module.module, action: &module.action, request: &request };
        self.shared.trace(step, Some(at));
        let environment = std::rc::Rc::clone(&self.shared.world.environment);
        let begun = match environment.platform() {
            Some(platform) => platform.perform(&request, call),
            None => {
                let description = "there is no platform behind functional modules here".to_owned();
                Err(ModuleError { error: Datum::text("unsupported"), description })
            }
        };
        match begun {
            Ok(()) if kind == CallKind::Submit => {
                // Only from this event on is the id good for anything (section 6.2).
                let data = Datum::Map(vec![("requestid".to_owned(), Datum::Text(request))]);
                self.platform_event("queue.submit.requestid", data);
            }
            Ok(()) => {}
            Err(error) => {
                let message = error.description.clone();
                let step = Step::ModuleError { module: &module.module, action: &module.action, message: &message };
                self.shared.trace(step, Some(at));
                let (name, data) = Answer { request, action: kind, result: Err(error) }.event();
                self.platform_event(name, data);
            }
        }
        Ok(())
    }

    /// An event of the platform: an external one, from a functional module.
    pub(crate) fn platform_event(&self, name: &str, data: Datum) {
        let details = Details { data: EventData::Datum(data), origin: Some("fm".into()), ..Details::default() };
        self.shared.enqueue(self.shared.event(name, EventKind::External, Some(Box::new(details))));
    }

    fn call(&mut self, action: CallKind, module: &Module) -> Result<Call, Trouble> {
        let attributes = self.attributes(&module.attributes)?;
        let mut parameters = Vec::new();
        for parameter in &module.payload.parameters {
            let value = self.expression(parameter.value)?;
            parameters.push((parameter.name.clone(), self.data()?.export(&value)?));
        }
        let content = match &module.payload.content {
            None => None,
            Some(jackfield_scxml_program::content::Value::Text(text)) => Some(Datum::text(text.as_str())),
            Some(value) => {
                let value = self.value(value)?;
                Some(self.data()?.export(&value)?)
            }
        };
        let mut elements = Vec::new();
        for element in &module.elements {
            let attributes = self.attributes(&element.attributes)?;
            let parent = element.parent.map(|parent| parent as usize);
            elements.push(CallElement { name: element.name.clone(), parent, attributes });
        }
        Ok(Call { action, attributes, parameters, content, elements })
    }

    fn attributes(&mut self, attributes: &[Attribute]) -> Result<Vec<(String, Datum)>, Trouble> {
        use jackfield_scxml_program::content::Operand;
        let mut evaluated = Vec::new();
        for attribute in attributes {
            let value = match &attribute.value {
                Operand::Text(text) => Datum::text(text.as_str()),
                Operand::Expression(expression) => {
                    let value = self.expression(*expression)?;
                    self.data()?.export(&value)?
                }
            };
            evaluated.push((attribute.name.clone(), value));
        }
        Ok(evaluated)
    }
}
