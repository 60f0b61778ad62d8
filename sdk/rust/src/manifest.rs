//! Who a strategy is, and the one function it has.

use crate::{Error, Session, bindings};

/// A routing strategy. Hand the type to [`export!`](crate::export).
pub trait Strategy {
    /// Asked once when the plugin is loaded, outside of any session: no request, look-up or log line
    /// may be made here.
    fn manifest() -> Manifest;

    /// One session, from its start (or its last checkpoint) to its end.
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
}

/// Name, version, description and capabilities of a strategy. Made by [`manifest`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manifest {
    name: String,
    version: String,
    description: String,
    capabilities: Vec<Capability>,
}

/// Starts a manifest. `name` is what routing scripts call the strategy: `[A-Za-z0-9_.-]`, 1 to 64
/// characters.
pub fn manifest(name: &str, version: &str, description: &str) -> Manifest {
    Manifest { name: name.into(), version: version.into(), description: description.into(), capabilities: Vec::new() }
}

impl Manifest {
    /// Names an interface the strategy calls.
    pub fn needs(mut self, capability: Capability) -> Manifest {
        if !self.capabilities.contains(&capability) {
            self.capabilities.push(capability);
        }
        self
    }
}

impl From<Manifest> for bindings::Manifest {
    fn from(manifest: Manifest) -> Self {
        let name = |capability: &Capability| match capability {
            Capability::Messages => "messages",
            Capability::Routing => "routing",
            Capability::VirtualQueues => "virtual-queues",
        };
        bindings::Manifest {
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
}
