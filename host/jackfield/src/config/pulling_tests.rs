//! Warnings about pulling, by the statements of the guide, and what nodes and servers are told.

use std::path::Path;

use jackfield_link::Endpoint;

use super::*;
use crate::config::{node_settings, parse, server_settings};

/// What every site here has.
const SITE: &str = r#"
[application]
name = "node"
cluster = "east"
connections = ["email_server", "chat_server"]
[application.options.orchestration]
switch-multi-links-enabled = true
[[tenant]]
name = "Environment"
id = 1
[[server]]
name = "email_server"
port = 7011
store = "sqlite:email.db"
account = "email"
[[server]]
name = "chat_server"
port = 7012
store = "sqlite:chat.db"
account = "chat"
[[access-group]]
name = "mailers"
members = ["email"]
[[queue]]
name = "poison"
[[queue]]
name = "orchestration_system"
[[strategy]]
name = "Triage"
[[strategy]]
name = "Other"
enabled = false
"#;

/// A queue of the first server, with what its table says.
fn queue(name: &str, says: &str) -> String {
    format!("[[queue]]\nname = \"{name}\"\nserver = \"email_server\"\n{says}\n")
}

fn view(name: &str, queue: &str, says: &str) -> String {
    format!("[[view]]\nname = \"{name}\"\nqueue = \"{queue}\"\n{says}\n")
}

fn submitter(view: &str, strategy: &str, says: &str) -> String {
    format!("[[submitter]]\nname = \"{view} to {strategy}\"\nview = \"{view}\"\nstrategy = \"{strategy}\"\n{says}\n")
}

fn orchestration(application: &str) -> String {
    format!("[queue.orchestration]\n{application}\n")
}

/// What is right, so that each test adds what it is about.
fn inbound() -> String {
    [queue("inbound", ""), view("all", "inbound", ""), submitter("all", "Triage", "")].concat()
}

/// A legacy queue for the strategy, with one view.
fn legacy(strategy: &str) -> String {
    let application = orchestration(&format!("application = \"script:{strategy}\""));
    [queue("old", &application), view("old all", "old", "")].concat()
}

/// What is said of a site: whether it only warns, the message, and what to do.
fn said(parts: &[String]) -> Vec<(bool, String, String)> {
    let text = format!("{SITE}{}", parts.concat());
    let problems = match parse(Path::new("site.toml"), &text) {
        Ok((_, problems)) | Err(crate::config::ConfigurationError::Invalid(problems)) => problems,
        Err(error) => panic!("{error}"),
    };
    let said = problems.all().iter();
    let said = said.map(|it| (it.is_warning, it.message.clone(), it.help.clone().unwrap_or_default()));
    // The second strategy is there to be disabled: that it has no views is said in one test only.
    said.filter(|(_, message, _)| !message.contains("strategy `Other` has no views")).collect()
}

#[track_caller]
fn warns(parts: &[String], message: &[&str], to_do: &str) {
    says(parts, true, message, to_do);
}

#[track_caller]
fn refuses(parts: &[String], message: &[&str], to_do: &str) {
    says(parts, false, message, to_do);
}

#[track_caller]
fn says(parts: &[String], is_warning: bool, message: &[&str], to_do: &str) {
    let said = said(parts);
    let [(warning, text, help)] = said.as_slice() else { panic!("not one thing is said, but {said:#?}") };
    assert_eq!(*warning, is_warning, "{text}");
    for part in message {
        assert!(text.contains(part), "`{part}` is not in: {text}");
    }
    assert!(help.contains(to_do), "`{to_do}` is not in: {help}");
}

#[test]
fn enhanced_and_legacy_queues_beside_each_other_are_right() {
    assert_eq!(said(&[inbound()]), []);
    assert_eq!(said(&[inbound(), legacy("Triage")]), []);
}

#[test]
fn a_queue_with_both_forms() {
    let both = [queue("inbound", &orchestration("application = \"script:Triage\"")), view("all", "inbound", "")];
    warns(
        &[both.concat(), submitter("all", "Triage", "")],
        &[
            "queue `inbound` of server `email_server` is pulled in both forms",
            "names strategy `Triage` itself",
            "submitter `all to Triage` joins its view `all` to strategy `Triage`",
        ],
        "remove [queue.orchestration], or the submitters",
    );
}

#[test]
fn a_queue_with_neither_form() {
    let to_do = "join a view of it to a strategy by a [[submitter]], or name a strategy in [queue.orchestration]";
    warns(&[inbound(), queue("parked", "")], &["nobody pulls queue `parked` of server `email_server`"], to_do);
    let with_views = [queue("parked", ""), view("one", "parked", ""), view("two", "parked", "")].concat();
    warns(&[inbound(), with_views], &["nobody pulls queue `parked`", "nor its views `one` and `two`"], to_do);
    // Where it is meant so, it may say so. The nodes' own queues need not.
    assert_eq!(said(&[inbound(), queue("parked", "pulled = false"), view("one", "parked", "")]), []);
}

#[test]
fn a_queue_that_is_not_to_be_pulled_and_is() {
    let parts = [queue("inbound", "pulled = false"), view("all", "inbound", ""), submitter("all", "Triage", "")];
    refuses(&parts, &["queue `inbound` is not to be pulled, and is"], "remove one of them");
    let parts = [queue("inbound", ""), view("all", "inbound", "pulled = false"), submitter("all", "Triage", "")];
    refuses(&parts, &["view `all` is not to be pulled, and is"], "remove one of them");
}

#[test]
fn a_view_nobody_pulls() {
    let more = |says| [inbound(), view("more", "inbound", says)];
    warns(
        &more(""),
        &["nobody pulls view `more` of queue `inbound` of server `email_server`"],
        "join it to a strategy by a [[submitter]]",
    );
    assert_eq!(said(&more("pulled = false")), []);
    // In the legacy form every view of the queue is pulled.
    assert_eq!(said(&[inbound(), legacy("Triage"), view("more", "old", "")]), []);
}

#[test]
fn a_strategy_without_views() {
    let unused = "[[strategy]]\nname = \"Unused\"\n".to_owned();
    warns(&[inbound(), unused], &["strategy `Unused` has no views"], "join a view to it by a [[submitter]]");
}

#[test]
fn a_legacy_queue_without_views() {
    let empty = queue("old", &orchestration("application = \"script:Triage\""));
    warns(
        &[inbound(), empty],
        &["queue `old` of server `email_server` has no view", "nothing is pulled from it for strategy `Triage`"],
        "add a [[view]] of this queue",
    );
}

#[test]
fn a_disabled_strategy() {
    let parts =
        [inbound(), legacy("Other"), queue("more", ""), view("more", "more", ""), submitter("more", "Other", "")];
    warns(
        &parts,
        &[
            "strategy `Other` is disabled: nothing is pulled for it from",
            "view `more` of queue `more` of server `email_server` and view `old all` of queue `old`",
        ],
        "say `enabled = true`",
    );
}

#[test]
fn no_strategy_takes_from_orchestration_system_directly_or_through_a_submitter() {
    let message = "no strategy may take from queue `orchestration_system`";
    let through = [inbound(), view("own", "orchestration_system", ""), submitter("own", "Triage", "")];
    refuses(&through, &[message], "let the strategy take from another one");
    let text = "name = \"orchestration_system\"\n";
    let directly = format!("{text}{}", orchestration("application = \"script:Triage\""));
    let site = format!("{SITE}{}", inbound()).replacen(text, &directly, 1);
    let Err(error) = parse(Path::new("site.toml"), &site) else { panic!("it is taken") };
    let crate::config::ConfigurationError::Invalid(problems) = error else { panic!("{error}") };
    assert!(problems.all().iter().any(|problem| !problem.is_warning && problem.message == message), "{problems:?}");
}

#[test]
fn a_cluster_no_node_has() {
    let parts = [queue("inbound", ""), view("all", "inbound", ""), submitter("all", "Triage", "cluster-id = \"esat\"")];
    warns(
        &parts,
        &[
            "submitter `all to Triage` lets only cluster `esat` pull view `all` of queue `inbound`",
            "for strategy `Triage`",
            "the node of this file belongs to cluster `east`",
        ],
        "did you mean `east`?",
    );
    let application = orchestration("\"application@west\" = \"script:Triage\"");
    let west = [queue("old", &application), view("a", "old", ""), view("b", "old", "")].concat();
    warns(
        &[inbound(), west],
        &["queue `old` of server `email_server` names a strategy for cluster `west` for strategy `Triage`"],
        "run a node of that cluster, too",
    );
}

#[test]
fn applications_that_are_none() {
    let old = |application: &str| [inbound(), queue("old", &orchestration(application)), view("old all", "old", "")];
    let has = |application: &str, message: &str, to_do: &str| {
        let found = said(&old(application));
        let found =
            found.iter().find(|(warning, text, help)| !warning && text.contains(message) && help.contains(to_do));
        assert!(found.is_some(), "{application}: {:#?}", said(&old(application)));
    };
    has("application = \"script:Triag\"", "there is no strategy `Triag`", "did you mean `Triage`?");
    has("application = \"Triage\"", "`Triage` is no application that is known", "write \"script:<strategy>\"");
    has("application = \"script:\"", "`script:` is no application that is known", "write \"script:<strategy>\"");
    for document in ["file:///opt/triage.scxml", "http://scripts.example/triage.scxml", "https://scripts.example/t"] {
        let application = format!("application = \"{document}\"");
        has(&application, "`application` names a document", "make a plugin of the document");
    }
    has("applicaton = \"script:Triage\"", "unknown key `applicaton` in [queue.orchestration]", "application = ");
    has("\"application@\" = \"script:Triage\"", "unknown key `application@`", "application@<cluster>");
    has("application = 5", "`application` must be text", "");
}

#[test]
fn access_groups_and_their_members_are_names_that_are_known() {
    refuses(
        &[queue("inbound", "access = [\"mailer\"]"), view("all", "inbound", ""), submitter("all", "Triage", "")],
        &["there is no access group `mailer`"],
        "did you mean `mailers`?",
    );
    warns(
        &[inbound(), "[[access-group]]\nname = \"more\"\nmembers = [\"emial\"]\n".to_owned()],
        &["member `emial` of access group `more` is no server's account"],
        "did you mean `email`?",
    );
}

/// The site of these parts, and its two servers.
fn site(parts: &[String]) -> Site {
    let text = format!("{SITE}{}", parts.concat());
    parse(Path::new("site.toml"), &text).unwrap_or_else(|error| panic!("{error}")).0
}

/// What the node pulls: for each server the strategies, and (view, queue, strategy).
fn pulls(site: &Site, cluster: &str) -> Vec<(Vec<String>, Vec<[String; 3]>)> {
    let mut site = site.clone();
    site.application.cluster = cluster.into();
    let settings = node_settings(&site, |_| Endpoint::Tcp("127.0.0.1:1".into()));
    let views = |link: &jackfield_node::LinkSettings| {
        link.views.iter().map(|view| [view.name.clone(), view.queue.clone(), view.strategy.clone()]).collect()
    };
    settings.links.iter().map(|link| (link.strategies.clone(), views(link))).collect()
}

#[test]
fn the_strategy_of_the_annex_handles_what_comes_from_any_view_of_the_queue() {
    let site = site(&[inbound(), legacy("Triage"), view("more", "old", "condition = \"priority > 5\"")]);
    let strategy = |view: &str| [view.to_owned(), "old".to_owned(), "Triage".to_owned()];
    let expected = (vec!["Triage".to_owned()], vec![strategy("old all"), strategy("more")]);
    assert_eq!(pulls(&site, "east"), [expected, (vec![], vec![])], "of the server that has the queue");
}

#[test]
fn the_node_pulls_from_each_server_of_its_connections_in_both_forms() {
    let everywhere = |name: &str, says: &str| format!("[[queue]]\nname = \"{name}\"\n{says}\n");
    let old = everywhere("old", &orchestration("application = \"script:Triage\""));
    let new = [everywhere("inbound", ""), view("all", "inbound", ""), submitter("all", "Triage", "")].concat();
    let site = site(&[new, old, view("old all", "old", "")]);
    let view = ["old all".to_owned(), "old".to_owned(), "Triage".to_owned()];
    let expected = (vec!["Triage".to_owned()], vec![view]);
    assert_eq!(pulls(&site, "east"), [expected.clone(), expected]);
}

#[test]
fn cluster_id_and_application_at_cluster_leave_out_the_other_clusters() {
    let applications = "application = \"script:Triage\"\n\"application@west\" = \"script:West\"";
    let parts = [
        queue("inbound", ""),
        view("all", "inbound", ""),
        submitter("all", "Triage", "cluster-id = \"east\""),
        "[[strategy]]\nname = \"West\"\n".to_owned(),
        queue("old", &orchestration(applications)),
        view("old all", "old", ""),
        queue("far", &orchestration("\"application@west\" = \"script:West\"")),
        view("far all", "far", ""),
    ];
    let site = site(&parts);
    let view = |queue: &str, strategy: &str| [format!("{queue} all"), queue.to_owned(), strategy.to_owned()];
    let of_first = |cluster: &str| pulls(&site, cluster).remove(0);
    assert_eq!(of_first("east"), (vec!["Triage".to_owned()], vec![view("old", "Triage")]));
    assert_eq!(of_first("west"), (vec![], vec![view("old", "West"), view("far", "West")]));
    assert_eq!(of_first(""), (vec![], vec![view("old", "Triage")]), "of no cluster");
}

#[test]
fn the_node_is_told_which_strategies_are_disabled() {
    let site = site(&[inbound(), legacy("Other")]);
    let settings = node_settings(&site, |_| Endpoint::Tcp("127.0.0.1:1".into()));
    let told: Vec<(&str, bool)> = settings.strategies.iter().map(|it| (it.name.as_str(), it.enabled)).collect();
    assert_eq!(told, [("Triage", true), ("Other", false)]);
    assert_eq!(settings.links[0].views[0].strategy, "Other", "it is there, to be pulled once it is enabled");
}

#[test]
fn what_a_servers_account_does_not_see_does_not_exist_for_it() {
    let groups = "[[access-group]]\nname = \"chatters\"\nmembers = [\"chat\"]\n".to_owned();
    // For both servers, with access as is said.
    let site_of = |queue: &str, view_access: &str, submitter_access: &str, strategy: &str| {
        let queue = format!("[[queue]]\nname = \"inbound\"\n{queue}\n");
        let strategy = format!("[[strategy]]\nname = \"Seen\"\n{strategy}\n");
        let joined = [view("all", "inbound", view_access), submitter("all", "Seen", submitter_access)];
        site(&[groups.clone(), queue, strategy, joined.concat(), legacy("Triage")])
    };
    let told = |site: &Site| {
        let of = |server: &crate::config::Server| {
            let settings = server_settings(site, server);
            [
                settings.queues.iter().any(|queue| queue.name == "inbound"),
                settings.views.iter().any(|view| view.name == "all"),
                settings.submitters.iter().any(|submitter| submitter.view == "all"),
                settings.strategies.iter().any(|strategy| strategy.name == "Seen"),
            ]
        };
        (of(&site.servers[0]), of(&site.servers[1]))
    };
    let chatters = "access = [\"chatters\"]";
    let all = [true; 4];
    assert_eq!(told(&site_of("", "", "", "")), (all, all));
    assert_eq!(told(&site_of(chatters, "", "", "")), ([false, true, true, true], all), "83: the view is there");
    assert_eq!(told(&site_of("", chatters, "", "")), ([true, false, true, true], all), "108, and 42 by its name");
    assert_eq!(told(&site_of("", "", chatters, "")), ([true, true, false, true], all), "108");
    assert_eq!(told(&site_of("", "", "", chatters)), ([true, true, true, false], all), "107");
    assert_eq!(told(&site_of("access = [\"chatters\", \"mailers\"]", "", "", "")), (all, all), "a member of either");
    assert_eq!(told(&site_of("access = []", "", "", "")).1, [false, true, true, true], "nobody");
    // The node asks each server all the same (guide, *Pulling Interactions*).
    let site = site_of("", "", "", chatters);
    assert!(pulls(&site, "east").iter().all(|(strategies, _)| strategies.contains(&"Seen".to_owned())));
}
