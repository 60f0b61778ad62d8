//! `jackfield agent`: an agent application, for a person at a terminal or working by itself.
//!
//! An agent is logged in on each server by a connection of its own (`desk`), which is made again when it
//! is lost: what the agent held there is back in its queue then. What is done with invitations and
//! interactions is up to `auto` or `terminal`.

mod auto;
mod desk;
mod letter;
mod steps;
mod talk;
mod terminal;

use tokio::sync::mpsc;

use self::desk::Desk;
use self::steps::Steps;
use crate::cli::{self, Global};
use crate::config::{Site, nearest_word};
use crate::exit::{Exit, Usage};
use crate::{connect, signals};

/// What happens at the desks and has not been looked at yet.
const HAPPENINGS_WAITING: usize = 256;

/// Be an agent until the end of input, or a signal.
///
/// # Errors
/// There is no such agent, server, place or media type.
pub async fn agent(global: &Global, arguments: cli::Agent) -> anyhow::Result<Exit> {
    let site = super::load(global)?;
    let login = Login::new(&site, &arguments)?;
    if let Some(queue) = &arguments.transfer_to
        && site.servers_of_queue(queue).is_empty()
    {
        let help = nearest_word(queue, site.queues.iter().map(|queue| queue.name.get_ref().as_str()));
        return Err(Usage(format!("there is no queue `{queue}`; {help}")).into());
    }
    let stop = signals::stop_token(global.with_parent)?;
    let (happenings, receiver) = mpsc::channel(HAPPENINGS_WAITING);
    let servers = connect::servers(&site, &arguments.servers)?;
    let desks: Vec<Desk> = servers.iter().map(|server| Desk::open(server, &login, happenings.clone())).collect();
    drop(happenings);
    let steps = Steps::new(global.json, &login.id);
    if arguments.auto {
        auto::run(&arguments, &desks, receiver, &steps, &stop).await?;
    } else {
        terminal::run(&desks, receiver, &steps, &stop).await?;
    }
    for desk in &desks {
        desk.leave().await;
    }
    steps.stopped()?;
    Ok(Exit::Done)
}

/// Who logs in where.
#[derive(Clone, Debug)]
pub struct Login {
    /// Employee id.
    pub id: String,
    /// Place; empty: none.
    pub place: String,
    /// Media types to be ready for.
    pub media: Vec<String>,
}

impl Login {
    fn new(site: &Site, arguments: &cli::Agent) -> Result<Login, Usage> {
        let agent = site.agent(&arguments.id).ok_or_else(|| {
            let help = nearest_word(&arguments.id, site.agents.iter().map(|agent| agent.id.get_ref().as_str()));
            Usage(format!("there is no agent `{}` in {}; {help}", arguments.id, site.path.display()))
        })?;
        let places: Vec<&str> = site.places.iter().map(|place| place.name.get_ref().as_str()).collect();
        let place = arguments.place.clone().or_else(|| agent.place.as_ref().map(|place| place.get_ref().clone()));
        let place = place.unwrap_or_default();
        if !place.is_empty() && !places.contains(&place.as_str()) {
            return Err(Usage(format!("there is no place `{place}`; {}", nearest_word(&place, places))));
        }
        let known: Vec<&str> = site.media_types.iter().map(|media| media.name.get_ref().as_str()).collect();
        if let Some(unknown) = arguments.media.iter().find(|media| !known.contains(&media.as_str())) {
            return Err(Usage(format!("there is no media type `{unknown}`; {}", nearest_word(unknown, known))));
        }
        let own = || agent.capacity.iter().map(|(media, _)| media.get_ref().clone()).collect::<Vec<_>>();
        let media = if arguments.media.is_empty() { own() } else { arguments.media.clone() };
        if media.is_empty() {
            return Err(Usage(format!(
                "agent `{}` has no capacity for any media type; give it some in the configuration, or name one with --media",
                arguments.id
            )));
        }
        Ok(Login { id: arguments.id.clone(), place, media })
    }
}
