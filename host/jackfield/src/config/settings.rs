//! From the site to what each crate is told: settings of a server, of the node, of the engine.

use jackfield_link::Endpoint;
use jackfield_node::{AgentSettings, LinkSettings, PlaceSettings, ReportTargets, StrategySettings, ViewSettings};
use jackfield_plugins::{Arrival, BreakerSettings, FolderSettings, Rollout, Rollouts};
use jackfield_server as server;
use jackfield_strategy::{Engine, EngineError, Policies, Policy};

use super::connections::{Connection, connections, switches};
use super::model::{Access, Server, Site, capacity_rule};
use super::options::Owner;
use super::pulling::{Form, pulled_by};
use super::section::Notes;
use super::values::OptionValues;
use crate::documents;

/// What one Interaction Server is told: the objects that concern it and that its account sees, and no others. What
/// becomes of a pull that needs one of the others is in the table of `jackfield_server`'s pulls.
pub fn server_settings(site: &Site, of: &Server) -> server::Settings {
    let name = of.name.get_ref();
    let sees = |access: &Access| site.is_visible(access, of);
    let views: Vec<_> = site.views.iter().filter(|view| site.has_queue(name, view.queue.get_ref())).collect();
    let submitters: Vec<_> = site
        .submitters
        .iter()
        .filter(|submitter| views.iter().any(|view| view.name.get_ref() == submitter.view.get_ref()))
        .collect();
    // A strategy with no submitter here does not concern this server.
    let strategies = site
        .strategies
        .iter()
        .filter(|strategy| submitters.iter().any(|submitter| submitter.strategy.get_ref() == strategy.name.get_ref()))
        .filter(|strategy| sees(&strategy.access));
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
            .filter(|queue| queue.is_on(name) && sees(&queue.access))
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
            .filter(|submitter| sees(&submitter.access))
            .map(|submitter| server::Submitter {
                name: submitter.name.get_ref().clone(),
                view: submitter.view.get_ref().clone(),
                strategy: submitter.strategy.get_ref().clone(),
                priority: submitter.priority,
                max_interactions: submitter.max_interactions,
                cluster_id: submitter.cluster_id.as_ref().map(|cluster| cluster.get_ref().clone()),
            })
            .collect(),
        views: views
            .iter()
            .filter(|view| sees(&view.access))
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
            .map(|agent| server::Agent { id: agent.id.get_ref().clone(), capacity: capacity_rule(&agent.capacity) })
            .collect(),
        places: site.places.iter().map(|place| place.name.get_ref().clone()).collect(),
        capacity: capacity_rules(site, of),
        contacts: server::Contacts {
            keys: of
                .options
                .text(Owner::Server, "settings", "contact-keys")
                .split(',')
                .map(|key| key.trim().to_owned())
                .filter(|key| !key.is_empty())
                .collect(),
            kept: of.options.duration(Owner::Server, "settings", "last-agent-retention"),
        },
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

fn capacity_rules(site: &Site, of: &Server) -> server::CapacityRules {
    let tenant = site.tenant_id(of.tenant.as_ref());
    let tenant = site.tenants.iter().find(|known| known.id == tenant);
    let default = match of.options.text(Owner::Server, "settings", "default-capacity").as_str() {
        "voice" => server::DefaultCapacity::OneVoiceCall,
        _ => server::DefaultCapacity::Multimedia,
    };
    server::CapacityRules {
        places: site
            .places
            .iter()
            .map(|place| (place.name.get_ref().clone(), capacity_rule(&place.capacity)))
            .collect(),
        tenant: tenant.map(|tenant| capacity_rule(&tenant.capacity)).unwrap_or_default(),
        default,
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
        reporting_window: duration("reporting-window"),
    }
}

fn limits(options: &OptionValues) -> server::Limits {
    let count = |name| options.count(Owner::Server, "limits", name);
    server::Limits {
        clients: count("clients"),
        requests_in_flight: count("requests-in-flight"),
        events_waiting: count("events-waiting"),
        body_cache_bytes: count("body-cache"),
        reporting_events: count("reporting-events"),
        reporting_bytes: count("reporting-size"),
    }
}

/// What the node is told. `endpoint` says how it reaches each server.
pub fn node_settings(site: &Site, endpoint: impl Fn(&Server) -> Endpoint) -> jackfield_node::Settings {
    let application = &site.application;
    jackfield_node::Settings {
        name: application.name.clone(),
        cluster: application.cluster.clone(),
        links: connections(site, &Notes::default())
            .into_iter()
            .map(|Connection { server, pulls, .. }| link_settings(site, server, endpoint(server), pulls))
            .collect(),
        strategies: site
            .strategies
            .iter()
            .map(|strategy| StrategySettings {
                name: strategy.name.get_ref().clone(),
                plugin: strategy.plugin.get_ref().clone(),
                parameters: strategy.parameters.clone(),
                max_sessions: strategy.max_sessions,
                enabled: strategy.enabled,
            })
            .collect(),
        agents: site
            .agents
            .iter()
            .map(|agent| AgentSettings {
                id: agent.id.get_ref().clone(),
                skills: agent.levels(),
                groups: agent.group_names().collect(),
            })
            .collect(),
        places: site
            .places
            .iter()
            .map(|place| PlaceSettings {
                name: place.name.get_ref().clone(),
                groups: place.groups.iter().map(|group| group.get_ref().clone()).collect(),
            })
            .collect(),
        lists: site.lists.clone(),
        calendar: site.calendar.clone(),
        objects: jackfield_node::Objects {
            dbids: site.dbids.clone(),
            tenants: site.tenants.iter().map(|tenant| (tenant.id, tenant.name.get_ref().clone())).collect(),
            switches: switches(site),
        },
        options: node_options(&application.options),
    }
}

/// What the node pulls from a server: whatever is joined there for its cluster. Whether the server sees it, the server
/// says (guide, *Interaction Server Error Messages*). `pulls`: whether it pulls from it at all.
fn link_settings(site: &Site, server: &Server, endpoint: Endpoint, pulls: bool) -> LinkSettings {
    let name = server.name.get_ref();
    let joins = if pulls { pulled_by(site, name, &site.application.cluster) } else { Vec::new() };
    let is_enhanced = |strategy: &str| {
        joins.iter().any(|join| matches!(join.form, Form::Enhanced(_)) && join.strategy.get_ref() == strategy)
    };
    let strategies = site.strategies.iter().map(|strategy| strategy.name.get_ref().clone());
    let legacy = joins.iter().filter(|join| matches!(join.form, Form::Legacy(_)));
    LinkSettings {
        server: name.clone(),
        endpoint,
        strategies: strategies.filter(|strategy| is_enhanced(strategy)).collect(),
        views: legacy
            .map(|join| ViewSettings {
                name: join.view.name.get_ref().clone(),
                queue: join.view.queue.get_ref().clone(),
                strategy: join.strategy.get_ref().clone(),
            })
            .collect(),
    }
}

fn node_options(options: &OptionValues) -> jackfield_node::Options {
    let duration = |name| options.duration(Owner::Application, "orchestration", name);
    let number = |name| u32::try_from(options.integer(Owner::Application, "orchestration", name)).unwrap_or(1);
    jackfield_node::Options {
        mcr_pull_after_error_timeout: duration("mcr-pull-after-error-timeout"),
        mcr_pull_interval: duration("mcr-pull-interval"),
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
        link_down_timeout: duration("link-down-timeout"),
        cleanup_takeover_timeout: duration("cleanup-takeover-timeout"),
        report_targets: match options.text(Owner::Application, "orchestration", "report-targets").as_str() {
            "selected" => ReportTargets::Selected,
            "off" => ReportTargets::Off,
            _ => ReportTargets::All,
        },
    }
}

/// What the engine that runs strategies is told.
pub fn engine_settings(site: &Site) -> jackfield_strategy::Settings {
    let options = &site.application.options;
    jackfield_strategy::Settings {
        memory_bytes: policies(site).memory_bytes(),
        live: options.count(Owner::Application, "strategy", "live-sessions"),
        turns_without_checkpoint: u64::try_from(options.integer(
            Owner::Application,
            "strategy",
            "turns-without-checkpoint",
        ))
        .unwrap_or(1),
        code_cache: site.code_cache(),
        ..jackfield_strategy::Settings::default()
    }
}

/// How the plugins folder is looked after. `safe`: every plugin begins turned off.
pub fn folder_settings(site: &Site, safe: bool) -> FolderSettings {
    let application = &site.application;
    let options = &application.options;
    let by_plugin = site.plugins.iter().map(|plugin| (plugin.name.get_ref(), plugin.options.over(options)));
    FolderSettings {
        folder: application.plugins.clone(),
        state: application.data.join("plugins"),
        rollouts: Rollouts {
            default: rollout(options),
            by_plugin: by_plugin.map(|(name, options)| (name.clone(), rollout(&options))).collect(),
        },
        safe,
        notified: options.text(Owner::Application, "plugins", "watch") == "notified",
        poll_every: options.duration(Owner::Application, "plugins", "poll-interval"),
        vouching: vouching(site),
        converter: Some(documents::converter()),
    }
}

fn rollout(options: &OptionValues) -> Rollout {
    let number = |name| options.integer(Owner::Application, "plugins", name);
    Rollout {
        arrival: match options.text(Owner::Application, "plugins", "arrival").as_str() {
            "canary" => Arrival::Canary,
            "shadow" => Arrival::Shadow,
            "waits" => Arrival::Waits,
            _ => Arrival::AtOnce,
        },
        canary_percent: u8::try_from(number("canary-percent")).unwrap_or(100),
        breaker: BreakerSettings {
            failures: u32::try_from(number("breaker-failures")).unwrap_or(0),
            window: u32::try_from(number("breaker-window")).unwrap_or(1),
            rest: options.duration(Owner::Application, "plugins", "breaker-rest"),
        },
    }
}

/// The engine of a command beside the node, with the node's limits and policies: what these forbid is refused here
/// too. It has so many live instances, and the node's cache of compiled code where there is one already; it makes
/// none, which would belong to whoever calls.
///
/// # Errors
/// It cannot be set up.
pub fn engine_beside(site: &Site, live: usize) -> Result<Engine, EngineError> {
    let settings = engine_settings(site);
    let code_cache = settings.code_cache.filter(|folder| folder.is_dir());
    let engine = Engine::new(jackfield_strategy::Settings { live, code_cache, ..settings })?;
    engine.set_policies(policies(site));
    Ok(engine)
}

/// What plugins may.
pub fn policies(site: &Site) -> Policies {
    let all = &site.application.options;
    Policies {
        default: policy(all),
        by_plugin: site
            .plugins
            .iter()
            .map(|plugin| (plugin.name.get_ref().clone(), policy(&plugin.options.over(all))))
            .collect(),
    }
}

fn policy(options: &OptionValues) -> Policy {
    let count = |name| options.count(Owner::Application, "strategy", name);
    let duration = |name| options.duration(Owner::Application, "strategy", name);
    let texts = |name| options.texts(Owner::Application, "strategy", name);
    // Where 0 says that there is no limit.
    let limit = |name| Some(count(name)).filter(|&limit| limit > 0);
    Policy {
        capabilities: texts("capabilities"),
        http_hosts: texts("http-hosts"),
        memory_bytes: count("memory-limit"),
        turn_cpu: duration("turn-cpu-limit"),
        session_cpu: Some(duration("session-cpu-limit")).filter(|limit| !limit.is_zero()),
        requests_per_turn: count("requests-per-turn"),
        requests_per_second: limit("requests-per-second"),
        max_sessions: limit("max-sessions"),
        log_bytes_per_second: count("log-limit"),
    }
}

/// Whose signatures plugins need.
pub fn vouching(site: &Site) -> jackfield_packages::Vouching {
    jackfield_packages::Vouching {
        required: site.application.options.flag(Owner::Application, "plugins", "require-signature"),
        keys: site.trusted_keys.iter().filter_map(|trusted| trusted.key.clone()).collect(),
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
    use std::path::PathBuf;
    use std::time::Duration;

    use super::*;

    /// The one default that differs: the program has a folder to keep code in.
    fn engine_defaults(code_cache: impl Into<PathBuf>) -> jackfield_strategy::Settings {
        jackfield_strategy::Settings { code_cache: Some(code_cache.into()), ..Default::default() }
    }

    #[test]
    fn options_left_out_are_the_defaults_of_the_crates() {
        let defaults = OptionValues::default();
        assert_eq!(timers(&defaults), server::Timers::default());
        assert_eq!(limits(&defaults), server::Limits::default());
        assert_eq!(node_options(&defaults), jackfield_node::Options::default());
        assert_eq!(engine_settings(&Site::default()), engine_defaults("code-cache"));
        assert_eq!(policies(&Site::default()), Policies::default());
        assert_eq!(journal_settings(&Site::default()), jackfield_journal::JournalSettings::new(""));
        assert_eq!(folder_settings(&Site::default(), false).rollouts, Rollouts::default());
        assert_eq!(vouching(&Site::default()), jackfield_packages::Vouching::default());
    }

    #[test]
    fn what_the_sample_shows_are_the_defaults() {
        let sample = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/site/jackfield.toml");
        let (site, _) = crate::config::load(&sample).expect("the sample is right");
        assert_eq!(node_options(&site.application.options), jackfield_node::Options::default());
        assert_eq!(folder_settings(&site, false).rollouts.default, Rollout::default());
        let data = &site.application.data;
        assert_eq!(engine_settings(&site), engine_defaults(data.join("code-cache")));
        assert_eq!(policies(&site).default, Policy::default());
        assert_eq!(vouching(&site), jackfield_packages::Vouching::default());
        let name = &site.application.name;
        assert_eq!(journal_settings(&site), jackfield_journal::JournalSettings::new(name));
        assert_eq!(site.journal(), Some(site.application.data.join("journal.db")));
        // The second one shows a change.
        let first = site.servers.first().expect("a server");
        assert_eq!(timers(&first.options), server::Timers::default());
        assert_eq!(limits(&first.options), server::Limits::default());
    }

    #[test]
    fn versions_of_a_plugin_follow_each_other_as_it_says_and_otherwise_as_is_said_for_all() {
        let text = "[application]\nname = \"n\"\n[application.options.plugins]\nbreaker-failures = 2\n\
                    [[plugin]]\nname = \"a\"\narrival = \"canary\"\ncanary-percent = 25\nbreaker-rest = 5";
        let site = super::super::objects::read(std::path::Path::new("site.toml"), text, &Default::default());
        let rollouts = folder_settings(&site, false).rollouts;
        let breaker = BreakerSettings { failures: 2, ..BreakerSettings::default() };
        assert_eq!(rollouts.default, Rollout { breaker, ..Rollout::default() });
        let breaker = BreakerSettings { rest: Duration::from_secs(5), ..breaker };
        let a = Rollout { arrival: Arrival::Canary, canary_percent: 25, breaker };
        assert_eq!((rollouts.of("a"), rollouts.of("b")), (&a, &rollouts.default));
    }

    #[test]
    fn a_plugin_has_what_it_says_and_otherwise_what_is_said_for_all() {
        let text = "[application]\nname = \"n\"\n[application.options.strategy]\nmemory-limit = 32\nmax-sessions = 7\n\
                    session-cpu-limit = 0\n[[plugin]]\nname = \"a\"\nmemory-limit = 128\nrequests-per-second = 9\n\
                    log-limit = 1\ncapabilities = [\"routing\"]\nhttp-hosts = [\"example.com\"]\n\
                    [[plugin]]\nname = \"b\"\nmax-sessions = 0\nsession-cpu-limit = 5\nturn-cpu-limit = 10\n\
                    requests-per-turn = 3";
        let site = super::super::objects::read(std::path::Path::new("site.toml"), text, &Default::default());
        let all = Policy { memory_bytes: 32 << 20, max_sessions: Some(7), session_cpu: None, ..Policy::default() };
        let a = Policy {
            memory_bytes: 128 << 20,
            requests_per_second: Some(9),
            log_bytes_per_second: 1 << 10,
            capabilities: vec!["routing".into()],
            http_hosts: vec!["example.com".into()],
            ..all.clone()
        };
        let b = Policy {
            max_sessions: None,
            session_cpu: Some(Duration::from_millis(5)),
            turn_cpu: Duration::from_millis(10),
            requests_per_turn: 3,
            ..all.clone()
        };
        let found = policies(&site);
        assert_eq!((found.of("a"), found.of("b"), found.of("c")), (&a, &b, &all));
        assert_eq!(engine_settings(&site).memory_bytes, 128 << 20, "there is room for the largest");
    }
}
