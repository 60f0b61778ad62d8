//! Pictures of a document: SVG with a layout of its own, and the languages Mermaid and DOT, which others lay out.
//!
//! A picture shows states within states, regions of parallel states, where each begins and ends, and transitions with
//! their events and conditions. What it is painted with comes in as [`Paints`], so that the same picture can show what
//! a run has been through.

mod dot;
mod labels;
mod mermaid;
mod svg;

use std::collections::HashMap;

use crate::model::{Document, StateIndex, TransitionIndex};

/// States a picture can have in SVG. Nobody finds anything in a larger one.
pub const STATES_MOST: usize = 2_000;

/// Transitions a picture can have in SVG.
pub const TRANSITIONS_MOST: usize = 4_000;

/// The language of a picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// A picture that every browser shows.
    Svg,
    /// A `stateDiagram-v2` of Mermaid, which wikis and forges show.
    Mermaid,
    /// Of Graphviz.
    Dot,
}

/// Colours of single states and transitions, over those of the theme.
#[derive(Clone, Debug, Default)]
pub struct Paints {
    /// Of states.
    pub states: HashMap<StateIndex, Paint>,
    /// Of transitions.
    pub transitions: HashMap<TransitionIndex, Paint>,
}

/// Colours as CSS writes them, such as `#2a7f3f`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Paint {
    /// Of the line and its text.
    pub line: Option<String>,
    /// Of what is inside.
    pub fill: Option<String>,
}

/// Why there is no picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GraphError {
    /// It is too large.
    #[error(
        "{states} states and {transitions} transitions are too many for one picture (at most {STATES_MOST} and \
         {TRANSITIONS_MOST}); choose dot, or draw a part"
    )]
    TooLarge {
        /// Of the document.
        states: usize,
        /// Of the document.
        transitions: usize,
    },
}

/// A picture of `document`.
///
/// # Errors
/// It is too large to be laid out here.
pub fn graph(document: &Document, format: Format, paints: &Paints) -> Result<String, GraphError> {
    match format {
        Format::Svg => {
            let (states, transitions) = (document.states.len(), document.transitions.len());
            let arrows: usize = document.transitions.iter().map(|transition| transition.targets.len()).sum();
            if states > STATES_MOST || transitions.max(arrows) > TRANSITIONS_MOST {
                return Err(GraphError::TooLarge { states, transitions });
            }
            Ok(svg::svg(document, paints))
        }
        Format::Mermaid => Ok(mermaid::mermaid(document, paints)),
        Format::Dot => Ok(dot::dot(document, paints)),
    }
}
