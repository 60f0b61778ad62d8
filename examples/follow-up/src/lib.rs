//! Sees to it that a specialist outside of the contact centre answers an e-mail.
//!
//! The customer is told that it takes a while; the specialist gets the question, and a reminder
//! whenever some hours have passed with no answer. When the last reminder has done nothing either,
//! the e-mail goes to the queue for escalations. It waits here meanwhile, for hours or days, and
//! costs next to nothing: the state below is all that is left of it.
//!
//! The answer is there when somebody writes the user data key `Answer`, or sends the session the
//! message `answered`; the e-mail then goes to the queue for answers. The message `withdrawn` says
//! that the customer needs none any more.
//!
//! It is told in the user data how far it is: `FollowUpAsked` counts what the specialist was sent.
//! An e-mail that comes here again, from the queue it went back to, goes on from there, and its
//! customer is told nothing twice.
//!
//! Parameters: `specialist` (an address; without one the e-mail is escalated at once),
//! `remind-hours` (24), `reminders` (2), `answered-queue` (`email.answered`), `escalation-queue`
//! (`email.escalation`), `text` (what the customer is told).

use jackfield_sdk::prelude::*;
use serde::{Deserialize, Serialize};

/// All there is to remember.
#[derive(Serialize, Deserialize)]
struct FollowUp {
    email: String,
    /// Messages the specialist was sent: the question, then reminders.
    asked: u32,
    /// When the specialist is late: milliseconds since 1970.
    due: u64,
}

jackfield_sdk::export!(FollowUp);

/// User data: how many messages the specialist was sent.
const ASKED: &str = "FollowUpAsked";
/// User data: the specialist's answer.
const ANSWER: &str = "Answer";

const TEXT: &str = "Thank you for your e-mail. We have asked a specialist, which may take a few days.\n";

impl Reducer for FollowUp {
    const STATE: &'static str = "follow-up-1";

    fn manifest() -> Manifest {
        manifest("follow-up", env!("CARGO_PKG_VERSION"), "Has a specialist answer, reminds, escalates.")
            .needs(Capability::Messages)
    }

    fn start(session: &mut Session, email: Interaction) -> Result<(Self, Next), Error> {
        let asked = email.integer(ASKED).and_then(|asked| u32::try_from(asked).ok()).unwrap_or(0);
        let mut follow_up = FollowUp { email: email.id, asked, due: 0 };
        let next = follow_up.look(session)?;
        Ok((follow_up, next))
    }

    fn handle(&mut self, session: &mut Session, event: Option<Event>) -> Result<Next, Error> {
        match event {
            None | Some(Event::UserDataChanged(_)) => self.look(session),
            Some(Event::Message(message)) if message.name == "answered" => self.answered(session),
            Some(Event::Message(message)) if message.name == "withdrawn" => {
                session.stop(&self.email, "withdrawn")?;
                Ok(Next::Finish)
            }
            // It goes back to its queue, and on from there.
            Some(Event::StopRequested(reason)) => Err(Error::Stopped(reason)),
            Some(_) => Ok(Next::WaitUntil(self.due)),
        }
    }
}

impl FollowUp {
    /// Looks what is to be done, now that time has passed or something was written.
    fn look(&mut self, session: &mut Session) -> Result<Next, Error> {
        let email = session.get(&self.email)?;
        if email.has(ANSWER) {
            return self.answered(session);
        }
        if session.now() < self.due {
            return Ok(Next::WaitUntil(self.due));
        }
        let specialist = session.parameter("specialist");
        let Some(specialist) = specialist.filter(|_| self.asked <= session.parameter_or("reminders", 2)) else {
            return self.escalate(session);
        };
        self.ask(session, &email, &specialist)
    }

    /// Sends the question, and tells the customer, or sends a reminder. It is counted first: once too
    /// few is better than once too often.
    fn ask(&mut self, session: &mut Session, email: &Interaction, specialist: &str) -> Result<Next, Error> {
        let subject = match self.asked {
            0 => format!("Please answer: {}", email.subject()),
            reminder => format!("Reminder {reminder}: {}", email.subject()),
        };
        self.asked += 1;
        session.set_user_data(email, [(ASKED, i32::try_from(self.asked).unwrap_or(i32::MAX))])?;
        if self.asked == 1 && !email.is_automatic() && email.from_address().contains('@') {
            let text = session.parameter_or("text", TEXT.to_owned());
            sent(session.acknowledge(email, &text), email.from_address())?;
        }
        let question = Message::email_to(specialist, email).subject(&subject).text(email.body());
        sent(session.create_message(question), specialist)?;
        self.due = session.now().saturating_add(session.parameter_or::<u64>("remind-hours", 24).saturating_mul(HOUR));
        Ok(Next::WaitUntil(self.due))
    }

    fn answered(&self, session: &mut Session) -> Result<Next, Error> {
        let queue = session.parameter_or("answered-queue", "email.answered".to_owned());
        session.place(&self.email, &queue)?;
        Ok(Next::Finish)
    }

    fn escalate(&self, session: &mut Session) -> Result<Next, Error> {
        let why = match self.asked {
            0 => "no specialist is configured".to_owned(),
            asked => format!("the specialist was asked {asked} times"),
        };
        session.set_user_data(&self.email, [("EscalatedBecause", why)])?;
        let queue = session.parameter_or("escalation-queue", "email.escalation".to_owned());
        session.place(&self.email, &queue)?;
        Ok(Next::Finish)
    }
}

/// Milliseconds.
const HOUR: u64 = 3_600_000;

/// A message that cannot be sent is no reason to forget the e-mail.
fn sent(result: Result<String, Error>, to: &str) -> Result<(), Error> {
    match result {
        Ok(_) => Ok(()),
        Err(error @ (Error::Timeout | Error::Refused(_))) => {
            warn!("nothing known to have been sent to {to}: {error}");
            Ok(())
        }
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use jackfield_sdk::Request;
    use jackfield_sdk::testing::{self, Script};

    use super::*;

    fn email() -> testing::Builder {
        testing::email().with("FromAddress", "ann@example.net").with("Subject", "Warranty")
    }

    fn script(email: testing::Builder) -> Script {
        let host = Script::new(email.build());
        host.parameter("specialist", "lab@example.com");
        host
    }

    /// The subjects of what was sent.
    fn subjects(host: &Script) -> Vec<String> {
        let subject = |request: &Request| {
            let Request::CreateMessage(message) = request else { return None };
            let subject = message.parameters.iter().find(|pair| pair.key == "Subject")?;
            if let KvValue::Text(text) = &subject.value { Some(text.clone()) } else { None }
        };
        host.requests().iter().filter_map(subject).collect()
    }

    /// Runs it whole, and again dropped and rebuilt after each turn; both come to the same.
    fn run(script: impl Fn() -> Script) -> Script {
        let (whole, rebuilt) = (script(), script());
        assert_eq!(whole.run(FollowUp::run), Ok(()));
        assert_eq!(rebuilt.run_rebuilt(FollowUp::run), Ok(()));
        assert_eq!(rebuilt.requests(), whole.requests());
        assert_eq!(rebuilt.elapsed(), whole.elapsed());
        assert!(rebuilt.is_settled());
        rebuilt
    }

    #[test]
    fn silence_is_reminded_of_and_escalated_at_last() {
        let host = run(|| script(email()));
        let expected = ["Re: Warranty", "Please answer: Warranty", "Reminder 1: Warranty", "Reminder 2: Warranty"];
        assert_eq!(subjects(&host), expected);
        assert_eq!((host.placed(), host.elapsed()), (vec!["email.escalation".to_owned()], 3 * 24 * HOUR));
    }

    #[test]
    fn an_answer_ends_the_wait_however_it_comes() {
        for by_message in [true, false] {
            let host = run(|| {
                let host = script(email());
                host.changes_at(5 * HOUR, |email| email.user_data.push(("Note", "seen").into()));
                if by_message {
                    host.message_at(30 * HOUR, "answered", "null");
                } else {
                    host.changes_at(30 * HOUR, |email| email.user_data.push((ANSWER, "Two years.").into()));
                }
                host
            });
            assert_eq!(subjects(&host).len(), 3, "told, asked, reminded once");
            assert_eq!((host.placed(), host.elapsed()), (vec!["email.answered".to_owned()], 30 * HOUR));
        }
    }

    #[test]
    fn what_is_withdrawn_is_stopped() {
        let host = run(|| {
            let host = script(email());
            host.message_at(HOUR, "chatter", "null").message_at(2 * HOUR, "withdrawn", "null");
            host
        });
        assert_eq!((host.stopped(), host.elapsed()), (vec!["withdrawn".to_owned()], 2 * HOUR));
    }

    #[test]
    fn an_email_that_comes_again_is_not_begun_again() {
        let host = run(|| script(email().with(ASKED, 2)));
        assert_eq!(subjects(&host), ["Reminder 2: Warranty"]);
        assert_eq!(host.placed(), ["email.escalation"]);
    }

    #[test]
    fn with_nobody_to_ask_or_no_way_to_it_is_escalated() {
        let host = run(|| Script::new(email().build()));
        assert_eq!((host.placed(), host.elapsed()), (vec!["email.escalation".to_owned()], 0));
        assert!(subjects(&host).is_empty(), "nothing is promised");
        let host = run(|| {
            let host = script(email());
            for _ in 0..4 {
                host.fail(
                    |request| matches!(request, Request::CreateMessage(_)),
                    1,
                    "__we_error_unknown_external_server",
                );
            }
            host
        });
        assert_eq!((host.placed(), host.elapsed()), (vec!["email.escalation".to_owned()], 3 * 24 * HOUR));
    }

    #[test]
    fn asked_to_stop_it_leaves_the_email_to_its_queue() {
        let host = script(email());
        host.after(HOUR, Event::StopRequested("shutdown".into()));
        assert_eq!(host.run_rebuilt(FollowUp::run), Ok(()));
        assert_eq!((host.elapsed(), host.is_settled()), (HOUR, false));
    }
}
