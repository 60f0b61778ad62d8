//! Executable content.

use super::super::action::{Action, ActionKind, Assign, Branch, Cancel, Foreach, If, Log, Raise, Script, Send, Value};
use super::states::content_of;
use super::{Attributes, Element, INCLUDE_NAMESPACE, Problem, Reader};
use crate::source::Text;
use crate::xml::Attribute;

/// An action, and its extension attributes.
type Read = (ActionKind, Vec<Attribute>);

impl Reader {
    /// All that is in `element`, in order.
    pub(super) fn actions(&mut self, element: &Element) -> Vec<Action> {
        self.no_text(element);
        element.elements().filter_map(|child| self.action(child, element)).collect()
    }

    fn action(&mut self, element: &Element, parent: &Element) -> Option<Action> {
        let (kind, extensions) = match self.core(element) {
            Some("raise") => self.raise(element, "event")?,
            // The older form of <raise>.
            Some("event") => self.raise(element, "name")?,
            Some("if") => self.branches(element),
            Some("foreach") => self.foreach(element)?,
            Some("log") => self.log(element),
            Some("assign") => self.assign(element)?,
            Some("script") => {
                let (script, extensions) = self.script(element);
                (ActionKind::Script(script), extensions)
            }
            Some("send") => self.send(element),
            Some("cancel") => self.cancel(element)?,
            Some(_) => {
                self.misplaced(element, parent);
                return None;
            }
            None if element.name.is(INCLUDE_NAMESPACE, "include") => {
                self.misplaced(element, parent);
                return None;
            }
            None => (ActionKind::Module(Box::new(self.module_element(element))), Vec::new()),
        };
        Some(Action { kind, extensions, span: element.span })
    }

    fn raise(&mut self, element: &Element, name: &'static str) -> Option<Read> {
        let mut attributes = Attributes::of(element);
        let event = attributes.text(name);
        let extensions = attributes.rest(self);
        self.no_text(element);
        let mut params = Vec::new();
        for child in element.elements() {
            if self.core(child) == Some("param") && self.is_ors() {
                params.extend(self.param(child));
            } else {
                self.misplaced(child, element);
            }
        }
        let Some(event) = event else {
            self.missing(element, name, "write the name of the event");
            return None;
        };
        Some((ActionKind::Raise(Raise { event, params }), extensions))
    }

    fn branches(&mut self, element: &Element) -> Read {
        let mut attributes = Attributes::of(element);
        let cond = attributes.text("cond");
        let extensions = attributes.rest(self);
        self.no_text(element);
        if cond.is_none() {
            self.missing(element, "cond", "write the condition");
        }
        let mut branches = Vec::new();
        let mut branch =
            Branch { cond: cond.or_else(|| Some(Text::empty(element.span))), actions: Vec::new(), span: element.span };
        for child in element.elements() {
            let next = match self.core(child) {
                Some("elseif") => {
                    let mut attributes = Attributes::of(child);
                    let cond = attributes.text("cond");
                    attributes.rest(self);
                    if cond.is_none() {
                        self.missing(child, "cond", "write the condition, or <else/>");
                    }
                    Branch {
                        cond: cond.or_else(|| Some(Text::empty(child.span))),
                        actions: Vec::new(),
                        span: child.span,
                    }
                }
                Some("else") => {
                    Attributes::of(child).rest(self);
                    Branch { cond: None, actions: Vec::new(), span: child.span }
                }
                _ => {
                    branch.actions.extend(self.action(child, element));
                    continue;
                }
            };
            self.nothing_in(child);
            if branch.cond.is_none() {
                let problem =
                    Problem::error("misplaced-element", child.span, format!("<{}> after <else>", child.written_name()));
                self.problems
                    .push(problem.help("<else> is the last part of <if>").related(branch.span, "<else> is here"));
            }
            branches.push(std::mem::replace(&mut branch, next));
        }
        branches.push(branch);
        (ActionKind::If(If { branches }), extensions)
    }

    fn foreach(&mut self, element: &Element) -> Option<Read> {
        let mut attributes = Attributes::of(element);
        let array = attributes.text("array");
        let item = attributes.text("item");
        let index = attributes.text("index");
        let extensions = attributes.rest(self);
        let actions = self.actions(element);
        for (name, value) in [("array", &array), ("item", &item)] {
            if value.is_none() {
                self.missing(element, name, "write array=\"collection\" and item=\"variable\"");
            }
        }
        let (array, item) = (array?, item?);
        Some((ActionKind::Foreach(Foreach { array, item, index, actions }), extensions))
    }

    fn log(&mut self, element: &Element) -> Read {
        let mut attributes = Attributes::of(element);
        let label = attributes.text("label");
        let expr = attributes.expression(self);
        let level = if self.is_ors() { attributes.text("level") } else { None };
        let extensions = attributes.rest(self);
        self.nothing_in(element);
        (ActionKind::Log(Log { label, expr, level }), extensions)
    }

    fn assign(&mut self, element: &Element) -> Option<Read> {
        let mut attributes = Attributes::of(element);
        let location = attributes.text("location");
        let expr = attributes.expression(self);
        let extensions = attributes.rest(self);
        let content = content_of(element);
        if expr.is_some() && content.is_some() {
            let problem = Problem::warning("conflicting-attributes", element.span, "a value is given more than once");
            self.problems.push(problem.help("keep either expr or what is written in the element"));
        }
        let Some(location) = location else {
            self.missing(element, "location", "write what is assigned to");
            return None;
        };
        Some((ActionKind::Assign(Assign { location, expr, content }), extensions))
    }

    pub(super) fn script(&mut self, element: &Element) -> (Script, Vec<Attribute>) {
        let mut attributes = Attributes::of(element);
        let source = attributes.text("src");
        let extensions = attributes.rest(self);
        for child in element.elements() {
            self.misplaced(child, element);
        }
        (Script { text: element.text(), source, span: element.span }, extensions)
    }

    fn send(&mut self, element: &Element) -> Read {
        let mut attributes = Attributes::of(element);
        let event = attributes.value(&["event"], &["eventexpr"], self);
        let target = attributes.value(&["target"], &["targetexpr"], self);
        let kind = attributes.value(&["type", "targettype"], &["typeexpr"], self);
        let id = attributes.one_of(&["id", "sendid"], self).map(|attribute| attribute.value.clone());
        let id_location = attributes.text("idlocation");
        let delay = attributes.value(&["delay"], &["delayexpr"], self);
        let hints = if self.is_ors() {
            // How long the other side is waited for: there is none that answers.
            attributes.take("timeout");
            attributes.text("hints")
        } else {
            None
        };
        let namelist = attributes.words("namelist");
        let extensions = attributes.rest(self);
        self.no_text(element);
        let mut params = Vec::new();
        let mut content = None;
        for child in element.elements() {
            match self.core(child) {
                Some("param") => params.extend(self.param(child)),
                Some("content") => content = self.content(child),
                _ => self.misplaced(child, element),
            }
        }
        let send = Send { event, target, kind, id, id_location, delay, hints, namelist, params, content };
        (ActionKind::Send(Box::new(send)), extensions)
    }

    fn cancel(&mut self, element: &Element) -> Option<Read> {
        let mut attributes = Attributes::of(element);
        let send_id: Option<Value> = attributes.value(&["sendid", "id"], &["sendidexpr"], self);
        let extensions = attributes.rest(self);
        self.nothing_in(element);
        let Some(send_id) = send_id else {
            self.missing(element, "sendid", "write the id of the event to cancel");
            return None;
        };
        Some((ActionKind::Cancel(Cancel { send_id }), extensions))
    }
}
