//! What the sessions of one plugin may use, and how much: a policy for each plugin by its name, and one for
//! all others.
//!
//! What a policy forbids is refused when a plugin is loaded. Its limits may be [changed](crate::Plugin::set_policies)
//! later, and are then those of sessions that begin, or are rebuilt, from there on; what passes one of its limits ends that session, and says so ([`Limit`](crate::Limit)).
//! Limits hold for what is new: a turn that is recorded was judged when it happened, so that a session is
//! rebuilt whatever became of its policy since. Only memory, which it takes again, and endless computing are
//! bounded then too.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::plugin::Capability;

/// Names of the interfaces a policy may allow or not: those a manifest names when a strategy needs them. The
/// others (`interactions`, `events`, `timers`, `facts`, `session`, `log`) are everybody's.
pub const CAPABILITIES: &[&str] = &{
    let mut names = [""; Capability::ALL.len()];
    let mut at = 0;
    while at < names.len() {
        #[allow(clippy::indexing_slicing, reason = "the compiler does it, and would say so")]
        {
            names[at] = Capability::ALL[at].name();
        }
        at += 1;
    }
    names
};

/// What the sessions of one plugin may use, and how much. Each field names its key in `jackfield.toml`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// `capabilities`: of [`CAPABILITIES`], those it may use. A plugin that imports another one, or whose
    /// manifest names it, is refused when it is loaded. Default: all.
    pub capabilities: Vec<String>,
    /// `http-hosts`: hosts it may send HTTP requests to. Default: none.
    pub http_hosts: Vec<String>,
    /// `memory-limit`: bytes of linear memory of one session. Default 64 MiB, at most 4 GiB, and no more than
    /// [`Settings::memory_bytes`](crate::Settings::memory_bytes), which counts where it is less.
    pub memory_bytes: usize,
    /// `turn-cpu-limit`: CPU time of one turn; waiting in `events.next` does not count. Default 1 s. A turn
    /// that happens again, because the session is rebuilt, may take ten times as long.
    pub turn_cpu: Duration,
    /// `session-cpu-limit`: CPU time of all turns of a session together; none: no limit. Default 60 s: some
    /// ten million turns of a usual strategy, or one that finds something to do all the time for a minute.
    /// Rebuilding a session does not count. It is counted by this process, so a restart begins anew.
    pub session_cpu: Option<Duration>,
    /// `requests-per-turn`: requests and look-ups of one turn. Default 1,000.
    pub requests_per_turn: usize,
    /// `requests-per-second`: requests of one session within a second of its own time, which stands still
    /// within a turn; none, the default: no limit, for those without an outcome are bounded. A second begins
    /// with the first request after the one before it has passed.
    pub requests_per_second: Option<usize>,
    /// `max-sessions`: sessions at once of one node, in all strategies that run the plugin; none, the
    /// default: as many as the node takes. This one ends nobody: what would pass it is not pulled.
    pub max_sessions: Option<usize>,
    /// `log-limit`: bytes a session may write to the log within a second of its own time, and so in a turn.
    /// Default 64 KiB. This one ends nobody either: the rest is dropped, and said to be.
    pub log_bytes_per_second: usize,
}

impl Default for Policy {
    fn default() -> Self {
        Policy {
            capabilities: CAPABILITIES.iter().map(|&name| name.to_owned()).collect(),
            http_hosts: Vec::new(),
            memory_bytes: 64 << 20,
            turn_cpu: Duration::from_secs(1),
            session_cpu: Some(Duration::from_secs(60)),
            requests_per_turn: 1_000,
            requests_per_second: None,
            max_sessions: None,
            log_bytes_per_second: 64 << 10,
        }
    }
}

impl Policy {
    /// Whether it allows an interface. Those that are no capability are everybody's.
    pub(crate) fn allows(&self, interface: &str) -> bool {
        !CAPABILITIES.contains(&interface) || self.capabilities.iter().any(|allowed| allowed == interface)
    }
}

/// The policies of all plugins.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Policies {
    /// Of plugins that have none of their own. `describe` runs under its limits too, for nobody knows yet
    /// whose it is.
    pub default: Policy,
    /// By the name in the plugin's manifest.
    pub by_plugin: BTreeMap<String, Policy>,
}

impl Policies {
    /// The policy of the plugin of this name.
    pub fn of(&self, plugin: &str) -> &Policy {
        self.by_plugin.get(plugin).unwrap_or(&self.default)
    }

    /// The most memory any of them allows, in bytes: what
    /// [`Settings::memory_bytes`](crate::Settings::memory_bytes) has to be.
    pub fn memory_bytes(&self) -> usize {
        self.by_plugin.values().map(|policy| policy.memory_bytes).fold(self.default.memory_bytes, usize::max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_allows_what_it_names_and_what_is_everybodys() {
        let policy = Policy { capabilities: vec!["routing".into()], ..Policy::default() };
        assert!(policy.allows("routing") && policy.allows("events") && policy.allows("types"));
        assert!(!policy.allows("messages"));
        assert!(CAPABILITIES.iter().all(|name| Policy::default().allows(name)));
    }

    #[test]
    fn a_plugin_without_a_policy_has_that_of_all_others() {
        let large = Policy { memory_bytes: 1 << 30, ..Policy::default() };
        let policies = Policies { by_plugin: [("a".to_owned(), large.clone())].into(), ..Policies::default() };
        assert_eq!((policies.of("a"), policies.of("b")), (&large, &Policy::default()));
        assert_eq!(policies.memory_bytes(), 1 << 30);
        assert_eq!(Policies::default().memory_bytes(), Policy::default().memory_bytes);
    }
}
