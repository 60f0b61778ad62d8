//! E-mail triage by subject, sender and language.
//!
//! Spam and automatic mail is stopped. Mail in a language nobody speaks goes to a queue for it; mail
//! about nothing in particular goes to the general queue. The rest is routed: for a short time only to
//! the agent who handled this contact last, where there is one; then to somebody good at the topic, after a while to anybody of the topic's group, and at last to the overflow queue.
//! Senders of a domain on the list `vip`, item `domains`, are served before others.
//!
//! Parameters: `last-agent-seconds` (10), `expert-seconds` (20), `group-seconds` (40), `general-queue` (`email.general`),
//! `foreign-queue` (`email.foreign`), `overflow-queue` (`email.overflow`).

mod rules;

use jackfield_sdk::prelude::*;
use rules::{Language, Topic};

struct Triage;

jackfield_sdk::export!(Triage);

/// What a VIP is served before others by. In the next version that is before everybody.
const VIP_PRIORITY: i32 = if cfg!(feature = "next") { 1_000 } else { 100 };
/// For people.
const VERSION: &str = if cfg!(feature = "next") { "0.2.0" } else { env!("CARGO_PKG_VERSION") };

impl Strategy for Triage {
    fn manifest() -> Manifest {
        manifest("triage", VERSION, "E-mail triage by subject, sender and language.")
            .needs(Capability::Routing)
            .needs(Capability::VirtualQueues)
    }

    fn run(session: &mut Session) -> Result<(), Error> {
        let email = session.interaction()?;
        if let Some(dismissal) = rules::dismissal(&email) {
            info!("{:?} from {}: {}", email.subject(), email.from_address(), dismissal.reason());
            return session.stop(&email, dismissal.reason());
        }

        let language = rules::language(&format!("{}\n{}", email.subject(), email.body()));
        if language == Language::Foreign {
            return session.place(&email, &session.parameter_or("foreign-queue", "email.foreign".to_owned()));
        }
        let topic = rules::topic(email.subject());
        if topic.is_none() && language == Language::English {
            return session.place(&email, &session.parameter_or("general-queue", "email.general".to_owned()));
        }
        route(session, &email, topic, language)
    }
}

/// Relaxation: experts, then the group, then the overflow queue.
fn route(session: &mut Session, email: &Interaction, topic: Option<Topic>, language: Language) -> Result<(), Error> {
    let vip = session.list_value("vip", "domains", &email.from_domain());
    let group = topic.map_or("Spanish", Topic::name);
    let expression = match (topic, language) {
        (Some(topic), Language::Spanish) => format!("{} >= 5 & Spanish >= 3", topic.name()),
        (Some(topic), _) => format!("{} >= 5", topic.name()),
        (None, _) => "Spanish >= 5".to_owned(),
    };
    let virtual_queue = format!("VQ_{group}");
    let priority = topic.map_or(0, Topic::priority) + if vip.is_some() { VIP_PRIORITY } else { 0 };

    let level = vip.unwrap_or_else(|| "standard".to_owned());
    session.set_user_data(email, [("Topic", group), ("CustomerSegment", level.as_str())])?;
    let reporting = [
        ("RTargetAgentGroup", format!("?:{expression}")),
        ("RTargetAgentGroup", group.to_owned()),
        ("RRequestedSkillCombination", expression.clone()),
    ];
    session.attach_virtual_queue(email, &virtual_queue, reporting)?;

    let last = email.last_agent.as_ref();
    let last = last.map(|last| (Target::agent(&last.agent), session.parameter_or("last-agent-seconds", 10)));
    let stages = last.into_iter().chain([
        (Target::skill(&expression), session.parameter_or("expert-seconds", 20)),
        (Target::agent_group(group), session.parameter_or("group-seconds", 40)),
    ]);
    for (target, seconds) in stages {
        let name = target.name.clone();
        let route = session.route(email).to(target).priority(priority).virtual_queue(&virtual_queue);
        match route.within(secs(seconds)).send() {
            Ok(routed) => {
                info!("{:?} went to {:?} for {}", email.subject(), routed.destination, routed.target);
                return Ok(());
            }
            Err(Error::Timeout) => info!("nobody for {name} within {seconds} s"),
            // A group or skill that is not configured must not keep the e-mail from the next stage.
            Err(Error::Refused(failure)) => warn!("{name} was refused: {}", failure.description),
            Err(other) => return Err(other),
        }
    }
    session.place(email, &session.parameter_or("overflow-queue", "email.overflow".to_owned()))
}

#[cfg(test)]
mod tests {
    use jackfield_sdk::testing::{self, Route, Script};
    use jackfield_sdk::{Failure, Request};

    use super::*;

    fn email(from: &str, subject: &str, text: &str) -> Script {
        let email = testing::email().with("FromAddress", from).with("Subject", subject).with("Text", text);
        Script::new(email.build())
    }

    fn priority(host: &Script) -> Option<i32> {
        host.requests().iter().find_map(|request| match request {
            Request::Route(route) => Some(route.priority),
            _ => None,
        })
    }

    #[test]
    fn an_invoice_goes_to_a_billing_expert() {
        let host = email("ann@example.net", "Invoice 1042", "Please explain this.");
        host.route(Route::Agent("a1".into(), 3_000));
        assert_eq!(host.run_rebuilt(Triage::run), Ok(()));
        assert_eq!(host.targets(), [["Billing >= 5"]]);
        assert_eq!((priority(&host), host.elapsed()), (Some(10), 3_000));
        assert!(host.is_settled());
    }

    #[test]
    fn a_vip_is_served_before_others() {
        let host = email("boss@Gold.Example", "Complaint", "This is the third time.");
        host.list("vip", "domains", "gold.example", "gold").route(Route::Agent("a1".into(), 1));
        assert_eq!(host.run_rebuilt(Triage::run), Ok(()));
        assert_eq!(priority(&host), Some(120));
        let segment = host.requests().iter().any(|request| match request {
            Request::UpdateUserData { pairs, .. } => pairs.contains(&("CustomerSegment", "gold").into()),
            _ => false,
        });
        assert!(segment);
    }

    #[test]
    fn targets_are_relaxed_and_then_the_overflow_queue_takes_it() {
        let host = email("ann@example.net", "Where is my order?", "It was due on Monday.");
        host.parameter("expert-seconds", "5").parameter("group-seconds", "7").parameter("overflow-queue", "later");
        assert_eq!(host.run_rebuilt(Triage::run), Ok(()));
        assert_eq!(host.targets(), [["Orders >= 5"], ["Orders"]]);
        assert_eq!(host.elapsed(), 12_000);
        assert_eq!(host.placed(), ["later"]);
    }

    #[test]
    fn who_handled_the_contact_last_is_asked_first() {
        let again =
            testing::email().with("FromAddress", "ann@example.net").with("Subject", "Order").last_agent("a7", 60_000);
        let host = Script::new(again.build());
        host.parameter("last-agent-seconds", "3").route(Route::Nobody).route(Route::Agent("a2".into(), 1));
        assert_eq!(host.run_rebuilt(Triage::run), Ok(()));
        assert_eq!(host.targets(), [["a7"], ["Orders >= 5"]]);
        assert_eq!(host.elapsed(), 3_001);
    }

    #[test]
    fn an_unknown_group_does_not_lose_the_email() {
        let host = email("ann@example.net", "Order", "Where is it?");
        let unknown = Failure { code: 2003, name: "unknown_target".into(), description: "no such skill".into() };
        host.route(Route::Fails(unknown)).route(Route::Agent("a2".into(), 1));
        assert_eq!(host.run_rebuilt(Triage::run), Ok(()));
        assert_eq!(host.targets(), [["Orders >= 5"], ["Orders"]]);
        assert!(host.is_settled());
    }

    #[test]
    fn spanish_needs_somebody_who_speaks_it() {
        let host = email("ana@example.org", "Factura incorrecta", "Hola, la factura no está bien. Gracias por todo.");
        host.route(Route::Agent("a3".into(), 1));
        assert_eq!(host.run_rebuilt(Triage::run), Ok(()));
        assert_eq!(host.targets(), [["Billing >= 5 & Spanish >= 3"]]);
    }

    #[test]
    fn the_rest_waits_in_the_queues_for_it() {
        for (subject, text, queue) in [
            ("Opening hours", "When are you open on Sunday?", "email.general"),
            ("Rechnung", "Guten Tag, ich habe die Rechnung nicht erhalten und bitte um eine Kopie", "email.foreign"),
        ] {
            let host = email("ann@example.net", subject, text);
            assert_eq!(host.run_rebuilt(Triage::run), Ok(()));
            assert_eq!(host.placed(), [queue]);
        }
    }

    #[test]
    fn automatic_mail_is_stopped() {
        let host = email("mailer-daemon@example.net", "Undelivered", "");
        assert_eq!(host.run_rebuilt(Triage::run), Ok(()));
        assert_eq!(host.stopped(), ["automatic mail"]);
    }
}
