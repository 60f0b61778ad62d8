//! The algorithm of appendix D, apart from what documents do: two implementations, and what they ask of a session.

use std::cell::RefCell;
use std::rc::Rc;

use jackfield_scxml_program::{Bits, Index, Program};

use crate::event::Row;

/// What the algorithm asks of the session it runs for.
pub trait Body {
    /// The tables.
    fn program(&self) -> &Rc<Program>;
    /// The configuration: the states that are active, `scxml` itself not among them.
    fn active(&self) -> &RefCell<Bits>;
    /// Evaluates a transition's condition; one that fails does not hold, and raises its error.
    fn holds(&mut self, transition: Index) -> bool;
    /// A state was added to the configuration: its data is bound now, if late, and it will be invoked for.
    fn entering(&mut self, state: Index);
    /// Runs the handlers `onentry`.
    fn run_entry(&mut self, state: Index);
    /// Runs the handlers `onexit`, then cancels what was invoked. The state is still active.
    fn leaving(&mut self, state: Index);
    /// Runs the content of a transition.
    fn run_transition(&mut self, transition: Index);
    /// The content of an `initial` or of a history's default.
    fn run_content(&mut self, transition: Index);
    /// Raises `done.state` of a state, with the data of the final state that made it so.
    fn done(&mut self, state: Index, by: Option<Index>);
    /// A final child of `scxml` was entered.
    fn finish(&mut self);
}

/// One implementation of the algorithm.
pub trait Steps {
    /// For a document, nothing entered yet.
    fn of(program: &Program) -> Self;
    /// `selectTransitions` and `selectEventlessTransitions`, with `removeConflictingTransitions`: finds those that a
    /// microstep takes; false where there are none.
    fn select<B: Body>(&mut self, body: &mut B, row: &Row) -> bool;
    /// `microstep`, with what was selected.
    fn microstep<B: Body>(&mut self, body: &mut B);
    /// Enters the document by its initial transition.
    fn begin<B: Body>(&mut self, body: &mut B, initial: Index);
    /// What a history remembers.
    fn history(&self, state: Index) -> Option<Vec<Index>>;
    /// Have a history remember.
    fn set_history(&mut self, state: Index, remembered: Vec<Index>);
}
