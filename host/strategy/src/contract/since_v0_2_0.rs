//! The contract since 0.2.0, as the newest one sees it.
//!
//! What has not changed since then is the newest's function under the name it had. What has: an interaction did not
//! say who handled its contact last; a target had neither group, workbin, threshold nor weight, and a submit no more
//! than its targets and their time; what was routed did not say to whom. `describe` and `run` are what they were.
//!
//! What 0.1.0 says of interactions and routing is the same, and is served from here too.

use wasmtime::StoreContextMut;
use wasmtime::component::{ComponentType, HasSelf, Linker, LinkerInstance, Lower};

use self::generated::jackfield::strategy::{events, routing};
use super::since_v0_3_0::jackfield::strategy as newest;
use super::versions::Version;
use super::{Destination, Event, InteractionState, KvPair, Outcome, RequestId, RouteRequest, Target, TargetType};
use crate::state::State;

pub(super) const VERSION: Version =
    Version { name: "0.2.0", text: include_str!("../../../../wit/since-0.2.0/strategy.wit"), link };

macro_rules! unchanged {
    ($linker:ident, $version:literal: $($interface:ident as $name:literal),+ $(,)?) => {
        $($crate::contract::since_v0_3_0::jackfield::strategy::$interface::add_to_linker_instance::<
            $crate::state::State,
            wasmtime::component::HasSelf<$crate::state::State>,
        >(
            &mut $linker.instance(concat!("jackfield:strategy/", $name, "@", $version))?,
            |state| state,
        )?;)+
    };
}
pub(super) use unchanged;

fn link(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    unchanged!(linker, "0.2.0":
        types as "types",
        messages as "messages",
        virtual_queues as "virtual-queues",
        http as "http",
        timers as "timers",
        facts as "facts",
        session as "session",
        log as "log",
    );
    link_interactions(linker, "jackfield:strategy/interactions@0.2.0")?;
    link_routing(&mut linker.instance("jackfield:strategy/routing@0.2.0")?)?;
    events::add_to_linker::<State, HasSelf<State>>(linker, |state| state)
}

/// `interactions`, as it was until 0.3.0, under this name.
pub(super) fn link_interactions(linker: &mut Linker<State>, name: &str) -> wasmtime::Result<()> {
    newest::interactions::add_to_linker_instance::<State, HasSelf<State>>(&mut linker.instance(name)?, |state| state)?;
    linker.allow_shadowing(true);
    linker.instance(name)?.func_wrap("get", |mut store: StoreContextMut<'_, State>, (id,): (String,)| {
        let interaction = newest::interactions::Host::get(store.data_mut(), id)?;
        Ok((interaction.map(Interaction::from),))
    })?;
    linker.allow_shadowing(false);
    Ok(())
}

/// `routing`, as it was until 0.3.0.
pub(super) fn link_routing(instance: &mut LinkerInstance<'_, State>) -> wasmtime::Result<()> {
    routing::add_to_linker_instance::<State, HasSelf<State>>(instance, |state| state)
}

/// An interaction until 0.3.0.
#[derive(ComponentType, Lower)]
#[component(record)]
struct Interaction {
    id: String,
    #[component(name = "parent-id")]
    parent_id: Option<String>,
    #[component(name = "external-id")]
    external_id: Option<String>,
    tenant: u32,
    #[component(name = "media-type")]
    media_type: String,
    #[component(name = "interaction-type")]
    interaction_type: String,
    #[component(name = "interaction-subtype")]
    interaction_subtype: String,
    queue: String,
    view: Option<String>,
    state: InteractionState,
    #[component(name = "is-online")]
    is_online: bool,
    priority: i32,
    #[component(name = "received-at")]
    received_at: u64,
    #[component(name = "submitted-at")]
    submitted_at: u64,
    #[component(name = "placed-in-queue-at")]
    placed_in_queue_at: u64,
    #[component(name = "user-data")]
    user_data: Vec<KvPair>,
}

impl From<super::Interaction> for Interaction {
    fn from(newest: super::Interaction) -> Self {
        let super::Interaction {
            id,
            parent_id,
            external_id,
            tenant,
            media_type,
            interaction_type,
            interaction_subtype,
            queue,
            view,
            state,
            is_online,
            priority,
            received_at,
            submitted_at,
            placed_in_queue_at,
            user_data,
            last_agent: _,
        } = newest;
        Interaction {
            id,
            parent_id,
            external_id,
            tenant,
            media_type,
            interaction_type,
            interaction_subtype,
            queue,
            view,
            state,
            is_online,
            priority,
            received_at,
            submitted_at,
            placed_in_queue_at,
            user_data,
        }
    }
}

impl routing::Host for State {
    fn submit(&mut self, route: routing::RouteRequest) -> wasmtime::Result<RequestId> {
        newest::routing::Host::submit(self, route.into())
    }

    fn cancel(&mut self, request: RequestId) -> wasmtime::Result<RequestId> {
        newest::routing::Host::cancel(self, request)
    }

    fn deliver(&mut self, interaction: String, to: Destination) -> wasmtime::Result<RequestId> {
        newest::routing::Host::deliver(self, interaction, to)
    }
}

impl From<routing::RouteRequest> for RouteRequest {
    fn from(route: routing::RouteRequest) -> Self {
        let routing::RouteRequest { interaction, virtual_queue, priority, targets, timeout, deliver } = route;
        RouteRequest {
            interaction,
            virtual_queue,
            priority,
            targets: targets.into_iter().map(Target::from).collect(),
            timeout,
            deliver,
            choice: None,
            aging: None,
            relaxation: None,
            clear_on_timeout: None,
        }
    }
}

impl From<routing::Target> for Target {
    fn from(target: routing::Target) -> Self {
        let target_type = match target.target_type {
            routing::TargetType::Agent => TargetType::Agent,
            routing::TargetType::Place => TargetType::Place,
            routing::TargetType::AgentGroup => TargetType::AgentGroup,
            routing::TargetType::PlaceGroup => TargetType::PlaceGroup,
            routing::TargetType::Skill => TargetType::Skill,
            routing::TargetType::InteractionQueue => TargetType::InteractionQueue,
        };
        Target { target_type, name: target.name, group: None, workbin: None, threshold: None, weight: None }
    }
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
        let interaction_event = |event: super::InteractionEvent| events::InteractionEvent {
            interaction: event.interaction,
            reason: event.reason,
        };
        Ok(match event {
            Event::InteractionPresent(id) => events::Event::InteractionPresent(id),
            Event::InteractionNotControlled(event) => events::Event::InteractionNotControlled(interaction_event(event)),
            Event::InteractionDeleted(event) => events::Event::InteractionDeleted(interaction_event(event)),
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
            Outcome::HttpResponse(response) => events::Outcome::HttpResponse(response),
            // It asked for none: only in the record of another version.
            Outcome::Waiting(_) => {
                return Err(wasmtime::Error::msg(
                    "the answer to `routing.query`, which version 0.2.0 of the contract does not have",
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
                import jackfield:strategy/events@0.2.0;
                import jackfield:strategy/routing@0.2.0;
            }
        ",
        path: "../../wit/since-0.2.0",
        imports: {
            default: trappable,
            "jackfield:strategy/events.next": async | trappable,
        },
        with: {
            "jackfield:strategy/types@0.2.0": crate::contract::since_v0_3_0::jackfield::strategy::types,
        },
    });
}
