//! The component that converted SCXML documents run in: the same for every document, which the plugin's file
//! `document` holds.
//!
//! A session is one machine. It runs when an event comes and waits in `events.next` between them, so a turn is one event
//! and all that follows from it. What the document asks for leaves with the turn; time, timers and all else come from
//! the contract, so that a session is rebuilt by running it again over what was recorded; one with many turns writes
//! checkpoints where its state allows. It ends with its document, with the first limit that is passed, or when it is
//! asked to.

mod contract;

use std::rc::Rc;

use jackfield_scxml_program::content::What;
use jackfield_scxml_program::{Bundle, Program};
use jackfield_scxml_runtime::{CallKind, Limits, Machine, Status};
use jackfield_sdk::bindings::jackfield::strategy::{events, files, session};
use jackfield_sdk::bindings::{self, Guest, Manifest};

use contract::Contract;

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
        let version = env!("CARGO_PKG_VERSION").to_owned();
        match document() {
            Ok(bundle) => {
                let program = bundle.documents.first().map(|document| &document.program);
                Manifest {
                    name: program.map(name_of).unwrap_or_default(),
                    version,
                    description: program.map(|program| format!("SCXML: {}", program.location)).unwrap_or_default(),
                    capabilities: capabilities_of(&bundle),
                    states: Vec::new(),
                }
            }
            // Without a name it is refused, with this to read.
            Err(description) => {
                Manifest { name: String::new(), version, description, capabilities: Vec::new(), states: Vec::new() }
            }
        }
    }

    fn run(checkpoint: Option<Vec<u8>>) -> Result<(), String> {
        let contract = Rc::new(Contract);
        let mut machine = match &checkpoint {
            Some(state) => Machine::restore(document()?, contract, Limits::default(), state),
            None => Machine::new(document()?, contract, Limits::default()),
        };
        let mut status = match (&mut machine, &checkpoint) {
            (Ok(machine), None) => machine.start(),
            _ => Ok(Status::Waiting),
        };
        let machine = machine.as_mut().map_err(|failure| failure.to_string())?;
        let mut turns = 0_u32;
        loop {
            if status.map_err(|failure| failure.to_string())? == Status::Finished {
                return Ok(());
            }
            turns += 1;
            if turns >= TURNS_WITHOUT_CHECKPOINT
                && let Some(state) = machine.snapshot()
                && state.len() <= CHECKPOINT_BYTES
            {
                session::checkpoint(&state);
                turns = 0;
            }
            status = match events::next(None) {
                Some(event) => contract::take(machine, event),
                None => Ok(Status::Waiting),
            };
        }
    }
}

/// The document's name, or that of its file, as far as names of strategies allow.
fn name_of(program: &Program) -> String {
    let file = program.location.rsplit('/').next().unwrap_or_default();
    let file = file.rsplit_once('.').map_or(file, |(name, _)| name);
    let name = if program.name.is_empty() { file } else { program.name.as_str() };
    let allowed = |character: char| character.is_ascii_alphanumeric() || "_.-".contains(character);
    name.chars().map(|character| if allowed(character) { character } else { '-' }).take(64).collect()
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
