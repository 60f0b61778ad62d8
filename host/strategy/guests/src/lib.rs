//! Bindings of the contract for the guests in `examples/`, where each file is one strategy.

#[allow(missing_docs, clippy::all, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
pub mod bindings {
    wit_bindgen::generate!({
        path: "../../../wit/since-0.3.0",
        world: "strategy",
        pub_export_macro: true,
        generate_all,
    });
}

pub use bindings::jackfield::strategy::{
    events, facts, files, http, interactions, log, messages, routing, session, timers, types, virtual_queues,
};
pub use bindings::{Guest, Manifest, export};

/// A target with nothing more to it.
pub fn target(target_type: routing::TargetType, name: impl Into<String>) -> routing::Target {
    routing::Target { target_type, name: name.into(), group: None, workbin: None, threshold: None, weight: None }
}

/// A submit of this interaction to these targets, to be delivered, with nothing more to it.
pub fn route(interaction: impl Into<String>, targets: Vec<routing::Target>) -> routing::RouteRequest {
    routing::RouteRequest {
        interaction: interaction.into(),
        virtual_queue: None,
        priority: 0,
        targets,
        timeout: None,
        deliver: true,
        choice: None,
        aging: None,
        relaxation: None,
        clear_on_timeout: None,
    }
}

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

/// The events of a session that goes on when what it has lost is there again.
#[derive(Default)]
pub struct Events {
    kept: std::collections::VecDeque<events::Event>,
}

impl Events {
    /// The next event. That an interaction is lost, and there again with the next event, is none.
    pub fn next(&mut self, timeout: Option<u64>) -> Option<events::Event> {
        loop {
            let event = match self.kept.pop_front() {
                Some(event) => event,
                None => events::next(timeout)?,
            };
            match &event {
                events::Event::InteractionNotControlled(lost) if self.is_back(&lost.interaction) => {}
                _ => return Some(event),
            }
        }
    }

    /// One that has been read already; none: whoever is rebuilt from here on misses nothing.
    pub fn kept(&mut self) -> Option<events::Event> {
        self.kept.pop_front()
    }

    fn is_back(&mut self, id: &str) -> bool {
        while let Some(event) = events::next(Some(0)) {
            if matches!(&event, events::Event::InteractionPresent(present) if present == id) {
                return true;
            }
            self.kept.push_back(event);
        }
        false
    }
}
