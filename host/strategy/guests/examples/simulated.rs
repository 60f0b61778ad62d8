//! Does what its interaction's user data says for the queue it was taken from, a letter a step, and ends
//! with its interaction somewhere else:
//!
//! | letter | step |
//! | --- | --- |
//! | a | have an acknowledgement made and sent |
//! | u | update user data |
//! | t | wait for a timer |
//! | w | wait for a while |
//! | c | checkpoint |
//! | e | send itself a message, and wait for it |
//! | m | wait for the message `call` from outside |
//! | d | deliver to one agent; go on when that one does not take it |
//! | R | route to anybody for a while; go on when nobody is there |
//! | r | route to anybody |
//! | p | place into queue `second` |
//! | s | stop processing; also at the end |
//!
//! It fails where a message comes twice.

use test_guests::{
    Events, Guest, Manifest, events, interactions, manifest, messages, route, routing, session, target, timers, types,
};

struct Strategy;

impl Guest for Strategy {
    fn describe() -> Manifest {
        Manifest { states: vec!["simulated-1".into()], ..manifest("simulated", &["messages", "routing"]) }
    }

    fn run(checkpoint: Option<Vec<u8>>) -> Result<(), String> {
        let mut session = Session { echoes: Vec::new(), events: Events::default() };
        let mut step = 0;
        if let Some(state) = checkpoint {
            let state = String::from_utf8_lossy(&state);
            let mut lines = state.lines();
            step = lines.next().and_then(|step| step.parse().ok()).ok_or("a checkpoint of somebody else")?;
            session.echoes = lines.map(str::to_owned).collect();
            // The timer that was started with the checkpoint.
            if let End::Lost = session.until(|event| matches!(event, events::Event::TimerFired(_)))? {
                return Ok(());
            }
        }
        let Some(id) = interactions::held().into_iter().next() else { return Ok(()) };
        let Some(interaction) = interactions::get(&id) else { return Ok(()) };
        let queue = interaction.queue;
        let plan = interaction.user_data.iter().find(|pair| pair.key == queue).map(|pair| match &pair.value {
            types::KvValue::Text(text) => text.clone(),
            _ => String::new(),
        });
        let plan = plan.unwrap_or_default();
        while let Some(letter) = plan.chars().nth(step) {
            if let End::Lost = session.step(letter, &id, &queue, step)? {
                return Ok(());
            }
            step += 1;
        }
        session.insist(|| interactions::stop_processing(&id, Some("done")))
    }
}

struct Session {
    echoes: Vec<String>,
    events: Events,
}

/// How a wait, or a step, ended.
enum End {
    /// As it should.
    Well,
    /// The request failed.
    Failed,
    /// The interaction is not the session's any more, for whatever reason: there is nothing left to do.
    Lost,
}

impl Session {
    fn step(&mut self, letter: char, id: &str, queue: &str, step: usize) -> Result<End, String> {
        match letter {
            'a' => {
                let asked = messages::create(&messages::Message {
                    message_type: messages::MessageType::Acknowledgement,
                    media: "email".into(),
                    server: None,
                    related: Some(id.to_owned()),
                    queue: None,
                    parameters: vec![text("Subject", &format!("{queue} {step}"))],
                });
                self.outcome(asked).map(whatever)
            }
            'u' => {
                let asked = interactions::update_user_data(id, &[text("Step", &format!("{queue} {step}"))]);
                self.outcome(asked).map(whatever)
            }
            't' => {
                let timer = timers::start(700);
                self.until(|event| matches!(event, events::Event::TimerFired(fired) if *fired == timer))
            }
            'w' => loop {
                match self.events.next(Some(400)) {
                    None => return Ok(End::Well),
                    Some(event) => {
                        if let End::Lost = self.note(&event)? {
                            return Ok(End::Lost);
                        }
                    }
                }
            },
            'c' => {
                while let Some(event) = self.events.kept() {
                    if let End::Lost = self.note(&event)? {
                        return Ok(End::Lost);
                    }
                }
                let timer = timers::start(50);
                let state = format!("{}\n{}", step + 1, self.echoes.join("\n"));
                session::checkpoint(state.as_bytes());
                self.until(|event| matches!(event, events::Event::TimerFired(fired) if *fired == timer))
            }
            'e' => {
                let name = format!("{queue} {step}");
                let asked = events::send(&session::id(), &name, "null");
                if let End::Lost = self.outcome(asked)? {
                    return Ok(End::Lost);
                }
                self.message(&name)
            }
            'm' => self.message("call"),
            'd' => {
                let asked = routing::deliver(id, &types::Destination::Agent("agent_0".into()));
                self.outcome(asked).map(gone)
            }
            'R' | 'r' => {
                let everyone = target(routing::TargetType::AgentGroup, "everyone");
                let timeout = (letter == 'R').then_some(3_000);
                let virtual_queue = Some("VQ_Everyone".to_owned());
                let asked =
                    routing::submit(&routing::RouteRequest { timeout, virtual_queue, ..route(id, vec![everyone]) });
                self.outcome(asked).map(gone)
            }
            'p' => self.insist(|| interactions::place_in_queue(id, "second")).map(|()| End::Lost),
            _ => self.insist(|| interactions::stop_processing(id, Some("done"))).map(|()| End::Lost),
        }
    }

    /// Asks until it is done, or not the session's affair any more.
    fn insist(&mut self, ask: impl Fn() -> u64) -> Result<(), String> {
        loop {
            let asked = ask();
            match self.outcome(asked)? {
                End::Well | End::Lost => return Ok(()),
                End::Failed => {}
            }
            if let Some(event) = self.events.next(Some(1_000))
                && let End::Lost = self.note(&event)?
            {
                return Ok(());
            }
        }
    }

    /// Waits for a message, unless it has come already.
    fn message(&mut self, name: &str) -> Result<End, String> {
        while !self.echoes.iter().any(|echo| echo == name) {
            let Some(event) = self.events.next(None) else { continue };
            if let End::Lost = self.note(&event)? {
                return Ok(End::Lost);
            }
        }
        Ok(End::Well)
    }

    fn outcome(&mut self, request: u64) -> Result<End, String> {
        loop {
            match self.events.next(None) {
                Some(events::Event::RequestDone(done)) if done.request == request => return Ok(End::Well),
                Some(events::Event::RequestFailed(failed)) if failed.request == request => return Ok(End::Failed),
                Some(event) => {
                    if let End::Lost = self.note(&event)? {
                        return Ok(End::Lost);
                    }
                }
                None => {}
            }
        }
    }

    fn until(&mut self, is_it: impl Fn(&events::Event) -> bool) -> Result<End, String> {
        loop {
            let Some(event) = self.events.next(None) else { continue };
            if is_it(&event) {
                return Ok(End::Well);
            }
            if let End::Lost = self.note(&event)? {
                return Ok(End::Lost);
            }
        }
    }

    fn note(&mut self, event: &events::Event) -> Result<End, String> {
        match event {
            events::Event::Message(message) => {
                if self.echoes.contains(&message.name) {
                    return Err(format!("message `{}` came twice", message.name));
                }
                self.echoes.push(message.name.clone());
                Ok(End::Well)
            }
            events::Event::InteractionNotControlled(_)
            | events::Event::InteractionDeleted(_)
            | events::Event::StopRequested(_) => Ok(End::Lost),
            _ => Ok(End::Well),
        }
    }
}

/// Well or not, the next step follows.
fn whatever(end: End) -> End {
    match end {
        End::Failed => End::Well,
        end => end,
    }
}

/// Done, it is somebody else's; otherwise the next step follows.
fn gone(end: End) -> End {
    match end {
        End::Well | End::Lost => End::Lost,
        End::Failed => End::Well,
    }
}

fn text(key: &str, value: &str) -> types::KvPair {
    types::KvPair { key: key.into(), value: types::KvValue::Text(value.into()) }
}

test_guests::export!(Strategy with_types_in test_guests::bindings);
