//! What an agent does, told line by line: for people, or as JSON objects for scripts.

use jackfield_protocol::v1::Interaction;
use serde_json::{Map, Value as Json, json};

use crate::{connect, output, text};

/// Characters of a subject in a line.
const SUBJECT_CHARACTERS: usize = 80;
/// Characters of a line of a chat; the rest is cut.
const LINE_CHARACTERS: usize = 4_000;

/// Where steps are told.
pub struct Steps {
    json: bool,
    agent: String,
}

impl Steps {
    /// For one agent.
    pub fn new(json: bool, agent: &str) -> Steps {
        Steps { json, agent: agent.into() }
    }

    /// Whether a person reads them.
    pub fn for_people(&self) -> bool {
        !self.json
    }

    /// A step that is about no interaction.
    pub fn at_desk(&self, server: &str, step: &str, detail: &str) -> anyhow::Result<()> {
        if self.json {
            let mut object = self.object(step, server);
            if !detail.is_empty() {
                object.insert("detail".into(), json!(detail));
            }
            return output::line(Json::Object(object).to_string());
        }
        let detail = if detail.is_empty() { String::new() } else { format!(": {}", text::clip(detail, 200)) };
        output::line(format!("{server}: {}{detail}", step.replace('_', " ")))
    }

    /// A step about an interaction.
    pub fn about(&self, server: &str, step: &str, interaction: &Interaction, detail: &str) -> anyhow::Result<()> {
        let subject = text::user_text(interaction, "Subject");
        if self.json {
            let mut object = self.object(step, server);
            object.insert("interaction".into(), json!(interaction.interaction_id));
            object.insert("mediaType".into(), json!(interaction.media_type));
            object.insert("queue".into(), json!(interaction.queue));
            object.insert("subject".into(), json!(subject));
            object.insert("waitedMs".into(), json!(connect::now_ms() - interaction.submitted_at));
            if !detail.is_empty() {
                object.insert("detail".into(), json!(detail));
            }
            return output::line(Json::Object(object).to_string());
        }
        let detail = if detail.is_empty() { String::new() } else { format!(" ({})", text::clip(detail, 100)) };
        let from = text::user_text(interaction, "FromAddress");
        let from = if from.is_empty() { String::new() } else { format!(" from {}", text::clip(from, 60)) };
        let subject =
            if subject.is_empty() { String::new() } else { format!(": {}", text::clip(subject, SUBJECT_CHARACTERS)) };
        output::line(format!(
            "{server}: {}{detail} {} {}{from}{subject}",
            step.replace('_', " "),
            interaction.media_type,
            interaction.interaction_id,
        ))
    }

    /// A line of a chat.
    pub fn said(&self, server: &str, interaction: &Interaction, from: &str, words: &str) -> anyhow::Result<()> {
        if self.json {
            let mut object = self.object("said", server);
            object.insert("interaction".into(), json!(interaction.interaction_id));
            object.insert("from".into(), json!(from));
            object.insert("text".into(), json!(words));
            return output::line(Json::Object(object).to_string());
        }
        let who = match from {
            "customer" => Some(text::user_text(interaction, "FromPersonal")).filter(|name| !name.is_empty()),
            "agent" => Some("you"),
            _ => None,
        };
        output::line(format!("  {}: {}", text::clip(who.unwrap_or(from), 40), text::clip(words, LINE_CHARACTERS)))
    }

    /// The end.
    pub fn stopped(&self) -> anyhow::Result<()> {
        if self.json { output::line(Json::Object(self.object("stopped", "")).to_string()) } else { Ok(()) }
    }

    fn object(&self, step: &str, server: &str) -> Map<String, Json> {
        let mut object = Map::new();
        object.insert("at".into(), json!(connect::now_ms()));
        object.insert("agent".into(), json!(self.agent));
        if !server.is_empty() {
            object.insert("server".into(), json!(server));
        }
        object.insert("step".into(), json!(step));
        object
    }
}
