//! The options that one object sets: read and checked against their definitions (`options`), and asked for by
//! whoever makes settings of them.

use std::collections::BTreeMap;
use std::ops::Range;
use std::time::Duration;

use toml::Spanned;
use toml::de::DeValue;

use super::options::Unit::{Hours, Kibibytes, Mebibytes, Milliseconds, Minutes};
use super::options::{self, Kind, OptionDefinition, Owner, definition};
use super::problem::{Problem, nearest_word};
use super::section::{Notes, Section, integer_of, wrong_type};

/// A value that was set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OptionValue {
    /// In the option's own unit.
    Integer(i64),
    /// A switch.
    Flag(bool),
    /// Text.
    Text(String),
    /// Several texts.
    Texts(Vec<String>),
}

/// The options one object sets; whatever it leaves out has its default.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OptionValues {
    set: BTreeMap<(&'static str, &'static str), OptionValue>,
}

impl OptionValues {
    /// Remember a checked value.
    pub fn set(&mut self, definition: &'static OptionDefinition, value: OptionValue) {
        self.set.insert((definition.section, definition.name), value);
    }

    /// These, and for what they leave out those.
    pub fn over(&self, those: &OptionValues) -> OptionValues {
        let mut both = those.clone();
        both.set.extend(self.set.clone());
        both
    }

    /// An integer option in its own unit; its default where it is not set.
    pub fn integer(&self, owner: Owner, section: &'static str, name: &'static str) -> i64 {
        match (self.set.get(&(section, name)), definition(owner, section, name).map(|option| option.kind)) {
            (Some(OptionValue::Integer(value)), _) => *value,
            (_, Some(Kind::Integer { default, .. })) => default,
            _ => 0,
        }
    }

    /// An integer option that counts things or bytes (KiB and MiB become bytes).
    pub fn count(&self, owner: Owner, section: &'static str, name: &'static str) -> usize {
        let value = usize::try_from(self.integer(owner, section, name)).unwrap_or(0);
        match definition(owner, section, name).map(|option| option.kind) {
            Some(Kind::Integer { unit: Mebibytes, .. }) => value << 20,
            Some(Kind::Integer { unit: Kibibytes, .. }) => value << 10,
            _ => value,
        }
    }

    /// An integer option that is a length of time.
    pub fn duration(&self, owner: Owner, section: &'static str, name: &'static str) -> Duration {
        let value = u64::try_from(self.integer(owner, section, name)).unwrap_or(0);
        match definition(owner, section, name).map(|option| option.kind) {
            Some(Kind::Integer { unit: Milliseconds, .. }) => Duration::from_millis(value),
            Some(Kind::Integer { unit: Minutes, .. }) => Duration::from_secs(value * 60),
            Some(Kind::Integer { unit: Hours, .. }) => Duration::from_secs(value * 60 * 60),
            _ => Duration::from_secs(value),
        }
    }

    /// A text option, or one of a few words.
    pub fn text(&self, owner: Owner, section: &'static str, name: &'static str) -> String {
        match (self.set.get(&(section, name)), definition(owner, section, name).map(|option| option.kind)) {
            (Some(OptionValue::Text(value)), _) => value.clone(),
            (_, Some(Kind::Text { default } | Kind::Word { default, .. })) => default.to_owned(),
            _ => String::new(),
        }
    }

    /// An option of several words or texts.
    pub fn texts(&self, owner: Owner, section: &'static str, name: &'static str) -> Vec<String> {
        match (self.set.get(&(section, name)), definition(owner, section, name).map(|option| option.kind)) {
            (Some(OptionValue::Texts(values)), _) => values.clone(),
            (_, Some(Kind::Words { of })) => of.iter().map(|&word| word.to_owned()).collect(),
            _ => Vec::new(),
        }
    }

    /// A switch.
    pub fn flag(&self, owner: Owner, section: &'static str, name: &'static str) -> bool {
        match (self.set.get(&(section, name)), definition(owner, section, name).map(|option| option.kind)) {
            (Some(OptionValue::Flag(value)), _) => *value,
            (_, Some(Kind::Flag { default })) => default,
            _ => false,
        }
    }
}

/// What `[<object>.options.*]` sets. `spans`: where each of them stands, by its name.
pub fn option_values(
    section: &mut Section<'_, '_>,
    owner: Owner,
    notes: &Notes,
    spans: &mut BTreeMap<String, Range<usize>>,
) -> OptionValues {
    let mut values = OptionValues::default();
    for (section_name, table) in section.entries("options") {
        let word: &str = section_name.get_ref();
        if !options::sections(owner).contains(&word) {
            notes.push(
                Problem::new(
                    section_name.span(),
                    format!("the {} has no option section `{word}`", owner.word()),
                    "not a section of this object",
                )
                .help(nearest_word(word, options::sections(owner))),
            );
            continue;
        }
        let Some(table) = table.get_ref().as_table() else {
            wrong_type(notes, word, table, "a table of options");
            continue;
        };
        for (name, value) in table.iter() {
            let option_name: &str = name.get_ref();
            let Some(definition) = options::definition(owner, word, option_name) else {
                notes.push(
                    Problem::new(
                        name.span(),
                        format!("unknown option `{option_name}` in section `{word}` of the {}", owner.word()),
                        "not an option",
                    )
                    .help(nearest_word(option_name, options::names(owner, word))),
                );
                continue;
            };
            if let Some(checked) = option_value(definition, value, notes) {
                values.set(definition, checked);
                spans.insert(option_name.to_owned(), value.span());
            }
        }
    }
    values
}

/// What a `[[plugin]]` sets: each of the options that may differ from plugin to plugin is a key of it.
pub fn plugin_options(section: &mut Section<'_, '_>, notes: &Notes) -> OptionValues {
    keys(section, options::of_plugins(), notes)
}

/// Options that are keys of an object itself.
pub fn keys(
    section: &mut Section<'_, '_>,
    definitions: impl Iterator<Item = &'static OptionDefinition>,
    notes: &Notes,
) -> OptionValues {
    let mut values = OptionValues::default();
    for definition in definitions {
        if let Some(value) = section.value(definition.name)
            && let Some(checked) = option_value(definition, value, notes)
        {
            values.set(definition, checked);
        }
    }
    values
}

fn option_value(definition: &OptionDefinition, value: &Spanned<DeValue<'_>>, notes: &Notes) -> Option<OptionValue> {
    let name = definition.name;
    match definition.kind {
        Kind::Integer { default, min, max, unit } => {
            let unit = if unit.word().is_empty() { String::new() } else { format!(" {}", unit.word()) };
            let help = format!("from {min} to {max}{unit}; default {default}");
            let Some(number) = integer_of(value) else {
                notes.push(
                    Problem::new(value.span(), format!("`{name}` must be a whole number"), "not a number").help(help),
                );
                return None;
            };
            if !(min..=max).contains(&number) {
                notes.push(
                    Problem::new(value.span(), format!("`{name}` is out of range"), format!("{number}{unit}"))
                        .help(help),
                );
                return None;
            }
            Some(OptionValue::Integer(number))
        }
        Kind::Flag { default } => match value.get_ref().as_bool() {
            Some(flag) => Some(OptionValue::Flag(flag)),
            None => {
                let problem = Problem::new(value.span(), format!("`{name}` must be true or false"), "neither");
                notes.push(problem.help(format!("default {default}")));
                None
            }
        },
        Kind::Text { default } => match value.get_ref().as_str() {
            Some(text) if !text.is_empty() => Some(OptionValue::Text(text.to_owned())),
            _ => {
                let problem = Problem::new(value.span(), format!("`{name}` must be text"), "not text, or empty");
                notes.push(problem.help(format!("default \"{default}\"")));
                None
            }
        },
        Kind::Word { default, of } => match value.get_ref().as_str() {
            Some(word) if of.contains(&word) => Some(OptionValue::Text(word.to_owned())),
            word => {
                let label = if word.is_some() { "not one of them" } else { "not text" };
                let problem = Problem::new(value.span(), format!("`{name}` must be {}", of.join(" or ")), label);
                notes.push(problem.help(format!("default \"{default}\"")));
                None
            }
        },
        Kind::Words { of } => texts_of(name, value, notes, |word| {
            (!of.contains(&word)).then(|| ("not one of them", nearest_word(word, of.iter().copied())))
        }),
        Kind::Hosts => texts_of(name, value, notes, |host| {
            let help = "write it as in \"api.example.com\", without `https://` and without a path";
            jackfield_node::check_http_host(host).err().map(|_| ("not a host", help.to_owned()))
        }),
    }
}

/// A list of texts, each of which is right, or is noted with a label and help.
fn texts_of(
    name: &str,
    value: &Spanned<DeValue<'_>>,
    notes: &Notes,
    wrong: impl Fn(&str) -> Option<(&'static str, String)>,
) -> Option<OptionValue> {
    let Some(array) = value.get_ref().as_array() else {
        wrong_type(notes, name, value, "a list of texts, such as [\"one\", \"two\"]");
        return None;
    };
    let mut texts = Vec::with_capacity(array.len());
    for item in array.iter() {
        match item.get_ref().as_str() {
            Some(text) => match wrong(text) {
                Some((label, help)) => {
                    let message = format!("`{text}` cannot be in `{name}`");
                    notes.push(Problem::new(item.span(), message, label).help(help));
                }
                None => texts.push(text.to_owned()),
            },
            None => wrong_type(notes, name, item, "a list of texts"),
        }
    }
    Some(OptionValue::Texts(texts))
}

#[cfg(test)]
mod tests {
    use super::Owner::{Application, Server};
    use super::*;

    #[test]
    fn what_is_not_set_has_the_default_that_the_crates_themselves_have() {
        let options = OptionValues::default();
        let timers = jackfield_server::Timers::default();
        assert_eq!(options.duration(Server, "settings", "routing-timeout"), timers.routing_timeout);
        assert_eq!(options.duration(Server, "settings", "handling-timeout"), timers.handling_timeout);
        assert_eq!(options.duration(Server, "settings", "delivering-timeout"), timers.delivering_timeout);
        assert_eq!(options.duration(Server, "settings", "max-pull-delay"), timers.max_pull_delay);
        assert_eq!(options.duration(Server, "settings", "idempotency-retention"), timers.idempotency_retention);
        assert_eq!(options.duration(Server, "settings", "registration-timeout"), timers.registration_timeout);
        assert_eq!(options.duration(Server, "settings", "reclaim-window"), timers.reclaim_window);
        assert_eq!(options.duration(Server, "settings", "reclaim-window-at-start"), timers.reclaim_window_at_start);
        assert_eq!(options.duration(Server, "settings", "reporting-window"), timers.reporting_window);
        let limits = jackfield_server::Limits::default();
        assert_eq!(options.count(Server, "limits", "clients"), limits.clients);
        assert_eq!(options.count(Server, "limits", "requests-in-flight"), limits.requests_in_flight);
        assert_eq!(options.count(Server, "limits", "events-waiting"), limits.events_waiting);
        assert_eq!(options.count(Server, "limits", "body-cache"), limits.body_cache_bytes);
        assert_eq!(options.count(Server, "limits", "reporting-events"), limits.reporting_events);
        assert_eq!(options.count(Server, "limits", "reporting-size"), limits.reporting_bytes);
    }

    #[test]
    fn what_an_object_leaves_out_is_as_the_others_say() {
        let integer = |name, value| {
            let mut values = OptionValues::default();
            values.set(definition(Application, "strategy", name).expect("an option"), OptionValue::Integer(value));
            values
        };
        let (own, others) = (integer("memory-limit", 1), integer("log-limit", 2));
        let both = own.over(&others);
        let of = |values: &OptionValues, name| values.count(Application, "strategy", name);
        assert_eq!((of(&both, "memory-limit"), of(&both, "log-limit")), (1 << 20, 2 << 10));
        assert_eq!(of(&own.over(&integer("memory-limit", 3)), "memory-limit"), 1 << 20, "its own goes first");
        assert_eq!(both.texts(Application, "strategy", "capabilities"), jackfield_strategy::CAPABILITIES);
    }
}
