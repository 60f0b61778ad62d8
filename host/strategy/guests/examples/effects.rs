//! Does what nobody wants done twice, and marks none of it: only the journal keeps it from happening
//! again.
//!
//! What it does stands in the user data key `Does` of its interaction. Each message it has made tells in
//! its subject for which interaction, by which session, what, and in which attempt: whoever reads the
//! outbox knows every decision. In the queue `second` an interaction is for an agent, whatever it says.

use test_guests::{
    Events, Guest, Manifest, events, interactions, manifest, messages, route, routing, session, target, timers, types,
};

struct Strategy;

/// Messages another session sends to one that listens.
const SAID: u64 = 3;
/// How long one listens for more than that, in milliseconds.
const LISTENS_ON: u64 = 200;
/// The pause before a message is asked for again that could not be made, in milliseconds.
const PAUSE: u64 = 100;
/// Begins the reason why it gives up an interaction that it does not hold any more.
const LOST: &str = "lost: ";

impl Guest for Strategy {
    fn describe() -> Manifest {
        manifest("effects", &["messages", "routing"])
    }

    fn run(checkpoint: Option<Vec<u8>>) -> Result<(), String> {
        let id = interactions::held().into_iter().next().ok_or("no interaction")?;
        let interaction = interactions::get(&id).ok_or("no interaction")?;
        let external_id = interaction.external_id.clone().unwrap_or_default();
        let mut work = Work { id, external_id, heard: Vec::new(), events: Events::default() };
        if checkpoint.is_some() {
            return work.has_waited();
        }
        if interaction.queue == "second" {
            return work.settle(&interaction);
        }
        match text(&interaction, "Does") {
            "moves" => work.move_on(),
            "waits" => {
                timers::start(number(text(&interaction, "After")));
                session::checkpoint(b"it waits");
                work.has_waited()
            }
            "listens" => work.listen(),
            "tells" => work.tell(text(&interaction, "Peer")),
            other => Err(format!("what is `{other}`?")),
        }
    }
}

struct Work {
    id: String,
    external_id: String,
    heard: Vec<String>,
    events: Events,
}

impl Work {
    fn move_on(&mut self) -> Result<(), String> {
        self.write("answered")?;
        let by = types::KvPair { key: "Answered".into(), value: types::KvValue::Text(session::id()) };
        let changed = interactions::update_user_data(&self.id, &[by]);
        self.done(changed)?;
        let placed = interactions::place_in_queue(&self.id, "second");
        self.done(placed)
    }

    /// To any agent, who stops it.
    fn settle(&mut self, interaction: &types::Interaction) -> Result<(), String> {
        if text(interaction, "Answered").is_empty() {
            return Err("it was placed before its user data was changed".into());
        }
        self.write("settled")?;
        let everyone = target(routing::TargetType::AgentGroup, "everyone");
        let routed = routing::submit(&route(self.id.clone(), vec![everyone]));
        match self.done(routed) {
            // The agent who had it while the node was away may have stopped it by now.
            Err(reason) if reason.starts_with(LOST) => Ok(()),
            other => other,
        }
    }

    fn has_waited(&mut self) -> Result<(), String> {
        while !matches!(self.next(None)?, Some(events::Event::TimerFired(_))) {}
        self.write("waited")?;
        self.stop()
    }

    fn listen(&mut self) -> Result<(), String> {
        while u64::try_from(self.heard.len()).unwrap_or(u64::MAX) < SAID {
            self.next(None)?;
        }
        // One that comes twice comes now.
        while self.next(Some(LISTENS_ON))?.is_some() {}
        self.write(&format!("heard:{}", self.heard.join(",")))?;
        self.stop()
    }

    fn tell(&mut self, peer: &str) -> Result<(), String> {
        let sent: Vec<u64> = (1..=SAID).map(|number| events::send(peer, "said", &number.to_string())).collect();
        for request in sent {
            self.done(request)?;
        }
        self.stop()
    }

    fn stop(&mut self) -> Result<(), String> {
        let stopped = interactions::stop_processing(&self.id, Some("done"));
        self.done(stopped)
    }

    /// Has a message made, and tries again where none was made.
    fn write(&mut self, what: &str) -> Result<(), String> {
        for attempt in 1_u32.. {
            let subject = format!("{} {} {what} {attempt}", self.external_id, session::id());
            let parameter =
                |key: &str, value: &str| types::KvPair { key: key.into(), value: types::KvValue::Text(value.into()) };
            let request = messages::create(&messages::Message {
                message_type: messages::MessageType::EmailOut,
                media: "email".into(),
                server: Some("outbox".into()),
                related: Some(self.id.clone()),
                queue: None,
                parameters: vec![
                    parameter("From", "site@example.com"),
                    parameter("To", "kim@example.com"),
                    parameter("Subject", &subject),
                    parameter("Text", "done"),
                ],
            });
            match self.outcome(request)? {
                Ok(()) => return Ok(()),
                // Nobody was there to make it.
                Err(failure) if failure.name == "__we_error_unknown_external_server" => {
                    while self.next(Some(PAUSE))?.is_some() {}
                }
                // It may have been made: once too few is better than once too often.
                Err(failure) if failure.name == "timeout" || failure.name.ends_with("_timeout") => return Ok(()),
                Err(failure) => return Err(failure.description),
            }
        }
        Ok(())
    }

    fn done(&mut self, request: u64) -> Result<(), String> {
        self.outcome(request)?.map_err(|failure| format!("request {request}: {}", failure.description))
    }

    fn outcome(&mut self, request: u64) -> Result<Result<(), types::Failure>, String> {
        loop {
            match self.next(None)? {
                Some(events::Event::RequestDone(done)) if done.request == request => return Ok(Ok(())),
                Some(events::Event::RequestFailed(failed)) if failed.request == request => {
                    return Ok(Err(failed.failure));
                }
                _ => {}
            }
        }
    }

    /// The next event; what other sessions say is heard whenever it comes.
    fn next(&mut self, timeout: Option<u64>) -> Result<Option<events::Event>, String> {
        let event = self.events.next(timeout);
        match &event {
            Some(events::Event::Message(message)) => self.heard.push(message.data.clone()),
            Some(events::Event::InteractionNotControlled(lost) | events::Event::InteractionDeleted(lost)) => {
                return Err(format!("{LOST}{}", lost.reason));
            }
            _ => {}
        }
        Ok(event)
    }
}

fn text<'i>(interaction: &'i types::Interaction, key: &str) -> &'i str {
    let pair = interaction.user_data.iter().find(|pair| pair.key == key);
    match pair.map(|pair| &pair.value) {
        Some(types::KvValue::Text(text)) => text,
        _ => "",
    }
}

fn number(text: &str) -> u64 {
    text.parse().unwrap_or_default()
}

test_guests::export!(Strategy with_types_in test_guests::bindings);
