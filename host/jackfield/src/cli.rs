//! The command line.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};

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
    /// Show the sessions of the running node.
    Sessions(Sessions),
    /// Read and check the configuration; start nothing.
    Check(Check),
    /// List every option of the configuration with its range and default.
    Options,
    /// Start a whole site in a fresh folder, submit its mailbox, and show where everything went.
    Demo(Demo),
    /// Measure this build on this machine.
    Bench(Bench),
}

/// `jackfield run`
#[derive(Debug, Args)]
#[command(after_help = "\
Stops on Ctrl-C or SIGTERM: it pulls no more, lets sessions come to rest, gives back the rest, and ends
with code 0. A second Ctrl-C ends it at once.

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
}

/// `jackfield server`
#[derive(Debug, Args)]
#[command(after_help = "\
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

/// `jackfield sessions`
#[derive(Debug, Args)]
#[command(after_help = "\
Asks the node through its control socket, <data>/<application>.sock.

Example:
  jackfield sessions --json")]
pub struct Sessions {
    /// Show links, pulls and counters too.
    #[arg(long)]
    pub all: bool,
}

/// `jackfield check`
#[derive(Debug, Args)]
#[command(after_help = "\
All errors of the file are shown, each with its place; code 2 when there is one.

Example:
  jackfield check --site examples/site/jackfield.toml")]
pub struct Check {
    /// Count warnings as errors.
    #[arg(long)]
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
    /// Sessions of the memory benchmark.
    #[arg(long, value_name = "N", default_value_t = 5_000, value_parser = clap::value_parser!(u32).range(10..=100_000))]
    pub sessions: u32,
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
