//! SCXML documents: read, merged, checked and drawn.
//!
//! A file becomes a tree ([`xml`]) whose every part knows where it was written ([`source`]); what it includes is put
//! in ([`merge`](mod@merge)); the tree becomes a typed document ([`model`]) in one of two dialects, that of the W3C's Recommendation and that of ORS. What is wrong is told
//! as [`problem::Problem`]s, all at once, and each has a rule. Nothing here runs a document, and nothing here knows of
//! the engine that strategies run in.

pub mod compile;
pub mod merge;
pub mod model;
pub mod problem;
pub mod source;
pub mod xml;

/// All rules that problems name, and what each asks for.
pub fn rules() -> impl Iterator<Item = (&'static str, &'static str)> {
    [xml::RULES, merge::RULES, model::RULES, compile::RULES].into_iter().flatten().copied()
}
