//! Actions of functional modules.

use super::Check;
use super::sites::{Site, sites};
use crate::dialect::{self, ActionForm, Typing};
use crate::model::{ActionKind, Module, ModuleAttribute, ModuleElement};
use crate::problem::{Problem, Severity};

impl Check<'_> {
    pub(super) fn modules(&mut self) {
        for site in sites(self.document) {
            if let Site::Action(action) = site
                && let ActionKind::Module(element) = &action.kind
            {
                self.module_action(element);
            }
        }
    }

    fn module_action(&mut self, element: &ModuleElement) {
        if let Some(why) = self.why_refused(element) {
            self.refuse(element, why);
            return;
        }
        if let Module::Foreign(namespace) = &element.module {
            let message = format!("{} of the namespace {namespace} is not known", element.name);
            let problem = Problem::warning("unknown-action", element.span, message);
            self.tell(problem.help("it raises an error event when it is reached; remove it"));
            return;
        }
        let Some(form) = dialect::form(&element.module, &element.name) else {
            self.unknown(element);
            return;
        };
        if !form.is_action {
            let problem = Problem::error("misplaced-action", element.span, format!("{element} is no action by itself"));
            self.tell(problem.help("write it into queue:submit or queue:update"));
            return;
        }
        self.form(element, form);
    }

    fn why_refused(&self, element: &ModuleElement) -> Option<&'static str> {
        let form = dialect::form(&element.module, &element.name);
        dialect::refused(&element.module).or_else(|| form.and_then(|form| form.refused))
    }

    fn unknown(&mut self, element: &ModuleElement) {
        let severity = if self.options.allow_unsupported { Severity::Warning } else { Severity::Error };
        let known: Vec<_> = dialect::FORMS
            .iter()
            .filter(|form| *form.module == element.module && form.is_action && form.refused.is_none())
            .map(|form| form.name)
            .collect();
        let problem = Problem::error("unknown-action", element.span, format!("there is no action {element}"));
        let help = format!("actions of {} are {}", element.module.prefix(), known.join(", "));
        self.tell(Problem { severity, ..problem }.help(help));
    }

    fn refuse(&mut self, element: &ModuleElement, why: &str) {
        let message = format!("{element} is not supported: {why}");
        let problem = Problem::error("unsupported-action", element.span, message);
        self.tell(if self.options.allow_unsupported {
            Problem { severity: Severity::Warning, ..problem }.help("it raises an error event when it is reached")
        } else {
            problem.help("remove it; or give --allow-unsupported, and it raises an error event when it is reached")
        });
    }

    /// Attributes and children of an element whose form is known.
    fn form(&mut self, element: &ModuleElement, form: &ActionForm) {
        for needed in form.attributes.iter().filter(|attribute| attribute.required) {
            if element.attribute(needed.name).is_none() {
                let message = format!("{element} without {}", needed.name);
                self.tell(
                    Problem::error("missing-attribute", element.span, message).help(format!("write {}", needed.name)),
                );
            }
        }
        for attribute in &element.attributes {
            self.attribute(element, form, attribute);
        }
        if let Some(param) = element.params.first().filter(|_| !form.takes_params) {
            let problem = Problem::warning("misplaced-element", param.span, format!("<param> in {element}"));
            self.tell(problem.help("it is left out; remove it"));
        }
        for child in &element.children {
            if let Some(why) = self.why_refused(child) {
                self.refuse(child, why);
                continue;
            }
            let inner = dialect::form(&child.module, &child.name).filter(|inner| !inner.is_action);
            match inner.filter(|inner| form.children.contains(&inner.name)) {
                Some(inner) => self.form(child, inner),
                None => {
                    let message = format!("{child} in {element}");
                    let problem = Problem::error("misplaced-action", child.span, message);
                    let help = match form.children {
                        [] => format!("nothing of this kind can be in {element}; move it after it"),
                        children => format!("in {element} there can be {}", children.join(", ")),
                    };
                    self.tell(problem.help(help));
                }
            }
        }
    }

    fn attribute(&mut self, element: &ModuleElement, form: &ActionForm, attribute: &ModuleAttribute) {
        let Some(known) = form.attribute(&attribute.name) else {
            // Those of other namespaces, and with a leading `_`, are for others.
            if !attribute.name.starts_with(['_', '{']) {
                let message = format!("{element} has no attribute {}", attribute.name);
                let problem = Problem::warning("unknown-attribute", attribute.span, message);
                self.tell(problem.help("it is left out; remove it, or mend its name"));
            }
            return;
        };
        let value = attribute.value.as_str().trim();
        match known.typing {
            Typing::Name if value.starts_with(['\'', '"']) => {
                let message = format!("{} of {element} is a name, and {value} has quotes", known.name);
                let problem = Problem::warning("quotes", attribute.span, message);
                self.tell(problem.help(format!("write {}=\"{}\"", known.name, value.trim_matches(['\'', '"']))));
            }
            Typing::Name if !known.words.is_empty() && !known.words.contains(&value) => {
                let message = format!("`{value}` is no value of {} of {element}", known.name);
                let problem = Problem::warning("attribute-value", attribute.span, message);
                self.tell(problem.help(format!("write one of {}", known.words.join(", "))));
            }
            Typing::Value if known.words.contains(&value) => {
                let message = format!("{} of {element} is an expression, and {value} has no quotes", known.name);
                let problem = Problem::warning("quotes", attribute.span, message);
                self.tell(problem.help(format!("write {}=\"'{value}'\"", known.name)));
            }
            _ => {}
        }
    }
}
