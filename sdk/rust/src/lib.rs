//! Write routing strategies for jackfield in Rust.
//!
//! A strategy is a component with the world `strategy` of `wit/since-0.3.0/strategy.wit`. The contract is all
//! requests and events: a request returns an id at once, its outcome comes later from the one place
//! to wait. This crate puts two styles over it, which share the [`Session`] and all it can do.
//!
//! # Straight line
//!
//! Each call makes its request, waits for the outcome and returns it, so that a [`Strategy`] reads as
//! a person thinks.
//!
//! ```
//! use jackfield_sdk::prelude::*;
//!
//! struct Billing;
//!
//! impl Strategy for Billing {
//!     fn manifest() -> Manifest {
//!         manifest("billing", env!("CARGO_PKG_VERSION"), "Routes invoices to those who know them.")
//!             .needs(Capability::Routing)
//!     }
//!
//!     fn run(session: &mut Session) -> Result<(), Error> {
//!         let interaction = session.interaction()?;
//!         info!("{} asks about {:?}", interaction.from_address(), interaction.subject());
//!         let found = session
//!             .route(&interaction)
//!             .to(Target::skill("Billing >= 5"))
//!             .or(Target::agent_group("Billing"))
//!             .within(secs(60))
//!             .send();
//!         match found {
//!             Ok(_routed) => Ok(()),
//!             Err(Error::Timeout) => session.place(&interaction, "email.overflow"),
//!             Err(error) => Err(error),
//!         }
//!     }
//! }
//!
//! jackfield_sdk::export!(Billing);
//! # fn main() {}
//! ```
//!
//! # Reducer
//!
//! A [`Reducer`] is a state, and what each event does to it. The state is any type that `serde` can
//! write and read (depend on `serde` with its feature `derive`).
//!
//! ```
//! use jackfield_sdk::prelude::*;
//! use serde::{Deserialize, Serialize};
//!
//! #[derive(Serialize, Deserialize)]
//! struct Approval {
//!     email: String,
//!     due: u64,
//! }
//!
//! impl Reducer for Approval {
//!     const STATE: &'static str = "approval-1";
//!
//!     fn manifest() -> Manifest {
//!         manifest("approval", env!("CARGO_PKG_VERSION"), "Waits up to two days for an approval.")
//!     }
//!
//!     fn start(session: &mut Session, email: Interaction) -> Result<(Self, Next), Error> {
//!         let due = session.now() + 48 * 3_600_000;
//!         session.set_user_data(&email, [("ApprovalDue", timestamp(due))])?;
//!         Ok((Approval { email: email.id, due }, Next::WaitUntil(due)))
//!     }
//!
//!     fn handle(&mut self, session: &mut Session, event: Option<Event>) -> Result<Next, Error> {
//!         let queue = match event {
//!             Some(Event::Message(message)) if message.name == "approved" => "email.approved",
//!             None => "email.late",
//!             Some(Event::StopRequested(reason)) => return Err(Error::Stopped(reason)),
//!             Some(_) => return Ok(Next::WaitUntil(self.due)),
//!         };
//!         session.place(&self.email, queue)?;
//!         Ok(Next::Finish)
//!     }
//! }
//!
//! jackfield_sdk::export!(Approval);
//! # fn main() {}
//! ```
//!
//! # Which of them
//!
//! Both survive a crash of the host at any point, and cost next to nothing while they wait. They
//! differ in how a waiting session is rebuilt:
//!
//! | | straight line | reducer |
//! | --- | --- | --- |
//! | is rebuilt by | running it again over all it was told | reading its state |
//! | turns it may have | 1,000 in all, unless it writes a checkpoint | any number |
//! | running sessions and a new version | stay with the version they began with | can be moved to it: [`Reducer::migrate`] |
//! | is best for | minutes, a few steps one after the other | hours and days, many events, whatever comes first |
//!
//! A straight line that waits at one place for long can write checkpoints itself:
//! [`Session::save_checkpoint`], [`Manifest::writes_state`].
//!
//! Either has to do the same when it is run again over the same. What it learns from the session, the
//! clocks of the standard library and its random numbers is the same then.
//!
//! # Building, ending, testing
//!
//! Build it with `crate-type = ["cdylib"]` for the target `wasm32-wasip2` and drop the `.wasm` file
//! into the plugins folder.
//!
//! How a session ends: with `Ok` (or [`Next::Finish`]) when the interaction was placed, delivered or
//! stopped; any other error gives it back to its queue. Two errors are no failure and end the session
//! quietly: [`Error::Lost`] (there is nothing left to decide about) and [`Error::Stopped`] (the host
//! asked).
//!
//! The waiting itself is written over the small trait [`Host`], so a strategy can be tested natively
//! with the scripted host of the module `testing`; `run_rebuilt` there drops it at the end of every
//! turn and rebuilds it.

pub mod error;
pub mod host;
pub mod http;
pub mod interaction;
mod json;
pub mod log;
mod manifest;
pub mod message;
mod reducer;
pub mod route;
pub mod service;
mod session;
#[cfg(not(target_family = "wasm"))]
pub mod testing;
mod time;

pub use error::Error;
pub use host::{Host, Request};
pub use http::{HttpRequest, HttpResponse};
pub use interaction::{Destination, Failure, WorkbinOwner};
pub use interaction::{Event, Interaction, InteractionId, KvPair, KvValue, Outcome, RequestId, Routed, Workbin};
pub use manifest::{Capability, Manifest, Strategy, manifest};
pub use message::{Message, MessageType};
pub use reducer::{CHECKPOINT_BYTES, Next, OlderState, Reducer};
pub use route::Target;
pub use service::ServiceCall;
pub use session::{EVENTS_KEPT, Session, hours, minutes, secs};
pub use time::timestamp;

/// The contract as generated from `wit/since-0.3.0/strategy.wit`, for what this crate does not wrap.
#[allow(missing_docs, clippy::all, clippy::pedantic, clippy::restriction)]
pub mod bindings {
    wit_bindgen::generate!({
        path: "../../wit/since-0.3.0",
        world: "strategy",
        pub_export_macro: true,
        default_bindings_module: "jackfield_sdk::bindings",
        additional_derives: [PartialEq],
    });
}

/// What a strategy usually needs.
pub mod prelude {
    pub use crate::{
        Capability, Destination, Error, Event, HttpRequest, HttpResponse, Interaction, KvPair, KvValue, Manifest,
        Message, Next, OlderState, Outcome, Reducer, Routed, ServiceCall, Session, Strategy, Target, hours, manifest,
        minutes, secs, timestamp,
    };
    pub use crate::{debug, error, info, trace, warn};
}

/// Makes a type that implements [`Strategy`] or [`Reducer`] the component's strategy. Once in a crate.
#[macro_export]
macro_rules! export {
    ($strategy:ty) => {
        const _: () = {
            struct Component;

            impl $crate::bindings::Guest for Component {
                fn describe() -> $crate::bindings::Manifest {
                    <$strategy as $crate::Strategy>::manifest().into()
                }

                fn run(
                    checkpoint: ::core::option::Option<::std::vec::Vec<u8>>,
                ) -> ::core::result::Result<(), ::std::string::String> {
                    $crate::Session::of_component(checkpoint).finish(<$strategy as $crate::Strategy>::run)
                }
            }

    $crate::bindings::export!(Component with_types_in $crate::bindings);
        };
    };
}
