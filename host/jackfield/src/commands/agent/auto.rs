//! An agent who works by itself: accepts (or rejects) each invitation, handles the interaction for a
//! while, and marks it done or transfers it. Interactions are handled side by side, as many as the
//! server lets the agent have.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use jackfield_protocol::v1::EventInvite;
use rand::RngExt;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::desk::{Desk, Happening};
use super::steps::Steps;
use super::talk;
use crate::cli;

/// Work until `stop`. Interactions in hand are finished first.
///
/// # Errors
/// Standard output is closed.
pub async fn run(
    arguments: &cli::Agent,
    desks: &[Desk],
    mut happenings: mpsc::Receiver<(String, Happening)>,
    steps: &Steps,
    stop: &CancellationToken,
) -> anyhow::Result<()> {
    let mut in_hand = FuturesUnordered::new();
    let manner = Arc::new(Manner {
        handle_time: arguments.handle_time,
        reject: arguments.reject,
        transfer_to: arguments.transfer_to.clone(),
    });
    loop {
        tokio::select! {
            biased;
            () = stop.cancelled() => break,
            Some(handled) = in_hand.next() => {
                let () = handled?;
            }
            happening = happenings.recv() => {
                let Some((server, happening)) = happening else { break };
                match happening {
                    Happening::LoggedIn => steps.at_desk(&server, "logged_in", "")?,
                    Happening::NotLoggedIn(reason) => steps.at_desk(&server, "not_logged_in", &reason)?,
                    Happening::Lost(reason) => steps.at_desk(&server, "connection_lost", &reason)?,
                    Happening::Revoked { interaction, reason } => {
                        steps.at_desk(&server, "revoked", &format!("{interaction} {reason}"))?;
                    }
                    // It does not read.
                    Happening::Changed(_) => {}
                    Happening::Invited(invite) => {
                        if let Some(desk) = desks.iter().find(|desk| desk.server == server) {
                            in_hand.push(handle(desk, *invite, Arc::clone(&manner), steps));
                        }
                    }
                }
            }
        }
    }
    for desk in desks {
        // Whoever finishes up is not invited any more; a desk that is away invites nobody.
        let _ = desk.set_ready(false).await;
    }
    while let Some(handled) = in_hand.next().await {
        handled?;
    }
    Ok(())
}

/// How the agent works.
struct Manner {
    handle_time: (Duration, Duration),
    reject: u8,
    transfer_to: Option<String>,
}

async fn handle(desk: &Desk, invite: EventInvite, manner: Arc<Manner>, steps: &Steps) -> anyhow::Result<()> {
    let Some(offered) = invite.interaction else { return Ok(()) };
    let id = offered.interaction_id.as_str();
    if rand::rng().random_range(0..100) < manner.reject {
        return match desk.reject(invite.ticket_id, id).await {
            Ok(()) => steps.about(&desk.server, "rejected", &offered, ""),
            Err(error) => steps.about(&desk.server, "failed", &offered, &format!("reject: {error}")),
        };
    }
    let interaction = match desk.accept(invite.ticket_id, id).await {
        Ok(interaction) => interaction,
        Err(error) => return steps.about(&desk.server, "failed", &offered, &format!("accept: {error}")),
    };
    steps.about(&desk.server, "accepted", &interaction, "")?;
    let (from, to) = manner.handle_time;
    tokio::time::sleep(from + (to - from).mul_f64(rand::rng().random_range(0.0..=1.0))).await;
    if interaction.is_online && manner.transfer_to.is_none() {
        talk::leave(desk, &interaction).await;
    }
    let (step, ended) = match &manner.transfer_to {
        Some(queue) => ("transferred", desk.transfer(id, queue).await),
        None => ("done", desk.done(id).await),
    };
    match ended {
        Ok(()) => steps.about(&desk.server, step, &interaction, manner.transfer_to.as_deref().unwrap_or_default()),
        Err(error) => steps.about(&desk.server, "failed", &interaction, &format!("{step}: {error}")),
    }
}
