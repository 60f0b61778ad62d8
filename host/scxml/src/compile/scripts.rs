//! Scripts: what they declare.

use std::collections::HashSet;

use jackfield_scxml_program::Index;
use jackfield_scxml_program::content::Script;
use oxc_allocator::Allocator;
use oxc_ast::ast::{ArrowFunctionExpression, Class, Function, Statement, VariableDeclaration, VariableDeclarationKind};
use oxc_ast_visit::{Visit, walk};
use oxc_syntax::scope::ScopeFlags;

use super::{Builder, index};
use crate::ecmascript::parse_program;
use crate::model::{self, Action, ActionKind, Profile};

/// Names that a program declares outside of functions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Declared {
    variables: Vec<String>,
    functions: Vec<String>,
    lexical: Vec<String>,
}

impl<'a> Visit<'a> for Declared {
    fn visit_variable_declaration(&mut self, declaration: &VariableDeclaration<'a>) {
        if declaration.kind == VariableDeclarationKind::Var {
            add_names(declaration, &mut self.variables);
        }
        walk::walk_variable_declaration(self, declaration);
    }

    fn visit_function(&mut self, _function: &Function<'a>, _flags: ScopeFlags) {}

    fn visit_arrow_function_expression(&mut self, _function: &ArrowFunctionExpression<'a>) {}

    fn visit_class(&mut self, _class: &Class<'a>) {}
}

fn add_names(declaration: &VariableDeclaration<'_>, to: &mut Vec<String>) {
    for declarator in &declaration.declarations {
        for name in declarator.id.get_binding_identifiers() {
            add(name.name.as_str(), to);
        }
    }
}

fn add(name: &str, to: &mut Vec<String>) {
    if !to.iter().any(|known| known == name) {
        to.push(name.to_owned());
    }
}

/// What a script declares; nothing for one that does not parse, which fails when it is run.
fn declared(text: &str) -> Declared {
    let mut declared = Declared::default();
    let allocator = Allocator::default();
    let Ok(program) = parse_program(&allocator, text) else { return declared };
    for statement in &program.body {
        match statement {
            Statement::FunctionDeclaration(function) => {
                if let Some(name) = &function.id {
                    add(name.name.as_str(), &mut declared.functions);
                }
            }
            Statement::ClassDeclaration(class) => {
                if let Some(name) = &class.id {
                    add(name.name.as_str(), &mut declared.lexical);
                }
            }
            Statement::VariableDeclaration(declaration) if declaration.kind != VariableDeclarationKind::Var => {
                add_names(declaration, &mut declared.lexical);
            }
            _ => {}
        }
    }
    declared.visit_program(&program);
    declared
}

/// Names that global scripts declare by `let`, `const` and `class`. In profile `w3c` all scripts are global.
pub(super) fn lexical_names(document: &model::Document) -> HashSet<String> {
    let mut names = HashSet::new();
    let mut take = |script: &model::Script| names.extend(declared(script.text.as_str()).lexical);
    document.scripts.iter().for_each(&mut take);
    if document.profile == Profile::W3c {
        let handlers = document.states.iter().flat_map(|state| state.on_entry.iter().chain(&state.on_exit));
        handlers.for_each(|block| each_script(&block.actions, &mut take));
        document.transitions.iter().for_each(|transition| each_script(&transition.actions, &mut take));
    }
    names
}

fn each_script(actions: &[Action], with: &mut impl FnMut(&model::Script)) {
    for action in actions {
        match &action.kind {
            ActionKind::Script(script) => with(script),
            ActionKind::If(found) => found.branches.iter().for_each(|branch| each_script(&branch.actions, with)),
            ActionKind::Foreach(found) => each_script(&found.actions, with),
            _ => {}
        }
    }
}

impl Builder<'_, '_, '_> {
    /// The number of a script.
    pub(super) fn script(&mut self, script: &model::Script) -> Index {
        let text = script.text.as_str();
        let declared = declared(text);
        if self.is_ors() && declared != Declared::default() {
            self.declares.insert(self.state);
        }
        let Declared { variables, functions, lexical } = declared;
        let span = if script.text.is_blank() { script.span } else { script.text.span() };
        let at = self.place(span);
        let text = match &script.source {
            // It was not read when the document was merged: running it says so.
            Some(source) if script.text.is_blank() => {
                let message = format!("the script {source} could not be read").replace(['\'', '\\', '\n'], " ");
                format!("throw new Error('{message}')")
            }
            _ => text.to_owned(),
        };
        self.program.scripts.push(Script { text, at, state: self.state, variables, functions, lexical });
        index(self.program.scripts.len() - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn declarations_are_found_outside_of_functions_and_in_blocks() {
        let found = declared(
            "var a = 1, {b, c: [d]} = x; if (a) { var e; let hidden; } for (var f in a) {} \
             function g() { var inner; } const h = () => { var inner; }; class K {} let m, a2;",
        );
        assert_eq!(found.variables, ["a", "b", "d", "e", "f"]);
        assert_eq!(found.functions, ["g"]);
        assert_eq!(found.lexical, ["h", "K", "m", "a2"]);
        assert_eq!(declared("var = ;"), Declared::default());
    }
}
