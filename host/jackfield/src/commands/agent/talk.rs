//! Chats in hand: what was said so far is shown, what comes is shown when it comes, and the agent answers.
//!
//! The lines are with the media server that submitted the interaction, and are asked for there (ESP service `Chat`).
//! The Interaction Server tells of a change of the interaction when there are new ones.

use std::collections::HashMap;

use jackfield_chat::SERVICE;
use jackfield_protocol::ErrorCode;
use jackfield_protocol::v1::key_value::Value;
use jackfield_protocol::v1::{Interaction, KeyValueList};

use super::desk::{Desk, ServiceError};
use super::steps::Steps;

/// Chats in hand, by the ids of their interactions, and how many lines of each were shown.
#[derive(Default)]
pub struct Talks(HashMap<String, usize>);

impl Talks {
    /// An interaction was taken: when it is a chat with a customer, shows what was said.
    ///
    /// # Errors
    /// The media server does not answer; standard output is closed.
    pub async fn begin(&mut self, desk: &Desk, interaction: &Interaction, steps: &Steps) -> anyhow::Result<()> {
        // E-mail never is on-line (reference page, *Interaction attributes*).
        if !interaction.is_online && interaction.abandoned_at == 0 {
            return Ok(());
        }
        match self.fetch(desk, interaction, 0, steps).await {
            // It came from somewhere else, such as from a file.
            Err(error) if is_no_chat(&error) => Ok(()),
            other => other,
        }
    }

    /// It has changed: shows what is new.
    ///
    /// # Errors
    /// As [`begin`](Self::begin).
    pub async fn go_on(&mut self, desk: &Desk, interaction: &Interaction, steps: &Steps) -> anyhow::Result<()> {
        match self.0.get(&interaction.interaction_id).copied() {
            Some(shown) => self.fetch(desk, interaction, shown, steps).await,
            None => Ok(()),
        }
    }

    /// Whether it is one.
    pub fn has(&self, interaction: &Interaction) -> bool {
        self.0.contains_key(&interaction.interaction_id)
    }

    /// Says something to the customer.
    ///
    /// # Errors
    /// It was not said; the customer may have left.
    pub async fn say(
        &mut self,
        desk: &Desk,
        interaction: &Interaction,
        text: &str,
        steps: &Steps,
    ) -> anyhow::Result<()> {
        let key = uuid::Uuid::now_v7().simple().to_string();
        desk.ask_media_server(interaction, SERVICE, "Message", KeyValueList::default().with("Text", text), key).await?;
        self.go_on(desk, interaction, steps).await
    }

    /// The agent goes, and the chat ends.
    pub async fn end(&mut self, desk: &Desk, interaction: &Interaction) {
        if self.0.remove(&interaction.interaction_id).is_some() {
            leave(desk, interaction).await;
        }
    }

    /// It is in hand no more, and the chat goes on without us.
    pub fn forget(&mut self, interaction_id: &str) {
        self.0.remove(interaction_id);
    }

    async fn fetch(
        &mut self,
        desk: &Desk,
        interaction: &Interaction,
        mut shown: usize,
        steps: &Steps,
    ) -> anyhow::Result<()> {
        loop {
            let after = KeyValueList::default().with("After", i32::try_from(shown).unwrap_or(i32::MAX));
            let answer = desk.ask_media_server(interaction, SERVICE, "Transcript", after, String::new()).await?;
            let before = shown;
            for pair in &answer.pairs {
                if let (true, Some(Value::List(line))) = (pair.key == "Line", &pair.value) {
                    shown += 1;
                    let word = |key: &str| line.text(key).unwrap_or_default();
                    steps.said(&desk.server, interaction, word("From"), word("Text"))?;
                }
            }
            self.0.insert(interaction.interaction_id.clone(), shown);
            let all = usize::try_from(answer.integer("Lines").unwrap_or(0)).unwrap_or(0);
            if shown >= all || shown == before {
                return Ok(());
            }
        }
    }
}

/// Ends a chat. Where that does not arrive, its customer is left alone, and leaves.
pub async fn leave(desk: &Desk, interaction: &Interaction) {
    let leave = desk.ask_media_server(interaction, SERVICE, "Leave", KeyValueList::default(), String::new());
    if let Err(error) = leave.await {
        tracing::debug!(%error, "the customer is not told that the agent has gone");
    }
}

fn is_no_chat(error: &anyhow::Error) -> bool {
    match error.downcast_ref::<ServiceError>() {
        Some(ServiceError::Link(error)) => error.code() == Some(ErrorCode::UnknownServer),
        Some(ServiceError::Fault { code, .. }) => {
            use jackfield_chat::FaultCode;
            [FaultCode::UnknownMethod as i32, FaultCode::UnknownChat as i32].contains(code)
        }
        None => false,
    }
}
