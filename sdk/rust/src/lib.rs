//! Write routing strategies for jackfield in Rust.
//!
//! A strategy is a component with the world `strategy` of `wit/strategy.wit`. The contract is all
//! requests and events: a request returns an id at once, its outcome comes later from the one place
//! to wait. This crate puts a straight-line style over it: each call of a [`Session`] makes its
//! request, waits for the outcome and returns it, so that a strategy reads as a person thinks.
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
//! Build it with `crate-type = ["cdylib"]` for the target `wasm32-wasip2` and drop the `.wasm` file
//! into the plugins folder.
//!
//! How a session ends: `run` returns `Ok` when the interaction was placed, delivered or stopped; any
//! other error gives it back to its queue. Two errors are no failure and end the session quietly:
//! [`Error::Lost`] (there is nothing left to decide about) and [`Error::Stopped`] (the host asked).
//!
//! The waiting itself is written over the small trait [`Host`], so a strategy can be tested natively
//! with the scripted host of the module `testing`.

pub mod error;
pub mod host;
pub mod interaction;
mod json;
pub mod log;
mod manifest;
pub mod message;
pub mod route;
pub mod service;
mod session;
#[cfg(not(target_family = "wasm"))]
pub mod testing;
mod time;

pub use error::Error;
pub use host::{Host, Request};
pub use interaction::{Destination, Failure, WorkbinOwner};
pub use interaction::{Event, Interaction, InteractionId, KvPair, KvValue, Outcome, RequestId, Routed, Workbin};
pub use manifest::{Capability, Manifest, Strategy, manifest};
pub use message::{Message, MessageType};
pub use route::Target;
pub use service::ServiceCall;
pub use session::{EVENTS_KEPT, Session, minutes, secs};
pub use time::timestamp;

/// The contract as generated from `wit/strategy.wit`, for what this crate does not wrap.
#[allow(missing_docs, clippy::all, clippy::pedantic, clippy::restriction)]
pub mod bindings {
    wit_bindgen::generate!({
        path: "../../wit",
        world: "strategy",
        pub_export_macro: true,
        default_bindings_module: "jackfield_sdk::bindings",
        additional_derives: [PartialEq],
    });
}

/// What a strategy usually needs.
pub mod prelude {
    pub use crate::{
        Capability, Destination, Error, Event, Interaction, KvPair, KvValue, Manifest, Message, Outcome, Routed,
        ServiceCall, Session, Strategy, Target, manifest, minutes, secs, timestamp,
    };
    pub use crate::{debug, error, info, trace, warn};
}

/// Makes a type that implements [`Strategy`] the component's strategy. Once in a crate.
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
