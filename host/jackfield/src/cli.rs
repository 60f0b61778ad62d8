//! The command line.

mod scxml;

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use jackfield_packages::oci::Reference;

pub use scxml::{Scxml, ScxmlCheck, ScxmlFile, ScxmlGraph, ScxmlRun};

use crate::exit;

/// Contact-centre orchestration: sandboxed routing strategies over Interaction Servers.
#[derive(Debug, Parser)]
#[command(
    version,
    max_term_width = 110,
    propagate_version = true,
    subcommand_required = true,
    arg_required_else_help = true
)]
#[command(after_help = exit::HELP)]
pub struct Cli {
    /// What all commands share.
    #[command(flatten)]
    pub global: Global,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

impl Cli {
    /// What goes to the log.
    pub fn log_filter(&self) -> String {
        let default = if matches!(self.command, Command::Bench(_)) { "error,strategy=off" } else { "info" };
        self.global.log.clone().unwrap_or_else(|| default.to_owned())
    }
}

/// Arguments of every command.
#[derive(Clone, Debug, Args)]
pub struct Global {
    /// The configuration of the site.
    #[arg(long, global = true, value_name = "FILE", default_value = "jackfield.toml", env = "JACKFIELD_SITE")]
    pub site: PathBuf,
    /// Print results as JSON, one object a line, and the log too.
    #[arg(long, global = true)]
    pub json: bool,
    /// What goes to the log on standard error: a level, or `level,crate=level,...`.
    /// Default: `info`; of benchmarks, whose guests misbehave on purpose, only errors.
    #[arg(long, global = true, value_name = "FILTER", env = "JACKFIELD_LOG")]
    pub log: Option<String>,
    /// Stop when standard input ends.
    #[arg(long, global = true, hide = true)]
    pub with_parent: bool,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the site: its embedded servers, its media servers, and the node with its strategies.
    Run(Run),
    /// Run one Interaction Server alone.
    Server(ServerArguments),
    /// Submit e-mails, or interactions written as JSON, to an interaction queue.
    Submit(Submit),
    /// Be an agent at this terminal, or (--auto) one who works by itself.
    Agent(Agent),
    /// Show what waits in the interaction queues.
    Queues(Queues),
    /// Write what servers report as lines of JSON, or make a report of a day of such lines.
    Report(Report),
    /// Show the sessions of the running node, or, from its journal, those that have ended.
    Sessions(Sessions),
    /// Explain why an interaction went where it went, or why it still waits.
    Why(Why),
    /// Show what the journal holds of one session, turn by turn.
    Journal(JournalArguments),
    /// Run recorded sessions again, with no effect, and compare.
    Replay(Replay),
    /// Let waiting sessions go on with another version of their plugin.
    Move(Move),
    /// Show the plugins of the running node: versions, sessions on each, files that were refused.
    Plugins(Plugins),
    /// Give new sessions the version before, or the one named, and hold the current one back.
    Rollback(PluginVersion),
    /// Keep a plugin at a version, whatever comes into the folder.
    Pin(PluginVersion),
    /// Take new versions again.
    Unpin(PluginName),
    /// Begin no new sessions with a plugin.
    Disable(PluginName),
    /// Begin new sessions again.
    Enable(PluginName),
    /// Try a version on a part of the new sessions.
    Canary(Canary),
    /// Run ended sessions again with another version, without effects, and compare.
    Shadow(Shadow),
    /// Make the canary, the shadow, or the version that waits the current one.
    Promote(PluginName),
    /// Install plugins from registries into the plugins folder, pinned by digest.
    Install(Install),
    /// Publish a plugin in a registry.
    Publish(Publish),
    /// Make plugins of SCXML documents.
    Convert(Convert),
    /// Read and check the configuration, or files of plugins; start nothing.
    Check(Check),
    /// Look at SCXML documents: check them, draw them.
    #[command(subcommand)]
    Scxml(Scxml),
    /// List every option of the configuration with its range, its default, and when a change counts.
    Options,
    /// Let a day pass in a moment: who would wait for how long, with the agents of the site.
    Simulate(Simulate),
    /// Start a whole site in a fresh folder, submit its mailbox, and show where everything went.
    Demo(Demo),
    /// Measure this build on this machine.
    Bench(Bench),
}

/// `jackfield run`
#[derive(Debug, Args)]
#[command(after_help = "\
Stops on Ctrl-C or SIGTERM, and ends with code 0. It pulls no more; its sessions are suspended, and go on at
the next start, or they are asked to end and give back what they hold (option on-shutdown). A second Ctrl-C
ends it at once, which loses nothing either: what was recorded goes on at the next start.

The configuration may be edited meanwhile; it is read again when it has changed, and on SIGHUP. Each change is
logged with its old and its new value and when it counts. With an error in it everything stays as it is.

It does not start (code 1) with a journal that another process has open, that is damaged, that a newer
jackfield wrote, or that cannot be written.

Examples:
  jackfield run
  jackfield run --site examples/site/jackfield.toml --plugins plugins")]
pub struct Run {
    /// Start no server and no media server, whatever the configuration says.
    #[arg(long)]
    pub node_only: bool,
    /// Folder of plugins; overrides the configuration.
    #[arg(long, value_name = "FOLDER")]
    pub plugins: Option<PathBuf>,
    /// Start with every plugin turned off: `jackfield enable NAME` turns one on.
    #[arg(long)]
    pub safe: bool,
}

/// `jackfield server`
#[derive(Debug, Args)]
#[command(after_help = "\
It takes over what changes in the configuration, as `jackfield run` does.

Example:
  jackfield server --name email_server")]
pub struct ServerArguments {
    /// Which server of the configuration.
    #[arg(long)]
    pub name: String,
}

/// `jackfield submit`
#[derive(Debug, Args)]
#[command(after_help = "\
A connection that is lost is made again, and what was not answered is sent again with the same key: nothing
is submitted twice. Ends with code 3 when a part was refused or could not be read.

Examples:
  jackfield submit mailbox/ --queue email.inbound
  jackfield submit letter.eml --queue email.inbound --json
  jackfield submit chats.jsonl
  generate | jackfield submit - --queue chat.inbound --rate 50")]
pub struct Submit {
    /// RFC 5322 files (.eml), folders of them, Maildirs; .json or .jsonl files with one interaction a line;
    /// `-`: such lines from standard input.
    #[arg(required = true, value_name = "FILE|FOLDER|-")]
    pub sources: Vec<PathBuf>,
    /// The interaction queue. JSON lines may name their own.
    #[arg(long, value_name = "QUEUE")]
    pub queue: Option<String>,
    /// The server to submit to; needed only when several have the queue.
    #[arg(long, value_name = "SERVER")]
    pub server: Option<String>,
    /// At most so many interactions a second.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub rate: Option<u32>,
    /// Submit everything so many times.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    pub repeat: u32,
    /// A name for this run: repeat the run with the same name and contents, and nothing is submitted twice.
    #[arg(long, value_name = "NAME")]
    pub run_id: Option<String>,
    /// Give up when the server cannot be reached for so long.
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = humantime::parse_duration)]
    pub retry_for: Duration,
}

/// `jackfield agent`
#[derive(Debug, Args)]
#[command(after_help = "\
Without --auto it shows a prompt: `help` lists its commands.

Examples:
  jackfield agent --id kim
  jackfield agent --id kim --auto --handle-time 0.2s..1s --reject 10 --json")]
pub struct Agent {
    /// Employee id, as in the configuration.
    #[arg(long, value_name = "ID")]
    pub id: String,
    /// Servers to log in on; all of the site's when none is named.
    #[arg(long = "server", value_name = "SERVER")]
    pub servers: Vec<String>,
    /// Place to log in at; the agent's own when none is named.
    #[arg(long, value_name = "PLACE")]
    pub place: Option<String>,
    /// Media types to be ready for; those of the agent's capacity when none is named.
    #[arg(long, value_name = "MEDIA")]
    pub media: Vec<String>,
    /// Work by itself: accept, handle, finish.
    #[arg(long)]
    pub auto: bool,
    /// With --auto: how long an interaction is handled, such as `1s` or `0.2s..1s`.
    #[arg(long, value_name = "TIME|FROM..TO", default_value = "0.2s..1s", value_parser = crate::text::parse_time_range)]
    pub handle_time: (Duration, Duration),
    /// With --auto: how many of a hundred invitations are rejected.
    #[arg(long, value_name = "PERCENT", default_value_t = 0, value_parser = clap::value_parser!(u8).range(0..=100))]
    pub reject: u8,
    /// With --auto: mark each interaction done (the default).
    #[arg(long, conflicts_with = "transfer_to")]
    pub done: bool,
    /// With --auto: transfer each interaction to this queue instead.
    #[arg(long, value_name = "QUEUE")]
    pub transfer_to: Option<String>,
}

/// `jackfield simulate`
#[derive(Debug, Args)]
#[command(after_help = "\
The file says what comes in by the hour, and when agents work; skills, groups and capacities are those of the
site. Target selection is the one that routes; arrivals, handling times and patience are drawn by chance, and
the same seed draws the same.

Examples:
  jackfield simulate --site examples/site/jackfield.toml examples/site/day.toml
  jackfield simulate day.toml --days 20 --json")]
pub struct Simulate {
    /// The day.
    #[arg(value_name = "FILE")]
    pub day: PathBuf,
    /// Where chance begins.
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    pub seed: u64,
    /// So many such days, counted together.
    #[arg(long, value_name = "NUMBER", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    pub days: u32,
}

/// `jackfield convert`
#[derive(Debug, Args)]
#[command(after_help = "\
A document with all it includes becomes one file, a plugin like any other. Its problems are told with file, line
and column; with an error nothing is written (code 1; `jackfield scxml check` tells more of them). The same
document makes the same bytes. Documents that Composer generates are converted from their start page.

Documents may also be dropped into the plugins folder as they are, with what they include.

Examples:
  jackfield convert workflow.scxml -o plugins/workflow.wasm
  jackfield convert src-gen/IPD_default_Mail.scxml --name Mail
  jackfield convert src-gen/IPD_*.scxml -o plugins/")]
pub struct Convert {
    /// The documents.
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// The file to write, or a folder; beside the document when it is not named.
    #[arg(short, long, value_name = "FILE|FOLDER")]
    pub output: Option<PathBuf>,
    /// What the strategy is called; the name of the document, or of its file, when it is not named.
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,
    /// A version for people; made of the content when it is not named.
    #[arg(long = "as-version", value_name = "VERSION")]
    pub as_version: Option<String>,
    /// Actions that are not supported raise an error event when they are reached, rather than keep the document from
    /// being converted.
    #[arg(long)]
    pub allow_unsupported: bool,
    /// How they are read.
    #[command(flatten)]
    pub reading: ScxmlFile,
}

/// `jackfield queues`
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  jackfield queues
  jackfield queues --watch --server email_server")]
pub struct Queues {
    /// Servers to ask; all of the site's when none is named.
    #[arg(long = "server", value_name = "SERVER")]
    pub servers: Vec<String>,
    /// Show it again and again, until Ctrl-C.
    #[arg(long)]
    pub watch: bool,
    /// With --watch: time between two looks.
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = humantime::parse_duration)]
    pub interval: Duration,
}

/// `jackfield report`
#[derive(Debug, Args)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "\
Writes one line for each event until Ctrl-C, beginning now; with --resume where it stopped the last time. A server
that is away is tried until it is back. It keeps recent events for that time (options reporting-window,
reporting-events, reporting-size); what it keeps no more, and what it had told nobody when it was started anew, is
a line with the event `gap`. A line may come twice after this command was killed: server, stream and sequence are
those of one event.

Examples:
  jackfield report >> today.jsonl
  jackfield report --resume var/report.position >> today.jsonl
  jackfield report --queue VQ_Billing --server email_server
  jackfield report day today.jsonl --within 30s --zone Europe/Vienna"
)]
pub struct Report {
    /// Make a report of what was written.
    #[command(subcommand)]
    pub command: Option<ReportCommand>,
    /// Servers to listen to; all of the site's when none is named.
    #[arg(long = "server", value_name = "SERVER")]
    pub servers: Vec<String>,
    /// Only what happens in these interaction queues and virtual queues; nothing of agents then.
    #[arg(long = "queue", value_name = "QUEUE")]
    pub queues: Vec<String>,
    /// Keep the place in the streams in this file, and go on there.
    #[arg(long, value_name = "FILE")]
    pub resume: Option<PathBuf>,
}

/// What is made of lines that were written.
#[derive(Debug, Subcommand)]
pub enum ReportCommand {
    /// For each virtual queue: what entered, was answered and was abandoned, waits, and the service level.
    Day(ReportDay),
}

/// `jackfield report day`
#[derive(Debug, Args)]
#[command(after_help = "\
Reads lines that `jackfield report` has written; no server and no configuration is needed. The service level is the
share of all waits that ended which were answered in time. Ends with code 3 when lines cannot be read or say that
something is lost (`gap`): then there was more than is counted.

Examples:
  jackfield report day today.jsonl
  jackfield report day *.jsonl --date 2026-03-02 --zone Europe/Vienna --within 30s --json
  zcat march.jsonl.gz | jackfield report day -")]
pub struct ReportDay {
    /// Files of lines; `-` is standard input.
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// Waits that end no later are within the service level.
    #[arg(long, value_name = "TIME", default_value = "20s", value_parser = humantime::parse_duration)]
    pub within: Duration,
    /// Only what happened on this day, such as 2026-03-02.
    #[arg(long, value_name = "DATE", value_parser = crate::text::parse_date)]
    pub date: Option<String>,
    /// Time zone of days and hours, such as Europe/Vienna; UTC when none is named.
    #[arg(long, value_name = "ZONE")]
    pub zone: Option<String>,
}

/// `jackfield why`
#[derive(Debug, Args)]
#[command(after_help = "\
The last decision of target selection about it, by the running node: who there was, who was left out by what, and who
was chosen. A node remembers its last 4,096 decisions of each link; of those that lie far back, only who was chosen and why.

Examples:
  jackfield why 0000GaBNKN2Q0021
  jackfield why 0000GaBNKN2Q0021 --json")]
pub struct Why {
    /// Id of the interaction.
    #[arg(value_name = "INTERACTION")]
    pub interaction: String,
}

/// `jackfield sessions`
#[derive(Debug, Args)]
#[command(after_help = "\
Asks the node through its control socket, <data>/<application>.sock. With --finished it reads the journal
instead, whether or not the node runs.

Examples:
  jackfield sessions --json
  jackfield sessions --finished --since 1h --failed")]
pub struct Sessions {
    /// Show links, pulls and counters too.
    #[arg(long, conflicts_with = "finished")]
    pub all: bool,
    /// Show those that have ended, from the journal.
    #[arg(long)]
    pub finished: bool,
    /// With --finished: only those that began in this time.
    #[arg(long, value_name = "TIME", requires = "finished", value_parser = humantime::parse_duration)]
    pub since: Option<Duration>,
    /// With --finished: only those of this strategy.
    #[arg(long, value_name = "STRATEGY", requires = "finished")]
    pub strategy: Option<String>,
    /// With --finished: only those that failed.
    #[arg(long, requires = "finished")]
    pub failed: bool,
    /// With --finished: at most so many, the last ones.
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub limit: u32,
}

/// `jackfield journal`
#[derive(Debug, Args)]
#[command(after_help = "\
Reads the journal, whether or not the node runs. With --json everything that is recorded is shown.

Examples:
  jackfield journal 019ac3f2
  jackfield journal 019ac3f2 --json")]
pub struct JournalArguments {
    /// Id of the session, or how it begins.
    pub session: String,
}

/// `jackfield replay`
#[derive(Debug, Args)]
#[command(after_help = "\
Strategies run on what is recorded: what they look up, the clock and chance are as they were then, and what
they ask for is compared and goes nowhere. Ends with code 5 at a difference, and with code 3 when some
sessions could not be replayed. A session is replayed from its beginning, or, where its first turns are no
longer kept, from its last checkpoint.

Examples:
  jackfield replay 019ac3f2
  jackfield replay 019ac3f2 --with new/triage.wasm
  jackfield replay --all --since 24h --with new/triage.wasm")]
pub struct Replay {
    /// Id of the session, or how it begins.
    #[arg(required_unless_present = "all", value_name = "SESSION|--all")]
    pub session: Option<String>,
    /// Replay many, and show a summary.
    #[arg(long, conflicts_with = "session")]
    pub all: bool,
    /// With --all: only those that began in this time.
    #[arg(long, value_name = "TIME", requires = "all", value_parser = humantime::parse_duration)]
    pub since: Option<Duration>,
    /// With --all: only those of this strategy.
    #[arg(long, value_name = "STRATEGY", requires = "all")]
    pub strategy: Option<String>,
    /// With --all: at most so many, the last ones.
    #[arg(long, value_name = "N", default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub limit: u32,
    /// The version to run, in place of the one that was recorded; with --all only sessions of this plugin.
    #[arg(long, value_name = "FILE")]
    pub with: Option<PathBuf>,
}

/// `jackfield move`
#[derive(Debug, Args)]
#[command(after_help = "\
A session keeps the version of its plugin that it began with. One that has made a checkpoint can go on with
another version, which must name the format of that checkpoint in its manifest, and must go through the turns
since then as they were recorded. With --dry-run this is tried and nothing is changed. A node that runs moves its
sessions itself, each as soon as its turn is over; with none they are moved in its journal.
Ends with code 3 when some sessions cannot be moved.

Examples:
  jackfield move Triage --to new/triage.wasm --dry-run
  jackfield move Triage --to new/triage.wasm")]
pub struct Move {
    /// The strategy whose sessions are moved.
    pub strategy: String,
    /// The version they are to go on with.
    #[arg(long, value_name = "FILE")]
    pub to: PathBuf,
    /// Only try; change nothing.
    #[arg(long)]
    pub dry_run: bool,
}

/// `jackfield plugins`
#[derive(Debug, Args)]
#[command(after_help = "\
Asks the node through its control socket, <data>/<application>.sock. Code 3 when a file was refused.

Examples:
  jackfield plugins
  jackfield plugins Triage
  jackfield plugins --json")]
pub struct Plugins {
    /// Only this one, with all that is known of it.
    pub name: Option<String>,
}

/// `jackfield unpin`, `disable`, `enable`, `promote`
#[derive(Debug, Args)]
#[command(after_help = "\
What is chosen counts at once, for new sessions, and survives a restart. Running sessions keep the version they
began with.

Examples:
  jackfield disable triage
  jackfield enable triage
  jackfield promote triage")]
pub struct PluginName {
    /// Name in the plugin's manifest.
    pub name: String,
}

/// `jackfield rollback`, `pin`
#[derive(Debug, Args)]
#[command(after_help = "\
What is chosen counts at once, for new sessions, and survives a restart. Running sessions keep the version they
began with. A version that was rolled back is not taken again by itself; a newer file is.

Examples:
  jackfield rollback triage
  jackfield rollback triage 1.4.0
  jackfield pin triage 3fa2c01d
  jackfield unpin triage")]
pub struct PluginVersion {
    /// Name in the plugin's manifest.
    pub name: String,
    /// What the version's manifest says, or how its digest begins (4 characters or more). None: the version
    /// before (rollback), the current one (pin).
    #[arg(id = "which", value_name = "VERSION")]
    pub version: Option<String>,
}

/// `jackfield canary`
#[derive(Debug, Args)]
#[command(after_help = "\
The version in the folder that is not current is tried: put it there while the plugin is pinned, or while the
option `arrival` lets new versions wait. When too many of its sessions fail it is held back by itself.

Examples:
  jackfield canary triage --percent 10
  jackfield canary triage --off
  jackfield promote triage")]
pub struct Canary {
    /// Name in the plugin's manifest.
    pub name: String,
    /// Which version; none: the latest in the folder.
    #[arg(id = "which", value_name = "VERSION")]
    pub version: Option<String>,
    /// Of a hundred new sessions, how many it gets.
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u8).range(1..=100))]
    pub percent: u8,
    /// It gets no more.
    #[arg(long, conflicts_with_all = ["percent", "which"])]
    pub off: bool,
}

/// `jackfield shadow`
#[derive(Debug, Args)]
#[command(after_help = "\
Each session of the current version that ends is run again from the journal with the other version; what that
would have done otherwise is counted and shown by `jackfield plugins NAME`. Nothing it asks for leaves.

Examples:
  jackfield shadow triage
  jackfield plugins triage
  jackfield shadow triage --off")]
pub struct Shadow {
    /// Name in the plugin's manifest.
    pub name: String,
    /// Which version; none: the latest in the folder.
    #[arg(id = "which", value_name = "VERSION")]
    pub version: Option<String>,
    /// Compare nothing any more.
    #[arg(long, conflicts_with = "which")]
    pub off: bool,
}

/// `jackfield install`
#[derive(Debug, Args)]
#[command(after_help = "\
A tag is resolved to a digest, and what came is recorded by digest in <plugins>/jackfield.lock. Without a
reference the folder is made as that file says; what is so already is not fetched again. A plugin is checked as
the node would check it, its signature too where the site has trusted keys, and replaces the file of its name in
one step. Contents that are not what their digest says, or what the lock file says, are refused.

A reference with a tag and a digest is installed only while the tag is that digest. Registries are spoken to by
TLS; those of this machine may speak plain http. Logins are those of `docker login` or `podman login`, or
JACKFIELD_REGISTRY_USER and JACKFIELD_REGISTRY_PASSWORD.

Ends with code 3 when only some were installed, and with code 4 when the registry cannot be reached.

Examples:
  jackfield install oci://registry.example/strategies/triage:1.2
  jackfield install oci://registry.example/strategies/triage@sha256:9f86d08...
  jackfield install
  jackfield install --update --dry-run")]
pub struct Install {
    /// What to install; what <plugins>/jackfield.lock names when nothing is.
    #[arg(value_name = "oci://HOST/NAME[:TAG][@DIGEST]")]
    pub references: Vec<Reference>,
    /// Follow the tags in the lock file to where they are now.
    #[arg(long, conflicts_with = "references")]
    pub update: bool,
    /// Do all but write.
    #[arg(long)]
    pub dry_run: bool,
    /// Replace a file of that name although it was not installed.
    #[arg(long)]
    pub replace: bool,
    /// Speak plain http with a registry that knows no TLS.
    #[arg(long)]
    pub insecure: bool,
    /// Folder of plugins; overrides the configuration.
    #[arg(long, value_name = "FOLDER")]
    pub plugins: Option<PathBuf>,
}

/// `jackfield publish`
#[derive(Debug, Args)]
#[command(after_help = "\
The file is checked first, as the node would check it. Its signature, FILE.minisig as `minisign -S -m FILE`
writes it, goes with it where there is one. Other tools for components (wkg, wash) can read what is published.

Examples:
  jackfield publish triage.wasm oci://registry.example/strategies/triage:1.2
  jackfield publish triage.wasm oci://localhost:5000/triage:latest --json")]
pub struct Publish {
    /// The plugin.
    pub file: PathBuf,
    /// Where to.
    #[arg(value_name = "oci://HOST/NAME[:TAG]")]
    pub reference: Reference,
    /// Its signature, where it is not FILE.minisig.
    #[arg(long, value_name = "FILE")]
    pub signature: Option<PathBuf>,
    /// Speak plain http with a registry that knows no TLS.
    #[arg(long)]
    pub insecure: bool,
}

/// `jackfield check`
#[derive(Debug, Args)]
#[command(after_help = "\
Without a FILE the configuration is checked: all of its errors are shown, each with its place.
Each FILE is loaded as the node would load it, within the limits of the configuration where there is one: what
it is is shown, or what is wrong with it and what to do. Its compiled code is kept where the node keeps it.
Code 2 when anything is wrong.

Examples:
  jackfield check --site examples/site/jackfield.toml
  jackfield check new/triage.wasm new/chat.wasm")]
pub struct Check {
    /// Plugins to check: components (.wasm), or components written as text (.wat).
    #[arg(value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// Count warnings about the configuration as errors.
    #[arg(long, conflicts_with = "files")]
    pub strict: bool,
}

/// `jackfield demo`
#[derive(Debug, Args)]
#[command(after_help = "\
Two Interaction Servers, the node with its outbox, and five agents run as processes of their own, on free ports,
in a fresh folder. Everything is stopped at the end, unless --keep. Code 1 when the counts do not add up.

Example:
  jackfield demo --site examples/site/jackfield.toml --plugins plugins --keep")]
pub struct Demo {
    /// Folder of plugins; overrides the configuration.
    #[arg(long, value_name = "FOLDER")]
    pub plugins: Option<PathBuf>,
    /// Folder to work in; what an earlier demo left in it is removed.
    #[arg(long, value_name = "FOLDER", default_value = "var/demo")]
    pub folder: PathBuf,
    /// The queue e-mails are submitted to: those of `mailbox` beside the configuration. Interactions in
    /// `.jsonl` files there name their own.
    #[arg(long, value_name = "QUEUE", default_value = "email.inbound")]
    pub queue: String,
    /// Put this file into the plugins folder in the middle of the mailbox, in place of the one of its name.
    #[arg(long, value_name = "FILE")]
    pub swap: Option<PathBuf>,
    /// Leave it running at the end, until Ctrl-C.
    #[arg(long)]
    pub keep: bool,
    /// Submit the mailbox and the chats so many times.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    pub repeat: u32,
    /// Give up when it has not come to rest by then.
    #[arg(long, value_name = "TIME", default_value = "120s", value_parser = humantime::parse_duration)]
    pub limit: Duration,
}

/// `jackfield bench`
#[derive(Debug, Args)]
#[command(after_help = "\
Figures are of this build: use `cargo run --release -p jackfield -- bench`. The guests are made by
`cargo xtask guests`.

Example:
  jackfield bench --only turn --json")]
pub struct Bench {
    /// Only the benchmarks whose name contains this.
    #[arg(long, value_name = "NAME")]
    pub only: Option<String>,
    /// Folder of the test guests.
    #[arg(long, value_name = "FOLDER", default_value = "target/wasm32-wasip2/guest/examples")]
    pub guests: PathBuf,
    /// Folder for stores, on the disk to be measured.
    #[arg(long, value_name = "FOLDER", default_value = "var/bench")]
    pub folder: PathBuf,
    /// Interactions of each throughput benchmark.
    #[arg(long, value_name = "N", default_value_t = 20_000, value_parser = clap::value_parser!(u32).range(100..=10_000_000))]
    pub interactions: u32,
    /// Waiting sessions of the journal benchmark.
    #[arg(long, value_name = "N", default_value_t = 100_000, value_parser = clap::value_parser!(u32).range(100..=1_000_000))]
    pub waiting: u32,
    /// Sessions of the memory benchmark.
    #[arg(long, value_name = "N", default_value_t = 5_000, value_parser = clap::value_parser!(u32).range(10..=100_000))]
    pub sessions: u32,
    /// Plugins of the plugins benchmark.
    #[arg(long, value_name = "N", default_value_t = 500, value_parser = clap::value_parser!(u32).range(1..=4_000))]
    pub plugins: u32,
    /// Load the plugins of this folder, print what that took, and end: what the plugins benchmark runs.
    #[arg(long, hide = true)]
    pub load: Option<PathBuf>,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }
}
