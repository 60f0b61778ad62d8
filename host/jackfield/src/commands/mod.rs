//! The commands, one file (or folder) each.

mod agent;
mod bench;
mod check;
mod demo;
mod finished;
mod install;
mod journal;
mod moving;
mod options;
mod publish;
mod queues;
mod registry;
mod replay;
mod run;
mod server;
mod sessions;
mod submit;
mod turns;
mod versions;

use crate::cli::{Cli, Command, Global};
use crate::config::{self, Site};
use crate::exit::Exit;

/// Carry out the command.
///
/// # Errors
/// See [`crate::exit`].
pub async fn dispatch(cli: Cli) -> anyhow::Result<Exit> {
    let global = &cli.global;
    match cli.command {
        Command::Run(arguments) => run::run(global, arguments).await,
        Command::Server(arguments) => server::server(global, arguments).await,
        Command::Submit(arguments) => submit::submit(global, arguments).await,
        Command::Agent(arguments) => agent::agent(global, arguments).await,
        Command::Queues(arguments) => queues::queues(global, arguments).await,
        Command::Sessions(arguments) if arguments.finished => finished::sessions(global, &arguments),
        Command::Sessions(arguments) => sessions::sessions(global, arguments).await,
        Command::Journal(arguments) => journal::journal(global, &arguments),
        Command::Replay(arguments) => replay::replay(global, arguments).await,
        Command::Move(arguments) => moving::sessions(global, &arguments).await,
        Command::Install(arguments) => install::install(global, arguments).await,
        Command::Publish(arguments) => publish::publish(global, arguments).await,
        Command::Check(arguments) => check::check(global, &arguments),
        Command::Options => options::options(global),
        Command::Demo(arguments) => demo::demo(global, arguments).await,
        Command::Bench(arguments) => bench::bench(global, arguments).await,
    }
}

/// The site of `--site`; warnings about it go to the log.
fn load(global: &Global) -> anyhow::Result<Site> {
    let (site, warnings) = config::load(&global.site)?;
    for warning in warnings.all() {
        let (line, column) = warnings.position(warning.span.start);
        tracing::warn!(file = %global.site.display(), line, column, "{}", warning.message);
    }
    Ok(site)
}
