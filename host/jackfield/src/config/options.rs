//! Every option of the configuration, defined once: name, section, range, default, when a change takes
//! effect, and what it does (`table`). Checking, defaults and the help of `jackfield options` are made from it.

mod table;

pub use table::OPTIONS;

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
        self.owner == Owner::Application && OF_PLUGINS.contains(&(self.section, self.name))
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
