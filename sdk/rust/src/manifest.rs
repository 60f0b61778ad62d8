//! Who a strategy is, and the one function it has.

use crate::{Error, Session, bindings};

/// A routing strategy. Hand the type to [`export!`](crate::export).
pub trait Strategy {
    /// Asked once when the plugin is loaded, outside of any session: no request, look-up or log line
    /// may be made here.
    fn manifest() -> Manifest;

    /// One session, from its start (or its last checkpoint, see [`Session::checkpoint`]) to its end.
    ///
    /// # Errors
    /// Whatever it could not deal with. The session has failed then, and what it still holds goes
    /// back to its queue; [`Error::Lost`] and [`Error::Stopped`] do not count as failures.
    fn run(session: &mut Session) -> Result<(), Error>;
}

/// An import interface that a strategy must name before it may call it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Capability {
    /// Messages made by media servers, and other services.
    Messages,
    /// Target selection and delivery.
    Routing,
    /// Virtual-queue reporting.
    VirtualQueues,
    /// HTTP requests. The hosts are the policy's to name.
    Http,
}

/// Name, version, description, capabilities and checkpoint formats of a strategy. Made by
/// [`manifest`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manifest {
    name: String,
    version: String,
    description: String,
    capabilities: Vec<Capability>,
    written: Option<String>,
    older: Vec<String>,
}

/// Starts a manifest. `name` is what routing scripts call the strategy: `[A-Za-z0-9_.-]`, 1 to 64
/// characters.
pub fn manifest(name: &str, version: &str, description: &str) -> Manifest {
    Manifest {
        name: name.into(),
        version: version.into(),
        description: description.into(),
        capabilities: Vec::new(),
        written: None,
        older: Vec::new(),
    }
}

impl Manifest {
    /// Names an interface the strategy calls.
    pub fn needs(mut self, capability: Capability) -> Manifest {
        if !self.capabilities.contains(&capability) {
            self.capabilities.push(capability);
        }
        self
    }

    /// Names the format its checkpoints are written in, such as `triage-2`. A [`Reducer`] says it as
    /// its [`STATE`](crate::Reducer::STATE) instead.
    ///
    /// [`Reducer`]: crate::Reducer
    pub fn writes_state(mut self, format: &str) -> Manifest {
        self.written = Some(format.to_owned());
        self
    }

    /// Names an older format of checkpoints that the strategy can go on from. Running sessions of the
    /// version that wrote it can then be moved to this one.
    pub fn reads_state(mut self, format: &str) -> Manifest {
        self.older.push(format.to_owned());
        self
    }

    /// The formats of checkpoints it can go on from: the one it writes first, each once.
    pub fn states(&self) -> Vec<String> {
        let mut states: Vec<String> = Vec::new();
        for format in self.written.iter().chain(&self.older) {
            if !states.contains(format) {
                states.push(format.clone());
            }
        }
        states
    }
}

impl From<Manifest> for bindings::Manifest {
    fn from(manifest: Manifest) -> Self {
        let name = |capability: &Capability| match capability {
            Capability::Messages => "messages",
            Capability::Routing => "routing",
            Capability::VirtualQueues => "virtual-queues",
            Capability::Http => "http",
        };
        bindings::Manifest {
            states: manifest.states(),
            capabilities: manifest.capabilities.iter().map(|capability| name(capability).to_owned()).collect(),
            name: manifest.name,
            version: manifest.version,
            description: manifest.description,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn capabilities_are_spelled_as_the_interfaces_and_named_once() {
        let manifest = manifest("a", "1", "b").needs(Capability::VirtualQueues).needs(Capability::VirtualQueues);
        let manifest = bindings::Manifest::from(manifest.needs(Capability::Messages).needs(Capability::Routing));
        assert_eq!(manifest.capabilities, ["virtual-queues", "messages", "routing"]);
    }

    #[test]
    fn the_format_that_is_written_comes_first_and_each_is_named_once() {
        let manifest = manifest("a", "1", "b").reads_state("a-2").reads_state("a-1").reads_state("a-2");
        assert_eq!(manifest.states(), ["a-2", "a-1"]);
        let manifest = bindings::Manifest::from(manifest.reads_state("a-3").writes_state("a-3"));
        assert_eq!(manifest.states, ["a-3", "a-2", "a-1"]);
    }
}
