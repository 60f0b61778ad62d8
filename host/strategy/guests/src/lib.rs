//! Bindings of the contract for the guests in `examples/`, where each file is one strategy.

#[allow(missing_docs, clippy::all, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
pub mod bindings {
    wit_bindgen::generate!({
        path: "../../../wit/since-0.2.0",
        world: "strategy",
        pub_export_macro: true,
        generate_all,
    });
}

pub use bindings::jackfield::strategy::{
    events, facts, http, interactions, log, messages, routing, session, timers, types, virtual_queues,
};
pub use bindings::{Guest, Manifest, export};

/// A manifest with this name and these capabilities, and no checkpoints.
pub fn manifest(name: &str, capabilities: &[&str]) -> Manifest {
    Manifest {
        name: name.into(),
        version: "1".into(),
        description: "a test".into(),
        capabilities: capabilities.iter().map(|&capability| capability.into()).collect(),
        states: Vec::new(),
    }
}

/// Tells the test something: a request it reads from the turn.
pub fn tell(name: &str, data: impl ToString) {
    events::send("", name, &data.to_string());
}

/// The number a message brings; 0 where it brings none.
pub fn number(message: &events::MessageEvent) -> i64 {
    message.data.trim().parse().unwrap_or_default()
}
