//! Mistakes in `jackfield.toml`, and what a person is told about each.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests fail so")]

mod support;

use std::path::Path;

use support::{check, jackfield, output_text, says};

/// A small site that is right; tests put a mistake into it.
const RIGHT: &str = r#"
[application]
name = "node"
tenant = "Environment"
connections = ["email_server"]

[application.options.orchestration]
poison-limit = 5

[[tenant]]
name = "Environment"
id = 1

[[server]]
name = "email_server"
port = 7011
store = "sqlite:var/email.db"

[[queue]]
name = "email.inbound"
[[queue]]
name = "poison"
[[queue]]
name = "orchestration_system"

[[view]]
name = "all"
queue = "email.inbound"

[[submitter]]
name = "triage"
view = "all"
strategy = "Triage"

[[strategy]]
name = "Triage"
plugin = "triage"

[[media-type]]
name = "email"
[[skill]]
name = "Billing"
[[agent-group]]
name = "Everybody"
[[place]]
name = "desk-1"

[[agent]]
id = "kim"
place = "desk-1"
skills = { Billing = 7 }
groups = ["Everybody"]
capacity = { email = 2 }
"#;

/// Replace `from` (which must be there) and return what `check` says. It must find exactly one error.
fn with(from: &str, to: &str) -> String {
    assert!(RIGHT.contains(from), "{from}");
    let folder = tempfile::tempdir().expect("a folder");
    let (code, text) = check(folder.path(), &RIGHT.replacen(from, to, 1), &[]);
    assert_eq!(code, 2, "{text}");
    assert_eq!(text.matches(": error\n").count(), 1, "{text}");
    text
}

#[test]
fn a_site_that_is_right() {
    let folder = tempfile::tempdir().expect("a folder");
    let (code, text) = check(folder.path(), RIGHT, &[]);
    assert_eq!(code, 0, "{text}");
    says(&text, &["is right: 1 server, 3 queues, 1 view, 1 submitter, 1 strategy, 1 agent; 0 warnings"]);
}

#[test]
fn the_sample_site_is_right_and_has_no_warnings() {
    let site = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/site/jackfield.toml");
    let output = jackfield().args(["check", "--strict", "--site"]).arg(&site).output().expect("runs");
    assert_eq!(output.status.code(), Some(0), "{}", output_text(&output));
}

#[test]
fn an_unknown_key_names_the_nearest_one() {
    says(
        &with("place = \"desk-1\"\nskills", "plaec = \"desk-1\"\nskills"),
        &["jackfield.toml:50:1: error", "unknown key `plaec` in [[agent]]", "did you mean `place`?"],
    );
}

#[test]
fn an_unknown_kind_of_object() {
    says(
        &with("[[skill]]", "[[workbinn]]\nname = \"drafts\"\n[[skill]]"),
        &["unknown key `workbinn`", "did you mean `workbin`?"],
    );
}

#[test]
fn an_unknown_option_names_the_nearest_one() {
    says(
        &with("poison-limit", "poison-limits"),
        &[
            "jackfield.toml:8:1: error",
            "unknown option `poison-limits` in section `orchestration`",
            "did you mean `poison-limit`?",
        ],
    );
}

#[test]
fn an_unknown_section_of_options() {
    says(
        &with("options.orchestration", "options.orchestra"),
        &["the application has no option section `orchestra`", "did you mean `orchestration`?"],
    );
}

#[test]
fn an_option_out_of_range_gives_range_default_and_unit() {
    let text = with("poison-limit = 5", "mcr-pull-after-error-timeout = 10");
    says(
        &text,
        &[
            "jackfield.toml:8:32: error",
            "`mcr-pull-after-error-timeout` is out of range",
            "10 seconds",
            "from 60 to 3600 seconds; default 120",
        ],
    );
}

#[test]
fn an_option_of_the_wrong_type() {
    says(
        &with("poison-limit = 5", "poison-limit = \"5\""),
        &["`poison-limit` must be a whole number", "from 1 to 100; default 3"],
    );
}

#[test]
fn an_option_of_a_few_words_names_them() {
    for wrong in ["\"wait\"", "5"] {
        let text = with("poison-limit = 5", &format!("on-shutdown = {wrong}"));
        says(&text, &["jackfield.toml:8:15: error", "`on-shutdown` must be suspend or drain", "default \"suspend\""]);
    }
}

/// Keys of minisign: a public one, and how a secret one begins.
const PUBLIC_KEY: &str = "RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3";
const REQUIRED: &str = "[application.options.plugins]\nrequire-signature = true\n";

fn with_objects(objects: &str) -> String {
    with("[[tenant]]", &format!("{objects}\n[[tenant]]"))
}

#[test]
fn signatures_need_a_key_that_is_trusted() {
    says(
        &with_objects(REQUIRED),
        &["jackfield.toml:11:21: error", "signatures are required, and no key is trusted", "add [[trusted-key]]"],
    );
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("kim.pub"), format!("untrusted comment: kim\n{PUBLIC_KEY}\n")).expect("written");
    let keys = format!(
        "{REQUIRED}[[trusted-key]]\nname = \"ana\"\nkey = \"{PUBLIC_KEY}\"\n\
         [[trusted-key]]\nname = \"kim\"\nfile = \"kim.pub\"\n[[tenant]]"
    );
    let (code, text) = check(folder.path(), &RIGHT.replacen("[[tenant]]", &keys, 1), &["--strict"]);
    assert_eq!(code, 0, "{text}");
}

#[test]
fn a_trusted_key_that_is_none() {
    says(&with_objects("[[trusted-key]]\nname = \"kim\"\nkey = \"kim\""), &["not a public key of minisign"]);
    says(&with_objects("[[trusted-key]]\nname = \"kim\""), &["takes either `key` or `file`", "minisign.pub"]);
    says(
        &with_objects(&format!("[[trusted-key]]\nname = \"kim\"\nkey = \"{PUBLIC_KEY}\"\nfile = \"kim.pub\"")),
        &["takes either `key` or `file`"],
    );
    says(&with_objects("[[trusted-key]]\nname = \"kim\"\nfile = \"kim.pub\""), &["kim.pub cannot be read"]);
    let twice = format!("[[trusted-key]]\nname = \"kim\"\nkey = \"{PUBLIC_KEY}\"\n").repeat(2);
    says(&with_objects(&twice), &["two objects [[trusted-key]] are called `kim`"]);
}

#[test]
fn the_options_of_sessions_and_of_their_journal() {
    let folder = tempfile::tempdir().expect("a folder");
    let options = "poison-limit = 5\njournal = \"off\"\njournal-retention = 1\non-shutdown = \"drain\"\nmax-sessions = 1000000\n\
                   [application.options.strategy]\nlive-sessions = 0\nturns-without-checkpoint = 100000";
    let (code, text) = check(folder.path(), &RIGHT.replacen("poison-limit = 5", options, 1), &[]);
    assert_eq!(code, 0, "{text}");
    says(
        &with("poison-limit = 5", "journal-retention = 0"),
        &["`journal-retention` is out of range", "from 1 to 87600 hours; default 168"],
    );
    let windows = "store = \"sqlite:var/email.db\"\n[server.options.settings]\nreclaim-window = 3601";
    says(
        &with("store = \"sqlite:var/email.db\"", windows),
        &["`reclaim-window` is out of range", "from 0 to 3600 seconds; default 30"],
    );
}

/// Adds what is said of the plugin `triage`.
fn with_plugin(lines: &str) -> String {
    with("[[media-type]]", &format!("[[plugin]]\nname = \"triage\"\n{lines}\n[[media-type]]"))
}

#[test]
fn a_plugin_may_have_limits_of_its_own() {
    let folder = tempfile::tempdir().expect("a folder");
    let lines = "[application.options.strategy]\ncapabilities = []\nmax-sessions = 1000000\nlog-limit = 1\n\
                 session-cpu-limit = 0\nrequests-per-second = 0\nhttp-hosts = []\n\
                 [[plugin]]\nname = \"triage\"\ncapabilities = [\"messages\", \"virtual-queues\"]\n\
                 http-hosts = [\"api.example.com\", \"*.example.com:8443\"]\nmemory-limit = 4096\nturn-cpu-limit = 10\n\
                 session-cpu-limit = 86400000\nrequests-per-turn = 1\nrequests-per-second = 1000000\nmax-sessions = 0\n\
                 log-limit = 1048576\n[[plugin]]\nname = \"other\"\n[[strategy]]\nname = \"Other\"\nplugin = \"other\"\n\
                 [[submitter]]\nname = \"other\"\nview = \"all\"\nstrategy = \"Other\"\n[[media-type]]";
    let (code, text) = check(folder.path(), &RIGHT.replacen("[[media-type]]", lines, 1), &["--strict"]);
    assert_eq!(code, 0, "{text}");
}

#[test]
fn the_limits_of_a_plugin_have_the_ranges_and_units_of_the_options_they_override() {
    for (line, parts) in [
        ("memory-limit = 0", ["41:16: error", "`memory-limit` is out of range", "from 1 to 4096 MiB; default 64"]),
        (
            "turn-cpu-limit = 9",
            ["41:18: error", "`turn-cpu-limit` is out of range", "from 10 to 600000 milliseconds; default 1000"],
        ),
        (
            "session-cpu-limit = -1",
            ["41:21: error", "`session-cpu-limit` is out of range", "from 0 to 86400000 milliseconds; default 60000"],
        ),
        ("log-limit = 0", ["41:13: error", "`log-limit` is out of range", "from 1 to 1048576 KiB; default 64"]),
        ("max-sessions = 1.5", ["41:16: error", "`max-sessions` must be a whole number", "default 0"]),
        ("requests-per-second = \"1\"", ["41:23: error", "`requests-per-second` must be a whole number", "default 0"]),
    ] {
        says(&with_plugin(line), &parts);
    }
}

#[test]
fn what_a_plugin_may_use_is_told_by_words_that_are_known() {
    says(
        &with_plugin("capabilities = [\"routing\", \"mesages\"]"),
        &[
            "jackfield.toml:41:28: error",
            "`mesages` cannot be in `capabilities`",
            "not one of them",
            "did you mean `messages`?",
        ],
    );
    says(
        &with_plugin("capabilities = \"routing\""),
        &["jackfield.toml:41:16: error", "`capabilities` must be a list of texts", "this is text"],
    );
    says(
        &with_plugin("http-hosts = [\"https://api.example.com/\"]"),
        &[
            "jackfield.toml:41:15: error",
            "cannot be in `http-hosts`",
            "not a host",
            "write it as in \"api.example.com\"",
        ],
    );
    // As what every plugin may the same is checked.
    says(
        &with("poison-limit = 5", "[application.options.strategy]\ncapabilities = [5]"),
        &["jackfield.toml:9:17: error", "`capabilities` must be a list of texts", "this is a whole number"],
    );
}

#[test]
fn keys_and_names_of_plugins() {
    says(
        &with_plugin("memory-limits = 64"),
        &["jackfield.toml:41:1: error", "unknown key `memory-limits` in [[plugin]]", "did you mean `memory-limit`?"],
    );
    // What concerns no single plugin.
    says(&with_plugin("live-sessions = 64"), &["unknown key `live-sessions` in [[plugin]]"]);
    says(&with_plugin("[[plugin]]\nname = \"triage\""), &["two objects [[plugin]] are called `triage`", "again here"]);
    says(&with("[[media-type]]", "[[plugin]]\nmemory-limit = 64\n[[media-type]]"), &["[[plugin]] has no `name`"]);
}

#[test]
fn a_plugin_that_no_strategy_runs_is_a_warning() {
    let folder = tempfile::tempdir().expect("a folder");
    let text = RIGHT.replacen("[[media-type]]", "[[plugin]]\nname = \"triag\"\n[[media-type]]", 1);
    let (code, said) = check(folder.path(), &text, &[]);
    assert_eq!(code, 0, "{said}");
    says(
        &said,
        &["jackfield.toml:40:8: warning\n", "no strategy runs plugin `triag`", "did you mean `triage`?", "1 warning"],
    );
    assert_eq!(check(folder.path(), &text, &["--strict"]).0, 2);
}

#[test]
fn the_journal_is_no_servers_store() {
    says(
        &with("poison-limit = 5", "journal = \"email.db\""),
        &["jackfield.toml:8:11: error", "the node's journal and a server's store are one file", "here"],
    );
}

#[test]
fn references_to_what_is_not_there() {
    for (from, to, parts) in [
        (
            "queue = \"email.inbound\"",
            "queue = \"email.inbond\"",
            ["there is no queue `email.inbond`", "`email.inbound`?"],
        ),
        ("view = \"all\"", "view = \"al\"", ["there is no view `al`", "did you mean `all`?"]),
        ("strategy = \"Triage\"", "strategy = \"triage\"", ["there is no strategy `triage`", "did you mean `Triage`?"]),
        ("place = \"desk-1\"\nskills", "place = \"desk-9\"\nskills", ["there is no place `desk-9`", "`desk-1`?"]),
        ("{ Billing", "{ Biling", ["there is no skill `Biling`", "`Billing`?"]),
        ("[\"Everybody\"]", "[\"Nobody\"]", ["there is no agent group `Nobody`", "Everybody"]),
        ("{ email", "{ fax", ["there is no media type `fax`", "valid: `email`"]),
        ("[\"email_server\"]", "[\"mail_server\"]", ["there is no server `mail_server`", "`email_server`?"]),
        ("tenant = \"Environment\"", "tenant = \"Enviroment\"", ["there is no tenant `Enviroment`", "`Environment`?"]),
    ] {
        // An unused strategy is only a warning, so each of these is one error.
        says(&with(from, to), &parts);
    }
}

#[test]
fn two_of_the_same_name_show_both_places() {
    says(
        &with("name = \"poison\"", "name = \"poison\"\n[[queue]]\nname = \"poison\""),
        &["two objects [[queue]] are called `poison`", "first here", "again here"],
    );
}

#[test]
fn the_poison_queue_must_be_there() {
    says(
        &with("name = \"poison\"", "name = \"poisson\""),
        &["server `email_server` has no queue `poison`", "did you mean `poisson`?"],
    );
}

#[test]
fn no_strategy_takes_from_the_queue_of_the_nodes() {
    says(
        &with("queue = \"email.inbound\"", "queue = \"orchestration_system\""),
        &["no strategy may take from queue `orchestration_system`"],
    );
}

#[test]
fn something_required_is_missing() {
    says(&with("port = 7011\n", ""), &["[[server]] has no `port`", "add `port`: a whole number"]);
}

#[test]
fn a_store_nobody_knows() {
    says(&with("sqlite:var/email.db", "oracle:var/email.db"), &["no store that is known", "sqlite:<file>"]);
}

#[test]
fn broken_toml_has_a_place_too() {
    let folder = tempfile::tempdir().expect("a folder");
    let (code, text) = check(folder.path(), &RIGHT.replacen("id = 1", "id = = 1", 1), &[]);
    assert_eq!(code, 2, "{text}");
    says(&text, &["jackfield.toml:12:", "not valid TOML"]);
}

#[test]
fn all_errors_are_reported_together_in_the_order_of_the_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let text = RIGHT.replacen("poison-limit = 5", "poison-limit = 500", 1).replacen("{ email", "{ fax", 1).replacen(
        "view = \"all\"",
        "view = \"none\"",
        1,
    );
    let (code, text) = check(folder.path(), &text, &[]);
    assert_eq!(code, 2);
    let places: Vec<usize> =
        ["`poison-limit` is out of range", "there is no view `none`", "there is no media type `fax`"]
            .iter()
            .map(|part| text.find(part).unwrap_or_else(|| panic!("`{part}` is not in:\n{text}")))
            .collect();
    assert!(places.is_sorted(), "{text}");
    says(&text, &["3 errors in the configuration"]);
}

#[test]
fn a_bad_view_condition_is_found_at_its_word() {
    let view = "name = \"all\"\nqueue = \"email.inbound\"\n";
    let condition = |written: &str| with(view, &format!("{view}condition = {written}\n"));
    says(
        &condition("\"priority > 1 and recieved_at is not null\""),
        &[
            "jackfield.toml:29:31: error",
            "view `all` has a bad condition: unknown property `recieved_at`",
            "did you mean `received_at`?",
        ],
    );
    // Also where the text has several lines.
    says(
        &condition("'''\npriority > 1\n  and lowwer(subject) = 'x''''"),
        &["jackfield.toml:31:7: error", "did you mean `lower`?"],
    );
    // With escapes the places in the file are other ones: the whole text is meant.
    says(&condition("\"priority\\t> prio\""), &["jackfield.toml:29:13: error", "unknown property `prio`"]);
    // Where the text ends too early.
    says(&condition("\"priority >\""), &["jackfield.toml:29:", "view `all` has a bad condition"]);
}

#[test]
fn a_bad_view_order_is_found_at_its_word() {
    let view = "name = \"all\"\nqueue = \"email.inbound\"\n";
    says(
        &with(view, &format!("{view}order = \"priority desc, recieved_at\"\n")),
        &["jackfield.toml:29:25: error", "has a bad order", "did you mean `received_at`?"],
    );
}

#[test]
fn condition_and_order_of_a_view_are_both_looked_at() {
    let folder = tempfile::tempdir().expect("a folder");
    let view = "queue = \"email.inbound\"\n";
    let bad = format!("{view}condition = \"prioryti > 1\"\norder = \"recieved_at\"\n");
    let (code, text) = check(folder.path(), &RIGHT.replacen(view, &bad, 1), &[]);
    assert_eq!(code, 2, "{text}");
    says(&text, &["did you mean `priority`?", "did you mean `received_at`?", "2 errors in the configuration"]);
}

#[test]
fn a_bad_view_only_warns_when_a_server_starts() {
    let site = support::Site::new();
    site.configure("queue = \"in\"\n[[submitter]]", "queue = \"in\"\ncondition = \"prioryti > 1\"\n[[submitter]]");
    let output = site.command(&["check"]).output().expect("runs");
    assert_eq!(output.status.code(), Some(2), "{}", output_text(&output));
    assert!(site.server().stop().success());
}

#[test]
fn errors_as_json() {
    let folder = tempfile::tempdir().expect("a folder");
    let (code, text) = check(folder.path(), &RIGHT.replacen("{ email", "{ fax", 1), &["--json"]);
    assert_eq!(code, 2);
    let json: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    let problem = &json["problems"][0];
    assert_eq!((problem["line"].as_u64(), problem["column"].as_u64()), (Some(53), Some(14)), "{json}");
    assert_eq!(problem["message"], "there is no media type `fax`");
    assert_eq!(json["exitCode"], 2);
}

#[test]
fn warnings_do_not_stop_but_strict_does() {
    let folder = tempfile::tempdir().expect("a folder");
    let text = RIGHT.replacen("name = \"orchestration_system\"", "name = \"other\"\npulled = false", 1);
    let (code, said) = check(folder.path(), &text, &[]);
    assert_eq!(code, 0, "{said}");
    says(&said, &[": warning\n", "tenant `Environment` has no queue `orchestration_system` on server", "1 warning"]);
    assert_eq!(check(folder.path(), &text, &["--strict"]).0, 2);
}

#[test]
fn check_prints_the_warnings_of_pulling_and_what_to_do_without_starting_anything() {
    let folder = tempfile::tempdir().expect("a folder");
    let view = "[[view]]\nname = \"all\"\nqueue = \"email.inbound\"\n";
    let more = format!("{view}[[view]]\nname = \"more\"\nqueue = \"email.inbound\"\n[[queue]]\nname = \"parked\"\n");
    let text =
        RIGHT.replacen(view, &more, 1).replacen("plugin = \"triage\"", "plugin = \"triage\"\nenabled = false", 1);
    let (code, said) = check(folder.path(), &text, &[]);
    assert_eq!(code, 0, "{said}");
    says(
        &said,
        &[
            "nobody pulls view `more` of queue `email.inbound` of server `email_server`",
            "nobody pulls queue `parked` of server `email_server`",
            "say `pulled = false`",
            "strategy `Triage` is disabled: nothing is pulled for it from view `all` of queue `email.inbound`",
            "3 warnings",
        ],
    );
}

#[test]
fn a_file_that_is_not_there() {
    let output = jackfield().args(["check", "--site", "/nowhere/jackfield.toml"]).output().expect("runs");
    assert_eq!(output.status.code(), Some(2));
    says(&output_text(&output), &["cannot read /nowhere/jackfield.toml", "--site"]);
}

/// A media server for `RIGHT`, before the queues.
fn with_media_server(keys: &str) -> String {
    let server = "[[media-server]]\nname = \"mail\"\nkind = \"email\"\nserver = \"email_server\"\nmedia = \"email\"\n";
    with("[[queue]]", &format!("{server}{keys}\n[[queue]]"))
}

#[test]
fn a_media_server_says_where_its_emails_go() {
    says(&with_media_server(""), &["either `maildir` or `smtp`"]);
    says(&with_media_server("maildir = \"out\"\n[media-server.smtp]\nhost = \"x\""), &["either `maildir` or `smtp`"]);
    says(
        &with_media_server("[media-server.smtp]\nhots = \"x\"\nhost = \"y\""),
        &["unknown key `hots` in [media-server.smtp]", "`host`"],
    );
    says(&with_media_server("[media-server.smtp]\nhost = \"x\"\ntls = \"ssl\""), &["`ssl`", "starttls"]);
    says(
        &with_media_server("[media-server.smtp]\nhost = \"x\"\nconnections = 0"),
        &["`connections` is out of range", "from 1 to 100"],
    );
    says(
        &with_media_server("[media-server.smtp]\nhost = \"x\"\nuser = \"me\""),
        &["a user needs a password", "password-file"],
    );
}

#[test]
fn a_media_server_says_where_email_comes_in() {
    let imap = |keys: &str| format!("maildir = \"out\"\n[media-server.imap]\nhost = \"x\"\n{keys}");
    says(&with_media_server(&imap("queue = \"email.inbound\"")), &["[media-server.imap] has no `user`"]);
    let login = "user = \"me\"\npassword-variable = \"PATH\"";
    says(&with_media_server(&imap(login)), &["[media-server.imap] has no `queue`"]);
    let text = with_media_server(&imap(&format!("{login}\nqueue = \"email.inbond\"")));
    says(&text, &["has no queue `email.inbond`", "did you mean `email.inbound`?"]);
    let text =
        with_media_server("maildir = \"out\"\n[media-server.inbox]\nmaildir = \"out\"\nqueue = \"email.inbound\"");
    says(&text, &["into the same Maildir from which it takes some"]);
}

#[test]
fn a_chat_server_says_where_its_page_is_and_where_chats_go() {
    let chat = |keys: &str| {
        let server =
            "[[media-server]]\nname = \"chat\"\nkind = \"chat\"\nserver = \"email_server\"\nmedia = \"email\"\n";
        with("[[queue]]", &format!("{server}{keys}\n[[queue]]"))
    };
    says(&chat("queue = \"email.inbound\""), &["[[media-server]] has no `listen`"]);
    says(&chat("listen = \"127.0.0.1:80\""), &["[[media-server]] has no `queue`"]);
    says(
        &chat("queue = \"email.inbound\"\nlisten = \"localhost\""),
        &["`localhost` is no address to listen at", "127.0.0.1:8080"],
    );
    says(&chat("queue = \"nowhere\"\nlisten = \"127.0.0.1:80\""), &["has no queue `nowhere`"]);
    says(
        &chat("queue = \"email.inbound\"\nlisten = \"127.0.0.1:80\"\ngrace = 7200"),
        &["`grace` is out of range", "from 0 to 3600 seconds"],
    );
    says(&chat("queue = \"email.inbound\"\nlisten = \"127.0.0.1:80\"\nmaildir = \"x\""), &["unknown key `maildir`"]);
}

#[test]
fn what_a_media_server_needs_when_it_connects_is_a_warning() {
    let media_server = "[[media-server]]\nname = \"mail\"\nkind = \"email\"\nserver = \"email_server\"\nmedia = \"email\"\n\
                        [media-server.smtp]\nhost = \"mail.example.com\"\ntls = \"none\"\nuser = \"me\"\npassword-file = \"none\"\n[[queue]]";
    let folder = tempfile::tempdir().expect("a folder");
    let (code, text) = check(folder.path(), &RIGHT.replacen("[[queue]]", media_server, 1), &[]);
    assert_eq!(code, 0, "{text}");
    says(&text, &["cannot be read", "the password goes to mail.example.com as it is"]);
}

#[test]
fn business_hours_and_special_days_say_where_they_are_wrong() {
    let office = |lines: &str| format!("[[business-hours]]\nname = \"office\"\n{lines}");
    let right = office("open = [\"mon-fri 08:00-18:00\"]\ntime-zone = \"Europe/Vienna\"\n[[tenant]]");
    let folder = tempfile::tempdir().expect("a folder");
    let (code, text) = check(folder.path(), &RIGHT.replacen("[[tenant]]", &right, 1), &["--strict"]);
    assert_eq!(code, 0, "{text}");
    let wrong = |lines: &str| with_objects(&office(lines));
    says(&wrong("open = [\"mon-fry 08:00-18:00\"]"), &["`fry` is no day; there are sun, mon, tue, wed, thu, fri, sat"]);
    says(&wrong("open = [\"mon 8-18\"]"), &["`8-18` are no hours such as `08:00-18:00`"]);
    says(&wrong("time-zone = \"Europe/Vienne\""), &["there is no time zone `Europe/Vienne`", "IANA"]);
    says(&wrong("closed-on = \"holydays\""), &["there is no [[special-days]] `holydays`"]);
    let days = "[[special-days]]\nname = \"holidays\"\ndays = { Christmas = \"25.12.\" }";
    says(&with_objects(days), &["`25.12.` is no date such as `12-25` (of each year) or `2027-03-28`"]);
}
