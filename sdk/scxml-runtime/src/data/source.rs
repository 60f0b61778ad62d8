//! Expressions and scripts that are left to the interpreter: each text is parsed once and kept as a function.

use std::fmt::Write;

use boa_engine::{Context, JsNativeError, JsObject, JsResult, JsString, JsValue, Script, Source};
use jackfield_scxml_program::content;
use jackfield_scxml_program::expression::{Expression, Form};
use jackfield_scxml_program::{Index, Place, Profile};

use super::{Ecmascript, Program, Trouble};
use crate::datum::Datum;

/// How a scope is called within the functions made here.
const SCOPE: &str = "__scope";

/// A function of so many scopes and one more argument, whose body sees the scopes.
fn function_of(scopes: usize, argument: &str, body: &str) -> String {
    let mut source = "(function(".to_owned();
    (0..scopes).for_each(|scope| {
        let _ = write!(source, "{SCOPE}{scope},");
    });
    source.push_str(argument);
    source.push_str("){");
    (0..scopes).for_each(|scope| {
        let _ = write!(source, "with({SCOPE}{scope})");
    });
    let _ = write!(source, "{{{body}}}}})");
    source
}

fn evaluate(source: &str, context: &mut Context) -> JsResult<JsObject> {
    let value = context.eval(Source::from_bytes(source))?;
    value.as_object().ok_or_else(|| JsNativeError::error().with_message("this makes no function").into())
}

impl Ecmascript {
    fn scope_count(&self, state: Index) -> usize {
        self.shared.program.state(state).map_or(0, |found| found.scopes.len())
    }

    fn call(&mut self, function: &JsObject, state: Index, argument: JsValue) -> JsResult<JsValue> {
        let scopes = self.scopes.chain(&self.shared, state).into_iter().map(JsValue::from);
        let arguments: Vec<JsValue> = scopes.chain([argument]).collect();
        function.call(&JsValue::undefined(), &arguments, &mut self.context)
    }

    /// The value of an expression that was left as text.
    pub(super) fn interpret(&mut self, number: Index, expression: &Expression) -> JsResult<JsValue> {
        let kept = self.functions.get(number as usize).cloned().flatten();
        let function = match kept {
            Some(function) => function,
            None => {
                let text = expression.text.trim_end().trim_end_matches(';');
                let body = match expression.form {
                    // The line ends, in case the text ends in a comment.
                    Form::Expression => format!("return (\n{text}\n)"),
                    _ => format!("return eval({})", Datum::text(&*expression.text).to_json()),
                };
                let source = function_of(self.scope_count(expression.state), "__none", &body);
                let function = evaluate(&source, &mut self.context)?;
                if let Some(slot) = self.functions.get_mut(number as usize) {
                    *slot = Some(function.clone());
                }
                function
            }
        };
        self.call(&function, expression.state, JsValue::undefined())
    }

    /// Assigns to a location that was left as text.
    pub(super) fn interpret_assignment(
        &mut self,
        number: Index,
        expression: &Expression,
        value: JsValue,
    ) -> JsResult<()> {
        let kept = self.setters.get(number as usize).cloned().flatten();
        let setter = match kept {
            Some(setter) => setter,
            None => {
                let text = expression.text.trim_end().trim_end_matches(';');
                let source = function_of(self.scope_count(expression.state), "__value", &format!("{text}\n= __value"));
                let setter = evaluate(&source, &mut self.context)?;
                if let Some(slot) = self.setters.get_mut(number as usize) {
                    *slot = Some(setter.clone());
                }
                setter
            }
        };
        self.call(&setter, expression.state, value)?;
        Ok(())
    }

    /// Runs a script. Those of `scxml` itself, and all in profile `w3c`, are global code.
    pub(crate) fn run(&mut self, number: Index, global: bool) -> Result<(), Trouble> {
        let program = std::rc::Rc::clone(&self.shared.program);
        let Some(script) = program.scripts.get(number as usize) else { return Err(Trouble::new("no such script")) };
        self.scopes.enter(script.state);
        let global = global || program.profile == Profile::W3c;
        let result = self.run_script(number, script, global);
        let result = result.and_then(|()| self.context.run_jobs());
        result.map_err(|error| self.trouble(&error, script.at))
    }

    fn run_script(&mut self, number: Index, script: &content::Script, global: bool) -> JsResult<()> {
        let kept = self.scripts.get(number as usize).cloned().flatten();
        let parsed = match kept {
            Some(parsed) => parsed,
            None => {
                let parsed = if global {
                    Program::Global(Script::parse(Source::from_bytes(&script.text), None, &mut self.context)?)
                } else {
                    let source = function_of(self.scope_count(script.state), "__none", &self.scoped(script));
                    Program::Scoped(evaluate(&source, &mut self.context)?)
                };
                if let Some(slot) = self.scripts.get_mut(number as usize) {
                    *slot = Some(parsed.clone());
                }
                parsed
            }
        };
        match parsed {
            Program::Global(parsed) => {
                parsed.evaluate(&mut self.context)?;
            }
            Program::Scoped(function) => {
                if let Some(scope) = self.scopes.get(script.state) {
                    for name in &script.variables {
                        let key = JsString::from(name.as_str());
                        if !scope.has_own_property(key.clone(), &mut self.context)? {
                            scope.create_data_property(key, JsValue::undefined(), &mut self.context)?;
                        }
                    }
                }
                self.call(&function, script.state, JsValue::undefined())?;
            }
        }
        Ok(())
    }

    /// A script as the body of a function: what it declares by `function` is put into the state's scope first, and
    /// what it declares by `const` and the like last. What it declares by `var` is there already, so that assignments
    /// find it.
    fn scoped(&self, script: &content::Script) -> String {
        let Some(own) = self.scope_count(script.state).checked_sub(1) else { return format!("{}\n", script.text) };
        let mut body = String::new();
        for name in &script.functions {
            let _ = write!(body, "{SCOPE}{own}.{name}={name};");
        }
        body.push_str(&script.text);
        for name in &script.lexical {
            let _ = write!(body, "\n;{SCOPE}{own}.{name}={name};");
        }
        body.push('\n');
        body
    }

    /// A state is entered: it has a scope if its scripts declare something.
    pub(crate) fn open_scope(&mut self, state: Index) {
        let owns = self.shared.program.state(state).is_some_and(|found| found.scopes.last() == Some(&state));
        if owns {
            self.scopes.open(state);
        }
    }

    /// A state was left: its variables are gone.
    pub(crate) fn close_scope(&mut self, state: Index) {
        self.scopes.close(state);
    }

    /// Declares a variable in the scope of a state.
    pub(crate) fn declare(&mut self, state: Index, name: &str, value: JsValue) -> Result<(), Trouble> {
        let holder = self.scopes.get(state).unwrap_or_else(|| self.context.global_object());
        let declared = holder.create_data_property_or_throw(JsString::from(name), value, &mut self.context);
        declared.map(|_| ()).map_err(|error| self.trouble(&error, Place::default()))
    }
}
