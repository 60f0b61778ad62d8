//! SCXML documents: read, merged, checked and drawn.
//!
//! A file becomes a tree ([`xml`]) whose every part knows where it was written ([`source`]); what it includes is put in
//! ([`merge`](mod@merge)); the tree becomes a typed document ([`model`]) in one of two dialects, that of the W3C's
//! Recommendation and that of ORS, which is checked as a whole ([`check`](mod@check)). [`open()`] does all of that. What
//! is wrong is told as [`problem::Problem`]s, all at once, and each has a rule; [`report`] tells them to people and to
//! programs, and [`graph`](mod@graph) draws. Nothing here runs a document, and nothing here knows of the engine that
//! strategies run in.

pub mod check;
pub mod compile;
pub mod dialect;
pub mod ecmascript;
pub mod graph;
pub mod merge;
pub mod model;
mod open;
pub mod plugin;
pub mod problem;
pub mod report;
pub mod source;
pub mod xml;

pub use open::{OpenOptions, Opened, open};

/// All rules that problems name, and what each asks for.
pub fn rules() -> impl Iterator<Item = (&'static str, &'static str)> {
    [xml::RULES, merge::RULES, model::RULES, check::RULES, compile::RULES].into_iter().flatten().copied()
}
