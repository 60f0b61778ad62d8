//! The component that converted SCXML documents run in: the same for every document, which the plugin's file
//! `document` holds.
//!
//! A session is one machine. It runs when an event comes and waits in `events.next` between them, so a turn is one event
//! and all that follows from it. What the document asks for leaves with the turn; time, timers and all else come from
//! the contract, so that a session is rebuilt by running it again over what was recorded; one with many turns writes
//! checkpoints where its state allows. It ends with its document, with the first limit that is passed, or when it is
//! asked to.

mod contract;
mod platform;
mod trace;

use std::rc::Rc;

use jackfield_scxml_program::Bundle;
use jackfield_scxml_program::content::What;
use jackfield_scxml_runtime::{CallKind, Datum, Limits, Machine, Status};
use jackfield_sdk::bindings::jackfield::strategy::{events, files, session};
use jackfield_sdk::bindings::{self, Guest, Manifest};
use serde::Deserialize;

use contract::Contract;

/// The file of a plugin that says who it is.
const MANIFEST: &str = "manifest.json";
/// The file of a plugin that holds its compiled document.
const DOCUMENT: &str = "document";

/// After so many turns it is cheaper to write the state than to have them all run again: a turn costs about 5 µs to
/// replay, a checkpoint of a kilobyte 44 µs. Documents whose state cannot be written go on without.
const TURNS_WITHOUT_CHECKPOINT: u32 = 64;

/// What the contract takes at most.
const CHECKPOINT_BYTES: usize = 1 << 20;

struct Component;

bindings::export!(Component with_types_in bindings);

fn document() -> Result<Bundle, String> {
    let bytes = files::read(DOCUMENT).ok_or_else(|| format!("this plugin has no file {DOCUMENT}"))?;
    Bundle::decode(&bytes).map_err(|error| error.to_string())
}

impl Guest for Component {
    fn describe() -> Manifest {
        let said: Said = files::read(MANIFEST).and_then(|json| serde_json::from_slice(&json).ok()).unwrap_or_default();
        let Said { name, version, description } = said;
        let (capabilities, states) =
            (document().map(|bundle| capabilities_of(&bundle)).unwrap_or_default(), Vec::new());
        Manifest { name, version, description, capabilities, states }
    }

    fn run(checkpoint: Option<Vec<u8>>) -> Result<(), String> {
        let contract = Rc::new(Contract::new());
        let surroundings = contract.clone();
        let machine = match &checkpoint {
            Some(state) => Machine::restore(document()?, surroundings, Limits::default(), state),
            None => Machine::new(document()?, surroundings, Limits::default()),
        };
        let mut machine = machine.map_err(|failure| failure.to_string())?;
        let mut status = match checkpoint {
            Some(_) => Ok(Status::Waiting),
            None => machine.start_with(&parameters()),
        };
        let mut turns = 0_u32;
        loop {
            trace::macrostep(&mut machine, contract.wanted);
            if status.map_err(|failure| failure.to_string())? == Status::Finished {
                return Ok(());
            }
            turns += 1;
            // What actions are under way is not in the machine's state.
            if turns >= TURNS_WITHOUT_CHECKPOINT
                && contract.is_idle()
                && let Some(state) = machine.snapshot()
                && state.len() <= CHECKPOINT_BYTES
            {
                session::checkpoint(&state);
                turns = 0;
            }
            status = match events::next(None) {
                Some(event) => contract::take(&contract, &mut machine, event),
                None => Ok(Status::Waiting),
            };
        }
    }
}

/// [`MANIFEST`].
#[derive(Default, Deserialize)]
struct Said {
    name: String,
    version: String,
    description: String,
}

/// Parameters of the session are values of data with the same name.
fn parameters() -> Vec<(String, Datum)> {
    let Datum::Map(parameters) = platform::object(&session::parameters()) else { return Vec::new() };
    parameters
}

/// What the document may ask for, by the actions in it.
fn capabilities_of(bundle: &Bundle) -> Vec<String> {
    let mut capabilities: Vec<String> = Vec::new();
    let mut need = |capability: &str| {
        if !capabilities.iter().any(|known| known == capability) {
            capabilities.push(capability.to_owned());
        }
    };
    let blocks = bundle.documents.iter().flat_map(|document| &document.program.blocks);
    for action in blocks.flatten() {
        match &action.what {
            // A type may be the Basic HTTP event I/O processor, also where it is an expression.
            What::Send(send) if send.kind.is_some() => need("http"),
            What::Module(module) => match CallKind::of(&module.module, &module.action) {
                // Methods are expressions: HTTP, or a service behind the Interaction Server.
                Some(CallKind::Fetch) => ["http", "messages"].into_iter().for_each(&mut need),
                Some(CallKind::CreateMessage | CallKind::SendMessage | CallKind::SendChatMessage) => need("messages"),
                Some(CallKind::Classify | CallKind::Screen | CallKind::GetContent) => need("messages"),
                Some(
                    CallKind::Submit
                    | CallKind::CancelSubmit
                    | CallKind::QuerySubmit
                    | CallKind::UpdateSubmit
                    | CallKind::Redirect,
                ) => ["routing", "virtual-queues"].into_iter().for_each(&mut need),
                _ => {}
            },
            _ => {}
        }
    }
    capabilities
}
