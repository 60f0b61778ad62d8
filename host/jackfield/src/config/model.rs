//! The objects of a site, as they were read: what each says, and where in the file it says so.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::ops::Range;
use std::path::PathBuf;
use std::time::Duration;

use jackfield_node::Calendar;
use jackfield_node::ObjectKind;
use jackfield_server::PropertyKind;
use jiff::tz::TimeZone;

use super::media::MediaServer;
use super::options::Owner;
use super::section::Text;
use super::values::OptionValues;

/// A whole site, checked.
#[derive(Clone, Debug, Default)]
pub struct Site {
    /// The file it was read from; paths in it are relative to the folder of this file.
    pub path: PathBuf,
    /// What the file says.
    pub text: String,
    /// `[application]`: the node.
    pub application: Application,
    /// `[[tenant]]`
    pub tenants: Vec<Tenant>,
    /// `[[switch]]`
    pub switches: Vec<Switch>,
    /// `[[server]]`: Interaction Servers.
    pub servers: Vec<Server>,
    /// `[[server]]` with `type = "t-server"`: the second objects of Interaction Servers that have two.
    pub t_servers: Vec<TServer>,
    /// `[[media-server]]`
    pub media_servers: Vec<MediaServer>,
    /// `[[queue]]`: interaction queues.
    pub queues: Vec<Queue>,
    /// `[[virtual-queue]]`: those that have a DBID; strategies may name any.
    pub virtual_queues: Vec<Text>,
    /// `dbid` of objects: their numbers in the configuration database.
    pub dbids: BTreeMap<(ObjectKind, String), u32>,
    /// `[[view]]`
    pub views: Vec<View>,
    /// `[[submitter]]`
    pub submitters: Vec<Submitter>,
    /// `[[strategy]]`: routing scripts.
    pub strategies: Vec<Strategy>,
    /// `[[plugin]]`: what is said of single plugins.
    pub plugins: Vec<Plugin>,
    /// `[[skill]]`
    pub skills: Vec<Text>,
    /// `[[agent-group]]`
    pub agent_groups: Vec<Text>,
    /// `[[place]]`
    pub places: Vec<Text>,
    /// `[[workbin]]`
    pub workbins: Vec<Text>,
    /// `[[media-type]]`
    pub media_types: Vec<MediaType>,
    /// `[[agent]]`
    pub agents: Vec<Agent>,
    /// `[[custom-property]]`
    pub custom_properties: Vec<CustomProperty>,
    /// `[[access-group]]`: who sees what.
    pub access_groups: Vec<AccessGroup>,
    /// `[[trusted-key]]`: whose signatures of plugins count.
    pub trusted_keys: Vec<TrustedKey>,
    /// `[list.<list>.<item>]`: list, item, key, value.
    pub lists: BTreeMap<String, BTreeMap<String, BTreeMap<String, String>>>,
    /// `[[business-hours]]`, `[[special-days]]`, and the time zone of `[application]`.
    pub calendar: Calendar,
}

/// The node's own object.
#[derive(Clone, Debug, Default)]
pub struct Application {
    /// Where it stands.
    pub span: Range<usize>,
    /// What it registers as.
    pub name: String,
    /// Cluster it belongs to; empty: none.
    pub cluster: String,
    /// Name of its tenant.
    pub tenant: Option<Text>,
    /// Names of the Interaction Servers it connects to, or of their T-Server objects.
    pub connections: Vec<Text>,
    /// Folder for what it writes.
    pub data: PathBuf,
    /// Folder of plugins.
    pub plugins: PathBuf,
    /// Of the site; none: that of the system.
    pub time_zone: Option<TimeZone>,
    /// What `[application.options.*]` sets.
    pub options: OptionValues,
    /// Where options stand, for problems that concern several objects.
    pub option_spans: BTreeMap<String, Range<usize>>,
}

/// A tenant.
#[derive(Clone, Debug)]
pub struct Tenant {
    /// Its name.
    pub name: Text,
    /// Its number on the wire.
    pub id: u32,
    /// Where the number stands.
    pub id_span: Range<usize>,
}

/// A switch.
#[derive(Clone, Debug)]
pub struct Switch {
    /// Its name.
    pub name: Text,
    /// Name of its tenant.
    pub tenant: Option<Text>,
    /// Whether it is one that interactions other than calls are on.
    pub is_multimedia: bool,
}

/// An Interaction Server.
#[derive(Clone, Debug)]
pub struct Server {
    /// Application name.
    pub name: Text,
    /// Name of its tenant: of the first, where it has several.
    pub tenant: Option<Text>,
    /// Names of all tenants it is associated with; none: it is the first tenant's of the file.
    pub tenants: Vec<Text>,
    /// Where clients reach it, and the address it listens on when embedded.
    pub host: String,
    /// Its port; always there in a site without errors.
    pub port: Option<u16>,
    /// Where the port stands.
    pub port_span: Range<usize>,
    /// Whether `jackfield run` runs it in its own process.
    pub embedded: bool,
    /// The database file.
    pub store: PathBuf,
    /// Where the store stands.
    pub store_span: Range<usize>,
    /// Whom it acts as: what this account does not see does not exist for it.
    pub account: Option<Text>,
    /// What `[server.options.*]` sets.
    pub options: OptionValues,
}

impl Server {
    /// `host:port`, an IPv6 address in brackets.
    pub fn address(&self) -> String {
        address(&self.host, self.port)
    }
}

fn address(host: &str, port: Option<u16>) -> String {
    let port = port.unwrap_or_default();
    match host.parse::<IpAddr>() {
        Ok(IpAddr::V6(address)) => format!("[{address}]:{port}"),
        _ => format!("{host}:{port}"),
    }
}

/// The second application object of an Interaction Server (guide, *Configuring eServices Application with Type
/// T-Server*): it says which multimedia switch the server is on. Nothing is installed for it.
#[derive(Clone, Debug)]
pub struct TServer {
    /// Application name, another than that of the Interaction Server.
    pub name: Text,
    /// Name of its tenant; none: that of the Interaction Server.
    pub tenant: Option<Text>,
    /// Host of the Interaction Server.
    pub host: Text,
    /// Port of the Interaction Server; always there in a site without errors.
    pub port: Option<u16>,
    /// Where the port stands.
    pub port_span: Range<usize>,
    /// Name of the multimedia switch; none: the only one of the tenant.
    pub switch: Option<Text>,
}

impl TServer {
    /// `host:port`, an IPv6 address in brackets.
    pub fn address(&self) -> String {
        address(self.host.get_ref(), self.port)
    }
}

/// An interaction queue.
#[derive(Clone, Debug)]
pub struct Queue {
    /// Its name.
    pub name: Text,
    /// Interaction Servers that have it; empty: all.
    pub servers: Vec<Text>,
    /// `[queue.orchestration]`: the strategies its views are pulled for (legacy pulling).
    pub applications: Vec<QueueApplication>,
    /// False: no strategy takes from it, and nobody is to wonder.
    pub pulled: bool,
    /// Who sees it.
    pub access: Access,
}

/// `application`, or `application@<cluster>`, of a queue.
#[derive(Clone, Debug)]
pub struct QueueApplication {
    /// The cluster whose nodes it is for; none: those of clusters the queue does not name.
    pub cluster: Option<Text>,
    /// The strategy.
    pub strategy: Text,
}

/// Access groups whose members see an object; none: everybody does.
pub type Access = Option<Vec<Text>>;

/// An access group.
#[derive(Clone, Debug)]
pub struct AccessGroup {
    /// Its name.
    pub name: Text,
    /// Accounts.
    pub members: Vec<Text>,
}

/// A view.
#[derive(Clone, Debug)]
pub struct View {
    /// Its name.
    pub name: Text,
    /// The queue it looks at.
    pub queue: Text,
    /// Which interactions; empty: all.
    pub condition: Text,
    /// In which order; empty: the default.
    pub order: Text,
    /// False: no strategy takes from it, and nobody is to wonder.
    pub pulled: bool,
    /// Who sees it.
    pub access: Access,
}

/// A submitter.
#[derive(Clone, Debug)]
pub struct Submitter {
    /// Its name.
    pub name: Text,
    /// The view it takes from.
    pub view: Text,
    /// The strategy it submits to.
    pub strategy: Text,
    /// Larger is served first.
    pub priority: i32,
    /// Interactions with routers at once; 0: no limit.
    pub max_interactions: u32,
    /// Only routers of this cluster.
    pub cluster_id: Option<Text>,
    /// Who sees it.
    pub access: Access,
}

/// A routing script.
#[derive(Clone, Debug)]
pub struct Strategy {
    /// Its name.
    pub name: Text,
    /// Name in the manifest of its plugin.
    pub plugin: Text,
    /// Whether it may be pulled for.
    pub enabled: bool,
    /// Sessions at once on this node; 0: no limit of its own.
    pub max_sessions: usize,
    /// Interactions with routers at once; 0: no limit.
    pub max_interactions: u32,
    /// What `facts.parameter` answers.
    pub parameters: BTreeMap<String, String>,
    /// Who sees it.
    pub access: Access,
}

/// What is said of one plugin; whatever it leaves out is as `[application.options.strategy]` says.
#[derive(Clone, Debug)]
pub struct Plugin {
    /// Name in its manifest.
    pub name: Text,
    /// Options of its own.
    pub options: OptionValues,
}

/// A media type.
#[derive(Clone, Debug)]
pub struct MediaType {
    /// Its name, such as `email`.
    pub name: Text,
    /// Idle time of an agent application, where it is not the server's.
    pub handling_timeout: Option<Duration>,
}

/// An agent.
#[derive(Clone, Debug)]
pub struct Agent {
    /// Employee id.
    pub id: Text,
    /// The place used when none is named at login.
    pub place: Option<Text>,
    /// Skill and level.
    pub skills: Vec<(Text, i64)>,
    /// Agent groups.
    pub groups: Vec<Text>,
    /// Media type and interactions at once.
    pub capacity: Vec<(Text, i64)>,
}

/// User data raised to a property of views.
#[derive(Clone, Debug)]
pub struct CustomProperty {
    /// Name in conditions and orders.
    pub name: Text,
    /// User data key.
    pub key: String,
    /// What it holds.
    pub kind: PropertyKind,
}

/// A public key of minisign.
#[derive(Clone, Debug)]
pub struct TrustedKey {
    /// What messages call it.
    pub name: Text,
    /// The key; always there in a site without errors.
    pub key: Option<jackfield_packages::TrustedKey>,
}

impl Site {
    /// The Interaction Server with this name.
    pub fn server(&self, name: &str) -> Option<&Server> {
        self.servers.iter().find(|server| server.name.get_ref() == name)
    }

    /// The T-Server object with this name.
    pub fn t_server(&self, name: &str) -> Option<&TServer> {
        self.t_servers.iter().find(|t_server| t_server.name.get_ref() == name)
    }

    /// The agent with this employee id.
    pub fn agent(&self, id: &str) -> Option<&Agent> {
        self.agents.iter().find(|agent| agent.id.get_ref() == id)
    }

    /// Whether `server` has the queue `name`.
    pub fn has_queue(&self, server: &str, name: &str) -> bool {
        self.queues.iter().any(|queue| queue.name.get_ref() == name && queue.is_on(server))
    }

    /// Whether `server` has the queue `name`, and its account sees it.
    pub fn sees_queue(&self, server: &Server, name: &str) -> bool {
        let mut queues = self.queues.iter().filter(|queue| queue.name.get_ref() == name);
        queues.any(|queue| queue.is_on(server.name.get_ref()) && self.is_visible(&queue.access, server))
    }

    /// The Interaction Servers that have the queue `name`.
    pub fn servers_of_queue(&self, name: &str) -> Vec<&Server> {
        self.servers.iter().filter(|server| self.has_queue(server.name.get_ref(), name)).collect()
    }

    /// Whether the account of `server` sees an object (guide, *Pulling Interactions*).
    pub fn is_visible(&self, access: &Access, server: &Server) -> bool {
        let Some(groups) = access else { return true };
        let Some(account) = &server.account else { return false };
        let members = self.access_groups.iter().filter(|group| groups.iter().any(|name| is_same(name, &group.name)));
        members.flat_map(|group| &group.members).any(|member| is_same(member, account))
    }

    /// Number of the tenant `name`; the first tenant's where none is named.
    pub fn tenant_id(&self, name: Option<&Text>) -> u32 {
        self.tenant(name).map_or(1, |tenant| tenant.id)
    }

    /// The tenant `name`; the first one where none is named.
    pub fn tenant(&self, name: Option<&Text>) -> Option<&Tenant> {
        name.and_then(|name| self.tenants.iter().find(|tenant| tenant.name.get_ref() == name.get_ref()))
            .or_else(|| self.tenants.first())
    }

    /// Name of the tenant `name`; the first tenant's where none is named.
    pub fn tenant_name<'s>(&'s self, name: Option<&'s Text>) -> &'s str {
        let name = name.or_else(|| self.tenants.first().map(|tenant| &tenant.name));
        name.map_or("", |name| name.get_ref())
    }

    /// Where the running node answers questions: `<data>/<application>.sock`.
    pub fn control_socket(&self) -> PathBuf {
        self.application.data.join(format!("{}.sock", self.application.name))
    }

    /// The file in which the node records its sessions; none: it records nothing.
    pub fn journal(&self) -> Option<PathBuf> {
        let journal = self.application.options.text(Owner::Application, "orchestration", "journal");
        (journal != "off").then(|| self.application.data.join(journal))
    }

    /// The folder in which the node keeps compiled code; none: it keeps none.
    pub fn code_cache(&self) -> Option<PathBuf> {
        let folder = self.application.options.text(Owner::Application, "plugins", "code-cache");
        (folder != "off").then(|| self.application.data.join(folder))
    }
}

fn is_same(one: &Text, other: &Text) -> bool {
    one.get_ref() == other.get_ref()
}

impl Agent {
    /// Skill and level, as target selection has them.
    pub fn levels(&self) -> BTreeMap<String, i32> {
        let level = |level: i64| i32::try_from(level).unwrap_or(i32::MAX);
        self.skills.iter().map(|(skill, has)| (skill.get_ref().clone(), level(*has))).collect()
    }

    /// Names of the agent groups.
    pub fn group_names(&self) -> impl Iterator<Item = String> {
        self.groups.iter().map(|group| group.get_ref().clone())
    }

    /// Media type, and interactions at once.
    pub fn capacities(&self) -> Vec<(String, u32)> {
        let count = |count: i64| u32::try_from(count).unwrap_or(u32::MAX);
        self.capacity.iter().map(|(media, most)| (media.get_ref().clone(), count(*most))).collect()
    }
}

impl Queue {
    /// Whether `server` has it.
    pub fn is_on(&self, server: &str) -> bool {
        self.servers.is_empty() || self.servers.iter().any(|name| name.get_ref() == server)
    }
}
