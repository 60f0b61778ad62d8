//! The Interaction Servers that the node has links to, from the application's connections (guide, *Connections to
//! Interaction Servers*).
//!
//! A connection names an Interaction Server, or, in the older form, the second application object of one: of type
//! T-Server, with another name, the same host and port, and the multimedia switch. Two objects are one server, and
//! one link: it, its interactions and everything that is told of them have the name of the Interaction Server
//! object, because that one is what is installed, what answers by that name, and what the store and the journal
//! know; so a site that goes over to the newer form keeps what is recorded. The T-Server object only says which
//! switch the server is on.

use std::collections::BTreeMap;
use std::ops::Range;

use super::model::{Server, Site, Switch, TServer};
use super::options::Owner;
use super::problem::Problem;
use super::section::{Notes, Text};

/// The option without which a switch has one link.
const MULTI_LINKS: &str = "switch-multi-links-enabled";

/// An Interaction Server that the node has a link to.
#[derive(Clone, Copy, Debug)]
pub struct Connection<'a> {
    /// Which.
    pub server: &'a Server,
    /// What `connections` calls it.
    pub named: &'a Text,
    /// Whether the node pulls from it.
    pub pulls: bool,
}

/// The links of the node, in the order of its connections; what is wrong with them is noted.
pub fn connections<'a>(site: &'a Site, notes: &Notes) -> Vec<Connection<'a>> {
    let application = &site.application;
    if application.connections.is_empty() {
        notes.push(
            Problem::new(application.span.clone(), "the application has no connections", "pulls from nowhere")
                .help("add connections = [\"<name of a server>\"]"),
        );
    }
    let pairs = pairs(site, notes);
    let mut named: Vec<Connection<'_>> = Vec::new();
    for name in &application.connections {
        let pair = pairs.iter().find(|pair| pair.t_server.name.get_ref() == name.get_ref());
        // One that is neither is noted elsewhere.
        let Some(server) = site.server(name.get_ref()).or(pair.map(|pair| pair.server)) else { continue };
        if let Some(first) = named.iter().find(|first| is_same(first.server, server)) {
            notes.push(twice(server, first.named, name));
            continue;
        }
        let own = site.tenant_id(application.tenant.as_ref());
        let of_server = server.tenants.iter().map(|tenant| site.tenant_id(Some(tenant)));
        if !of_server.chain([site.tenant_id(server.tenant.as_ref())]).any(|tenant| tenant == own) {
            // The guide, *Pulling from Multiple Interaction Servers*: they belong to the node's own tenant.
            notes.push(
                Problem::new(
                    name.span(),
                    format!("server `{}` belongs to another tenant than the application", server.name.get_ref()),
                    "cannot be pulled from",
                )
                .help("connect to servers of the application's own tenant only"),
            );
        }
        named.push(Connection { server, named: name, pulls: has_one_tenant(server, name, notes) });
    }
    without_connection(&pairs, &named, notes);
    one_link_for_each_switch(site, &pairs, named, notes)
}

fn is_same(one: &Server, other: &Server) -> bool {
    one.name.get_ref() == other.name.get_ref()
}

fn twice(server: &Server, first: &Text, again: &Text) -> Problem {
    let server = server.name.get_ref();
    let message = if first.get_ref() == again.get_ref() {
        format!("server `{server}` is named twice")
    } else {
        format!("server `{server}` is named in both ways: by itself, and by its T-Server object")
    };
    Problem::new(again.span(), message, "again here")
        .related(first.span(), "first here")
        .help("two objects with one address are one server, which has one link: name one of them")
}

/// Whether a server may be pulled from (guide, *Pulling Interactions*, "Important").
fn has_one_tenant(server: &Server, named: &Text, notes: &Notes) -> bool {
    let [.., _, last] = server.tenants.as_slice() else { return true };
    let names: Vec<String> = server.tenants.iter().map(|tenant| format!("`{}`", tenant.get_ref())).collect();
    notes.push(
        Problem::new(
            named.span(),
            format!(
                "server `{}` is associated with several tenants ({}): the node pulls nothing from it",
                server.name.get_ref(),
                names.join(", ")
            ),
            "not pulled from",
        )
        .related(last.span(), "more than one tenant")
        .help("let the server have one tenant, or remove it from the connections")
        .warning(),
    );
    false
}

fn without_connection(pairs: &[Pair<'_>], named: &[Connection<'_>], notes: &Notes) {
    for Pair { t_server, server, .. } in pairs {
        if !named.iter().any(|connection| is_same(connection.server, server)) {
            notes.push(
                Problem::new(
                    t_server.name.span(),
                    format!(
                        "neither T-Server object `{}` nor its server `{}` is among the application's connections",
                        t_server.name.get_ref(),
                        server.name.get_ref()
                    ),
                    "of no use",
                )
                .related(server.name.span(), "its server")
                .help("add one of the two names to `connections`, or remove the T-Server object")
                .warning(),
            );
        }
    }
}

/// Several servers on one multimedia switch need an option that says so; without it the first is used.
fn one_link_for_each_switch<'a>(
    site: &Site,
    pairs: &[Pair<'_>],
    named: Vec<Connection<'a>>,
    notes: &Notes,
) -> Vec<Connection<'a>> {
    let application = &site.application;
    let multiple = application.options.flag(Owner::Application, "orchestration", MULTI_LINKS);
    let mut used: Vec<(Connection<'a>, Option<&Switch>)> = Vec::new();
    for connection in named {
        let switch = switch_of(site, pairs, &connection, notes);
        let rival = used.iter().find(|(_, other)| is_one_switch(*other, switch));
        let Some((first, _)) = rival.filter(|_| !multiple) else {
            used.push((connection, switch));
            continue;
        };
        let switch =
            switch.map_or("the multimedia switch".to_owned(), |switch| format!("switch `{}`", switch.name.get_ref()));
        let (name, first_name) = (connection.server.name.get_ref(), first.server.name.get_ref());
        let message = format!(
            "servers `{first_name}` and `{name}` are both on {switch} of one tenant: only `{first_name}` is used"
        );
        let (second, label) = match application.option_spans.get(MULTI_LINKS) {
            Some(option) => (option.clone(), "because of this"),
            None => (first.named.span(), "used"),
        };
        notes.push(
            Problem::new(connection.named.span(), message, "not used")
                .related(second, label)
                .help(format!(
                    "set {MULTI_LINKS} = true in [application.options.orchestration], or name one of them only"
                ))
                .warning(),
        );
    }
    used.into_iter().map(|(connection, _)| connection).collect()
}

/// Where it is not known which switch it is, it is the tenant's: all connections belong to one tenant.
fn is_one_switch(one: Option<&Switch>, other: Option<&Switch>) -> bool {
    match (one, other) {
        (Some(one), Some(other)) => one.name.get_ref() == other.name.get_ref(),
        _ => true,
    }
}

/// The switch a server is on: its T-Server object says so, or it is the only one of its tenant.
fn switch_of<'a>(site: &'a Site, pairs: &[Pair<'a>], connection: &Connection<'_>, notes: &Notes) -> Option<&'a Switch> {
    let server = connection.server;
    if let Some(pair) = pairs.iter().find(|pair| is_same(pair.server, server)) {
        return pair.switch;
    }
    match multimedia_switches(site, site.tenant_id(server.tenant.as_ref())).as_slice() {
        [] => None,
        [only] => Some(only),
        [first, ..] => {
            notes.push(
                Problem::new(
                    connection.named.span(),
                    format!(
                        "the tenant of server `{}` has several multimedia switches: it is not known which one the server is on",
                        server.name.get_ref()
                    ),
                    "counts as on all of them",
                )
                .related(first.name.span(), "one of them")
                .help("add the server's second object, [[server]] with type = \"t-server\", and name the switch there")
                .warning(),
            );
            None
        }
    }
}

/// Names of the multimedia switches of the node's connections, by server, where they are known.
pub fn switches(site: &Site) -> BTreeMap<String, String> {
    let notes = Notes::default();
    let (pairs, connections) = (pairs(site, &notes), connections(site, &notes));
    let on = |connection: &Connection<'_>| {
        let switch = switch_of(site, &pairs, connection, &notes)?;
        Some((connection.server.name.get_ref().clone(), switch.name.get_ref().clone()))
    };
    connections.iter().filter_map(on).collect()
}

fn multimedia_switches(site: &Site, tenant: u32) -> Vec<&Switch> {
    let is_one = |switch: &&Switch| switch.is_multimedia && site.tenant_id(switch.tenant.as_ref()) == tenant;
    site.switches.iter().filter(is_one).collect()
}

/// The two application objects of one server.
struct Pair<'a> {
    t_server: &'a TServer,
    server: &'a Server,
    /// None: what is said of it is wrong.
    switch: Option<&'a Switch>,
}

/// T-Server objects, each with the Interaction Server it belongs to. One that belongs to none is noted.
fn pairs<'a>(site: &'a Site, notes: &Notes) -> Vec<Pair<'a>> {
    let mut pairs: Vec<Pair<'a>> = Vec::new();
    for t_server in &site.t_servers {
        if let Some(server) = site.server(t_server.name.get_ref()) {
            notes.push(
                Problem::new(
                    t_server.name.span(),
                    format!(
                        "the Interaction Server and its T-Server object are both called `{}`",
                        server.name.get_ref()
                    ),
                    "again here",
                )
                .related(server.name.span(), "first here")
                .help("give the T-Server object a name of its own"),
            );
        }
        if t_server.port.is_none() {
            continue;
        }
        let at_address: Vec<&Server> =
            site.servers.iter().filter(|server| server.port == t_server.port && is_host(server, t_server)).collect();
        match at_address.as_slice() {
            [] => notes.push(no_partner(site, t_server)),
            [server] => match pairs.iter().find(|pair| is_same(pair.server, server)) {
                Some(first) => notes.push(
                    Problem::new(
                        t_server.name.span(),
                        format!("server `{}` has two T-Server objects", server.name.get_ref()),
                        "the second",
                    )
                    .related(first.t_server.name.span(), "the first")
                    .help("remove one of them"),
                ),
                None => pairs.push(Pair { t_server, server, switch: switch_of_pair(site, t_server, server, notes) }),
            },
            [first, second, ..] => notes.push(
                Problem::new(
                    second.port_span.clone(),
                    format!(
                        "T-Server object `{}` could belong to server `{}` and to server `{}`: all have the address {}",
                        t_server.name.get_ref(),
                        first.name.get_ref(),
                        second.name.get_ref(),
                        t_server.address()
                    ),
                    "the second",
                )
                .related(first.port_span.clone(), "the first")
                .help("give one of the servers another port"),
            ),
        }
    }
    pairs
}

fn is_host(server: &Server, t_server: &TServer) -> bool {
    server.host.eq_ignore_ascii_case(t_server.host.get_ref())
}

/// No server has its address: what comes nearest.
fn no_partner(site: &Site, t_server: &TServer) -> Problem {
    let name = t_server.name.get_ref();
    // One that has its T-Server object is not meant.
    let alone = |server: &&Server| !site.t_servers.iter().any(|other| other.address() == server.address());
    let mut alone = site.servers.iter().filter(alone);
    let problem = |span: Range<usize>, what: &str, server: &Server, theirs: String, place: Range<usize>| {
        let server = server.name.get_ref();
        Problem::new(
            span,
            format!("T-Server object `{name}` has another {what} than server `{server}`"),
            "not the same",
        )
        .related(place, theirs)
        .help(format!("an Interaction Server's two objects have one host and one port: write the same {what} at both"))
    };
    if let Some(server) = alone.clone().find(|server| server.port.is_some() && server.port == t_server.port) {
        let theirs = format!("this port, on host `{}`", server.host);
        return problem(t_server.host.span(), "host", server, theirs, server.port_span.clone());
    }
    if let Some(server) = alone.find(|server| is_host(server, t_server)) {
        let theirs = format!("its port, on the same host `{}`", server.host);
        return problem(t_server.port_span.clone(), "port", server, theirs, server.port_span.clone());
    }
    Problem::new(
        t_server.name.span(),
        format!("there is no Interaction Server for T-Server object `{name}`"),
        format!("none has the address {}", t_server.address()),
    )
    .help("add the [[server]] object of the Interaction Server, with the same host and port, or remove this one")
}

/// The multimedia switch that a T-Server object stands for.
fn switch_of_pair<'a>(site: &'a Site, t_server: &TServer, server: &Server, notes: &Notes) -> Option<&'a Switch> {
    let name = t_server.name.get_ref();
    let tenant = site.tenant(server.tenant.as_ref())?;
    let of_tenant = tenant.name.get_ref();
    if let Some(own) = t_server.tenant.as_ref().filter(|own| site.tenant_id(Some(*own)) != tenant.id) {
        notes.push(
            Problem::new(
                own.span(),
                format!(
                    "T-Server object `{name}` belongs to another tenant than its server `{}`",
                    server.name.get_ref()
                ),
                format!("the server belongs to `{of_tenant}`"),
            )
            .related(server.name.span(), "its server")
            .help(format!("write tenant = \"{of_tenant}\", or leave it out")),
        );
        return None;
    }
    let Some(named) = &t_server.switch else {
        let missing = |message: String, label: String, help: &str| {
            notes.push(Problem::new(t_server.name.span(), message, label).help(help));
            None
        };
        return match multimedia_switches(site, tenant.id).as_slice() {
            [only] => Some(only),
            [] => missing(
                format!("T-Server object `{name}` names no switch, and tenant `{of_tenant}` has no multimedia switch"),
                "on no switch".into(),
                "add [[switch]] with the tenant and type = \"multimedia\"",
            ),
            several => {
                let names: Vec<String> = several.iter().map(|switch| format!("`{}`", switch.name.get_ref())).collect();
                missing(
                    format!(
                        "T-Server object `{name}` names no switch, and tenant `{of_tenant}` has several multimedia switches"
                    ),
                    format!("one of {}", names.join(", ")),
                    "add `switch` with the name of the one it is on",
                )
            }
        };
    };
    // One that is not there is noted elsewhere.
    let switch = site.switches.iter().find(|switch| switch.name.get_ref() == named.get_ref())?;
    let wrong = |message: String, label: &str, help: String| {
        notes.push(Problem::new(named.span(), message, label).related(switch.name.span(), "this switch").help(help));
        None
    };
    if !switch.is_multimedia {
        return wrong(
            format!("switch `{}` of T-Server object `{name}` is not a multimedia switch", named.get_ref()),
            "a switch for calls",
            "name a [[switch]] with type = \"multimedia\"".into(),
        );
    }
    if site.tenant_id(switch.tenant.as_ref()) != tenant.id {
        return wrong(
            format!("switch `{}` of T-Server object `{name}` belongs to another tenant", named.get_ref()),
            "not of this tenant",
            format!("name a multimedia switch of tenant `{of_tenant}`"),
        );
    }
    Some(switch)
}
