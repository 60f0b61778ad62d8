//! What may overtake what on the way between a client and the server.
//!
//! A connection is one ordered stream, and most of its order is promised. Kept is therefore:
//!
//! - all that is said about one interaction, both ways: what happens to it happens in the order in which it was
//!   asked for (`host/link`: requests leave in the order in which `send` returns), and is told in the order in
//!   which it happened (`interaction.proto`, rules of the stream);
//! - events that were not asked for, among each other: they have one queue in `host/link`, and reporting counts them;
//! - what is about more than interactions, against everything: registering, reclaiming, pulls being asked for and
//!   cancelled ("answered with what there is, then this is acknowledged"), who is logged in, reporting.
//!
//! Nobody promises any order of the rest. Replies are matched by their reference ids, each goes to whoever waits
//! for it, and `host/link` says that an event may be seen before a reply that was sent ahead of it; a server that
//! handles interactions side by side answers for each when it is done with it. So requests about different
//! interactions may overtake each other, and so may replies, and replies and events.

use jackfield_protocol::v1::event::Message as Told;
use jackfield_protocol::v1::request::Message as Asked;
use jackfield_protocol::v1::request_pull::What;
use jackfield_protocol::v1::{Event, Request, RequestPull};

use crate::weather::Weather;

/// What a request, a reply or an event is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum About {
    /// These interactions; none: one that nobody knows yet, or something with a number of its own.
    Interactions(Vec<String>),
    /// More than that.
    All,
}

impl About {
    fn one(id: &str) -> About {
        About::Interactions(if id.is_empty() { Vec::new() } else { vec![id.to_owned()] })
    }

    fn is_apart_from(&self, other: &About) -> bool {
        match (self, other) {
            (About::Interactions(one), About::Interactions(other)) => !one.iter().any(|id| other.contains(id)),
            _ => false,
        }
    }

    pub fn request(request: &Request) -> About {
        let Some(message) = &request.message else { return About::All };
        match message {
            // Media servers' answers have numbers of their own.
            Asked::Submit(_) | Asked::ThirdServerAnswer(_) => About::Interactions(Vec::new()),
            Asked::PlaceInQueue(place) => About::one(&place.interaction_id),
            Asked::PlaceInWorkbin(place) => About::one(&place.interaction_id),
            Asked::Deliver(deliver) => About::one(&deliver.interaction_id),
            Asked::Accept(accept) => About::one(&accept.interaction_id),
            Asked::Reject(reject) => About::one(&reject.interaction_id),
            Asked::StopProcessing(stop) => About::one(&stop.interaction_id),
            Asked::ChangeProperties(change) => About::one(&change.interaction_id),
            Asked::GetInteractionProperties(get) => About::one(&get.interaction_id),
            Asked::ThirdServer(call) => About::one(&call.interaction_id),
            Asked::Pull(RequestPull { what: Some(What::ByIds(by)), .. }) => {
                About::Interactions(by.interaction_ids.clone())
            }
            _ => About::All,
        }
    }

    /// `asked`: what the request was about that a reply answers.
    fn event(event: &Event, asked: Option<&About>) -> About {
        match &event.message {
            // A pull is held: the answer to it is about what it brings. One by ids says something of those it does
            // not bring, too.
            Some(Told::PulledInteractions(pulled)) => {
                let interactions = pulled.interactions.iter().filter_map(|pulled| pulled.interaction.as_ref());
                let mut ids: Vec<_> = interactions.map(|interaction| interaction.interaction_id.clone()).collect();
                if let Some(About::Interactions(asked)) = asked {
                    ids.extend_from_slice(asked);
                }
                About::Interactions(ids)
            }
            Some(_) if event.reference_id > 0 => asked.cloned().unwrap_or(About::All),
            Some(Told::Delivery(delivery)) => About::one(&delivery.interaction_id),
            Some(Told::Revoked(revoked)) => About::one(&revoked.interaction_id),
            Some(Told::PropertiesChanged(changed)) => {
                About::one(changed.interaction.as_ref().map_or("", |interaction| &interaction.interaction_id))
            }
            _ => About::All,
        }
    }
}

/// Requests that wait together overtake each other, where they may; whether any did.
pub(crate) fn requests(weather: &Weather, requests: &mut [Request]) -> bool {
    let mut about: Vec<About> = requests.iter().map(About::request).collect();
    overtake(weather, requests, &mut about, |_, _| true)
}

/// The same of replies and events.
pub(crate) fn events<'a>(weather: &Weather, events: &mut [Event], asked: impl Fn(u64) -> Option<&'a About>) -> bool {
    let mut about: Vec<About> = events.iter().map(|event| About::event(event, asked(event.reference_id))).collect();
    overtake(weather, events, &mut about, |one, other| one.reference_id > 0 || other.reference_id > 0)
}

/// Each passes those before it, one after the other, for as long as it may and chance lets it.
fn overtake<T>(weather: &Weather, all: &mut [T], about: &mut [About], may: impl Fn(&T, &T) -> bool) -> bool {
    let mut any = false;
    for last in 1..all.len() {
        for at in (1..=last).rev() {
            let passes = match (all.get(at - 1..=at), about.get(at - 1..=at)) {
                (Some([one, other]), Some([of_one, of_other])) => of_one.is_apart_from(of_other) && may(one, other),
                _ => false,
            };
            if !passes || !weather.chance(0.5) {
                break;
            }
            all.swap(at - 1, at);
            about.swap(at - 1, at);
            any = true;
        }
    }
    any
}
