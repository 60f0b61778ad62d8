//! Waits as messages say, and tells what fired, in order. `timer` starts a timer of so many
//! milliseconds and tells `started` with its id; `cancel` cancels the timer of this id and tells
//! `cancelled`, true or false; `wait` has its waits end so many milliseconds from then on, once;
//! `finish` ends it. A timer that fires is told as `fired` with its id, a wait that ends as `timeout`.

use test_guests::{Guest, Manifest, events, facts, manifest, number, tell, timers};

struct Strategy;

impl Guest for Strategy {
    fn describe() -> Manifest {
        manifest("sleeps", &[])
    }

    fn run(_checkpoint: Option<Vec<u8>>) -> Result<(), String> {
        let mut end: Option<u64> = None;
        loop {
            match events::next(end.map(|end| end.saturating_sub(facts::now()))) {
                None => {
                    end = None;
                    tell("timeout", "");
                }
                Some(events::Event::TimerFired(timer)) => tell("fired", timer),
                Some(events::Event::Message(message)) => {
                    let number = u64::try_from(number(&message)).unwrap_or_default();
                    match message.name.as_str() {
                        "timer" => tell("started", timers::start(number)),
                        "cancel" => tell("cancelled", timers::cancel(number)),
                        "wait" => end = Some(facts::now().saturating_add(number)),
                        "finish" => return Ok(()),
                        other => return Err(format!("what is `{other}`?")),
                    }
                }
                Some(_) => {}
            }
        }
    }
}

test_guests::export!(Strategy with_types_in test_guests::bindings);
