//! The contract since 0.3.0, the newest: generated from `wit/since-0.3.0`, where every word is documented.
//! Its types are the host's own, and its functions are those in `host`.

use wasmtime::component::{HasSelf, Linker};

use super::versions::Version;
use crate::state::State;

pub(super) const VERSION: Version =
    Version { name: "0.3.0", text: include_str!("../../../../wit/since-0.3.0/strategy.wit"), link };

fn link(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    generated::Strategy::add_to_linker::<State, HasSelf<State>>(linker, |state| state)
}

pub use generated::*;

#[allow(missing_docs, clippy::all, clippy::pedantic, clippy::unwrap_used, clippy::indexing_slicing)]
mod generated {
    wasmtime::component::bindgen!({
        path: "../../wit/since-0.3.0",
        world: "strategy",
        imports: {
            default: trappable,
            "jackfield:strategy/events.next": async | trappable,
        },
        exports: { default: async },
        // What a strategy is told and what it asks for is recorded.
        additional_derives: [PartialEq, Eq, serde::Serialize, serde::Deserialize],
    });
}
