//! Connections to Interaction Servers, in both forms of the guide, and what a person is told about each mistake.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests fail so")]

mod support;

use support::{Site, check, output_text, says};

/// The part of the file before the servers.
const BEFORE: &str = r#"
[application]
name = "node"
tenant = "Environment"
connections = ["email_server"]

[[tenant]]
name = "Environment"
id = 1
[[tenant]]
name = "Other"
id = 2

[[switch]]
name = "multimedia"
tenant = "Environment"
[[switch]]
name = "calls"
tenant = "Environment"
type = "voice"
[[switch]]
name = "theirs"
tenant = "Other"
"#;

const EMAIL: &str = r#"
[[server]]
name = "email_server"
tenant = "Environment"
host = "ixn.example"
port = 7011
store = "sqlite:var/email.db"
"#;

/// The second object of the same server.
const T_SERVER: &str = r#"
[[server]]
name = "email_t_server"
type = "t-server"
host = "ixn.example"
port = 7011
switch = "multimedia"
"#;

const CHAT: &str = r#"
[[server]]
name = "chat_server"
tenant = "Environment"
host = "ixn.example"
port = 7012
store = "sqlite:var/chat.db"
"#;

const AFTER: &str = r#"
[[queue]]
name = "poison"
[[queue]]
name = "orchestration_system"
"#;

const BOTH: &str = "[\"email_server\", \"chat_server\"]";

/// What `jackfield check` says of these servers.
fn of(servers: &[&str], connections: &str) -> (i32, String) {
    let before = BEFORE.replacen("[\"email_server\"]", connections, 1);
    let folder = tempfile::tempdir().expect("a folder");
    let (code, text) = check(folder.path(), &format!("{before}{}{AFTER}", servers.concat()), &[]);
    // Long lines are broken in the picture.
    (code, text.replace("\n  │ ", " "))
}

#[track_caller]
fn right(servers: &[&str], connections: &str) {
    let (code, text) = of(servers, connections);
    assert_eq!((code, text.contains("; 0 warnings")), (0, true), "{text}");
}

/// Exactly one error, which says all of this.
#[track_caller]
fn wrong(servers: &[&str], connections: &str, parts: &[&str]) {
    let (code, text) = of(servers, connections);
    assert_eq!((code, text.matches(": error\n").count()), (2, 1), "{text}");
    says(&text, parts);
}

/// The site can run, with one warning, which says all of this.
#[track_caller]
fn warns(servers: &[&str], connections: &str, parts: &[&str]) {
    let (code, text) = of(servers, connections);
    assert_eq!((code, text.matches(": warning\n").count()), (0, 1), "{text}");
    says(&text, parts);
}

fn t_server(from: &str, to: &str) -> String {
    assert!(T_SERVER.contains(from), "{from}");
    T_SERVER.replacen(from, to, 1)
}

// ---- the two forms ----

#[test]
fn the_connections_list_names_each_interaction_server_application() {
    right(&[EMAIL], "[\"email_server\"]");
    right(&[&EMAIL.replacen("name", "type = \"interaction-server\"\nname", 1)], "[\"email_server\"]");
    let (code, text) = of(&[EMAIL], "[\"emial_server\"]");
    assert_eq!(code, 2);
    says(&text, &["there is no server `emial_server`", "did you mean `email_server`?"]);
}

#[test]
fn for_backward_compatibility_two_application_objects_with_one_host_and_port_are_one_server() {
    right(&[EMAIL, T_SERVER], "[\"email_t_server\"]");
    right(&[EMAIL, T_SERVER], "[\"email_server\"]");
    right(&[T_SERVER, EMAIL], "[\"email_t_server\"]");
}

#[test]
fn the_switch_may_be_bound_through_the_tenant_that_has_exactly_one() {
    right(&[EMAIL, &t_server("switch = \"multimedia\"\n", "")], "[\"email_t_server\"]");
}

// ---- each way in which the older form can be wrong ----

#[test]
fn both_application_objects_must_have_different_names() {
    wrong(
        &[EMAIL, &t_server("email_t_server", "email_server")],
        "[\"email_server\"]",
        &[
            "jackfield.toml:33:8: error",
            "the Interaction Server and its T-Server object are both called `email_server`",
            "first here",
            "give the T-Server object a name of its own",
        ],
    );
    wrong(
        &[EMAIL, T_SERVER, CHAT, &T_SERVER.replacen("7011", "7012", 1)],
        "[\"email_server\"]",
        &["two objects [[server]] are called `email_t_server`"],
    );
}

#[test]
fn both_application_objects_must_exist_on_the_same_host() {
    wrong(
        &[EMAIL, &t_server("ixn.example", "ixn2.example")],
        "[\"email_server\"]",
        &[
            "jackfield.toml:35:8: error",
            "T-Server object `email_t_server` has another host than server `email_server`",
            "this port, on host `ixn.example`",
            "write the same host at both",
        ],
    );
}

#[test]
fn both_application_objects_must_have_the_same_port() {
    wrong(
        &[EMAIL, &t_server("7011", "7099")],
        "[\"email_server\"]",
        &[
            "jackfield.toml:36:8: error",
            "T-Server object `email_t_server` has another port than server `email_server`",
            "its port, on the same host `ixn.example`",
            "write the same port at both",
        ],
    );
}

#[test]
fn a_t_server_object_without_its_interaction_server() {
    let elsewhere = t_server("ixn.example", "nowhere.example").replacen("7011", "7099", 1);
    wrong(
        &[EMAIL, &elsewhere],
        "[\"email_server\"]",
        &[
            "there is no Interaction Server for T-Server object `email_t_server`",
            "none has the address nowhere.example:7099",
            "add the [[server]] object of the Interaction Server",
        ],
    );
}

#[test]
fn a_t_server_object_that_could_belong_to_two_servers() {
    wrong(
        &[EMAIL, &CHAT.replacen("7012", "7011", 1), T_SERVER],
        "[\"email_server\"]",
        &[
            "T-Server object `email_t_server` could belong to server `email_server` and to server `chat_server`",
            "all have the address ixn.example:7011",
            "give one of the servers another port",
        ],
    );
}

#[test]
fn a_server_with_two_t_server_objects() {
    wrong(
        &[EMAIL, T_SERVER, &t_server("email_t_server", "another")],
        "[\"email_server\"]",
        &["server `email_server` has two T-Server objects", "the first", "the second", "remove one of them"],
    );
}

#[test]
fn no_switch_is_named_and_the_tenant_has_none() {
    let theirs = CHAT.replacen("Environment", "Third", 1);
    let tenant = "[[tenant]]\nname = \"Third\"\nid = 3\n";
    let object = t_server("switch = \"multimedia\"\n", "").replacen("7011", "7012", 1);
    wrong(
        &[tenant, EMAIL, &theirs, &object],
        "[\"email_server\"]",
        &[
            "T-Server object `email_t_server` names no switch, and tenant `Third` has no multimedia switch",
            "add [[switch]] with the tenant and type = \"multimedia\"",
        ],
    );
}

#[test]
fn no_switch_is_named_and_the_tenant_has_several() {
    let second = "[[switch]]\nname = \"second\"\ntenant = \"Environment\"\ntype = \"multimedia\"\n";
    wrong(
        &[second, EMAIL, &t_server("switch = \"multimedia\"\n", "")],
        "[\"email_server\"]",
        &[
            "names no switch, and tenant `Environment` has several multimedia switches",
            "one of `multimedia`, `second`",
            "add `switch` with the name of the one it is on",
        ],
    );
}

#[test]
fn the_switch_is_not_there_or_no_multimedia_switch_or_another_tenants() {
    for (switch, parts) in [
        ("multimdia", ["there is no switch `multimdia`", "did you mean `multimedia`?", "jackfield.toml:37:10: error"]),
        (
            "calls",
            [
                "switch `calls` of T-Server object `email_t_server` is not a multimedia switch",
                "a switch for calls",
                "name a [[switch]] with type = \"multimedia\"",
            ],
        ),
        (
            "theirs",
            [
                "switch `theirs` of T-Server object `email_t_server` belongs to another tenant",
                "this switch",
                "name a multimedia switch of tenant `Environment`",
            ],
        ),
    ] {
        wrong(&[EMAIL, &t_server("\"multimedia\"", &format!("{switch:?}"))], "[\"email_server\"]", &parts);
    }
}

#[test]
fn the_two_objects_belong_to_one_tenant() {
    wrong(
        &[EMAIL, &t_server("switch = ", "tenant = \"Other\"\nswitch = ")],
        "[\"email_server\"]",
        &[
            "T-Server object `email_t_server` belongs to another tenant than its server `email_server`",
            "write tenant = \"Environment\", or leave it out",
        ],
    );
}

#[test]
fn a_t_server_object_has_nothing_that_belongs_to_the_server_itself() {
    for (line, parts) in [
        ("store = \"sqlite:var/email.db\"", ["a T-Server object has no `store`", "it keeps nothing"]),
        ("embedded = false", ["a T-Server object has no `embedded`", "there is nothing to run"]),
        (
            "options.settings.delivering-timeout = 5",
            ["a T-Server object has no `options`", "it does nothing that options could change"],
        ),
        ("tenants = [\"Other\"]", ["a T-Server object has no `tenants`", "it belongs to one tenant"]),
    ] {
        let object = format!("{T_SERVER}{line}\n");
        wrong(&[EMAIL, &object], "[\"email_server\"]", &parts);
    }
    wrong(
        &[&format!("{EMAIL}switch = \"multimedia\"\n")],
        "[\"email_server\"]",
        &["jackfield.toml:31:10: error", "an Interaction Server names no switch", "type = \"t-server\""],
    );
    wrong(
        &[
            EMAIL,
            &t_server("\"t-server\"", "\"tserver\"")
                .replacen("switch", "store = \"sqlite:x\"\nswitch", 1)
                .replacen("switch = \"multimedia\"\n", "", 1)
                .replacen("7011", "7013", 1),
        ],
        "[\"email_server\"]",
        &["`tserver` is no `type` that is known", "did you mean `t-server`?"],
    );
}

#[test]
fn one_server_in_both_forms_at_once() {
    wrong(
        &[EMAIL, T_SERVER],
        "[\"email_server\", \"email_t_server\"]",
        &[
            "jackfield.toml:5:32: error",
            "server `email_server` is named in both ways: by itself, and by its T-Server object",
            "first here",
            "name one of them",
        ],
    );
    wrong(&[EMAIL], "[\"email_server\", \"email_server\"]", &["server `email_server` is named twice"]);
}

#[test]
fn everything_but_a_connection_is_said_of_the_interaction_server() {
    let queue = "[[queue]]\nname = \"in\"\nserver = \"email_t_server\"\n";
    wrong(
        &[EMAIL, T_SERVER, queue],
        "[\"email_t_server\"]",
        &["`email_t_server` is only a T-Server object", "name the Interaction Server that has the same host and port"],
    );
}

#[test]
fn a_pair_without_a_connection_is_of_no_use() {
    let other = T_SERVER.replacen("email_t_server", "chat_t_server", 1).replacen("7011", "7012", 1);
    warns(
        &[EMAIL, CHAT, &other],
        "[\"email_server\"]",
        &[
            "neither T-Server object `chat_t_server` nor its server `chat_server` is among the application's connections",
        ],
    );
}

// ---- several servers, several tenants ----

const MULTIPLE: &str = "[application.options.orchestration]\nswitch-multi-links-enabled = ";

#[test]
fn several_servers_on_one_switch_need_switch_multi_links_enabled_and_without_it_the_first_is_used() {
    right(&[MULTIPLE, "true\n", EMAIL, CHAT], BOTH);
    warns(
        &[EMAIL, CHAT],
        BOTH,
        &[
            "jackfield.toml:5:32: warning",
            "servers `email_server` and `chat_server` are both on switch `multimedia` of one tenant: only `email_server` is used",
            "set switch-multi-links-enabled = true in [application.options.orchestration]",
        ],
    );
    warns(
        &[MULTIPLE, "false\n", CHAT, EMAIL],
        "[\"chat_server\", \"email_server\"]",
        &["only `chat_server` is used", "because of this"],
    );
}

#[test]
fn the_older_form_needs_switch_multi_links_enabled_as_well() {
    let chat_object = T_SERVER.replacen("email_t_server", "chat_t_server", 1).replacen("7011", "7012", 1);
    let servers = [EMAIL, T_SERVER, CHAT, &chat_object];
    let connections = "[\"email_t_server\", \"chat_t_server\"]";
    warns(&servers, connections, &["both on switch `multimedia`", "only `email_server` is used"]);
    right(&[&[MULTIPLE, "true\n"], &servers[..]].concat(), connections);
    // On switches of their own there is nothing to allow.
    let second = "[[switch]]\nname = \"second\"\ntenant = \"Environment\"\n";
    let on_second = chat_object.replacen("\"multimedia\"", "\"second\"", 1);
    right(&[second, EMAIL, T_SERVER, CHAT, &on_second], connections);
}

#[test]
fn with_several_switches_a_server_without_a_t_server_object_is_on_none_that_is_known() {
    let second = "[[switch]]\nname = \"second\"\ntenant = \"Environment\"\n";
    warns(
        &[second, EMAIL],
        "[\"email_server\"]",
        &["the tenant of server `email_server` has several multimedia switches", "type = \"t-server\""],
    );
}

#[test]
fn a_server_associated_with_more_than_one_tenant_is_not_pulled_from() {
    let of_both = EMAIL.replacen("host", "tenants = [\"Environment\", \"Other\"]\nhost", 1);
    warns(
        &[&of_both],
        "[\"email_server\"]",
        &[
            "jackfield.toml:5:16: warning",
            "server `email_server` is associated with several tenants (`Environment`, `Other`): the node pulls nothing from it",
            "let the server have one tenant, or remove it from the connections",
        ],
    );
    right(&[&EMAIL.replacen("host", "tenants = [\"Environment\"]\nhost", 1)], "[\"email_server\"]");
    let (_, text) = of(&[&EMAIL.replacen("host", "tenants = [\"Oter\"]\nhost", 1)], "[\"email_server\"]");
    says(&text, &["there is no tenant `Oter`", "did you mean `Other`?"]);
}

#[test]
fn a_server_of_another_tenant_is_refused() {
    wrong(
        &[&EMAIL.replacen("Environment", "Other", 1)],
        "[\"email_server\"]",
        &["server `email_server` belongs to another tenant than the application"],
    );
}

#[test]
fn an_application_without_connections() {
    wrong(&[EMAIL], "[]", &["the application has no connections", "add connections"]);
}

// ---- at work ----

/// Puts the T-Server object of `main` into a site.
fn in_the_older_form(site: &Site) {
    let port = site.address().rsplit(':').next().expect("a port").to_owned();
    site.configure("[\"main\"]", "[\"main_t_server\"]");
    site.configure(
        "[[media-type]]",
        &format!(
            "[[switch]]\nname = \"multimedia\"\n[[server]]\nname = \"main_t_server\"\ntype = \"t-server\"\n\
             port = {port}\nswitch = \"multimedia\"\n[[media-type]]"
        ),
    );
}

#[test]
fn a_pair_is_one_link_with_the_name_of_the_interaction_server() {
    let site = Site::with(&[("in", "Waits", "waits")]);
    site.add_plugin("waits");
    in_the_older_form(&site);
    let server = site.server();
    let node = site.node();
    let status = site.until_status(|status| status["links"][0]["up"] == true);
    assert_eq!(status["links"].as_array().map(Vec::len), Some(1), "{status}");
    assert_eq!(status["links"][0]["server"], "main");
    assert_eq!(status["pulls"][0]["server"], "main");
    site.write("a.json", "{\"mediaType\":\"email\"}");
    let output = site.command(&["submit", "a.json", "--queue", "in"]).output().expect("runs");
    assert!(output.status.success(), "{}", output_text(&output));
    let status = site.until_status(|status| status["sessions"][0]["id"].is_string());
    assert_eq!(status["sessions"][0]["server"], "main", "affinity goes by the same name");
    let output = site.command(&["server", "--name", "main_t_server"]).output().expect("runs");
    assert_eq!(output.status.code(), Some(2));
    says(&output_text(&output), &["`main_t_server` is only a T-Server object"]);
    assert!(node.stop().success());
    assert!(server.stop().success());
}

#[test]
fn a_server_of_several_tenants_has_a_link_and_no_pulls() {
    let site = Site::with(&[("in", "Waits", "waits")]);
    site.add_plugin("waits");
    site.configure("[[tenant]]", "[[tenant]]\nname = \"Other\"\nid = 2\n[[tenant]]");
    site.configure("name = \"node\"\n", "name = \"node\"\ntenant = \"Environment\"\n");
    site.configure("name = \"main\"\n", "name = \"main\"\ntenant = \"Environment\"\ntenants = [\"Other\"]\n");
    let server = site.server();
    let mut from = 0;
    let mut node = site.logging(&["run"], "node.log");
    node.wait_for_line("runs;");
    site.logged("node.log", &mut from, &["WARN", "server `main` is associated with several tenants"]);
    let status = site.until_status(|status| status["links"][0]["up"] == true);
    assert_eq!(status["pulls"], serde_json::json!([]), "{status}");
    assert!(node.stop().success());
    assert!(server.stop().success());
}
