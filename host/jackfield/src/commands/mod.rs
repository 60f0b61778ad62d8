//! The commands, one file (or folder) each.

mod agent;
mod bench;
mod check;
mod check_plugins;
mod convert;
mod demo;
mod finished;
mod install;
mod journal;
mod moving;
mod options;
mod plugins;
mod publish;
mod queues;
mod registry;
mod replay;
mod report;
mod run;
mod scxml;
mod server;
mod sessions;
mod simulate;
mod submit;
mod turns;
mod versions;
mod why;

use jackfield_plugins::Command as Change;

use crate::cli::{Cli, Command, Global, ReportCommand};
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
        Command::Report(arguments) => match &arguments.command {
            Some(ReportCommand::Day(day)) => report::day::day(global, day),
            None => report::report(global, arguments).await,
        },
        Command::Sessions(arguments) if arguments.finished => finished::sessions(global, &arguments),
        Command::Sessions(arguments) => sessions::sessions(global, arguments).await,
        Command::Why(arguments) => why::why(global, &arguments).await,
        Command::Journal(arguments) => journal::journal(global, &arguments),
        Command::Replay(arguments) => replay::replay(global, arguments).await,
        Command::Move(arguments) => moving::sessions(global, &arguments).await,
        Command::Plugins(arguments) => plugins::plugins(global, &arguments).await,
        Command::Rollback(of) => plugins::change(global, &of.name, Change::Rollback { version: of.version }).await,
        Command::Pin(of) => plugins::change(global, &of.name, Change::Pin { version: of.version }).await,
        Command::Unpin(of) => plugins::change(global, &of.name, Change::Unpin).await,
        Command::Disable(of) => plugins::change(global, &of.name, Change::Disable).await,
        Command::Enable(of) => plugins::change(global, &of.name, Change::Enable).await,
        Command::Promote(of) => plugins::change(global, &of.name, Change::Promote).await,
        Command::Canary(of) if of.off => plugins::change(global, &of.name, Change::CanaryOff).await,
        Command::Canary(of) => {
            plugins::change(global, &of.name, Change::Canary { percent: of.percent, version: of.version }).await
        }
        Command::Shadow(of) if of.off => plugins::change(global, &of.name, Change::ShadowOff).await,
        Command::Shadow(of) => plugins::change(global, &of.name, Change::Shadow { version: of.version }).await,
        Command::Check(arguments) if arguments.files.is_empty() => check::check(global, &arguments),
        Command::Check(arguments) => check_plugins::check(global, &arguments).await,
        Command::Install(arguments) => install::install(global, arguments).await,
        Command::Publish(arguments) => publish::publish(global, arguments).await,
        Command::Convert(arguments) => convert::convert(global, &arguments),
        Command::Scxml(command) => scxml::scxml(global, command).await,
        Command::Options => options::options(global),
        Command::Simulate(arguments) => simulate::simulate(global, &arguments),
        Command::Demo(arguments) => demo::demo(global, arguments).await,
        Command::Bench(arguments) => bench::bench(global, arguments).await,
    }
}

/// The site of `--site`; warnings about it go to the log.
fn load(global: &Global) -> anyhow::Result<Site> {
    let (site, warnings) = config::load(&global.site)?;
    for warning in warnings.all() {
        let (line, column) = warnings.position(warning.span.start);
        tracing::warn!(file = %global.site.display(), line, column, "{}", warning.with_help());
    }
    Ok(site)
}
