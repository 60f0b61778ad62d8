//! Routes chats: a customer sits there and waits.
//!
//! The chat is offered to the best first, then to anybody of the group, again and again, for as long
//! as the customer is there and `patience-seconds` have not passed. Between two offers it is looked
//! whether the customer has left. Then the queue for missed chats takes it.
//!
//! Parameters: `offer-seconds` (10), `patience-seconds` (120), `missed-queue` (`chat.missed`).

use jackfield_sdk::prelude::*;

struct Chat;

jackfield_sdk::export!(Chat);

const VIRTUAL_QUEUE: &str = "VQ_Chat";

impl Strategy for Chat {
    fn manifest() -> Manifest {
        manifest("chat", env!("CARGO_PKG_VERSION"), "Offers chats for as long as the customer waits.")
            .needs(Capability::Routing)
            .needs(Capability::VirtualQueues)
    }

    fn run(session: &mut Session) -> Result<(), Error> {
        let chat = session.interaction()?;
        if !chat.is_online {
            return missed(session, &chat, "the customer left before anybody was looked for");
        }
        session.attach_virtual_queue(&chat, VIRTUAL_QUEUE, [("RTargetAgentGroup", "Chat")])?;

        let offer: u64 = session.parameter_or("offer-seconds", 10).max(1);
        let end = session.now() + session.parameter_or::<u64>("patience-seconds", 120).saturating_mul(1_000);
        let mut target = Target::skill("Chat >= 5");
        while session.now() < end {
            let route = session.route(&chat).to(target).virtual_queue(VIRTUAL_QUEUE);
            match route.priority(chat.priority).within(secs(offer)).send() {
                Ok(routed) => {
                    info!("chat went to {:?}", routed.destination);
                    return Ok(());
                }
                Err(Error::Timeout) => {}
                Err(other) => return Err(other),
            }
            if !session.get(&chat)?.is_online {
                return missed(session, &chat, "the customer left");
            }
            target = Target::agent_group("Chat");
        }
        missed(session, &chat, "nobody was free")
    }
}

fn missed(session: &mut Session, chat: &Interaction, why: &str) -> Result<(), Error> {
    info!("chat is missed: {why}");
    session.set_user_data(chat, [("MissedBecause", why)])?;
    session.place(chat, &session.parameter_or("missed-queue", "chat.missed".to_owned()))
}

#[cfg(test)]
mod tests {
    use jackfield_sdk::testing::{self, Route, Script};

    use super::*;

    #[test]
    fn a_chat_is_offered_to_the_best_first_and_then_to_the_group() {
        let host = Script::new(testing::chat().build());
        host.route(Route::Nobody).route(Route::Nobody).route(Route::Agent("a1".into(), 4_000));
        assert_eq!(host.run_rebuilt(Chat::run), Ok(()));
        assert_eq!(host.targets(), [["Chat >= 5"], ["Chat"], ["Chat"]]);
        assert_eq!(host.elapsed(), 24_000);
        assert!(host.is_settled());
    }

    #[test]
    fn patience_ends() {
        let host = Script::new(testing::chat().build());
        host.parameter("patience-seconds", "30");
        assert_eq!(host.run_rebuilt(Chat::run), Ok(()));
        assert_eq!(host.placed(), ["chat.missed"]);
        assert_eq!((host.targets().len(), host.elapsed()), (3, 30_000));
    }

    #[test]
    fn a_customer_who_left_is_not_routed() {
        let mut chat = testing::chat().build();
        chat.is_online = false;
        let host = Script::new(chat);
        assert_eq!(host.run_rebuilt(Chat::run), Ok(()));
        assert_eq!((host.placed(), host.targets().len()), (vec!["chat.missed".to_owned()], 0));
    }

    #[test]
    fn a_customer_who_leaves_is_not_offered_again() {
        let host = Script::new(testing::chat().build());
        host.changes_at(5_000, |chat| chat.is_online = false);
        assert_eq!(host.run_rebuilt(Chat::run), Ok(()));
        assert_eq!((host.placed(), host.targets().len()), (vec!["chat.missed".to_owned()], 1));
    }
}
