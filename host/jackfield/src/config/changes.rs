//! What a changed file says otherwise than before: each key by itself, with both values, and when it counts.
//!
//! The comparison is made on the text of two files that are right, not on the objects read from them, so that no key
//! is ever passed over: one of which nothing else is known needs a restart.

use std::collections::{BTreeMap, BTreeSet};

use toml::{Table, Value};

use super::options::{self, OPTIONS, Owner, TakesEffect};

/// Longest value that is shown, in characters.
const SHOWN: usize = 200;

/// One key that has another value, or an object that came or went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Kind of the object, such as `strategy`.
    pub kind: String,
    /// Its name; empty for `[application]`.
    pub name: String,
    /// The key, with the tables it is in; empty: the whole object.
    pub key: String,
    /// Its value before; none: it was not there.
    pub old: Option<String>,
    /// Its value now; none: it is not there any more.
    pub new: Option<String>,
    /// When it counts.
    pub takes_effect: TakesEffect,
}

impl Change {
    /// What is changed, as people know it from the file.
    pub fn what(&self) -> String {
        let Change { kind, name, key, .. } = self;
        let object = match kind.as_str() {
            "application" => "[application]".to_owned(),
            "list" => format!("[list.{name}]"),
            _ => format!("[[{kind}]] `{name}`"),
        };
        match key.as_str() {
            "" => object,
            key => format!("`{key}` of {object}"),
        }
    }

    /// Whether it is only about what an Interaction Server of this name is told.
    pub fn concerns_server(&self, server: &str) -> bool {
        match self.kind.as_str() {
            "server" => self.name == server,
            // What the node reports.
            "virtual-queue" => false,
            _ if self.key == "dbid" => false,
            "application" | "plugin" | "trusted-key" | "media-server" | "list" | "business-hours" | "special-days" => {
                false
            }
            // The sessions of a node, and what they look up.
            "strategy" => matches!(self.key.as_str(), "" | "enabled" | "max-interactions"),
            _ => true,
        }
    }
}

/// An object: its kind and its name.
type Object = (String, String);
type Objects = BTreeMap<Object, BTreeMap<String, String>>;

/// Keys of objects that count before a restart; an empty one is the whole object, that is new or gone. A key that
/// ends with a dot stands for all that are in that table.
const KEYS: &[(&str, &str, TakesEffect)] = &[
    ("submitter", "priority", TakesEffect::AtOnce),
    ("submitter", "max-interactions", TakesEffect::AtOnce),
    ("submitter", "cluster-id", TakesEffect::AtOnce),
    ("strategy", "enabled", TakesEffect::AtOnce),
    ("strategy", "max-sessions", TakesEffect::AtOnce),
    ("strategy", "max-interactions", TakesEffect::AtOnce),
    ("strategy", "parameters.", TakesEffect::AtOnce),
    ("media-type", "", TakesEffect::AtOnce),
    ("media-type", "handling-timeout", TakesEffect::FromThenOn),
    ("skill", "", TakesEffect::AtOnce),
    ("agent-group", "", TakesEffect::AtOnce),
    ("place", "", TakesEffect::AtOnce),
    ("workbin", "", TakesEffect::AtOnce),
    ("agent", "", TakesEffect::AtOnce),
    ("agent", "skills.", TakesEffect::AtOnce),
    ("agent", "groups", TakesEffect::AtOnce),
    ("agent", "capacity.", TakesEffect::FromThenOn),
    ("agent", "place", TakesEffect::FromThenOn),
    ("list", "", TakesEffect::AtOnce),
    ("list", "*", TakesEffect::AtOnce),
    ("virtual-queue", "", TakesEffect::AtOnce),
    ("virtual-queue", "dbid", TakesEffect::AtOnce),
    ("queue", "dbid", TakesEffect::AtOnce),
    ("strategy", "dbid", TakesEffect::AtOnce),
    ("agent-group", "dbid", TakesEffect::AtOnce),
    ("place", "dbid", TakesEffect::AtOnce),
    ("agent", "dbid", TakesEffect::AtOnce),
    ("business-hours", "", TakesEffect::AtOnce),
    ("business-hours", "*", TakesEffect::AtOnce),
    ("special-days", "", TakesEffect::AtOnce),
    ("special-days", "*", TakesEffect::AtOnce),
    ("application", "time-zone", TakesEffect::AtOnce),
    ("trusted-key", "", TakesEffect::NewFiles),
    ("trusted-key", "*", TakesEffect::NewFiles),
];

/// What `new` says otherwise than `old`, by object and key. Both are files that are right; of one that is none,
/// nothing is known.
pub fn changes(old: &str, new: &str) -> Vec<Change> {
    let (old, new) = (said(old), said(new));
    let mut changes = Vec::new();
    let objects: BTreeSet<&Object> = old.keys().chain(new.keys()).collect();
    for object in objects {
        let change = |key: &str, old: Option<String>, new: Option<String>| {
            let (kind, name) = object.clone();
            let takes_effect = takes_effect(&kind, key);
            Change { kind, name, key: key.to_owned(), old, new, takes_effect }
        };
        match (old.get(object), new.get(object)) {
            // What a plugin may have for itself, others have too: it is the values that change.
            (None, Some(_)) if object.0 != "plugin" => changes.push(change("", None, Some("there".into()))),
            (Some(_), None) if object.0 != "plugin" => changes.push(change("", Some("there".into()), None)),
            (old, new) => {
                let none = BTreeMap::new();
                let (old, new) = (old.unwrap_or(&none), new.unwrap_or(&none));
                let keys: BTreeSet<&String> = old.keys().chain(new.keys()).filter(|key| *key != "name").collect();
                for key in keys {
                    let (old, new) = (old.get(key), new.get(key));
                    if old != new {
                        changes.push(change(key, old.map(|value| shown(value)), new.map(|value| shown(value))));
                    }
                }
            }
        }
    }
    changes
}

fn shown(value: &str) -> String {
    match value.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", value.get(..end).unwrap_or_default()),
        None => value.to_owned(),
    }
}

fn takes_effect(kind: &str, key: &str) -> TakesEffect {
    let owner = match kind {
        "application" => Some(Owner::Application),
        "server" => Some(Owner::Server),
        _ => None,
    };
    let option = owner.zip(key.strip_prefix("options.").and_then(|key| key.split_once('.')));
    if let Some(option) = option.and_then(|(owner, (section, name))| options::definition(owner, section, name)) {
        return option.takes_effect;
    }
    if kind == "plugin" {
        let option = options::of_plugins().find(|option| option.name == key);
        return option.map_or(TakesEffect::Restart, |option| option.takes_effect);
    }
    let is_it = |of: &str| of == key || (of == "*" && !key.is_empty()) || (of.ends_with('.') && key.starts_with(of));
    let known = KEYS.iter().find(|(of_kind, of_key, _)| *of_kind == kind && is_it(of_key));
    known.map_or(TakesEffect::Restart, |(_, _, takes_effect)| *takes_effect)
}

/// All that a file says, and the defaults of the options it leaves out.
fn said(text: &str) -> Objects {
    let mut objects = Objects::new();
    let Ok(file) = text.parse::<Table>() else { return objects };
    for (kind, value) in &file {
        match value {
            Value::Array(array) => {
                for (index, item) in array.iter().enumerate() {
                    let Value::Table(table) = item else { continue };
                    let name = ["name", "id"].iter().find_map(|key| table.get(*key)?.as_str());
                    let name = name.map_or_else(|| index.to_string(), str::to_owned);
                    flatten("", table, objects.entry((kind.clone(), name)).or_default());
                }
            }
            Value::Table(lists) if kind == "list" => {
                let items = lists.iter().filter_map(|(list, items)| Some((list, items.as_table()?)));
                for (list, items) in items {
                    for (item, keys) in items.iter().filter_map(|(item, keys)| Some((item, keys.as_table()?))) {
                        flatten("", keys, objects.entry((kind.clone(), format!("{list}.{item}"))).or_default());
                    }
                }
            }
            Value::Table(table) => flatten("", table, objects.entry((kind.clone(), String::new())).or_default()),
            _ => {}
        }
    }
    for ((kind, _), keys) in &mut objects {
        for option in OPTIONS.iter().filter(|option| option.owner.word() == kind) {
            let key = format!("options.{}.{}", option.section, option.name);
            keys.entry(key).or_insert_with(|| option.default_text());
        }
    }
    objects
}

fn flatten(path: &str, table: &Table, into: &mut BTreeMap<String, String>) {
    for (key, value) in table {
        match value {
            Value::Table(table) => flatten(&format!("{path}{key}."), table, into),
            value => {
                into.insert(format!("{path}{key}"), value.to_string());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SITE: &str = r#"
[application]
name = "node"
connections = ["main"]
[application.options.orchestration]
pull-count = 50
[[server]]
name = "main"
port = 7011
store = "sqlite:main.db"
[[queue]]
name = "in"
[[submitter]]
name = "s"
view = "all"
strategy = "Triage"
[[strategy]]
name = "Triage"
[strategy.parameters]
seconds = "20"
[[agent]]
id = "kim"
skills = { Billing = 7 }
[list.vip.domains]
"a.example" = "gold"
"#;

    fn told(change: &Change) -> String {
        let value = |value: &Option<String>| value.clone().unwrap_or_else(|| "not there".into());
        format!("{} was {}, is {} now", change.what(), value(&change.old), value(&change.new))
    }

    /// What there is to say when `from` becomes `to`.
    fn change(from: &str, to: &str) -> Vec<(String, TakesEffect)> {
        assert!(SITE.contains(from), "{from}");
        let changed = changes(SITE, &SITE.replacen(from, to, 1));
        changed.iter().map(|change| (told(change), change.takes_effect)).collect()
    }

    #[track_caller]
    fn says(from: &str, to: &str, text: &str, takes_effect: TakesEffect) {
        assert_eq!(change(from, to), [(text.to_owned(), takes_effect)]);
    }

    #[test]
    fn a_file_that_says_the_same_has_no_changes() {
        assert_eq!(changes(SITE, SITE), []);
        assert_eq!(change("[[queue]]", "# a comment\n\n[[queue]]"), []);
        assert_eq!(change("pull-count = 50", "pull-count = 50\nmax-pull-delay = 10"), [], "that is the default");
    }

    #[test]
    fn an_option_has_its_default_where_it_is_left_out_and_counts_when_its_definition_says() {
        use TakesEffect::{AtOnce, FromThenOn, NewSessions, Restart};
        says(
            "pull-count = 50",
            "",
            "`options.orchestration.pull-count` of [application] was 50, is 100 now",
            FromThenOn,
        );
        says(
            "pull-count = 50",
            "pull-count = 50\nmcr-pull-after-error-timeout = 60",
            "`options.orchestration.mcr-pull-after-error-timeout` of [application] was 120, is 60 now",
            AtOnce,
        );
        says(
            "[[server]]",
            "[application.options.strategy]\nmemory-limit = 1\n[[server]]",
            "`options.strategy.memory-limit` of [application] was 64, is 1 now",
            NewSessions,
        );
        says(
            "port = 7011",
            "port = 7011\noptions.settings.delivering-timeout = 5",
            "`options.settings.delivering-timeout` of [[server]] `main` was 30, is 5 now",
            FromThenOn,
        );
        says(
            "port = 7011",
            "port = 7011\noptions.limits.clients = 5",
            "`options.limits.clients` of [[server]] `main` was 1000, is 5 now",
            Restart,
        );
    }

    #[test]
    fn objects_and_their_keys_are_named_and_what_is_not_known_to_change_needs_a_restart() {
        use TakesEffect::{AtOnce, Restart};
        says("port = 7011", "port = 7012", "`port` of [[server]] `main` was 7011, is 7012 now", Restart);
        says("[\"main\"]", "[\"m\"]", "`connections` of [application] was [\"main\"], is [\"m\"] now", Restart);
        says(
            "name = \"in\"",
            "name = \"in\"\n[[queue]]\nname = \"new\"",
            "[[queue]] `new` was not there, is there now",
            Restart,
        );
        says(
            "name = \"in\"",
            "name = \"in\"\nnobody-knows-this = 1",
            "`nobody-knows-this` of [[queue]] `in` was not there, is 1 now",
            Restart,
        );
        says(
            "view = \"all\"",
            "view = \"all\"\npriority = 7",
            "`priority` of [[submitter]] `s` was not there, is 7 now",
            AtOnce,
        );
        says(
            "seconds = \"20\"",
            "seconds = \"30\"",
            "`parameters.seconds` of [[strategy]] `Triage` was \"20\", is \"30\" now",
            AtOnce,
        );
        says("Billing = 7", "Billing = 8", "`skills.Billing` of [[agent]] `kim` was 7, is 8 now", AtOnce);
        says("gold", "silver", "`a.example` of [list.vip.domains] was \"gold\", is \"silver\" now", AtOnce);
        says(
            "[[agent]]",
            "[[plugin]]\nname = \"triage\"\nmax-sessions = 3\n[[agent]]",
            "`max-sessions` of [[plugin]] `triage` was not there, is 3 now",
            AtOnce,
        );
    }

    #[test]
    fn an_object_that_is_renamed_went_and_came() {
        let changes = change("id = \"kim\"", "id = \"ada\"");
        let texts: Vec<&str> = changes.iter().map(|(text, _)| text.as_str()).collect();
        assert_eq!(
            texts,
            ["[[agent]] `ada` was not there, is there now", "[[agent]] `kim` was there, is not there now"]
        );
    }

    #[test]
    fn a_server_alone_is_concerned_by_its_own_options_and_by_what_servers_are_told() {
        let concerned = |from: &str, to: &str| {
            changes(SITE, &SITE.replacen(from, to, 1)).iter().all(|change| change.concerns_server("main"))
        };
        assert!(concerned("port = 7011", "port = 7012"));
        assert!(concerned("view = \"all\"", "view = \"all\"\npriority = 7"));
        assert!(concerned("name = \"Triage\"", "name = \"Triage\"\nenabled = false"));
        assert!(!concerned("pull-count = 50", ""));
        assert!(!concerned("seconds = \"20\"", "seconds = \"30\""));
    }

    #[test]
    fn long_values_are_cut() {
        let [(text, _)] = change("\"20\"", &format!("{:?}", "x".repeat(1_000))).try_into().expect("one change");
        assert!(text.chars().count() < 300 && text.contains('…'), "{text}");
    }
}
