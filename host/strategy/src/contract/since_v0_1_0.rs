//! The contract since 0.1.0, as the newest one sees it.
//!
//! What has not changed since then is the newest's function under the name it had, or that of 0.2.0. What has is in
//! `events`: a request could not end in an HTTP response. `describe` and `run` are what they were.

use wasmtime::component::{HasSelf, Linker};

use self::generated::jackfield::strategy::events;
use super::since_v0_2_0::{link_interactions, link_routing, unchanged};
use super::since_v0_3_0::jackfield::strategy as newest;
use super::versions::Version;
use super::{Event, Outcome, RequestId};
use crate::state::State;

pub(super) const VERSION: Version =
    Version { name: "0.1.0", text: include_str!("../../../../wit/since-0.1.0/strategy.wit"), link };

fn link(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    unchanged!(linker, "0.1.0":
        types as "types",
        messages as "messages",
        virtual_queues as "virtual-queues",
        timers as "timers",
        facts as "facts",
        session as "session",
        log as "log",
    );
    link_interactions(linker, "jackfield:strategy/interactions@0.1.0")?;
    link_routing(&mut linker.instance("jackfield:strategy/routing@0.1.0")?)?;
    events::add_to_linker::<State, HasSelf<State>>(linker, |state| state)
}

impl events::Host for State {
    async fn next(&mut self, timeout_ms: Option<u64>) -> wasmtime::Result<Option<events::Event>> {
        newest::events::Host::next(self, timeout_ms).await?.map(events::Event::try_from).transpose()
    }

    fn send(&mut self, session: String, name: String, data: String) -> wasmtime::Result<RequestId> {
        newest::events::Host::send(self, session, name, data)
    }
}

impl TryFrom<Event> for events::Event {
    type Error = wasmtime::Error;

    fn try_from(event: Event) -> Result<Self, Self::Error> {
        Ok(match event {
            Event::InteractionPresent(id) => events::Event::InteractionPresent(id),
            Event::InteractionNotControlled(event) => events::Event::InteractionNotControlled(event.into()),
            Event::InteractionDeleted(event) => events::Event::InteractionDeleted(event.into()),
            Event::UserDataChanged(id) => events::Event::UserDataChanged(id),
            Event::RequestDone(done) => events::Event::RequestDone(events::RequestDoneEvent {
                request: done.request,
                outcome: done.outcome.try_into()?,
            }),
            Event::RequestFailed(failed) => events::Event::RequestFailed(events::RequestFailedEvent {
                request: failed.request,
                failure: failed.failure,
            }),
            Event::TimerFired(timer) => events::Event::TimerFired(timer),
            Event::Message(message) => {
                events::Event::Message(events::MessageEvent { name: message.name, data: message.data })
            }
            Event::StopRequested(reason) => events::Event::StopRequested(reason),
        })
    }
}

impl From<super::InteractionEvent> for events::InteractionEvent {
    fn from(event: super::InteractionEvent) -> Self {
        events::InteractionEvent { interaction: event.interaction, reason: event.reason }
    }
}

impl TryFrom<Outcome> for events::Outcome {
    type Error = wasmtime::Error;

    fn try_from(outcome: Outcome) -> Result<Self, Self::Error> {
        Ok(match outcome {
            Outcome::Done => events::Outcome::Done,
            Outcome::MessageCreated(id) => events::Outcome::MessageCreated(id),
            Outcome::Routed(routed) => events::Outcome::Routed(events::Routed {
                target: routed.target,
                destination: routed.destination,
                virtual_queue: routed.virtual_queue,
            }),
            Outcome::ServiceResponse(pairs) => events::Outcome::ServiceResponse(pairs),
            // It asked for none: only in the record of another version.
            Outcome::HttpResponse(_) => {
                return Err(wasmtime::Error::msg(
                    "an HTTP response, which version 0.1.0 of the contract does not have",
                ));
            }
            Outcome::Waiting(_) => {
                return Err(wasmtime::Error::msg(
                    "the answer to `routing.query`, which version 0.1.0 of the contract does not have",
                ));
            }
        })
    }
}

#[allow(missing_docs, clippy::all, clippy::pedantic, clippy::unwrap_used, clippy::indexing_slicing)]
mod generated {
    wasmtime::component::bindgen!({
        inline: "
            package jackfield:host;
            world changed {
                import jackfield:strategy/events@0.1.0;
            }
        ",
        path: "../../wit/since-0.1.0",
        imports: {
            default: trappable,
            "jackfield:strategy/events.next": async | trappable,
        },
        with: {
            "jackfield:strategy/types@0.1.0": crate::contract::since_v0_3_0::jackfield::strategy::types,
        },
    });
}
