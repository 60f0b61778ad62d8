//! Executable content as blocks of actions. A block is numbered after the blocks within it.

use jackfield_scxml_program::Index;
use jackfield_scxml_program::content::{
    self as program, Attribute, Element, Invoke, Operand, Parameter, Payload, Value, What,
};

use super::{Builder, index};
use crate::model::{self, Action, ActionKind, Body, Content, DataValue, ModuleElement, Param};
use crate::source::Text;

impl Builder<'_, '_, '_> {
    pub(super) fn block(&mut self, actions: &[Action]) -> Index {
        let mut built = Vec::new();
        for action in actions {
            let at = self.place(action.span);
            if let Some(what) = self.action(&action.kind) {
                built.push(program::Action { what, at });
            }
        }
        self.program.blocks.push(built);
        index(self.program.blocks.len() - 1)
    }

    fn action(&mut self, kind: &ActionKind) -> Option<What> {
        Some(match kind {
            ActionKind::Raise(raise) => {
                What::Raise { event: raise.event.as_str().to_owned(), payload: self.payload(&[], &raise.params, None) }
            }
            ActionKind::If(found) => {
                let branches = found.branches.iter().map(|branch| program::Branch {
                    condition: branch.cond.as_ref().map(|condition| self.expression(condition)),
                    body: self.block(&branch.actions),
                });
                What::If(branches.collect())
            }
            ActionKind::Foreach(found) => What::ForEach {
                array: self.expression(&found.array),
                item: self.expression(&found.item),
                index: found.index.as_ref().map(|index| self.expression(index)),
                body: self.block(&found.actions),
            },
            ActionKind::Log(log) => What::Log {
                label: log.label.as_ref().map(|label| label.as_str().to_owned()),
                // An empty expression says nothing, and is no error.
                expression: log.expr.as_ref().filter(|expr| !expr.is_blank()).map(|expr| self.expression(expr)),
                level: log.level.as_ref().map(|level| self.expression(level)),
            },
            ActionKind::Assign(assign) => What::Assign {
                location: self.expression(&assign.location),
                value: match (&assign.expr, &assign.content) {
                    (Some(expression), _) => Value::Expression(self.expression(expression)),
                    (None, Some(content)) => self.content(content),
                    (None, None) => Value::Missing("there is nothing to assign".to_owned()),
                },
            },
            ActionKind::Script(script) => What::Script(self.script(script)),
            ActionKind::Send(send) => What::Send(Box::new(program::Send {
                event: self.maybe_operand(send.event.as_ref()),
                target: self.maybe_operand(send.target.as_ref()),
                kind: self.maybe_operand(send.kind.as_ref()),
                id: send.id.as_ref().map(|id| Operand::Text(id.as_str().to_owned())),
                id_location: send.id_location.as_ref().map(|location| self.expression(location)),
                delay: self.maybe_operand(send.delay.as_ref()),
                payload: self.payload(&send.namelist, &send.params, send.content.as_ref()),
            })),
            ActionKind::Cancel(cancel) => What::Cancel(self.operand(&cancel.send_id)),
            ActionKind::Module(module) => What::Module(Box::new(self.module(module))),
        })
    }

    fn operand(&mut self, value: &model::Value) -> Operand {
        match value {
            model::Value::Literal(text) => Operand::Text(text.as_str().to_owned()),
            model::Value::Expression(text) => Operand::Expression(self.expression(text)),
        }
    }

    fn maybe_operand(&mut self, value: Option<&model::Value>) -> Option<Operand> {
        value.map(|value| self.operand(value))
    }

    pub(super) fn payload(&mut self, names: &[Text], params: &[Param], content: Option<&Body>) -> Payload {
        let mut parameters = Vec::new();
        for name in names {
            let value = self.expression(name);
            parameters.push(Parameter { name: name.as_str().to_owned(), value, is_location: true });
        }
        for param in params {
            let (text, is_location) = match (&param.expr, &param.location) {
                (Some(expression), _) => (expression.clone(), false),
                (None, Some(location)) => (location.clone(), true),
                (None, None) => (Text::made("undefined", param.span), false),
            };
            let value = self.expression(&text);
            parameters.push(Parameter { name: param.name.as_str().to_owned(), value, is_location });
        }
        let content = content.map(|content| match content {
            Body::Expression(expression) => Value::Expression(self.expression(expression)),
            Body::Inline(content) => self.content(content),
        });
        Payload { parameters, content }
    }

    fn content(&mut self, content: &Content) -> Value {
        match content {
            Content::Text(text) => Value::Text(text.as_str().to_owned()),
            Content::Xml(nodes) => Value::Xml(self.xml(nodes)),
        }
    }

    pub(super) fn data_value(&mut self, value: &DataValue) -> Option<Value> {
        match value {
            DataValue::None => None,
            DataValue::Expression(expression) => Some(Value::Expression(self.expression(expression))),
            DataValue::Content(Content::Text(text)) if text.is_blank() => None,
            // The draft of 2009 has values of the language there; texts of the later one may be that too.
            DataValue::Content(Content::Text(text)) if self.is_ors() && self.is_expression(text) => {
                Some(Value::Expression(self.expression(text)))
            }
            DataValue::Content(content) => Some(match self.xml_of(content) {
                Some(xml) => Value::Xml(xml),
                None => self.content(content),
            }),
            DataValue::Address(address) => Some(Value::Missing(format!("{address} could not be read"))),
        }
    }

    pub(super) fn invoke(&mut self, invoke: &model::Invoke) -> Index {
        let built = Invoke {
            state: self.state,
            id: invoke.id.as_ref().map(|id| id.as_str().to_owned()),
            id_location: invoke.id_location.as_ref().map(|location| self.expression(location)),
            kind: self.maybe_operand(invoke.kind.as_ref()),
            source: self.maybe_operand(invoke.source.as_ref()),
            payload: self.payload(&invoke.namelist, &invoke.params, invoke.content.as_ref()),
            autoforward: invoke.autoforward,
            finalize: invoke.finalize.as_ref().map(|block| {
                let has_actions = !block.actions.is_empty();
                has_actions.then(|| self.block(&block.actions))
            }),
            at: self.place(invoke.span),
        };
        if let Some(model::Value::Literal(address)) = &invoke.source {
            self.named_document(address.as_str(), address.span());
        }
        self.program.invokes.push(built);
        index(self.program.invokes.len() - 1)
    }

    fn module(&mut self, element: &ModuleElement) -> program::Module {
        let mut built = program::Module {
            module: element.module.prefix().to_owned(),
            action: element.name.to_string(),
            payload: self.payload(&[], &element.params, element.content.as_ref()),
            ..program::Module::default()
        };
        let takes_request_as_value = matches!(
            (&element.module, &*element.name),
            (model::Module::Queue, "cancel" | "query" | "update") | (model::Module::Session, "response")
        );
        for attribute in &element.attributes {
            if &*attribute.name == "requestid" && !takes_request_as_value {
                built.request = Some(self.expression(&attribute.value));
            } else {
                built.attributes.push(self.attribute(element, attribute));
            }
        }
        self.elements(&element.children, None, &mut built.elements);
        built
    }

    fn elements(&mut self, children: &[ModuleElement], parent: Option<Index>, to: &mut Vec<Element>) {
        for child in children {
            let attributes = child.attributes.iter().map(|attribute| self.attribute(child, attribute)).collect();
            let number = index(to.len());
            to.push(Element { name: child.name.to_string(), parent, attributes });
            self.elements(&child.children, Some(number), to);
        }
    }

    /// Names are plain text, all others are expressions (reference page, section 11.5).
    fn attribute(&mut self, element: &ModuleElement, attribute: &model::ModuleAttribute) -> Attribute {
        let is_name = match (&element.module, &*element.name, &*attribute.name) {
            (model::Module::Queue, "target" | "targets", "type") => true,
            (model::Module::Interaction, "createmessage", "type") => true,
            (model::Module::Dialog, "prompts", "type") => true,
            // Given as a name in all that is known of it; an expression still begins otherwise.
            (model::Module::Interaction, "createmessage", "media") => attribute.value.as_str().starts_with("TMedia"),
            (_, _, name) => name.starts_with('_') || name.starts_with('{'),
        };
        let value = if is_name {
            Operand::Text(attribute.value.as_str().to_owned())
        } else {
            Operand::Expression(self.expression(&attribute.value))
        };
        Attribute { name: attribute.name.to_string(), value }
    }
}
