//! Changes that others make to interactions our sessions hold: the customer leaves a chat, a media
//! server adds what it learned.
//!
//! Answers overtake events, so what an event carries can be older than a change of the session's own
//! that it knows is done. Asked anew, the interaction comes in order with those.

use std::sync::Arc;

use jackfield_link::LinkError;
use jackfield_protocol::v1::event::Message as Answer;
use jackfield_protocol::v1::request::Message as Ask;
use jackfield_protocol::v1::{EventPropertiesChanged, Interaction, InteractionState, RequestGetInteractionProperties};
use jackfield_strategy::{SessionEvent, contract};

use crate::held::{failures, in_short};
use crate::link::LinkTask;
use crate::requests::Purpose;

impl LinkTask {
    /// The server says that somebody else changed an interaction.
    pub(crate) fn changed_by_others(&mut self, event: EventPropertiesChanged) {
        let Some(interaction) = event.interaction.map(|interaction| interaction.interaction_id) else { return };
        // What a session does not hold (any more) is not its news.
        let Some(session) = self.interactions.get(interaction.as_str()).cloned() else { return };
        let ask = RequestGetInteractionProperties { interaction_id: interaction.clone() };
        let purpose = Purpose::Refresh { session, interaction };
        self.send(Ask::GetInteractionProperties(ask), String::new(), purpose, None);
    }

    /// This is the interaction now.
    pub(crate) fn refreshed(&mut self, session: &Arc<str>, interaction: &str, answer: Result<Answer, LinkError>) {
        if self.interactions.get(interaction) != Some(session) {
            return;
        }
        match answer {
            Ok(Answer::Interaction(answer)) => {
                if let Some(interaction) = answer.interaction {
                    self.show_change(interaction);
                }
            }
            Ok(_) => tracing::warn!(server = self.server, interaction, "the answer shows no interaction"),
            Err(error) => {
                tracing::warn!(server = self.server, interaction, %error, "a changed interaction could not be read");
            }
        }
    }

    /// Shows a session what it holds; where nothing is new, the session hears nothing of it, and is not
    /// woken.
    pub(crate) fn show_change(&mut self, mut interaction: Interaction) {
        // It may have been on its way back from an agent when it was read; the session never lost it.
        interaction.set_state(InteractionState::Routing);
        let interaction = contract::interaction(interaction, None);
        let known = in_short(&interaction);
        let Some(running) = self.holder(&interaction.id) else { return };
        let Some(held) = running.held_mut(&interaction.id) else { return };
        if held.known != known {
            held.known = known;
            held.failures = failures(&interaction.user_data);
            running.tell(SessionEvent::UserDataChanged(Box::new(interaction)));
        }
    }
}
