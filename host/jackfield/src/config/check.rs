//! What objects say about each other: names that must exist, names that must not repeat, and rules
//! that several objects share.

use std::collections::HashMap;
use std::ops::Range;

use jackfield_protocol::ORCHESTRATION_SYSTEM;

use super::connections::{Connection, connections};
use super::media;
use super::model::{Access, Site};
use super::options::Owner;
use super::problem::{Problem, nearest_word};
use super::section::{Notes, Text};

/// Note everything in `site` that does not fit together.
pub fn check(site: &Site, notes: &Notes) {
    unique_names(site, notes);
    references(site, notes);
    rules(site, notes);
}

fn unique_names(site: &Site, notes: &Notes) {
    fn unique<'a>(kind: &str, names: impl Iterator<Item = &'a Text>, notes: &Notes) {
        let mut seen: HashMap<&str, Range<usize>> = HashMap::new();
        for name in names {
            match seen.get(name.get_ref().as_str()) {
                Some(first) => notes.push(
                    Problem::new(
                        name.span(),
                        format!("two objects {kind} are called `{}`", name.get_ref()),
                        "again here",
                    )
                    .related(first.clone(), "first here")
                    .help("rename or remove one of them"),
                ),
                None => {
                    seen.insert(name.get_ref(), name.span());
                }
            }
        }
    }
    unique("[[tenant]]", site.tenants.iter().map(|object| &object.name), notes);
    unique("[[switch]]", site.switches.iter().map(|object| &object.name), notes);
    unique("[[server]]", site.servers.iter().map(|object| &object.name), notes);
    unique("[[server]]", site.t_servers.iter().map(|object| &object.name), notes);
    unique("[[media-server]]", site.media_servers.iter().map(|object| &object.name), notes);
    unique("[[queue]]", site.queues.iter().map(|object| &object.name), notes);
    unique("[[virtual-queue]]", site.virtual_queues.iter(), notes);
    unique("[[view]]", site.views.iter().map(|object| &object.name), notes);
    unique("[[submitter]]", site.submitters.iter().map(|object| &object.name), notes);
    unique("[[strategy]]", site.strategies.iter().map(|object| &object.name), notes);
    unique("[[plugin]]", site.plugins.iter().map(|object| &object.name), notes);
    unique("[[skill]]", site.skills.iter(), notes);
    unique("[[agent-group]]", site.agent_groups.iter(), notes);
    unique("[[place]]", site.places.iter(), notes);
    unique("[[workbin]]", site.workbins.iter(), notes);
    unique("[[media-type]]", site.media_types.iter().map(|object| &object.name), notes);
    unique("[[agent]]", site.agents.iter().map(|object| &object.id), notes);
    unique("[[custom-property]]", site.custom_properties.iter().map(|object| &object.name), notes);
    unique("[[access-group]]", site.access_groups.iter().map(|object| &object.name), notes);
    unique("[[trusted-key]]", site.trusted_keys.iter().map(|object| &object.name), notes);
}

/// The names of one kind of object.
struct Names<'a> {
    kind: &'static str,
    names: Vec<&'a str>,
}

impl<'a> Names<'a> {
    fn new(kind: &'static str, names: impl Iterator<Item = &'a Text>) -> Names<'a> {
        Names { kind, names: names.map(|name| name.get_ref().as_str()).collect() }
    }

    fn must_have(&self, name: &Text, notes: &Notes) {
        if !self.names.contains(&name.get_ref().as_str()) {
            notes.push(
                Problem::new(
                    name.span(),
                    format!("there is no {} `{}`", self.kind, name.get_ref()),
                    "not defined in this file",
                )
                .help(nearest_word(name.get_ref(), self.names.iter().copied())),
            );
        }
    }
}

fn references(site: &Site, notes: &Notes) {
    let tenants = Names::new("tenant", site.tenants.iter().map(|object| &object.name));
    let switches = Names::new("switch", site.switches.iter().map(|object| &object.name));
    let server_objects = site.servers.iter().map(|object| &object.name);
    let applications = Names::new("server", server_objects.chain(site.t_servers.iter().map(|object| &object.name)));
    let servers = Names::new("server", site.servers.iter().map(|object| &object.name));
    let queues = Names::new("queue", site.queues.iter().map(|object| &object.name));
    let views = Names::new("view", site.views.iter().map(|object| &object.name));
    let strategies = Names::new("strategy", site.strategies.iter().map(|object| &object.name));
    let skills = Names::new("skill", site.skills.iter());
    let groups = Names::new("agent group", site.agent_groups.iter());
    let places = Names::new("place", site.places.iter());
    let media_types = Names::new("media type", site.media_types.iter().map(|object| &object.name));

    let owners = site.application.tenant.iter();
    let owners = owners.chain(site.switches.iter().filter_map(|object| object.tenant.as_ref()));
    let owners = owners.chain(site.t_servers.iter().filter_map(|object| object.tenant.as_ref()));
    for tenant in owners.chain(site.servers.iter().flat_map(|object| &object.tenants)) {
        tenants.must_have(tenant, notes);
    }
    for switch in site.t_servers.iter().filter_map(|object| object.switch.as_ref()) {
        switches.must_have(switch, notes);
    }
    for server in &site.application.connections {
        applications.must_have(server, notes);
    }
    for server in site.queues.iter().flat_map(|queue| &queue.servers) {
        interaction_server(site, &servers, server, notes);
    }
    for media_server in &site.media_servers {
        interaction_server(site, &servers, &media_server.server, notes);
        media_types.must_have(&media_server.media, notes);
    }
    media::check(site, notes);
    for view in &site.views {
        queues.must_have(&view.queue, notes);
    }
    for submitter in &site.submitters {
        views.must_have(&submitter.view, notes);
        strategies.must_have(&submitter.strategy, notes);
    }
    for application in site.queues.iter().flat_map(|queue| &queue.applications) {
        strategies.must_have(&application.strategy, notes);
    }
    access_groups(site, notes);
    for agent in &site.agents {
        if let Some(place) = &agent.place {
            places.must_have(place, notes);
        }
        for (skill, _) in &agent.skills {
            skills.must_have(skill, notes);
        }
        for group in &agent.groups {
            groups.must_have(group, notes);
        }
        for (media, _) in &agent.capacity {
            media_types.must_have(media, notes);
        }
    }
}

/// Everything but a connection is said of the Interaction Server itself.
fn interaction_server(site: &Site, servers: &Names<'_>, name: &Text, notes: &Notes) {
    match site.t_server(name.get_ref()) {
        Some(t_server) if site.server(name.get_ref()).is_none() => notes.push(
            Problem::new(name.span(), format!("`{}` is only a T-Server object", name.get_ref()), "not a server itself")
                .related(t_server.name.span(), "here")
                .help("name the Interaction Server that has the same host and port"),
        ),
        _ => servers.must_have(name, notes),
    }
}

fn rules(site: &Site, notes: &Notes) {
    tenants(site, notes);
    addresses(site, notes);
    connected(site, notes);
    plugins(site, notes);
    signatures(site, notes);
}

fn access_groups(site: &Site, notes: &Notes) {
    let groups = Names::new("access group", site.access_groups.iter().map(|object| &object.name));
    let of_queues = site.queues.iter().map(|object| &object.access);
    let accesses = of_queues
        .chain(site.views.iter().map(|object| &object.access))
        .chain(site.submitters.iter().map(|object| &object.access))
        .chain(site.strategies.iter().map(|object| &object.access));
    for group in accesses.filter_map(Access::as_ref).flatten() {
        groups.must_have(group, notes);
    }
    let accounts = || site.servers.iter().filter_map(|server| server.account.as_ref()).map(|account| account.get_ref());
    for (group, member) in site.access_groups.iter().flat_map(|group| group.members.iter().map(move |it| (group, it))) {
        if !accounts().any(|account| account == member.get_ref()) {
            let message = format!(
                "member `{}` of access group `{}` is no server's account",
                member.get_ref(),
                group.name.get_ref()
            );
            notes.push(
                Problem::new(member.span(), message, "sees nothing of this site")
                    .help(nearest_word(member.get_ref(), accounts().map(String::as_str)))
                    .warning(),
            );
        }
    }
}

fn plugins(site: &Site, notes: &Notes) {
    let run = || site.strategies.iter().map(|strategy| strategy.plugin.get_ref().as_str());
    for plugin in &site.plugins {
        if !run().any(|name| name == plugin.name.get_ref()) {
            notes.push(
                Problem::new(
                    plugin.name.span(),
                    format!("no strategy runs plugin `{}`", plugin.name.get_ref()),
                    "what is said here concerns nobody",
                )
                .help(nearest_word(plugin.name.get_ref(), run()))
                .warning(),
            );
        }
    }
}

fn tenants(site: &Site, notes: &Notes) {
    if site.tenants.is_empty() {
        notes.push(
            Problem::new(site.application.span.clone(), "there is no [[tenant]]", "this application serves none")
                .help("add [[tenant]] with name = \"Environment\" and id = 1"),
        );
    }
    for (index, tenant) in site.tenants.iter().enumerate() {
        if let Some(first) = site.tenants.iter().take(index).find(|other| other.id == tenant.id) {
            notes.push(
                Problem::new(tenant.id_span.clone(), format!("two tenants have the id {}", tenant.id), "again here")
                    .related(first.id_span.clone(), "first here"),
            );
        }
    }
}

fn addresses(site: &Site, notes: &Notes) {
    for (index, server) in site.servers.iter().enumerate() {
        for first in site.servers.iter().take(index) {
            // Where a T-Server object is there as well, what it is told is more to the point.
            let is_told = site.t_servers.iter().any(|t_server| t_server.address() == server.address());
            if server.port.is_some() && first.address() == server.address() && !is_told {
                let message = format!("two servers have the address {}", server.address());
                notes.push(
                    Problem::new(server.port_span.clone(), message, "again here")
                        .related(first.port_span.clone(), "first here")
                        .help("give one of them another port"),
                );
            }
            if !server.store.as_os_str().is_empty() && first.store == server.store {
                notes.push(
                    Problem::new(server.store_span.clone(), "two servers have the same store", "again here")
                        .related(first.store_span.clone(), "first here")
                        .help("give each server a file of its own"),
                );
            }
        }
        if site.journal().as_ref() == Some(&server.store) {
            let span = site.application.option_spans.get("journal").unwrap_or(&server.store_span);
            notes.push(
                Problem::new(span.clone(), "the node's journal and a server's store are one file", "also a store")
                    .related(server.store_span.clone(), "here")
                    .help("give each of them a file of its own"),
            );
        }
    }
}

fn signatures(site: &Site, notes: &Notes) {
    let required = site.application.options.flag(Owner::Application, "plugins", "require-signature");
    if required && site.trusted_keys.is_empty() {
        let span = site.application.option_spans.get("require-signature").cloned().unwrap_or(0..0);
        notes.push(
            Problem::new(span, "signatures are required, and no key is trusted", "no plugin would be taken")
                .help("add [[trusted-key]] with a name and the key, the line of a minisign.pub that begins with RW"),
        );
    }
}

/// What each server that the node has a link to must have.
fn connected(site: &Site, notes: &Notes) {
    let application = &site.application;
    let poison = application.options.text(Owner::Application, "orchestration", "poison-queue");
    for Connection { server, named: name, .. } in connections(site, notes) {
        let has = |queue: &str| site.sees_queue(server, queue);
        if !has(&poison) {
            let span = application.option_spans.get("poison-queue").cloned().unwrap_or_else(|| name.span());
            let queues = site.queues.iter().filter(|queue| queue.is_on(server.name.get_ref()));
            notes.push(
                Problem::new(
                    span,
                    format!(
                        "server `{}` has no queue `{poison}` for interactions that keep failing",
                        server.name.get_ref()
                    ),
                    "needed here (option poison-queue)",
                )
                .help(nearest_word(&poison, queues.map(|queue| queue.name.get_ref().as_str()))),
            );
        }
        if !has(ORCHESTRATION_SYSTEM) {
            notes.push(
                Problem::new(
                    name.span(),
                    format!(
                        "tenant `{}` has no queue `{ORCHESTRATION_SYSTEM}` on server `{}`",
                        site.tenant_name(server.tenant.as_ref()),
                        server.name.get_ref()
                    ),
                    "messages made without a queue will fail here",
                )
                .help(format!("add [[queue]] with name = \"{ORCHESTRATION_SYSTEM}\", and no submitter for it"))
                .warning(),
            );
        }
    }
}
