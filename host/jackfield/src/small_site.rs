//! A small site, for the benchmarks and for the tests of the program, which include this file.

/// What every such site has: one server `main`, the queues `poison`, `out` and `orchestration_system`, and
/// three agents, of whom two are in the group `everyone`.
const SITE: &str = r#"
[application]
name = "node"
connections = ["main"]

[application.options.orchestration]
reconnect-first = 50
reconnect-max = 500

[[tenant]]
name = "Environment"
id = 1

[[server]]
name = "main"
port = 7011
embedded = false
store = "sqlite:var/main.db"

[[media-type]]
name = "email"

[[queue]]
name = "poison"
[[queue]]
name = "out"
pulled = false
[[queue]]
name = "orchestration_system"

[[place]]
name = "desk"
[[workbin]]
name = "drafts"
[[agent-group]]
name = "everyone"

[[agent]]
id = "kim"
place = "desk"
capacity = { email = 2 }
[[agent]]
id = "ada"
groups = ["everyone"]
capacity = { email = 4 }
[[agent]]
id = "ben"
groups = ["everyone"]
capacity = { email = 4 }
"#;

/// The site, its server at this port of the machine, with a queue for each of these: the name of the queue,
/// the strategy that pulls from it, and the plugin that runs it.
pub fn small_site(port: u16, strategies: &[(&str, &str, &str)]) -> String {
    let mut site = SITE.replacen("port = 7011", &format!("port = {port}"), 1);
    for (queue, strategy, plugin) in strategies {
        site.push_str(&format!(
            r#"
[[queue]]
name = "{queue}"
[[view]]
name = "all of {queue}"
queue = "{queue}"
[[submitter]]
name = "{strategy} from {queue}"
view = "all of {queue}"
strategy = "{strategy}"
[[strategy]]
name = "{strategy}"
plugin = "{plugin}"
"#
        ));
    }
    site
}
