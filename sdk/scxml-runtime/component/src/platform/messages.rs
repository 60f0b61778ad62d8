//! Messages, and services behind the Interaction Server (sections 3.1, 5.1, 8).

use jackfield_scxml_runtime::{Call, CallKind, Datum, ModuleError};
use jackfield_sdk::bindings::jackfield::strategy::events::Outcome;
use jackfield_sdk::bindings::jackfield::strategy::messages::{self, Message, MessageType};
use jackfield_sdk::bindings::jackfield::strategy::types::{Failure, KvPair, KvValue};

use super::{Modules, Purpose, error_of, refused, values};

/// Attributes of `createmessage` that are no parameters of the message.
const OWN: [&str; 8] = ["requestid", "interactionid", "type", "media", "server", "queue", "hints", "output"];

impl Modules {
    pub(super) fn create_message(&self, request: &str, call: &Call) -> Result<(), ModuleError> {
        let message_type = match call.text("type").unwrap_or_default().as_str() {
            "" | "emailout" => MessageType::EmailOut,
            "acknowledgement" => MessageType::Acknowledgement,
            "auto_response" => MessageType::AutoResponse,
            "outbound_new" => MessageType::OutboundNew,
            "outbound_notification" => MessageType::OutboundNotification,
            "inbound_collaboration_reply" => MessageType::InboundCollaborationReply,
            "outbound_collaboration_invite" => MessageType::OutboundCollaborationInvite,
            "redirect" => MessageType::Redirect,
            "forwarded" => MessageType::Forwarded,
            other => return Err(refused("Request Invalid", format!("there are no messages of type {other}"))),
        };
        let media = match call.text("media").unwrap_or_default().as_str() {
            "" | "TMediaEMail" | "TMediaAny" => "email".to_owned(),
            "TMediaSMS" | "TMediaNativeSMS" => "sms".to_owned(),
            "TMediaFax" => "fax".to_owned(),
            other => other.strip_prefix("TMedia").unwrap_or(other).to_lowercase(),
        };
        let related = Self::interaction(call).ok();
        let mut parameters = Vec::new();
        for (name, value) in call.attributes.iter().filter(|(name, _)| !OWN.contains(&name.as_str())) {
            parameters.push(parameter(&capitalized(name), value));
        }
        parameters.extend(call.parameters.iter().map(|(name, value)| parameter(name, value)));
        if let Some(content) = &call.content {
            parameters.push(parameter("Text", content));
        }
        let message = Message {
            message_type,
            media,
            server: call.text("server").filter(|server| !server.is_empty()),
            related,
            queue: call.text("queue").filter(|queue| !queue.is_empty()),
            parameters,
        };
        self.expect(messages::create(&message), Purpose::Created { request: request.to_owned() });
        Ok(())
    }

    pub(super) fn send_message(&self, request: &str, call: &Call) -> Result<(), ModuleError> {
        let interaction = Self::interaction(call)?;
        let asked = messages::send(&interaction, call.text("server").as_deref());
        let request = request.to_owned();
        self.expect(asked, Purpose::Interaction { request, action: CallKind::SendMessage, interaction });
        Ok(())
    }

    /// `session:fetch` with the method `esp`. What is asked stands in `hints`, `{service, method, parameters, userdata}`;
    /// each `param` is a parameter, too.
    pub(super) fn service(&self, request: &str, call: &Call) -> Result<(), ModuleError> {
        let server = call.text("srcexpr").unwrap_or_default();
        let hint = |name: &str| match call.attribute("hints") {
            Some(Datum::Map(hints)) => hints.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, of)| of),
            _ => None,
        };
        let text = |name: &str| hint(name).map(Datum::display).or_else(|| call.text(name)).unwrap_or_default();
        let (service, method) = (text("service"), text("method"));
        if service.is_empty() || method.is_empty() || method == "esp" {
            return Err(refused("Request Invalid", "a request of a service has `service` and `method` in its hints"));
        }
        let mut parameters = hint("parameters").map(values::pairs).unwrap_or_default();
        parameters.extend(call.parameters.iter().map(|(name, value)| parameter(name, value)));
        let user_data = hint("userdata").map(values::pairs).unwrap_or_default();
        let timeout = call.number("timeout").and_then(values::milliseconds).unwrap_or(0);
        let asked = messages::call_service(&server, &service, &method, &parameters, &user_data, timeout);
        self.expect(asked, Purpose::Service { request: request.to_owned(), action: CallKind::Fetch });
        Ok(())
    }

    /// Classification is a service like others: of the server that is named, else of `classification`.
    pub(super) fn classification(&self, request: &str, call: &Call) -> Result<(), ModuleError> {
        let interaction = Self::interaction(call)?;
        let server = call.text("server").unwrap_or_else(|| "classification".to_owned());
        let method = if call.action == CallKind::Classify { "Classify" } else { "Screen" };
        let mut parameters = vec![parameter("InteractionId", &Datum::Text(interaction))];
        for name in ["root", "rules"] {
            parameters.extend(call.attribute(name).map(|value| parameter(&capitalized(name), value)));
        }
        let asked = messages::call_service(&server, "Classification", method, &parameters, &[], 0);
        self.expect(asked, Purpose::Service { request: request.to_owned(), action: call.action });
        Ok(())
    }
}

/// Parameters of messages begin with an upper-case letter.
fn capitalized(name: &str) -> String {
    let mut letters = name.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

fn parameter(name: &str, value: &Datum) -> KvPair {
    let value = match value {
        Datum::List(items) => items.iter().map(Datum::display).collect::<Vec<_>>().join(", "),
        other => other.display(),
    };
    KvPair { key: name.to_owned(), value: KvValue::Text(value) }
}

pub(super) fn created(result: Result<Outcome, Failure>) -> Result<Vec<(String, Datum)>, ModuleError> {
    match result {
        Ok(Outcome::MessageCreated(id)) => Ok(vec![("interactionid".to_owned(), Datum::Text(id))]),
        Ok(_) => Ok(Vec::new()),
        Err(failure) => Err(named(&failure)),
    }
}

/// The answer as JSON text, which is how ESP answers come (section 3.1); its members beside it.
pub(super) fn answered(result: Result<Outcome, Failure>) -> Result<Vec<(String, Datum)>, ModuleError> {
    match result {
        Ok(Outcome::ServiceResponse(pairs)) => {
            let object = values::object(&pairs);
            let mut data = vec![("content".to_owned(), Datum::Text(object.to_json()))];
            if let Datum::Map(members) = object {
                data.extend(members.into_iter().filter(|(name, _)| name == "categories" || name == "rules"));
            }
            Ok(data)
        }
        Ok(_) => Ok(Vec::new()),
        Err(failure) => Err(named(&failure)),
    }
}

/// As the reference names errors of messages (section 5.2).
fn named(failure: &Failure) -> ModuleError {
    match failure.name.as_str() {
        "timeout" => refused("Timeout", failure.description.as_str()),
        _ => error_of(failure),
    }
}
