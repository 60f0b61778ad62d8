//! From the site to what each crate is told: settings of a server, of the node, of the engine.

use jackfield_link::Endpoint;
use jackfield_node::{AgentSettings, LinkSettings, StrategySettings};
use jackfield_server as server;

use super::model::{Server, Site};
use super::options::{OptionValues, Owner};

/// What one Interaction Server is told: the objects that concern it and no others.
pub fn server_settings(site: &Site, of: &Server) -> server::Settings {
    let name = of.name.get_ref();
    let views: Vec<_> = site.views.iter().filter(|view| site.has_queue(name, view.queue.get_ref())).collect();
    let submitters: Vec<_> = site
        .submitters
        .iter()
        .filter(|submitter| views.iter().any(|view| view.name.get_ref() == submitter.view.get_ref()))
        .collect();
    // Permissions in the field's words: a strategy with no submitter here is not visible here.
    let strategies = site
        .strategies
        .iter()
        .filter(|strategy| submitters.iter().any(|submitter| submitter.strategy.get_ref() == strategy.name.get_ref()));
    let texts = |texts: &[super::section::Text]| texts.iter().map(|text| text.get_ref().clone()).collect();
    server::Settings {
        name: name.clone(),
        tenant_id: site.tenant_id(of.tenant.as_ref()),
        media_types: site
            .media_types
            .iter()
            .map(|media| server::MediaType {
                name: media.name.get_ref().clone(),
                handling_timeout: media.handling_timeout,
            })
            .collect(),
        queues: site
            .queues
            .iter()
            .filter(|queue| queue.is_on(name))
            .map(|queue| server::Queue { name: queue.name.get_ref().clone() })
            .collect(),
        strategies: strategies
            .map(|strategy| server::Strategy {
                name: strategy.name.get_ref().clone(),
                enabled: strategy.enabled,
                max_interactions: strategy.max_interactions,
            })
            .collect(),
        submitters: submitters
            .iter()
            .map(|submitter| server::Submitter {
                name: submitter.name.get_ref().clone(),
                view: submitter.view.get_ref().clone(),
                strategy: submitter.strategy.get_ref().clone(),
                priority: submitter.priority,
                max_interactions: submitter.max_interactions,
                cluster_id: submitter.cluster_id.clone(),
            })
            .collect(),
        views: views
            .iter()
            .map(|view| server::View {
                name: view.name.get_ref().clone(),
                queue: view.queue.get_ref().clone(),
                condition: view.condition.get_ref().clone(),
                order: view.order.get_ref().clone(),
            })
            .collect(),
        workbins: texts(&site.workbins),
        agents: site
            .agents
            .iter()
            .map(|agent| server::Agent {
                id: agent.id.get_ref().clone(),
                capacity: agent
                    .capacity
                    .iter()
                    .map(|(media, count)| (media.get_ref().clone(), u32::try_from(*count).unwrap_or(u32::MAX)))
                    .collect(),
            })
            .collect(),
        places: texts(&site.places),
        custom_properties: site
            .custom_properties
            .iter()
            .map(|property| server::CustomProperty {
                name: property.name.get_ref().clone(),
                key: property.key.clone(),
                kind: property.kind,
            })
            .collect(),
        timers: timers(&of.options),
        limits: limits(&of.options),
    }
}

fn timers(options: &OptionValues) -> server::Timers {
    let duration = |name| options.duration(Owner::Server, "settings", name);
    server::Timers {
        routing_timeout: duration("routing-timeout"),
        handling_timeout: duration("handling-timeout"),
        delivering_timeout: duration("delivering-timeout"),
        max_pull_delay: duration("max-pull-delay"),
        idempotency_retention: duration("idempotency-retention"),
        registration_timeout: duration("registration-timeout"),
        reclaim_window: duration("reclaim-window"),
        reclaim_window_at_start: duration("reclaim-window-at-start"),
    }
}

fn limits(options: &OptionValues) -> server::Limits {
    let count = |name| options.count(Owner::Server, "limits", name);
    server::Limits {
        clients: count("clients"),
        requests_in_flight: count("requests-in-flight"),
        events_waiting: count("events-waiting"),
        body_cache_bytes: count("body-cache"),
    }
}

/// What the node is told. `endpoint` says how it reaches each server.
pub fn node_settings(site: &Site, endpoint: impl Fn(&Server) -> Endpoint) -> jackfield_node::Settings {
    let application = &site.application;
    let connected = application.connections.iter().filter_map(|name| site.server(name.get_ref()));
    jackfield_node::Settings {
        name: application.name.clone(),
        cluster: application.cluster.clone(),
        links: connected
            .map(|server| LinkSettings {
                server: server.name.get_ref().clone(),
                endpoint: endpoint(server),
                strategies: server_settings(site, server)
                    .strategies
                    .into_iter()
                    .filter(|strategy| strategy.enabled)
                    .map(|strategy| strategy.name)
                    .collect(),
            })
            .collect(),
        strategies: site
            .strategies
            .iter()
            .map(|strategy| StrategySettings {
                name: strategy.name.get_ref().clone(),
                plugin: strategy.plugin.get_ref().clone(),
                parameters: strategy.parameters.clone(),
                max_sessions: strategy.max_sessions,
                http_hosts: Vec::new(),
            })
            .collect(),
        agents: site
            .agents
            .iter()
            .map(|agent| AgentSettings {
                id: agent.id.get_ref().clone(),
                skills: agent
                    .skills
                    .iter()
                    .map(|(skill, level)| (skill.get_ref().clone(), i32::try_from(*level).unwrap_or(i32::MAX)))
                    .collect(),
                groups: agent.groups.iter().map(|group| group.get_ref().clone()).collect(),
            })
            .collect(),
        lists: site.lists.clone(),
        options: node_options(&application.options),
    }
}

fn node_options(options: &OptionValues) -> jackfield_node::Options {
    let duration = |name| options.duration(Owner::Application, "orchestration", name);
    let number = |name| u32::try_from(options.integer(Owner::Application, "orchestration", name)).unwrap_or(1);
    jackfield_node::Options {
        mcr_pull_after_error_timeout: duration("mcr-pull-after-error-timeout"),
        max_sessions: options.count(Owner::Application, "orchestration", "max-sessions"),
        pull_count: number("pull-count"),
        max_pull_delay: duration("max-pull-delay"),
        poison_limit: number("poison-limit"),
        poison_queue: options.text(Owner::Application, "orchestration", "poison-queue"),
        shutdown_grace: duration("shutdown-grace"),
        rejection_rest: duration("rejection-rest"),
        reconnect_first: duration("reconnect-first"),
        reconnect_max: duration("reconnect-max"),
        request_timeout: duration("request-timeout"),
    }
}

/// What the engine that runs strategies is told.
pub fn engine_settings(site: &Site) -> jackfield_strategy::Settings {
    let options = &site.application.options;
    jackfield_strategy::Settings {
        memory_bytes: options.count(Owner::Application, "strategy", "memory-limit"),
        turn_cpu: options.duration(Owner::Application, "strategy", "turn-cpu-limit"),
        requests_per_turn: options.count(Owner::Application, "strategy", "requests-per-turn"),
        live: options.count(Owner::Application, "strategy", "live-sessions"),
        turns_without_checkpoint: u64::try_from(options.integer(
            Owner::Application,
            "strategy",
            "turns-without-checkpoint",
        ))
        .unwrap_or(1),
        ..jackfield_strategy::Settings::default()
    }
}

/// How the node keeps its journal.
pub fn journal_settings(site: &Site) -> jackfield_journal::JournalSettings {
    let application = &site.application;
    jackfield_journal::JournalSettings {
        retention: application.options.duration(Owner::Application, "orchestration", "journal-retention"),
        ..jackfield_journal::JournalSettings::new(application.name.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_left_out_are_the_defaults_of_the_crates() {
        let defaults = OptionValues::default();
        assert_eq!(timers(&defaults), server::Timers::default());
        assert_eq!(limits(&defaults), server::Limits::default());
        assert_eq!(node_options(&defaults), jackfield_node::Options::default());
        assert_eq!(engine_settings(&Site::default()), jackfield_strategy::Settings::default());
        assert_eq!(journal_settings(&Site::default()), jackfield_journal::JournalSettings::new(""));
    }

    #[test]
    fn what_the_sample_shows_are_the_defaults() {
        let sample = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/site/jackfield.toml");
        let (site, _) = crate::config::load(&sample).expect("the sample is right");
        assert_eq!(node_options(&site.application.options), jackfield_node::Options::default());
        assert_eq!(engine_settings(&site), jackfield_strategy::Settings::default());
        let name = &site.application.name;
        assert_eq!(journal_settings(&site), jackfield_journal::JournalSettings::new(name));
        assert_eq!(site.journal(), Some(site.application.data.join("journal.db")));
        // The second one shows a change.
        let first = site.servers.first().expect("a server");
        assert_eq!(timers(&first.options), server::Timers::default());
        assert_eq!(limits(&first.options), server::Limits::default());
    }
}
