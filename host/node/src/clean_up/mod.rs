//! The clean-up of `orchestration_system` (guide, *Orchestration Default Interaction Queue*): what is in there
//! and whose it is comes from the queue's events and from looking into it; what is to be done about it is decided
//! in `table`; here it is asked and answered.

mod table;
#[cfg(test)]
mod tests;

use std::sync::atomic::Ordering;
use std::time::Instant;

use jackfield_link::LinkError;
use jackfield_protocol::v1::event::Message as Answer;
use jackfield_protocol::v1::request::Message as Ask;
use jackfield_protocol::v1::{
    EventReporting, PullByIds, ReportingName, RequestFindInteractions, RequestPull, RequestStopProcessing,
    request_pull::What,
};
use jackfield_protocol::{ErrorCode, ORCHESTRATION_SYSTEM};

pub(crate) use self::table::{Asked, Table};
use self::table::{Stopped, Whose};
use crate::link::LinkTask;
use crate::requests::Purpose;
use crate::shared::count;

impl LinkTask {
    /// Something happened in `orchestration_system`.
    pub(crate) fn heard_of_orchestration_system(&mut self, event: &EventReporting) {
        let id = &event.interaction_id;
        match event.name() {
            ReportingName::InteractionSubmitted => {
                let take_over = self.shared.live().options.cleanup_takeover_timeout;
                if let Some(data) = &event.data {
                    self.clean_up.seen(self.now, id, data, take_over);
                }
            }
            ReportingName::TakenFromQueue | ReportingName::ProcessingStopped => self.clean_up.taken(id),
            // Back from somebody who had taken it.
            ReportingName::PlacedInQueue => self.clean_up.look_soon(self.now),
            _ => {}
        }
    }

    /// When there is something to do though nothing comes in.
    pub(crate) fn clean_up_at(&self) -> Option<Instant> {
        self.clean_up.wake_at().filter(|_| self.stopping.is_none())
    }

    /// Asks what is to be asked now.
    pub(crate) fn clean_up(&mut self) {
        while self.stopping.is_none() && self.client_is_there() {
            let Some(asked) = self.clean_up.next(self.now) else { return };
            self.ask_to_clean_up(asked);
        }
    }

    fn ask_to_clean_up(&mut self, asked: Asked) {
        let ask = match &asked {
            Asked::Find { after } => Ask::FindInteractions(RequestFindInteractions {
                queue: ORCHESTRATION_SYSTEM.to_owned(),
                after: after.clone(),
                count: 0,
            }),
            Asked::Pull { interaction } => Ask::Pull(RequestPull {
                what: Some(What::ByIds(PullByIds { interaction_ids: vec![interaction.clone()] })),
                count: 1,
                ignore_hold: true,
                reason: "clean-up".to_owned(),
                ..Default::default()
            }),
            Asked::Stop { interaction } => Ask::StopProcessing(RequestStopProcessing {
                interaction_id: interaction.clone(),
                reason: format!("cleaned up from {ORCHESTRATION_SYSTEM}"),
            }),
        };
        self.send(ask, String::new(), Purpose::CleanUp(asked), None);
    }

    pub(crate) fn clean_up_answer(&mut self, asked: Asked, answer: Result<Answer, LinkError>) {
        match asked {
            Asked::Find { .. } => self.looked_into_orchestration_system(answer),
            Asked::Pull { interaction } => {
                let is_ours = match answer {
                    Ok(Answer::PulledInteractions(answer)) => !answer.interactions.is_empty(),
                    Ok(_) => false,
                    Err(error) => {
                        self.cannot_clean_up(&interaction, &error);
                        false
                    }
                };
                self.clean_up.pulled(self.now, &interaction, is_ours);
            }
            Asked::Stop { interaction } => {
                let stopped = match answer {
                    Ok(_) => Stopped::Done,
                    Err(error) => {
                        self.cannot_clean_up(&interaction, &error);
                        match error.code() {
                            Some(ErrorCode::UnknownInteraction | ErrorCode::NotOwner) => Stopped::NotOurs,
                            _ => Stopped::Later,
                        }
                    }
                };
                match self.clean_up.stopped(self.now, &interaction, stopped) {
                    Some(Whose::Ours) => count(&self.shared.counters.cleaned_up),
                    Some(Whose::Another) => {
                        tracing::info!(
                            server = self.server,
                            interaction,
                            "an interaction in {ORCHESTRATION_SYSTEM} was cleaned up in place of its node, which did not"
                        );
                        count(&self.shared.counters.taken_over);
                    }
                    None => {}
                }
            }
        }
    }

    fn looked_into_orchestration_system(&mut self, answer: Result<Answer, LinkError>) {
        let error = match answer {
            Ok(Answer::InteractionsFound(found)) => {
                self.orchestration_system_is_there(true);
                let take_over = self.shared.live().options.cleanup_takeover_timeout;
                if let Some(after) = self.clean_up.found(self.now, &found.interactions, found.more, take_over) {
                    self.ask_to_clean_up(Asked::Find { after });
                }
                return;
            }
            Ok(_) => LinkError::Protocol("the answer is no list of interactions".into()),
            Err(error) => error,
        };
        self.clean_up.not_found(self.now);
        if error.code() == Some(ErrorCode::UnknownQueue) {
            self.orchestration_system_is_there(false);
        } else {
            tracing::warn!(
                server = self.server,
                %error,
                "{ORCHESTRATION_SYSTEM} could not be looked into; what is left in it is looked for again"
            );
        }
    }

    /// Said once for each change.
    fn orchestration_system_is_there(&self, is_there: bool) {
        let Some(board) = self.shared.boards.get(self.index) else { return };
        if board.lacks_orchestration_system.swap(!is_there, Ordering::Relaxed) != is_there {
            return;
        }
        if is_there {
            tracing::info!(server = self.server, "the interaction queue {ORCHESTRATION_SYSTEM} is there now");
            return;
        }
        let tenant = self.tenant();
        tracing::warn!(
            server = self.server,
            tenant,
            "tenant {tenant} has no interaction queue {ORCHESTRATION_SYSTEM} on this server: create it, without a strategy on \
             it; until then messages without a queue cannot be made here"
        );
    }

    fn cannot_clean_up(&self, interaction: &str, error: &LinkError) {
        tracing::warn!(
            server = self.server,
            interaction,
            %error,
            "an interaction in {ORCHESTRATION_SYSTEM} could not be cleaned up"
        );
    }
}
