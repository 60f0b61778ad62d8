//! Sessions that a running node was asked to move, over its control socket.
//!
//! One move at a time. It is begun by a question, goes on by itself whether or not anybody asks again, and what
//! became of it is told for as long as no other begins. It ends with the node.

use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use jackfield_node::{MoveProgress, Moving, Node};
use serde::{Deserialize, Serialize};

/// What the socket tells of a move.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "move", rename_all = "kebab-case")]
pub enum Told {
    /// How far it is.
    Goes {
        /// By which it is asked for again.
        number: u64,
        /// How far.
        progress: MoveProgress,
    },
    /// There is none, because of this.
    Refused {
        /// For people.
        reason: String,
    },
}

/// The move of a node that was begun last, with its number.
#[derive(Debug, Default)]
pub struct Moves(Mutex<Option<(u64, Moving)>>);

impl Moves {
    /// Begins a move; or, with its number, tells how far one is.
    pub fn answer(&self, node: &Node, strategy: &str, to: PathBuf, number: Option<u64>) -> Told {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let of = match (number, &*last) {
            (Some(asked), Some((known, moving))) if asked == *known => {
                return Told::Goes { number: asked, progress: moving.progress() };
            }
            (Some(asked), _) => return refused(format!("there is no move {asked} any more")),
            (None, Some((_, moving))) if !moving.progress().is_over() => {
                return refused("sessions of this node are being moved already; try again in a moment");
            }
            (None, Some((known, _))) => known + 1,
            (None, None) => 1,
        };
        match node.move_sessions(strategy, to) {
            Ok(moving) => {
                let progress = moving.progress();
                *last = Some((of, moving));
                Told::Goes { number: of, progress }
            }
            Err(error) => refused(error.to_string()),
        }
    }
}

fn refused(reason: impl Into<String>) -> Told {
    Told::Refused { reason: reason.into() }
}
