//! From the text of `jackfield.toml` to the objects of the model. Each object is read on its own, so
//! that one mistake does not hide the next; how objects refer to each other is checked afterwards.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use jackfield_node::ObjectKind;
use jackfield_server::PropertyKind;
use toml::Spanned;

use super::calendar::{calendar, time_zone};
use super::media::{Folders, media_server};
use super::model::{
    Access, AccessGroup, Agent, Application, CustomProperty, MediaType, Plugin, Queue, QueueApplication, Server, Site,
    Strategy, Submitter, Switch, TServer, Tenant, TrustedKey, View,
};
use super::options::Owner;
use super::problem::{Problem, nearest_word};
use super::section::{Notes, Section, Text, document, scalar_text, wrong_type};
use super::values::{option_values, plugin_options};

/// Largest skill level and capacity.
const LEVEL_MAX: i64 = 1_000_000;
/// Longest name of an object, in bytes (as on the wire).
const NAME_BYTES: usize = jackfield_protocol::limits::NAME_BYTES;
/// Longest name of the application: it is part of the name of a socket, which must stay short.
const APPLICATION_NAME_BYTES: usize = 48;

/// Where a server is that does not say so.
const LOCAL: &str = "127.0.0.1";

/// Read every object of `text`. `path` is the file; paths in it are made relative to its folder.
pub fn read(path: &Path, text: &str, notes: &Notes) -> Site {
    let document = document(text, notes);
    let folder = path.parent().unwrap_or(Path::new(""));
    let mut root = Section::new(notes, "the file", 0..0, document.get_ref());
    let mut site = Site { path: path.to_owned(), text: text.to_owned(), ..Site::default() };
    match root.value("application") {
        Some(value) => match value.get_ref().as_table() {
            Some(table) => {
                site.application =
                    application(Section::new(notes, "[application]", value.span(), table), folder, notes);
            }
            None => wrong_type(notes, "application", value, "a table"),
        },
        None => notes.push(
            Problem::new(0..0, "there is no [application]", "anywhere in this file")
                .help("add [application] with the name of the node and its connections"),
        ),
    }
    site.tenants = each(&mut root, notes, "tenant", "[[tenant]]", tenant);
    site.switches = each(&mut root, notes, "switch", "[[switch]]", |section| switch(section, notes));
    for object in each(&mut root, notes, "server", "[[server]]", |section| server_object(section, folder, notes)) {
        match object {
            ServerObject::InteractionServer(server) => site.servers.push(*server),
            ServerObject::TServer(t_server) => site.t_servers.push(t_server),
        }
    }
    let folders = Folders { site: folder, data: &site.application.data };
    site.media_servers =
        each(&mut root, notes, "media-server", "[[media-server]]", |section| media_server(section, &folders, notes));
    let dbids = RefCell::default();
    let dbid = |section: &mut Section<'_, '_>, kind| note_dbid(section, kind, &dbids);
    site.queues = each(&mut root, notes, "queue", "[[queue]]", |section| {
        dbid(section, ObjectKind::InteractionQueue);
        queue(section, notes)
    });
    site.virtual_queues = each(&mut root, notes, "virtual-queue", "[[virtual-queue]]", |section| {
        dbid(section, ObjectKind::VirtualQueue);
        named(section)
    });
    site.views = each(&mut root, notes, "view", "[[view]]", view);
    site.submitters = each(&mut root, notes, "submitter", "[[submitter]]", submitter);
    site.strategies = each(&mut root, notes, "strategy", "[[strategy]]", |section| {
        dbid(section, ObjectKind::Strategy);
        strategy(section)
    });
    site.plugins = each(&mut root, notes, "plugin", "[[plugin]]", |section| plugin(section, notes));
    site.skills = each(&mut root, notes, "skill", "[[skill]]", named);
    site.agent_groups = each(&mut root, notes, "agent-group", "[[agent-group]]", |section| {
        dbid(section, ObjectKind::AgentGroup);
        named(section)
    });
    site.places = each(&mut root, notes, "place", "[[place]]", |section| {
        dbid(section, ObjectKind::Place);
        named(section)
    });
    site.workbins = each(&mut root, notes, "workbin", "[[workbin]]", named);
    site.media_types = each(&mut root, notes, "media-type", "[[media-type]]", media_type);
    site.agents = each(&mut root, notes, "agent", "[[agent]]", |section| {
        dbid(section, ObjectKind::Agent);
        agent(section)
    });
    site.custom_properties =
        each(&mut root, notes, "custom-property", "[[custom-property]]", |section| custom_property(section, notes));
    site.access_groups = each(&mut root, notes, "access-group", "[[access-group]]", access_group);
    site.trusted_keys =
        each(&mut root, notes, "trusted-key", "[[trusted-key]]", |section| trusted_key(section, folder, notes));
    site.lists = lists(&mut root, notes);
    site.calendar = calendar(&mut root, site.application.time_zone.clone(), notes);
    site.dbids = dbids.into_inner();
    root.finish();
    site
}

/// The number of an object in the configuration database, where it has one.
fn note_dbid(section: &mut Section<'_, '_>, kind: ObjectKind, dbids: &RefCell<BTreeMap<(ObjectKind, String), u32>>) {
    let dbid = section.integer("dbid", 1, i64::from(u32::MAX)).and_then(|dbid| u32::try_from(dbid.into_inner()).ok());
    let key = if kind == ObjectKind::Agent { "id" } else { "name" };
    // A name that is missing or none is noted by whoever reads the object.
    let name = section.value(key).and_then(|name| name.get_ref().as_str());
    if let (Some(dbid), Some(name)) = (dbid, name) {
        dbids.borrow_mut().insert((kind, name.to_owned()), dbid);
    }
}

/// Each object of an array of tables; those that lack something needed are left out (it is noted).
pub(super) fn each<T>(
    root: &mut Section<'_, '_>,
    notes: &Notes,
    key: &'static str,
    what: &'static str,
    read: impl Fn(&mut Section<'_, '_>) -> Option<T>,
) -> Vec<T> {
    let Some(value) = root.value(key) else { return Vec::new() };
    let Some(array) = value.get_ref().as_array() else {
        let label = format!("write {what}, with two brackets");
        notes.push(Problem::new(value.span(), format!("`{key}` must be an array of tables"), label));
        return Vec::new();
    };
    let mut objects = Vec::new();
    for item in array.iter() {
        match item.get_ref().as_table() {
            Some(table) => {
                let mut section = Section::new(notes, what, item.span(), table);
                let object = read(&mut section);
                section.finish();
                objects.extend(object);
            }
            None => wrong_type(notes, key, item, "a table"),
        }
    }
    objects
}

fn application(mut section: Section<'_, '_>, folder: &Path, notes: &Notes) -> Application {
    let span = section.span();
    let name = section.required_text("name");
    if let Some(name) = &name
        && (name.get_ref().len() > APPLICATION_NAME_BYTES || name.get_ref().contains(['/', '\0']))
    {
        let label = format!("must be at most {APPLICATION_NAME_BYTES} bytes, without `/`");
        notes.push(Problem::new(name.span(), "this name cannot name the node's control socket", label));
    }
    let mut option_spans = BTreeMap::new();
    let options = option_values(&mut section, Owner::Application, notes, &mut option_spans);
    let application = Application {
        span,
        name: name.map(Spanned::into_inner).unwrap_or_default(),
        cluster: section.text("cluster").map(Spanned::into_inner).unwrap_or_default(),
        tenant: section.text("tenant"),
        connections: section.texts("connections"),
        data: folder.join(section.text("data").map_or_else(|| "var".to_owned(), Spanned::into_inner)),
        plugins: folder.join(section.text("plugins").map_or_else(|| "plugins".to_owned(), Spanned::into_inner)),
        time_zone: time_zone(&mut section, notes),
        options,
        option_spans,
    };
    section.finish();
    application
}

fn tenant(section: &mut Section<'_, '_>) -> Option<Tenant> {
    let name = section.required_text("name");
    let id = section.required_integer("id", 1, i64::from(u32::MAX))?;
    Some(Tenant { name: name?, id_span: id.span(), id: u32::try_from(id.into_inner()).ok()? })
}

fn switch(section: &mut Section<'_, '_>, notes: &Notes) -> Option<Switch> {
    let name = section.required_text("name");
    let tenant = section.text("tenant");
    let kind = section.text("type").and_then(|kind| one_of(&kind, "type", &["multimedia", "voice"], notes));
    Some(Switch { name: name?, tenant, is_multimedia: kind != Some("voice") })
}

/// A `[[server]]` of either type.
enum ServerObject {
    InteractionServer(Box<Server>),
    TServer(TServer),
}

fn server_object(section: &mut Section<'_, '_>, folder: &Path, notes: &Notes) -> Option<ServerObject> {
    let kind = section.text("type");
    match kind.and_then(|kind| one_of(&kind, "type", &["interaction-server", "t-server"], notes)) {
        Some("t-server") => t_server(section, notes).map(ServerObject::TServer),
        _ => server(section, folder, notes).map(Box::new).map(ServerObject::InteractionServer),
    }
}

/// What a T-Server object must not say: its key, and why not.
const NOT_OF_A_T_SERVER: [(&str, &str); 4] = [
    ("store", "it keeps nothing"),
    ("embedded", "there is nothing to run"),
    ("options", "it does nothing that options could change"),
    ("tenants", "it belongs to one tenant"),
];

fn t_server(section: &mut Section<'_, '_>, notes: &Notes) -> Option<TServer> {
    let name = section.required_text("name");
    let tenant = section.text("tenant");
    let host = section.text("host").unwrap_or_else(|| Spanned::new(section.span(), LOCAL.to_owned()));
    let port = section.required_integer("port", 1, i64::from(u16::MAX));
    let switch = section.text("switch");
    for (key, why) in NOT_OF_A_T_SERVER {
        if let Some(value) = section.value(key) {
            notes.push(
                Problem::new(value.span(), format!("a T-Server object has no `{key}`"), why)
                    .help("say it at the Interaction Server that has the same host and port, or remove it"),
            );
        }
    }
    Some(TServer {
        name: name?,
        tenant,
        host,
        port_span: port.as_ref().map_or(section.span(), Spanned::span),
        port: port.and_then(|port| u16::try_from(port.into_inner()).ok()),
        switch,
    })
}

fn server(section: &mut Section<'_, '_>, folder: &Path, notes: &Notes) -> Option<Server> {
    let name = section.required_text("name");
    let mut tenants: Vec<Text> = Vec::new();
    for tenant in section.text("tenant").into_iter().chain(section.texts("tenants")) {
        if !tenants.iter().any(|known| known.get_ref() == tenant.get_ref()) {
            tenants.push(tenant);
        }
    }
    if let Some(switch) = section.value("switch") {
        notes.push(
            Problem::new(switch.span(), "an Interaction Server names no switch", "not here")
                .help("it is on its tenant's; or add its second object, [[server]] with type = \"t-server\", and name the switch there"),
        );
    }
    let host = section.text("host").map_or_else(|| LOCAL.to_owned(), Spanned::into_inner);
    let port = section.required_integer("port", 1, i64::from(u16::MAX));
    let embedded = section.flag("embedded", true);
    let store = section.required_text("store");
    let account = section.text("account");
    let options = option_values(section, Owner::Server, notes, &mut BTreeMap::new());
    let file = store.as_ref().and_then(|store| {
        let file = store.get_ref().strip_prefix("sqlite:").filter(|file| !file.is_empty());
        if file.is_none() {
            let message = format!("`{}` is no store that is known", store.get_ref());
            notes.push(
                Problem::new(store.span(), message, "not `sqlite:<file>`")
                    .help("write \"sqlite:<file>\", such as \"sqlite:var/email.db\""),
            );
        }
        file
    });
    let span = section.span();
    // A server with a mistake is still one that others may refer to.
    Some(Server {
        name: name?,
        tenant: tenants.first().cloned(),
        tenants,
        host,
        port_span: port.as_ref().map_or(span.clone(), Spanned::span),
        port: port.and_then(|port| u16::try_from(port.into_inner()).ok()),
        embedded,
        store: file.map(|file| folder.join(file)).unwrap_or_default(),
        store_span: store.as_ref().map_or(span, Spanned::span),
        account,
        options,
    })
}

fn queue(section: &mut Section<'_, '_>, notes: &Notes) -> Option<Queue> {
    let name = section.required_text("name");
    let mut servers = section.texts("servers");
    servers.extend(section.text("server"));
    let applications = queue_applications(section, notes);
    let pulled = section.flag("pulled", true);
    let access = access(section);
    Some(Queue { name: name?, servers, applications, pulled, access })
}

/// The section `Orchestration` of the annex of a queue: `application` and `application@<cluster>`, each of which
/// names a strategy in the field's form, `script:<strategy>`.
fn queue_applications(section: &mut Section<'_, '_>, notes: &Notes) -> Vec<QueueApplication> {
    let mut applications = Vec::new();
    for (key, value) in section.entries("orchestration") {
        let word: &str = key.get_ref();
        let cluster = word.strip_prefix("application@").filter(|cluster| !cluster.is_empty());
        if cluster.is_none() && word != "application" {
            let message = format!("unknown key `{word}` in [queue.orchestration]");
            let help = "write application = \"script:<strategy>\", or \"application@<cluster>\" = ... for one cluster";
            notes.push(Problem::new(key.span(), message, "not a key of this section").help(help));
            continue;
        }
        let Some(text) = value.get_ref().as_str() else {
            wrong_type(notes, word, value, "text, such as \"script:Triage\"");
            continue;
        };
        let is_document = ["file:", "http:", "https:"].iter().any(|scheme| text.starts_with(scheme));
        match text.strip_prefix("script:").filter(|strategy| !strategy.is_empty()) {
            Some(strategy) => applications.push(QueueApplication {
                cluster: cluster.map(|cluster| Spanned::new(key.span(), cluster.to_owned())),
                strategy: Spanned::new(value.span(), strategy.to_owned()),
            }),
            None if is_document => notes.push(
                Problem::new(value.span(), format!("`{word}` names a document"), "documents are not run").help(
                    "make a plugin of the document, add a [[strategy]] that runs it, and write \"script:<strategy>\"",
                ),
            ),
            None => notes.push(
                Problem::new(value.span(), format!("`{text}` is no application that is known"), "not `script:...`")
                    .help("write \"script:<strategy>\", with the name of a [[strategy]]"),
            ),
        }
    }
    applications
}

/// Who sees the object; `access = []` is nobody.
fn access(section: &mut Section<'_, '_>) -> Access {
    section.value("access")?;
    Some(section.texts("access"))
}

fn access_group(section: &mut Section<'_, '_>) -> Option<AccessGroup> {
    let name = section.required_text("name");
    let members = section.texts("members");
    Some(AccessGroup { name: name?, members })
}

fn view(section: &mut Section<'_, '_>) -> Option<View> {
    let nothing = || Spanned::new(0..0, String::new());
    let name = section.required_text("name");
    let queue = section.required_text("queue");
    let condition = section.text("condition").unwrap_or_else(nothing);
    let order = section.text("order").unwrap_or_else(nothing);
    let pulled = section.flag("pulled", true);
    let access = access(section);
    Some(View { name: name?, queue: queue?, condition, order, pulled, access })
}

fn submitter(section: &mut Section<'_, '_>) -> Option<Submitter> {
    let name = section.required_text("name");
    let view = section.required_text("view");
    let strategy = section.required_text("strategy");
    let priority = section.integer("priority", i64::from(i32::MIN), i64::from(i32::MAX));
    let max_interactions = section.integer("max-interactions", 0, i64::from(u32::MAX));
    let cluster_id = section.text("cluster-id");
    let access = access(section);
    Some(Submitter {
        name: name?,
        view: view?,
        strategy: strategy?,
        priority: priority.and_then(|number| i32::try_from(number.into_inner()).ok()).unwrap_or(0),
        max_interactions: max_interactions.and_then(|number| u32::try_from(number.into_inner()).ok()).unwrap_or(0),
        cluster_id,
        access,
    })
}

fn strategy(section: &mut Section<'_, '_>) -> Option<Strategy> {
    let name = section.required_text("name");
    let plugin = section.text("plugin").or_else(|| name.clone());
    let enabled = section.flag("enabled", true);
    let max_sessions = section.integer("max-sessions", 0, i64::from(u32::MAX));
    let max_interactions = section.integer("max-interactions", 0, i64::from(u32::MAX));
    let parameters = section.map("parameters").into_iter().map(|(name, value)| (name.into_inner(), value)).collect();
    let access = access(section);
    Some(Strategy {
        name: name?,
        plugin: plugin?,
        enabled,
        max_sessions: max_sessions.and_then(|number| usize::try_from(number.into_inner()).ok()).unwrap_or(0),
        max_interactions: max_interactions.and_then(|number| u32::try_from(number.into_inner()).ok()).unwrap_or(0),
        parameters,
        access,
    })
}

fn plugin(section: &mut Section<'_, '_>, notes: &Notes) -> Option<Plugin> {
    let name = section.required_text("name");
    let options = plugin_options(section, notes);
    Some(Plugin { name: name?, options })
}

fn named(section: &mut Section<'_, '_>) -> Option<Text> {
    section.required_text("name")
}

fn media_type(section: &mut Section<'_, '_>) -> Option<MediaType> {
    let name = section.required_text("name");
    let handling_timeout = section.integer("handling-timeout", 1, 1_440).and_then(|minutes| {
        let minutes = u64::try_from(minutes.into_inner()).ok()?;
        Some(Duration::from_secs(minutes * 60))
    });
    Some(MediaType { name: name?, handling_timeout })
}

fn agent(section: &mut Section<'_, '_>) -> Option<Agent> {
    let id = section.required_text("id");
    let place = section.text("place");
    let skills = section.integers("skills", 0, LEVEL_MAX);
    let groups = section.texts("groups");
    let capacity = section.integers("capacity", 0, LEVEL_MAX);
    Some(Agent { id: id?, place, skills, groups, capacity })
}

fn custom_property(section: &mut Section<'_, '_>, notes: &Notes) -> Option<CustomProperty> {
    let name = section.required_text("name");
    let key = section.required_text("key");
    let kind = section.text("type");
    let kind = match kind {
        Some(kind) => match one_of(&kind, "type", &["text", "integer"], notes)? {
            "integer" => PropertyKind::Integer,
            _ => PropertyKind::Text,
        },
        None => PropertyKind::Text,
    };
    let name = name?;
    let mut characters = name.get_ref().chars();
    let valid = characters.next().is_some_and(|first| first.is_ascii_alphabetic() || first == '_')
        && characters.all(|next| next.is_ascii_alphanumeric() || next == '_')
        && name.get_ref().len() <= NAME_BYTES;
    if !valid {
        notes.push(
            Problem::new(name.span(), format!("`{}` cannot be a property of views", name.get_ref()), "not a name")
                .help("use letters, digits and `_`, beginning with no digit"),
        );
        return None;
    }
    Some(CustomProperty { name, key: key?.into_inner(), kind })
}

fn trusted_key(section: &mut Section<'_, '_>, folder: &Path, notes: &Notes) -> Option<TrustedKey> {
    let name = section.required_text("name");
    let (key, file) = (section.text("key"), section.text("file"));
    let called = name.as_ref().map_or("", |name| name.get_ref());
    let (place, key) = match (&key, &file) {
        (Some(key), None) => (key.span(), jackfield_packages::TrustedKey::parse(called, key.get_ref())),
        (None, Some(file)) => (file.span(), jackfield_packages::TrustedKey::read(called, &folder.join(file.get_ref()))),
        _ => {
            notes.push(
                Problem::new(section.span(), "[[trusted-key]] takes either `key` or `file`", "this one")
                    .help("add `key`: the line of the public key; or `file`: a minisign.pub"),
            );
            return Some(TrustedKey { name: name?, key: None });
        }
    };
    // The text itself is not shown again: it may be a secret key, written here by mistake.
    let key = key.map_err(|error| notes.push(Problem::new(place, error.to_string(), "here"))).ok();
    Some(TrustedKey { name: name?, key })
}

fn lists(root: &mut Section<'_, '_>, notes: &Notes) -> BTreeMap<String, BTreeMap<String, BTreeMap<String, String>>> {
    let mut lists: BTreeMap<String, BTreeMap<String, BTreeMap<String, String>>> = BTreeMap::new();
    for (list, items) in root.entries("list") {
        let Some(table) = items.get_ref().as_table() else {
            wrong_type(notes, list.get_ref(), items, "a table: write [list.<list>.<item>]");
            continue;
        };
        for (item, keys) in table.iter() {
            let Some(table) = keys.get_ref().as_table() else {
                wrong_type(notes, item.get_ref(), keys, "a table: write [list.<list>.<item>]");
                continue;
            };
            let entries = lists.entry(list.get_ref().to_string()).or_default();
            let entries = entries.entry(item.get_ref().to_string()).or_default();
            for (key, value) in table.iter() {
                match scalar_text(value.get_ref()) {
                    Some(text) => {
                        entries.insert(key.get_ref().to_string(), text);
                    }
                    None => wrong_type(notes, key.get_ref(), value, "text, a number, true or false"),
                }
            }
        }
    }
    lists
}

/// The word of `valid` that `text` is; noted when it is none.
pub(super) fn one_of(text: &Text, key: &str, valid: &[&'static str], notes: &Notes) -> Option<&'static str> {
    let found = valid.iter().find(|word| **word == text.get_ref());
    if found.is_none() {
        notes.push(
            Problem::new(text.span(), format!("`{}` is no `{key}` that is known", text.get_ref()), "unknown")
                .help(nearest_word(text.get_ref(), valid.iter().copied())),
        );
    }
    found.copied()
}
