//! Tells senders that their e-mail has arrived, then hands it on to triage.
//!
//! At most one acknowledgement leaves for an interaction: user data key `AcknowledgedAt` is on disk
//! before the message is asked for, and stays unless the media server refused to make it. Automatic
//! mail is not answered (RFC 3834). Whatever happens to the acknowledgement, the e-mail goes on.
//!
//! User data `Urgency` (0 to 2) is for the views of the next queue.
//!
//! Parameters: `next-queue` (`email.triage`), `text` (what the acknowledgement says).

use jackfield_sdk::prelude::*;

struct Acknowledge;

jackfield_sdk::export!(Acknowledge);

/// Says that the acknowledgement was asked for, and when.
const ACKNOWLEDGED_AT: &str = "AcknowledgedAt";

const TEXT: &str = "Thank you for your e-mail. It has arrived, and somebody will read it soon.\n\n\
                    This answer was written by a machine; there is no need to reply to it.\n";

impl Strategy for Acknowledge {
    fn manifest() -> Manifest {
        manifest("acknowledge", env!("CARGO_PKG_VERSION"), "Tells senders that their e-mail has arrived.")
            .needs(Capability::Messages)
    }

    fn run(session: &mut Session) -> Result<(), Error> {
        let email = session.interaction()?;
        session.set_user_data(&email, [("Urgency", urgency(&email))])?;
        if !email.has(ACKNOWLEDGED_AT) && !email.is_automatic() && email.from_address().contains('@') {
            acknowledge(session, &email)?;
        }
        session.place(&email, &session.parameter_or("next-queue", "email.triage".to_owned()))
    }
}

fn acknowledge(session: &mut Session, email: &Interaction) -> Result<(), Error> {
    session.set_user_data(email, [(ACKNOWLEDGED_AT, timestamp(session.now()))])?;
    let text = session.parameter_or("text", TEXT.to_owned());
    match session.acknowledge(email, &text) {
        Ok(_) => info!("acknowledged {:?} to {}", email.subject(), email.from_address()),
        // It may have been sent all the same: once too few is better than once too often.
        Err(Error::Timeout) => warn!("no answer about the acknowledgement to {}", email.from_address()),
        Err(Error::Refused(failure)) => {
            warn!("no acknowledgement to {}: {}", email.from_address(), failure.description);
            session.delete_user_data(email, &[ACKNOWLEDGED_AT])?;
        }
        Err(other) => return Err(other),
    }
    Ok(())
}

/// 2: the sender says it is urgent; 1: the sender's mail program does; 0: neither.
fn urgency(email: &Interaction) -> i32 {
    let subject = email.subject().to_lowercase();
    let header = |name: &str, value: &str| {
        email.header(name).is_some_and(|found| found.trim().to_lowercase().starts_with(value))
    };
    if ["urgent", "asap", "emergency", "immediately"].iter().any(|word| subject.contains(word)) {
        2
    } else {
        i32::from(header("Importance", "high") || header("X-Priority", "1") || header("Priority", "urgent"))
    }
}

#[cfg(test)]
mod tests {
    use jackfield_sdk::Request;
    use jackfield_sdk::testing::{self, Script};

    use super::*;

    fn messages(host: &Script) -> usize {
        host.requests().iter().filter(|request| matches!(request, Request::CreateMessage(_))).count()
    }

    fn is_create(request: &Request) -> bool {
        matches!(request, Request::CreateMessage(_))
    }

    fn email() -> testing::Builder {
        testing::email().with("FromAddress", "ann@example.net").with("Subject", "Order")
    }

    #[test]
    fn the_mark_is_there_before_the_message_and_the_email_goes_on() {
        let host = Script::new(email().build());
        assert_eq!(host.run_rebuilt(Acknowledge::run), Ok(()));
        assert_eq!((messages(&host), host.placed()), (1, vec!["email.triage".to_owned()]));
        let requests = host.requests();
        let mark = requests.iter().position(|request| match request {
            Request::UpdateUserData { pairs, .. } => {
                pairs.contains(&(ACKNOWLEDGED_AT, timestamp(testing::START)).into())
            }
            _ => false,
        });
        assert!(mark.is_some() && mark < requests.iter().position(is_create));
    }

    #[test]
    fn nobody_is_told_twice_and_machines_are_not_told() {
        for (key, value) in [(ACKNOWLEDGED_AT, "2023-11-14T22:13:20Z"), ("Header_Auto-Submitted", "auto-replied")] {
            let host = Script::new(email().with(key, value).build());
            assert_eq!(host.run_rebuilt(Acknowledge::run), Ok(()));
            assert_eq!((messages(&host), host.placed().len()), (0, 1), "{key}");
        }
    }

    #[test]
    fn a_refused_message_takes_the_mark_back_and_a_silent_one_does_not() {
        for (name, takes_back) in [("__we_error_unknown_external_server", true), ("timeout", false)] {
            let host = Script::new(email().build());
            host.fail(is_create, 1, name);
            assert_eq!(host.run_rebuilt(Acknowledge::run), Ok(()));
            let back = host.requests().iter().any(|request| matches!(request, Request::DeleteUserData { .. }));
            assert_eq!((back, host.placed().len()), (takes_back, 1), "{name}");
        }
    }

    #[test]
    fn urgency_is_what_the_sender_says() {
        let of = |key: &str, value: &str| urgency(&testing::email().with(key, value).build());
        assert_eq!(of("Subject", "URGENT: no hot water"), 2);
        assert_eq!(of("Header_X-Priority", "1 (Highest)"), 1);
        assert_eq!(of("Subject", "Hello"), 0);
    }
}
