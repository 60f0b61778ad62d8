//! Everything in a document that is done or evaluated, one after the other.

use crate::dialect::{self, Typing};
use crate::model::{Action, ActionKind, Block, Body, DataValue, Document, ModuleElement, Param, Script, Value};
use crate::source::Text;

/// Something that is done or evaluated.
pub(super) enum Site<'d> {
    /// An action; what is in it follows.
    Action(&'d Action),
    /// A value.
    Expression(&'d Text),
    /// Something that is assigned to.
    Location(&'d Text),
    /// A script.
    Program(&'d Text),
}

/// All of `document`.
pub(super) fn sites(document: &Document) -> Vec<Site<'_>> {
    let mut sites = Sites(Vec::new());
    for script in &document.scripts {
        sites.script(script);
    }
    for state in &document.states {
        for data in &state.data {
            if let DataValue::Expression(expression) = &data.value {
                sites.push(Site::Expression(expression));
            }
        }
        sites.blocks(&state.on_entry);
        sites.blocks(&state.on_exit);
        for invoke in &state.invokes {
            sites.value(&invoke.kind);
            sites.value(&invoke.source);
            sites.location(&invoke.id_location);
            invoke.namelist.iter().for_each(|name| sites.push(Site::Location(name)));
            sites.params(&invoke.params);
            sites.body(&invoke.content);
            sites.blocks(invoke.finalize.as_slice());
        }
        if let Some(done) = &state.done_data {
            sites.params(&done.params);
            sites.body(&done.content);
        }
    }
    for transition in &document.transitions {
        sites.expression(&transition.cond);
        sites.actions(&transition.actions);
    }
    sites.0
}

struct Sites<'d>(Vec<Site<'d>>);

impl<'d> Sites<'d> {
    fn push(&mut self, site: Site<'d>) {
        self.0.push(site);
    }

    fn expression(&mut self, text: &'d Option<Text>) {
        if let Some(text) = text {
            self.push(Site::Expression(text));
        }
    }

    fn location(&mut self, text: &'d Option<Text>) {
        if let Some(text) = text {
            self.push(Site::Location(text));
        }
    }

    fn value(&mut self, value: &'d Option<Value>) {
        if let Some(Value::Expression(text)) = value {
            self.push(Site::Expression(text));
        }
    }

    fn body(&mut self, body: &'d Option<Body>) {
        if let Some(Body::Expression(text)) = body {
            self.push(Site::Expression(text));
        }
    }

    fn params(&mut self, params: &'d [Param]) {
        for param in params {
            self.expression(&param.expr);
            self.location(&param.location);
        }
    }

    fn script(&mut self, script: &'d Script) {
        self.push(Site::Program(&script.text));
    }

    fn blocks(&mut self, blocks: &'d [Block]) {
        for block in blocks {
            self.actions(&block.actions);
        }
    }

    fn actions(&mut self, actions: &'d [Action]) {
        for action in actions {
            self.push(Site::Action(action));
            match &action.kind {
                ActionKind::Raise(raise) => self.params(&raise.params),
                ActionKind::If(branches) => {
                    for branch in &branches.branches {
                        self.expression(&branch.cond);
                        self.actions(&branch.actions);
                    }
                }
                ActionKind::Foreach(foreach) => {
                    self.push(Site::Expression(&foreach.array));
                    self.push(Site::Location(&foreach.item));
                    self.location(&foreach.index);
                    self.actions(&foreach.actions);
                }
                ActionKind::Log(log) => {
                    self.expression(&log.expr);
                    self.expression(&log.level);
                }
                ActionKind::Assign(assign) => {
                    self.push(Site::Location(&assign.location));
                    self.expression(&assign.expr);
                }
                ActionKind::Script(script) => self.script(script),
                ActionKind::Send(send) => {
                    for value in [&send.event, &send.target, &send.kind, &send.delay] {
                        self.value(value);
                    }
                    self.location(&send.id_location);
                    self.expression(&send.hints);
                    send.namelist.iter().for_each(|name| self.push(Site::Location(name)));
                    self.params(&send.params);
                    self.body(&send.content);
                }
                ActionKind::Cancel(cancel) => {
                    if let Value::Expression(text) = &cancel.send_id {
                        self.push(Site::Expression(text));
                    }
                }
                ActionKind::Module(element) => self.module(element),
            }
        }
    }

    fn module(&mut self, element: &'d ModuleElement) {
        if let Some(form) = dialect::form(&element.module, &element.name).filter(|form| form.refused.is_none()) {
            for attribute in &element.attributes {
                match form.attribute(&attribute.name).map(|form| form.typing) {
                    Some(Typing::Value | Typing::Plain) => self.push(Site::Expression(&attribute.value)),
                    Some(Typing::Location) => self.push(Site::Location(&attribute.value)),
                    Some(Typing::Name) | None => {}
                }
            }
            self.params(&element.params);
            self.body(&element.content);
        }
        for child in &element.children {
            self.module(child);
        }
    }
}
