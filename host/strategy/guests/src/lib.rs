//! Bindings of the contract for the guests in `examples/`, where each file is one strategy.

#[allow(missing_docs, clippy::all, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
pub mod bindings {
    wit_bindgen::generate!({
        path: "../../../wit",
        world: "strategy",
        pub_export_macro: true,
        generate_all,
    });
}

pub use bindings::jackfield::strategy::{
    events, facts, interactions, log, messages, routing, session, timers, types, virtual_queues,
};
pub use bindings::{Guest, Manifest, export};

/// A manifest with this name and these capabilities.
pub fn manifest(name: &str, capabilities: &[&str]) -> Manifest {
    Manifest {
        name: name.into(),
        version: "1".into(),
        description: "a test".into(),
        capabilities: capabilities.iter().map(|&capability| capability.into()).collect(),
    }
}
