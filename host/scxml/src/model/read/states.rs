//! States, and what is in them beside executable content.

use super::super::action::{Body, Content, Param};
use super::super::names::MERGE_NAMESPACE;
use super::super::{
    Block, Data, DataValue, DoneData, HistoryKind, Initial, Invoke, Role, State, StateIndex, StateKind, Transition,
    TransitionIndex, Value,
};
use super::{Attributes, Element, Node, Problem, Reader};
use crate::source::Text;
use crate::xml::Attribute;

/// True when SCXML allows the element `name` in a state of this kind.
fn allowed(kind: StateKind, name: &str) -> bool {
    match kind {
        StateKind::Scxml => matches!(name, "state" | "parallel" | "final" | "datamodel" | "script" | "initial"),
        StateKind::State => matches!(
            name,
            "onentry"
                | "onexit"
                | "transition"
                | "initial"
                | "state"
                | "parallel"
                | "final"
                | "history"
                | "datamodel"
                | "invoke"
        ),
        StateKind::Parallel => matches!(
            name,
            "onentry" | "onexit" | "transition" | "state" | "parallel" | "history" | "datamodel" | "invoke"
        ),
        StateKind::Final => matches!(name, "onentry" | "onexit" | "donedata"),
        StateKind::History(_) => name == "transition",
    }
}

fn narrow(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

impl Reader {
    /// Read a state and all in it; its place in document order is before theirs.
    pub(super) fn state(&mut self, element: &Element, kind: StateKind, parent: Option<StateIndex>) -> StateIndex {
        let index = StateIndex(narrow(self.states.len()));
        let state = self.own_attributes(element, kind, parent);
        if let Some(id) = &state.id {
            self.ids.entry(id.to_string()).or_insert(index);
        }
        self.states.push(state);
        self.no_text(element);
        for child in element.elements() {
            match self.core(child).filter(|name| allowed(kind, name)) {
                Some(name) => self.part(child, name, element, index, kind),
                None => self.misplaced(child, element),
            }
        }
        index
    }

    fn own_attributes(&mut self, element: &Element, kind: StateKind, parent: Option<StateIndex>) -> State {
        let mut attributes = Attributes::of(element);
        let mut kind = kind;
        let mut initial = Initial::Default;
        let mut id = None;
        if kind == StateKind::Scxml {
            for name in ["name", "version", "datamodel", "binding", "profile", "exmode"] {
                attributes.take(name);
            }
        } else {
            id = attributes.text("id");
        }
        if matches!(kind, StateKind::Scxml | StateKind::State)
            && let Some(attribute) = attributes.take("initial")
        {
            initial = Initial::Attribute(attribute.value.words());
        }
        if let StateKind::History(_) = kind
            && let Some(attribute) = attributes.take("type")
        {
            match attribute.value.as_str() {
                "deep" => kind = StateKind::History(HistoryKind::Deep),
                "shallow" => {}
                _ => self.bad_value(attribute, "shallow or deep"),
            }
        }
        let extensions = attributes.rest(self);
        let my_prefix = element.attribute_of(MERGE_NAMESPACE, "my-prefix").map(|attribute| attribute.value.clone());
        State {
            kind,
            id,
            parent,
            children: Vec::new(),
            initial,
            transitions: Vec::new(),
            default: None,
            on_entry: Vec::new(),
            on_exit: Vec::new(),
            data: Vec::new(),
            invokes: Vec::new(),
            done_data: None,
            my_prefix,
            extensions,
            span: element.span,
            whole: element.whole,
        }
    }

    fn change(&mut self, index: StateIndex, change: impl FnOnce(&mut State)) {
        if let Some(state) = self.states.get_mut(index.0 as usize) {
            change(state);
        }
    }

    fn part(&mut self, child: &Element, name: &str, element: &Element, index: StateIndex, kind: StateKind) {
        match name {
            "state" | "parallel" | "final" | "history" => {
                let child_kind = match name {
                    "state" => StateKind::State,
                    "parallel" => StateKind::Parallel,
                    "final" => StateKind::Final,
                    _ => StateKind::History(HistoryKind::Shallow),
                };
                let inner = self.state(child, child_kind, Some(index));
                self.change(index, |state| state.children.push(inner));
            }
            "transition" => {
                if let StateKind::History(_) = kind {
                    let transition = self.transition(child, index, Role::History);
                    self.change(index, |state| state.default = Some(transition));
                } else {
                    let transition = self.transition(child, index, Role::Ordinary);
                    self.change(index, |state| state.transitions.push(transition));
                }
            }
            "initial" => self.initial(child, index),
            "onentry" => {
                let block = self.block(child);
                self.change(index, |state| state.on_entry.push(block));
            }
            "onexit" => {
                let block = self.block(child);
                self.change(index, |state| state.on_exit.push(block));
            }
            "datamodel" => {
                let data = self.data_model(child);
                self.change(index, |state| state.data.extend(data));
            }
            "invoke" => {
                let invoke = self.invoke(child);
                self.change(index, |state| state.invokes.push(invoke));
            }
            "donedata" => {
                let done_data = self.done_data(child);
                self.change(index, |state| state.done_data = Some(done_data));
            }
            "script" => {
                let (script, _) = self.script(child);
                self.scripts.push(script);
            }
            _ => self.misplaced(child, element),
        }
    }

    fn initial(&mut self, element: &Element, index: StateIndex) {
        Attributes::of(element).rest(self);
        self.no_text(element);
        let mut found = None;
        for child in element.elements() {
            if self.core(child) == Some("transition") && found.is_none() {
                found = Some(self.transition(child, index, Role::Initial));
            } else {
                self.misplaced(child, element);
            }
        }
        let Some(transition) = found else {
            let problem = Problem::error("misplaced-element", element.span, "<initial> without a <transition>");
            self.problems.push(problem.help("write <transition target=\"...\"/> into it"));
            return;
        };
        if let Some(Initial::Attribute(_) | Initial::Element(_)) = self.states.get(index.0 as usize).map(|s| &s.initial)
        {
            let problem = Problem::error("conflicting-attributes", element.span, "a second word on where it begins");
            self.problems.push(problem.help("keep either the attribute initial or one <initial>"));
        }
        self.change(index, |state| state.initial = Initial::Element(transition));
    }

    fn transition(&mut self, element: &Element, source: StateIndex, role: Role) -> TransitionIndex {
        let mut attributes = Attributes::of(element);
        let events = attributes.words("event").iter().map(bare_event).collect();
        let cond = attributes.text("cond");
        let targets = attributes.words("target");
        let mut internal = false;
        if let Some(attribute) = attributes.take("type") {
            match attribute.value.as_str() {
                "internal" => internal = true,
                "external" => {}
                _ => self.bad_value(attribute, "internal or external"),
            }
        }
        if self.is_ors() {
            attributes.take("anchor");
        }
        let extensions = attributes.rest(self);
        let index = TransitionIndex(narrow(self.transitions.len()));
        let actions = self.actions(element);
        self.transitions.push(Transition {
            source,
            role,
            events,
            cond,
            targets,
            internal,
            actions,
            extensions,
            span: element.span,
        });
        index
    }

    fn block(&mut self, element: &Element) -> Block {
        Attributes::of(element).rest(self);
        Block { actions: self.actions(element), span: element.span }
    }

    fn data_model(&mut self, element: &Element) -> Vec<Data> {
        Attributes::of(element).rest(self);
        self.no_text(element);
        let mut all = Vec::new();
        for child in element.elements() {
            if self.core(child) == Some("data") {
                all.extend(self.data(child));
            } else {
                self.misplaced(child, element);
            }
        }
        all
    }

    fn data(&mut self, element: &Element) -> Option<Data> {
        let mut attributes = Attributes::of(element);
        let id = attributes.text("id");
        if self.is_ors() {
            // They describe it, and have no effect when it runs.
            attributes.take("_type");
            attributes.take("_desc");
        }
        let expr = attributes.expression(self);
        let src = attributes.text("src");
        let extensions = attributes.rest(self);
        let content = content_of(element);
        let given = [expr.is_some(), src.is_some(), content.is_some()].iter().filter(|given| **given).count();
        if given > 1 {
            let problem = Problem::warning("conflicting-attributes", element.span, "a value is given more than once");
            self.problems.push(problem.help("keep one of expr, src, and what is written in the element"));
        }
        let value = match (expr, src, content) {
            (Some(expr), _, _) => DataValue::Expression(expr),
            (None, Some(src), _) => DataValue::Address(src),
            (None, None, Some(content)) => DataValue::Content(content),
            (None, None, None) => DataValue::None,
        };
        let Some(id) = id else {
            self.missing(element, "id", "write the name of the variable as its id");
            return None;
        };
        Some(Data { id, value, extensions, span: element.span })
    }

    fn done_data(&mut self, element: &Element) -> DoneData {
        Attributes::of(element).rest(self);
        self.no_text(element);
        let mut done = DoneData { content: None, params: Vec::new(), span: element.span };
        for child in element.elements() {
            match self.core(child) {
                Some("param") => done.params.extend(self.param(child)),
                Some("content") => done.content = self.content(child),
                _ => self.misplaced(child, element),
            }
        }
        done
    }

    fn invoke(&mut self, element: &Element) -> Invoke {
        let mut attributes = Attributes::of(element);
        // The draft of 2009, too, writes type and src of <invoke> plain; some put them in quotes all the same.
        let kind = attributes.one_of(&["type", "targettype", "typeexpr"], self).map(invoke_value);
        let source = attributes.one_of(&["src", "srcexpr"], self).map(invoke_value);
        let id = attributes.one_of(&["id", "invokeid"], self).map(|attribute| attribute.value.clone());
        let id_location = attributes.text("idlocation");
        let namelist = attributes.words("namelist");
        let autoforward = match attributes.take("autoforward") {
            Some(attribute) => match attribute.value.as_str() {
                "true" => true,
                "false" => false,
                _ => {
                    self.bad_value(attribute, "true or false");
                    false
                }
            },
            None => false,
        };
        let extensions = attributes.rest(self);
        self.no_text(element);
        let mut invoke = Invoke {
            kind,
            source,
            id,
            id_location,
            namelist,
            autoforward,
            params: Vec::new(),
            content: None,
            finalize: None,
            extensions,
            span: element.span,
        };
        for child in element.elements() {
            match self.core(child) {
                Some("param") => invoke.params.extend(self.param(child)),
                Some("content") => invoke.content = self.content(child),
                Some("finalize") => invoke.finalize = Some(self.block(child)),
                _ => self.misplaced(child, element),
            }
        }
        invoke
    }

    pub(super) fn param(&mut self, element: &Element) -> Option<Param> {
        let mut attributes = Attributes::of(element);
        let name = attributes.text("name");
        let expr = attributes.expression(self);
        let location = attributes.text("location");
        attributes.rest(self);
        self.nothing_in(element);
        let Some(name) = name else {
            self.missing(element, "name", "write the name it is sent under");
            return None;
        };
        Some(Param { name, expr, location, span: element.span })
    }

    /// A `<content>`; ORS writes its expression with a leading `_`.
    pub(super) fn content(&mut self, element: &Element) -> Option<Body> {
        let mut attributes = Attributes::of(element);
        let expr = attributes.one_of(&["expr", "_expr"], self).map(|attribute| attribute.value.clone());
        attributes.rest(self);
        let inline = content_of(element);
        if expr.is_some() && inline.is_some() {
            let problem = Problem::warning("conflicting-attributes", element.span, "a value is given more than once");
            self.problems.push(problem.help("keep either expr or what is written in the element"));
        }
        expr.map(Body::Expression).or(inline.map(Body::Inline))
    }
}

/// What is written in an element; none when that is nothing, or white space alone.
pub(super) fn content_of(element: &Element) -> Option<Content> {
    if element.elements().next().is_some() {
        return Some(Content::Xml(element.children.clone()));
    }
    let text = element.text();
    let blank = text.is_blank() && element.children.iter().all(|child| matches!(child, Node::Text(_)));
    (!blank).then_some(Content::Text(text))
}

/// `error.*` and `error.` match what `error` does, and `.*` what `*` does.
fn bare_event(event: &Text) -> Text {
    let text = event.as_str();
    let bare = text.strip_suffix(".*").or_else(|| text.strip_suffix('.')).unwrap_or(text);
    if bare.is_empty() { Text::made("*", event.span()) } else { event.slice(0..bare.len()) }
}

fn invoke_value(attribute: &Attribute) -> Value {
    if attribute.name.local.ends_with("expr") {
        Value::Expression(attribute.value.clone())
    } else {
        Value::Literal(unquoted(&attribute.value))
    }
}

/// Without the quotes that some write around a plain value.
fn unquoted(text: &Text) -> Text {
    let written = text.as_str();
    let inner = written.strip_prefix('\'').and_then(|rest| rest.strip_suffix('\''));
    match inner {
        Some(inner) => text.slice(1..1 + inner.len()),
        None => text.clone(),
    }
}
