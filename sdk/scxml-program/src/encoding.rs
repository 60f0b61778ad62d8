//! The bytes a compiled document is carried in: a mark, the format's version, then the tables.
//!
//! They may come from anywhere, so every number in them is looked at before anything runs by it: it must name something
//! that is there, and what is made of others (expressions, blocks) may name only what comes before it, no deeper than
//! the limits say. Reading allocates no more than a small multiple of the bytes.

use crate::content::{self, Action, Operand, Payload, Value, What};
use crate::expression::{self, Node};
use crate::{Bundle, Index, Kind, Profile, Program, ROOT, State};

/// The format that [`Bundle::encode`] writes, and the only one that is read.
pub const FORMAT: u16 = 1;

/// How deep states may nest.
pub const DEEPEST: usize = 128;

const MARK: &[u8; 4] = b"JFSX";

/// Why bytes are no compiled document that can be run.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum DecodeError {
    /// They begin otherwise.
    #[error("this is no compiled SCXML document")]
    NoDocument,
    /// Written by another version of the converter.
    #[error("the compiled document has format {0}, this runtime reads {FORMAT}: convert the document again")]
    Format(u16),
    /// They end too early, or hold what cannot be.
    #[error("the compiled document is damaged: {0}")]
    Damaged(String),
}

fn damaged(what: impl Into<String>) -> DecodeError {
    DecodeError::Damaged(what.into())
}

impl Bundle {
    /// The bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = MARK.to_vec();
        bytes.extend_from_slice(&FORMAT.to_le_bytes());
        // Writing into a vector fails for no value these types can hold.
        postcard::to_extend(self, bytes).unwrap_or_default()
    }

    /// Reads and checks them.
    ///
    /// # Errors
    ///
    /// When they are of another format, or damaged.
    pub fn decode(bytes: &[u8]) -> Result<Bundle, DecodeError> {
        let rest = bytes.strip_prefix(MARK).ok_or(DecodeError::NoDocument)?;
        let (format, rest) = rest.split_first_chunk::<2>().ok_or(DecodeError::NoDocument)?;
        let format = u16::from_le_bytes(*format);
        if format != FORMAT {
            return Err(DecodeError::Format(format));
        }
        let (bundle, rest) = postcard::take_from_bytes::<Bundle>(rest).map_err(|error| damaged(error.to_string()))?;
        if !rest.is_empty() {
            return Err(damaged("it goes on after its end"));
        }
        bundle.check()?;
        Ok(bundle)
    }

    /// True to its own rules; see the module's text.
    ///
    /// # Errors
    ///
    /// Says what is not.
    pub fn check(&self) -> Result<(), DecodeError> {
        if self.documents.is_empty() {
            return Err(damaged("it has no document"));
        }
        self.documents.iter().try_for_each(|document| Check { bundle: self, program: &document.program }.all())
    }
}

struct Check<'a> {
    bundle: &'a Bundle,
    program: &'a Program,
}

type Checked = Result<(), DecodeError>;

fn within(index: Index, length: usize, what: &str) -> Checked {
    if (index as usize) < length { Ok(()) } else { Err(damaged(format!("{what} {index} of {length}"))) }
}

impl Check<'_> {
    fn all(&self) -> Checked {
        let program = self.program;
        let mut depths: Vec<usize> = Vec::new();
        for (number, state) in program.states.iter().enumerate() {
            let above = depths.get(state.parent as usize).copied().filter(|_| number != 0);
            depths.push(above.map_or(0, |above| above + 1));
        }
        if depths.iter().any(|depth| *depth > DEEPEST) {
            return Err(damaged("states nest too deep"));
        }
        for (number, state) in program.states.iter().enumerate() {
            self.state(number as Index, state).map_err(|error| match error {
                DecodeError::Damaged(text) => damaged(format!("state {number}: {text}")),
                other => other,
            })?;
        }
        if program.states.first().is_none_or(|root| root.kind != Kind::Compound || root.children.is_empty()) {
            return Err(damaged("it has no states"));
        }
        for transition in &program.transitions {
            self.state_is(transition.source)?;
            transition.targets.iter().try_for_each(|target| self.state_is(*target))?;
            self.maybe(transition.condition, |number| self.expression_is(number))?;
            self.maybe(transition.content, |number| self.block_is(number))?;
            if let Some(plan) = &transition.plan {
                self.state_is(plan.domain)?;
                plan.enter.iter().chain(&plan.by_default).try_for_each(|state| self.state_is(*state))?;
            }
        }
        if !program.descriptors.is_within(program.transitions.len()) {
            return Err(damaged("an event descriptor of no transition"));
        }
        self.expressions()?;
        self.blocks()?;
        for data in &program.data {
            self.maybe(data.value.as_ref(), |value| self.value(value))?;
        }
        for invoke in &program.invokes {
            self.state_is(invoke.state)?;
            self.maybe(invoke.id_location, |number| self.expression_is(number))?;
            self.maybe(invoke.kind.as_ref(), |operand| self.operand(operand))?;
            self.maybe(invoke.source.as_ref(), |operand| self.operand(operand))?;
            self.maybe(invoke.finalize.flatten(), |number| self.block_is(number))?;
            self.payload(&invoke.payload)?;
        }
        program.scripts.iter().try_for_each(|script| self.state_is(script.state))?;
        program.load.iter().try_for_each(|script| within(*script, program.scripts.len(), "script"))?;
        for xml in &program.xml {
            self.maybe(xml.document, |number| within(number, self.bundle.documents.len(), "document"))?;
            for (number, node) in xml.nodes.iter().enumerate() {
                self.maybe(node.parent, |parent| within(parent, number, "XML parent"))?;
            }
        }
        Ok(())
    }

    fn state(&self, number: Index, state: &State) -> Checked {
        let program = self.program;
        within(state.last, program.states.len(), "last descendant")?;
        let parent = program.state(state.parent).ok_or_else(|| damaged("no parent"))?;
        let is_in_parent = if number == ROOT {
            state.parent == ROOT && state.last as usize + 1 == program.states.len()
        } else {
            state.parent < number && state.last <= parent.last && !parent.kind.is_atomic() && !parent.kind.is_history()
        };
        if !is_in_parent || state.last < number {
            return Err(damaged("not within its parent"));
        }
        if (state.kind.is_atomic() || state.kind.is_history()) && state.last != number {
            return Err(damaged("an atomic state with descendants"));
        }
        for child in state.children.iter().chain(&state.histories) {
            let is_child = *child != ROOT && program.state(*child).is_some_and(|child| child.parent == number);
            if !is_child {
                return Err(damaged(format!("{child} is no child")));
            }
        }
        if (state.kind == Kind::Compound && state.children.is_empty())
            || state
                .histories
                .iter()
                .any(|history| program.state(*history).is_none_or(|found| !found.kind.is_history()))
        {
            return Err(damaged("it is not what it says"));
        }
        let needs_initial = state.kind == Kind::Compound || state.kind.is_history();
        match state.initial {
            Some(initial) => {
                let found = program.transition(initial).ok_or_else(|| damaged("no initial transition"))?;
                let around = if state.kind.is_history() { state.parent } else { number };
                if found.targets.is_empty()
                    || !found.targets.iter().all(|target| program.is_descendant(*target, around))
                {
                    return Err(damaged("it begins outside itself"));
                }
                let leads_back = |target: &Index| {
                    let target = program.state(*target).filter(|target| target.kind.is_history());
                    target.is_some_and(|target| !program.is_descendant(target.parent, state.parent))
                };
                if state.kind.is_history() && found.targets.iter().any(leads_back) {
                    return Err(damaged("a history that leads to one of the same state"));
                }
            }
            None if needs_initial => return Err(damaged("it has no beginning")),
            None => {}
        }
        let transitions = state.first_transition.checked_add(state.transition_count);
        if transitions.is_none_or(|end| end as usize > program.transitions.len()) {
            return Err(damaged("transitions that are not there"));
        }
        state.on_entry.iter().chain(&state.on_exit).try_for_each(|block| self.block_is(*block))?;
        state.data.iter().try_for_each(|data| within(*data, program.data.len(), "data"))?;
        state.invokes.iter().try_for_each(|invoke| within(*invoke, program.invokes.len(), "invoke"))?;
        state.scopes.iter().try_for_each(|scope| self.state_is(*scope))?;
        if program.profile == Profile::W3c && !state.scopes.is_empty() {
            return Err(damaged("script scopes in a profile that has none"));
        }
        self.maybe(state.done_data.as_ref(), |payload| self.payload(payload))
    }

    fn expressions(&self) -> Checked {
        for expression in &self.program.expressions {
            self.state_is(expression.state)?;
            let mut depths: Vec<usize> = Vec::new();
            for node in &expression.code {
                let mut depth = Some(0);
                node.operands(|operand| {
                    let below = depths.get(operand as usize).copied();
                    depth = depth.zip(below).map(|(depth, below)| depth.max(below + 1));
                });
                let depth = depth.ok_or_else(|| damaged("an operand after its operator"))?;
                if depth > expression::DEEPEST {
                    return Err(damaged("an expression nests too deep"));
                }
                depths.push(depth);
                let mut texts = Ok(());
                node.texts(|text| {
                    if text as usize >= self.program.texts.len() {
                        texts = Err(damaged("a text that is not there"));
                    }
                });
                texts?;
                if let Node::In(state) = node {
                    self.state_is(*state)?;
                }
            }
        }
        Ok(())
    }

    fn blocks(&self) -> Checked {
        let mut depths: Vec<usize> = Vec::new();
        for block in &self.program.blocks {
            let mut depth = 0;
            let mut inner = |body: Index| -> Checked {
                let below = depths.get(body as usize).ok_or_else(|| damaged("a block within a later one"))?;
                depth = depth.max(below + 1);
                if depth > content::DEEPEST { Err(damaged("blocks nest too deep")) } else { Ok(()) }
            };
            for action in block {
                match &action.what {
                    What::If(branches) => branches.iter().try_for_each(|branch| inner(branch.body))?,
                    What::ForEach { body, .. } => inner(*body)?,
                    _ => {}
                }
                self.action(action)?;
            }
            depths.push(depth);
        }
        Ok(())
    }

    fn action(&self, action: &Action) -> Checked {
        match &action.what {
            What::Raise { payload, .. } => self.payload(payload),
            What::If(branches) => branches
                .iter()
                .try_for_each(|branch| self.maybe(branch.condition, |condition| self.expression_is(condition))),
            What::ForEach { array, item, index, body: _ } => {
                self.expression_is(*array)?;
                self.expression_is(*item)?;
                self.maybe(*index, |index| self.expression_is(index))
            }
            What::Log { expression, level, .. } => {
                self.maybe(*expression, |number| self.expression_is(number))?;
                self.maybe(*level, |number| self.expression_is(number))
            }
            What::Assign { location, value } => {
                self.expression_is(*location)?;
                self.value(value)
            }
            What::Script(script) => within(*script, self.program.scripts.len(), "script"),
            What::Send(send) => {
                for operand in [&send.event, &send.target, &send.kind, &send.id, &send.delay].into_iter().flatten() {
                    self.operand(operand)?;
                }
                self.maybe(send.id_location, |number| self.expression_is(number))?;
                self.payload(&send.payload)
            }
            What::Cancel(operand) => self.operand(operand),
            What::Module(module) => {
                self.maybe(module.request, |number| self.expression_is(number))?;
                for (number, element) in module.elements.iter().enumerate() {
                    self.maybe(element.parent, |parent| within(parent, number, "element"))?;
                }
                let within = module.elements.iter().flat_map(|element| &element.attributes);
                module.attributes.iter().chain(within).try_for_each(|attribute| self.operand(&attribute.value))?;
                self.payload(&module.payload)
            }
        }
    }

    fn payload(&self, payload: &Payload) -> Checked {
        payload.parameters.iter().try_for_each(|parameter| self.expression_is(parameter.value))?;
        self.maybe(payload.content.as_ref(), |value| self.value(value))
    }

    fn value(&self, value: &Value) -> Checked {
        match value {
            Value::Expression(number) => self.expression_is(*number),
            Value::Xml(number) => within(*number, self.program.xml.len(), "XML"),
            Value::Text(_) | Value::Missing(_) => Ok(()),
        }
    }

    fn operand(&self, operand: &Operand) -> Checked {
        match operand {
            Operand::Expression(number) => self.expression_is(*number),
            Operand::Text(_) => Ok(()),
        }
    }

    fn maybe<T>(&self, value: Option<T>, check: impl FnOnce(T) -> Checked) -> Checked {
        value.map_or(Ok(()), check)
    }

    fn state_is(&self, state: Index) -> Checked {
        within(state, self.program.states.len(), "state")
    }

    fn expression_is(&self, expression: Index) -> Checked {
        within(expression, self.program.expressions.len(), "expression")
    }

    fn block_is(&self, block: Index) -> Checked {
        within(block, self.program.blocks.len(), "block")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::content::Branch;
    use crate::expression::{Binary, Expression, Form};
    use crate::{Document, Place, Transition};

    /// `<scxml><state/></scxml>`, with an expression and two blocks.
    fn small() -> Bundle {
        let root = State { kind: Kind::Compound, last: 1, children: vec![1], initial: Some(0), ..State::default() };
        let child = State { id: "a".to_owned(), last: 1, on_entry: vec![1], ..State::default() };
        let code = vec![Node::Number(1.0), Node::Name(0), Node::Binary(Binary::Less, 0, 1)];
        let expression =
            Expression { text: "1 < x".to_owned(), at: Place::default(), form: Form::Expression, state: 0, code };
        let branches = vec![Branch { condition: Some(0), body: 0 }];
        let program = Program {
            states: vec![root, child],
            transitions: vec![Transition { targets: vec![1], ..Transition::default() }],
            texts: vec!["x".to_owned()],
            expressions: vec![expression],
            blocks: vec![Vec::new(), vec![Action { what: What::If(branches), at: Place::default() }]],
            ..Program::default()
        };
        Bundle { documents: vec![Document { addresses: Vec::new(), program }] }
    }

    #[test]
    fn what_is_written_is_read_again() {
        let bundle = small();
        assert_eq!(Bundle::decode(&bundle.encode()), Ok(bundle));
    }

    #[test]
    fn another_format_and_foreign_bytes_are_told_apart() {
        let mut bytes = small().encode();
        assert_eq!(Bundle::decode(b"\0asm"), Err(DecodeError::NoDocument));
        if let Some(version) = bytes.get_mut(4) {
            *version = 9;
        }
        assert_eq!(Bundle::decode(&bytes), Err(DecodeError::Format(9)));
    }

    #[test]
    fn no_change_or_cut_of_the_bytes_is_more_than_an_error() {
        let bytes = small().encode();
        for at in 0..bytes.len() {
            let _cut = Bundle::decode(&bytes[..at]);
            for change in [1, 0x7f, 0x80, 0xff] {
                let mut changed = bytes.clone();
                changed[at] ^= change;
                if let Ok(bundle) = Bundle::decode(&changed) {
                    assert_eq!(bundle.check(), Ok(()));
                }
            }
        }
    }

    #[test]
    fn a_block_in_itself_and_an_operand_after_its_operator_are_refused() {
        let mut bundle = small();
        bundle.documents[0].program.blocks.swap(0, 1);
        assert!(matches!(bundle.check(), Err(DecodeError::Damaged(text)) if text.contains("later")));
        let mut bundle = small();
        bundle.documents[0].program.expressions[0].code.swap(0, 2);
        assert!(matches!(bundle.check(), Err(DecodeError::Damaged(text)) if text.contains("operand")));
    }
}
