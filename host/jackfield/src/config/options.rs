//! Every option of the configuration, defined once: name, section, range, default, when a change takes
//! effect, and what it does. Checking, defaults and the help of `jackfield options` are made from it.

use jackfield_strategy::CAPABILITIES;

/// Which object carries an option.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Owner {
    /// `[application.options.<section>]`
    Application,
    /// `[server.options.<section>]`
    Server,
    /// `[media-server.<section>]`; of a chat server, `[[media-server]]` itself
    MediaServer,
}

impl Owner {
    /// The object's name in the file.
    pub fn word(self) -> &'static str {
        match self {
            Owner::Application => "application",
            Owner::Server => "server",
            Owner::MediaServer => "media-server",
        }
    }

    /// The table that holds the options of a section.
    pub fn table(self, section: &str) -> String {
        match self {
            Owner::Application | Owner::Server => format!("{}.options.{section}", self.word()),
            Owner::MediaServer if section == "chat" => format!("[{}]", self.word()),
            Owner::MediaServer => format!("{}.{section}", self.word()),
        }
    }
}

/// What an option takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A whole number from `min` to `max`, of `unit`.
    Integer {
        /// Value when it is not set.
        default: i64,
        /// Smallest.
        min: i64,
        /// Largest.
        max: i64,
        /// What it counts.
        unit: Unit,
    },
    /// `true` or `false`.
    Flag {
        /// Value when it is not set.
        default: bool,
    },
    /// Text that is not empty.
    Text {
        /// Value when it is not set.
        default: &'static str,
    },
    /// One of a few words.
    Word {
        /// Value when it is not set.
        default: &'static str,
        /// All there are.
        of: &'static [&'static str],
    },
    /// Some of a few words; all of them when it is not set.
    Words {
        /// All there are.
        of: &'static [&'static str],
    },
    /// Hosts of the network; none when it is not set.
    Hosts,
}

/// What an integer option counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Things.
    Count,
    /// Milliseconds.
    Milliseconds,
    /// Seconds.
    Seconds,
    /// Minutes.
    Minutes,
    /// Hours.
    Hours,
    /// Kibibytes.
    Kibibytes,
    /// Mebibytes.
    Mebibytes,
}

impl Unit {
    /// Its name after a number; empty for a count.
    pub fn word(self) -> &'static str {
        match self {
            Unit::Count => "",
            Unit::Milliseconds => "milliseconds",
            Unit::Seconds => "seconds",
            Unit::Minutes => "minutes",
            Unit::Hours => "hours",
            Unit::Kibibytes => "KiB",
            Unit::Mebibytes => "MiB",
        }
    }
}

/// When a changed value counts, while the program runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TakesEffect {
    /// Whatever is under way follows it, too.
    AtOnce,
    /// What is under way keeps the value it began with.
    FromThenOn,
    /// Sessions that run keep the value they began with, until they are rebuilt.
    NewSessions,
    /// Plugins that are taken already stay as they are.
    NewFiles,
    /// When the program is started again.
    Restart,
}

impl TakesEffect {
    /// In words.
    pub fn words(self) -> &'static str {
        match self {
            TakesEffect::AtOnce => "at once",
            TakesEffect::FromThenOn => "at once, for what begins from then on",
            TakesEffect::NewSessions => "for new sessions",
            TakesEffect::NewFiles => "for plugin files that come from then on",
            TakesEffect::Restart => "after a restart",
        }
    }
}

/// One option.
#[derive(Clone, Copy, Debug)]
pub struct OptionDefinition {
    /// The object that carries it.
    pub owner: Owner,
    /// Its section.
    pub section: &'static str,
    /// Its name.
    pub name: &'static str,
    /// Type, default and range.
    pub kind: Kind,
    /// When a change counts.
    pub takes_effect: TakesEffect,
    /// What it does.
    pub text: &'static str,
}

const fn integer(
    owner: Owner,
    section: &'static str,
    name: &'static str,
    (default, min, max, unit): (i64, i64, i64, Unit),
    takes_effect: TakesEffect,
    text: &'static str,
) -> OptionDefinition {
    let kind = Kind::Integer { default, min, max, unit };
    OptionDefinition { owner, section, name, kind, takes_effect, text }
}

use Owner::{Application, MediaServer, Server};
use TakesEffect::{AtOnce, FromThenOn, NewFiles, NewSessions, Restart};
use Unit::{Count, Hours, Kibibytes, Mebibytes, Milliseconds, Minutes, Seconds};

/// All options, by owner, section and topic.
pub const OPTIONS: &[OptionDefinition] = &[
    OptionDefinition {
        owner: Application,
        section: "orchestration",
        name: "switch-multi-links-enabled",
        kind: Kind::Flag { default: false },
        takes_effect: Restart,
        text: "Lets the node have links to several Interaction Servers on one multimedia switch of its tenant. Without it only the first of them among the connections is used.",
    },
    integer(
        Application,
        "orchestration",
        "mcr-pull-after-error-timeout",
        (120, 60, 3_600, Seconds),
        AtOnce,
        "How long the pull for a strategy, or of a view, rests at one Interaction Server after error 42, 83, 107, 108 or 109.",
    ),
    // Name and default as recalled (reference page, *Options*), not as confirmed; the range is ours.
    integer(
        Application,
        "orchestration",
        "mcr-pull-interval",
        (1_000, 100, 600_000, Milliseconds),
        AtOnce,
        "Legacy pulling: how long before a view is pulled again that had no more than it gave.",
    ),
    integer(
        Application,
        "orchestration",
        "max-sessions",
        (50_000, 1, 1_000_000, Count),
        AtOnce,
        "Sessions at once on this node, those that wait included; it pulls no more meanwhile.",
    ),
    integer(
        Application,
        "orchestration",
        "pull-count",
        (100, 1, 1_000, Count),
        FromThenOn,
        "Interactions one pull asks for at the most.",
    ),
    integer(
        Application,
        "orchestration",
        "max-pull-delay",
        (10, 1, 600, Seconds),
        FromThenOn,
        "Longest the node asks an Interaction Server to hold a pull.",
    ),
    integer(
        Application,
        "orchestration",
        "poison-limit",
        (3, 1, 100, Count),
        AtOnce,
        "Times an interaction may fail in a session before it is placed into poison-queue.",
    ),
    OptionDefinition {
        owner: Application,
        section: "orchestration",
        name: "poison-queue",
        kind: Kind::Text { default: "poison" },
        takes_effect: AtOnce,
        text: "Interaction queue for interactions that failed poison-limit times. Each connected server needs it.",
    },
    integer(
        Application,
        "orchestration",
        "shutdown-grace",
        (10, 0, 3_600, Seconds),
        AtOnce,
        "Time a shutdown leaves sessions to come to rest: to their ends, or, where they are suspended, to the end of their turns.",
    ),
    OptionDefinition {
        owner: Application,
        section: "orchestration",
        name: "on-shutdown",
        kind: Kind::Word { default: "suspend", of: &["suspend", "drain"] },
        takes_effect: AtOnce,
        text: "What a shutdown does to sessions. suspend: they keep their interactions and go on at the next start. drain: they are asked to end, and give back what they hold. Without a journal always drain.",
    },
    OptionDefinition {
        owner: Application,
        section: "orchestration",
        name: "journal",
        kind: Kind::Text { default: "journal.db" },
        takes_effect: Restart,
        text: "File in which sessions are recorded, and from which they go on after a stop or a crash; a relative path begins at the data folder. off: nothing is recorded, and sessions end with the node.",
    },
    integer(
        Application,
        "orchestration",
        "journal-retention",
        (168, 1, 87_600, Hours),
        AtOnce,
        "How long the journal keeps sessions that have ended.",
    ),
    integer(
        Application,
        "orchestration",
        "rejection-rest",
        (60, 0, 86_400, Seconds),
        FromThenOn,
        "How long an agent who rejected an interaction, or let it ring, is not offered it again.",
    ),
    integer(
        Application,
        "orchestration",
        "request-timeout",
        (30, 1, 3_600, Seconds),
        FromThenOn,
        "How long a request to an Interaction Server may take before it fails.",
    ),
    integer(
        Application,
        "orchestration",
        "link-down-timeout",
        (300, 1, 86_400, Seconds),
        FromThenOn,
        "How long a session's request to an Interaction Server waits while the link there is down; then it fails with link_down. It goes to no other server. A wait for a target goes on.",
    ),
    integer(
        Application,
        "orchestration",
        "cleanup-takeover-timeout",
        (300, 10, 86_400, Seconds),
        AtOnce,
        "How long an interaction of another node of the cluster may wait in orchestration_system; then this node cleans it up in that one's place.",
    ),
    integer(
        Application,
        "orchestration",
        "reconnect-first",
        (200, 10, 60_000, Milliseconds),
        AtOnce,
        "First pause before a lost link is tried again; it doubles up to reconnect-max, with jitter.",
    ),
    integer(
        Application,
        "orchestration",
        "reconnect-max",
        (10_000, 100, 600_000, Milliseconds),
        AtOnce,
        "Longest pause before a lost link is tried again.",
    ),
    integer(
        Application,
        "strategy",
        "memory-limit",
        (64, 1, 4_096, Mebibytes),
        NewSessions,
        "Memory one session may use; beyond it the session ends and gives its interaction back. More than the most that any plugin was allowed when the node started only counts after a restart.",
    ),
    integer(
        Application,
        "strategy",
        "turn-cpu-limit",
        (1_000, 10, 600_000, Milliseconds),
        NewSessions,
        "Running time one turn of a session may use; beyond it the session ends and gives its interaction back.",
    ),
    integer(
        Application,
        "strategy",
        "session-cpu-limit",
        (60_000, 0, 86_400_000, Milliseconds),
        NewSessions,
        "Running time all turns of a session may use together, since the node started; beyond it the session ends and gives its interaction back. Rebuilding it does not count. 0: no limit.",
    ),
    integer(
        Application,
        "strategy",
        "requests-per-turn",
        (1_000, 1, 100_000, Count),
        NewSessions,
        "Requests and look-ups one turn of a session may make; beyond it the session ends and gives its interaction back.",
    ),
    integer(
        Application,
        "strategy",
        "requests-per-second",
        (0, 0, 1_000_000, Count),
        NewSessions,
        "Requests a session may make within a second, and so in a turn; beyond it the session ends and gives its interaction back. 0: no limit.",
    ),
    integer(
        Application,
        "strategy",
        "max-sessions",
        (0, 0, 1_000_000, Count),
        AtOnce,
        "Sessions of one plugin at once on this node, in all strategies that run it; what would be beyond it is not pulled. 0: as many as the node takes.",
    ),
    integer(
        Application,
        "strategy",
        "log-limit",
        (64, 1, 1_048_576, Kibibytes),
        NewSessions,
        "What a session may write to the log within a second; the rest is dropped, and said to be.",
    ),
    OptionDefinition {
        owner: Application,
        section: "strategy",
        name: "capabilities",
        kind: Kind::Words { of: CAPABILITIES },
        takes_effect: NewFiles,
        text: "Interfaces of the contract that a plugin may use, beyond those that all may; one that imports another is not loaded.",
    },
    OptionDefinition {
        owner: Application,
        section: "strategy",
        name: "http-hosts",
        kind: Kind::Hosts,
        takes_effect: AtOnce,
        text: "Hosts that a plugin may send HTTP requests to.",
    },
    integer(
        Application,
        "strategy",
        "live-sessions",
        (5_000, 0, 100_000, Count),
        Restart,
        "Sessions kept in memory as they run, at once; the others are rebuilt from the journal when something happens to them. 0: each is dropped after every turn, a mode for tests.",
    ),
    integer(
        Application,
        "strategy",
        "turns-without-checkpoint",
        (1_000, 10, 100_000, Count),
        Restart,
        "Turns a recorded session may have since its last checkpoint, or its beginning; beyond it the session ends and gives its interaction back.",
    ),
    OptionDefinition {
        owner: Application,
        section: "plugins",
        name: "code-cache",
        kind: Kind::Text { default: "code-cache" },
        takes_effect: Restart,
        text: "Folder in which the compiled code of plugins is kept, so that the next start need not compile it; a relative path begins at the data folder. Nobody but the node's user may write to it. off: each start compiles.",
    },
    OptionDefinition {
        owner: Application,
        section: "plugins",
        name: "arrival",
        kind: Kind::Word { default: "at-once", of: &["at-once", "canary", "shadow", "waits"] },
        takes_effect: NewFiles,
        text: "What a new version of a plugin that comes into the folder is first. at-once: all new sessions get it. canary: a part of them does. shadow: it is run beside the current one, without effects. waits: nothing, until an operator says more.",
    },
    integer(
        Application,
        "plugins",
        "canary-percent",
        (10, 1, 100, Count),
        NewFiles,
        "Of a hundred new sessions, those that a version gets which comes as a canary.",
    ),
    integer(
        Application,
        "plugins",
        "breaker-failures",
        (5, 0, 64, Count),
        AtOnce,
        "A version is taken back when so many of its last breaker-window sessions have failed: new sessions get the version before, or, where there is none, nothing is pulled for breaker-rest. 0: never.",
    ),
    integer(
        Application,
        "plugins",
        "breaker-window",
        (20, 1, 64, Count),
        AtOnce,
        "Sessions of a version that breaker-failures looks back on.",
    ),
    integer(
        Application,
        "plugins",
        "breaker-rest",
        (60, 1, 86_400, Seconds),
        FromThenOn,
        "How long a plugin rests whose only version was taken back; then one session is tried. It doubles with each failure, to 16 times.",
    ),
    OptionDefinition {
        owner: Application,
        section: "plugins",
        name: "watch",
        kind: Kind::Word { default: "notified", of: &["notified", "polled"] },
        takes_effect: AtOnce,
        text: "How changes in the plugins folder are noticed. notified: by the system, and by a look every five poll intervals. polled: by a look every poll interval, for network folders.",
    },
    integer(
        Application,
        "plugins",
        "poll-interval",
        (2, 1, 3_600, Seconds),
        AtOnce,
        "Between two looks at the plugins folder.",
    ),
    OptionDefinition {
        owner: Application,
        section: "plugins",
        name: "require-signature",
        kind: Kind::Flag { default: false },
        takes_effect: NewFiles,
        text: "Takes only plugins that the key of a [[trusted-key]] has signed, with minisign: the signature of a.wasm is a.wasm.minisig beside it.",
    },
    integer(
        Server,
        "settings",
        "routing-timeout",
        (720, 20, 525_600, Minutes),
        FromThenOn,
        "Time with a router since its last request; then the interaction goes back to its queue.",
    ),
    integer(
        Server,
        "settings",
        "handling-timeout",
        (180, 1, 1_440, Minutes),
        FromThenOn,
        "Idle time of an agent application; then its interaction goes back to its queue.",
    ),
    integer(
        Server,
        "settings",
        "delivering-timeout",
        (30, 1, 86_400, Seconds),
        FromThenOn,
        "Time an agent has to accept an invitation.",
    ),
    integer(
        Server,
        "settings",
        "max-pull-delay",
        (10, 1, 600, Seconds),
        FromThenOn,
        "Longest a pull by strategy is held when there is nothing to pull.",
    ),
    integer(
        Server,
        "settings",
        "idempotency-retention",
        (1_440, 60, 43_200, Minutes),
        AtOnce,
        "How long the answer to a request with an idempotency key is remembered.",
    ),
    integer(
        Server,
        "settings",
        "registration-timeout",
        (10, 1, 300, Seconds),
        Restart,
        "A connection that has not registered by then is closed.",
    ),
    integer(
        Server,
        "settings",
        "reclaim-window",
        (30, 0, 3_600, Seconds),
        FromThenOn,
        "How long interactions are kept for a routing client whose connection broke; nobody else is given them meanwhile. 0: they are free at once.",
    ),
    integer(
        Server,
        "settings",
        "reclaim-window-at-start",
        (2, 0, 60, Seconds),
        Restart,
        "How long pulls wait after a start with interactions waiting, so that routers that come back get their own first. 0: not at all.",
    ),
    integer(Server, "limits", "clients", (1_000, 1, 100_000, Count), Restart, "Clients at once."),
    integer(
        Server,
        "limits",
        "requests-in-flight",
        (4_096, 1, 1_000_000, Count),
        Restart,
        "Requests of one client that wait for the disk; reading from it pauses there.",
    ),
    integer(
        Server,
        "limits",
        "events-waiting",
        (65_536, 16, 10_000_000, Count),
        Restart,
        "Events waiting to be sent to one client; one that does not read them is cut off.",
    ),
    integer(
        Server,
        "limits",
        "body-cache",
        (64, 1, 65_536, Mebibytes),
        Restart,
        "Interaction bodies kept in memory; the others are read from the store when they are pulled.",
    ),
    integer(
        MediaServer,
        "smtp",
        "connections",
        (4, 1, 100, Count),
        Restart,
        "Connections to the SMTP server at once; each sends one message after the other.",
    ),
    integer(
        MediaServer,
        "smtp",
        "attempt-timeout",
        (120, 5, 3_600, Seconds),
        Restart,
        "How long one attempt with one message may take.",
    ),
    integer(
        MediaServer,
        "smtp",
        "answer-within",
        (20, 0, 600, Seconds),
        Restart,
        "How long whoever has a message sent is kept waiting for the SMTP server; then the answer is that it waits to be sent. The node itself waits for 30 seconds.",
    ),
    integer(
        MediaServer,
        "smtp",
        "retry-first",
        (10, 1, 3_600, Seconds),
        Restart,
        "First pause before a message that was not taken, or a server that is not there, is tried again; it doubles up to retry-max, with jitter.",
    ),
    integer(MediaServer, "smtp", "retry-max", (1_800, 1, 86_400, Seconds), Restart, "Longest pause before that."),
    integer(
        MediaServer,
        "smtp",
        "give-up-after",
        (48, 1, 720, Hours),
        Restart,
        "A message that was not taken for so long is given up, and reported.",
    ),
    integer(
        MediaServer,
        "smtp",
        "waiting",
        (10_000, 1, 1_000_000, Count),
        Restart,
        "Messages that may wait to be sent; beyond that requests to send end in a fault.",
    ),
    integer(
        MediaServer,
        "imap",
        "at-once",
        (16, 1, 256, Count),
        Restart,
        "Messages that are submitted at once; no more than 32 MiB of them are in memory.",
    ),
    integer(
        MediaServer,
        "imap",
        "message-size",
        (25, 1, 64, Mebibytes),
        Restart,
        "Largest message that is taken; larger ones are put aside.",
    ),
    integer(
        MediaServer,
        "imap",
        "look-every",
        (60, 1, 3_600, Seconds),
        Restart,
        "Between two looks at the mailbox; where the server tells of new messages (IDLE), they are taken at once.",
    ),
    integer(
        MediaServer,
        "imap",
        "answer-timeout",
        (60, 1, 3_600, Seconds),
        Restart,
        "How long the IMAP server may take to answer; then it is connected to anew.",
    ),
    integer(MediaServer, "inbox", "at-once", (16, 1, 256, Count), Restart, "Messages that are submitted at once."),
    integer(
        MediaServer,
        "inbox",
        "message-size",
        (25, 1, 64, Mebibytes),
        Restart,
        "Largest message that is taken; larger ones are put aside.",
    ),
    integer(MediaServer, "inbox", "look-every", (2, 1, 3_600, Seconds), Restart, "Between two looks at the Maildir."),
    integer(
        MediaServer,
        "chat",
        "grace",
        (30, 0, 3_600, Seconds),
        Restart,
        "How long a customer may be without a connection before the chat has ended and its interaction is off-line.",
    ),
    integer(
        MediaServer,
        "chat",
        "transcript-retention",
        (720, 1, 87_600, Hours),
        Restart,
        "How long transcripts of chats that have ended are kept.",
    ),
    integer(MediaServer, "chat", "chats", (500, 1, 10_000, Count), Restart, "Chats at once, of up to 256 KiB each."),
    integer(
        MediaServer,
        "chat",
        "connections",
        (2_000, 1, 100_000, Count),
        Restart,
        "Connections of customers at once.",
    ),
    integer(
        MediaServer,
        "chat",
        "connections-per-chat",
        (4, 1, 100, Count),
        Restart,
        "Connections of one customer at once.",
    ),
    integer(
        MediaServer,
        "chat",
        "lines-per-second",
        (2, 1, 100, Count),
        Restart,
        "Lines a customer may write within a second, beyond a burst of four times as many.",
    ),
];

/// Options, by section, that a `[[plugin]]` may set for itself, as keys of the same names.
const OF_PLUGINS: &[(&str, &str)] = &[
    ("strategy", "memory-limit"),
    ("strategy", "turn-cpu-limit"),
    ("strategy", "session-cpu-limit"),
    ("strategy", "requests-per-turn"),
    ("strategy", "requests-per-second"),
    ("strategy", "max-sessions"),
    ("strategy", "log-limit"),
    ("strategy", "capabilities"),
    ("strategy", "http-hosts"),
    ("plugins", "arrival"),
    ("plugins", "canary-percent"),
    ("plugins", "breaker-failures"),
    ("plugins", "breaker-window"),
    ("plugins", "breaker-rest"),
];

/// The definitions of what a `[[plugin]]` may set for itself.
pub fn of_plugins() -> impl Iterator<Item = &'static OptionDefinition> {
    OPTIONS.iter().filter(|option| option.is_of_plugins())
}

impl OptionDefinition {
    /// The value when it is not set, as it is written.
    pub fn default_text(&self) -> String {
        match self.kind {
            Kind::Integer { default, .. } => default.to_string(),
            Kind::Flag { default } => default.to_string(),
            Kind::Text { default } | Kind::Word { default, .. } => format!("{default:?}"),
            Kind::Words { of } => format!("{of:?}"),
            Kind::Hosts => "[]".into(),
        }
    }

    /// Whether a `[[plugin]]` may set it for itself.
    pub fn is_of_plugins(&self) -> bool {
        self.owner == Application && OF_PLUGINS.contains(&(self.section, self.name))
    }
}

/// The definitions of the options of a section.
pub fn of_section(owner: Owner, section: &str) -> impl Iterator<Item = &'static OptionDefinition> {
    OPTIONS.iter().filter(move |option| option.owner == owner && option.section == section)
}

/// The definition of an option.
pub fn definition(owner: Owner, section: &str, name: &str) -> Option<&'static OptionDefinition> {
    OPTIONS.iter().find(|option| option.owner == owner && option.section == section && option.name == name)
}

/// Sections an object may have.
pub fn sections(owner: Owner) -> Vec<&'static str> {
    let mut sections: Vec<&str> =
        OPTIONS.iter().filter(|option| option.owner == owner).map(|option| option.section).collect();
    sections.dedup();
    sections
}

/// Names of the options of a section.
pub fn names(owner: Owner, section: &str) -> Vec<&'static str> {
    OPTIONS
        .iter()
        .filter(|option| option.owner == owner && option.section == section)
        .map(|option| option.name)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_differs_from_plugin_to_plugin_is_an_option() {
        assert_eq!(of_plugins().count(), OF_PLUGINS.len());
    }

    #[test]
    fn each_default_lies_within_its_range_and_names_are_unique() {
        for (index, option) in OPTIONS.iter().enumerate() {
            if let Kind::Integer { default, min, max, .. } = option.kind {
                assert!(min <= default && default <= max, "{}", option.name);
            }
            if let Kind::Word { default, of } = option.kind {
                assert!(of.contains(&default), "{}", option.name);
            }
            let same = OPTIONS.iter().position(|other| {
                (other.owner, other.section, other.name) == (option.owner, option.section, option.name)
            });
            assert_eq!(same, Some(index), "{} is defined twice", option.name);
        }
    }
}
