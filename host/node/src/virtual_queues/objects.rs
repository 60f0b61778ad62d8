//! What reporting calls objects of the configuration, beside their names.

use std::collections::BTreeMap;

/// Kinds of objects that reports number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[expect(missing_docs, reason = "each is what it is called")]
pub enum ObjectKind {
    VirtualQueue,
    Agent,
    AgentGroup,
    Place,
    PlaceGroup,
    InteractionQueue,
    Strategy,
}

/// Numbers of objects in the configuration database (DBID), and what belongs to a server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Objects {
    /// By kind and name. What is not in here has a number that nobody knows.
    pub dbids: BTreeMap<(ObjectKind, String), u32>,
    /// Names of tenants, by their numbers.
    pub tenants: BTreeMap<u32, String>,
    /// Names of the multimedia switches that Interaction Servers are on, by server.
    pub switches: BTreeMap<String, String>,
}

impl Objects {
    /// As reports write it: empty where there is none.
    pub(crate) fn dbid(&self, kind: ObjectKind, name: &str) -> String {
        self.dbids.get(&(kind, name.to_owned())).map(u32::to_string).unwrap_or_default()
    }
}

/// What is attached to interactions that wait in a virtual queue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ReportTargets {
    /// What it waits for while it waits, and what was selected then.
    #[default]
    All,
    /// Only what was selected.
    Selected,
    /// Nothing.
    Off,
}
