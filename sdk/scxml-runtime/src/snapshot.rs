//! A waiting machine as bytes, and back: so that a session with many turns is not rebuilt from its first.
//!
//! Only a machine whose state can be had again exactly has a snapshot: one session, nothing queued, no request of its own
//! under way, and data that are plain values (`data::saved`). What it waits for outside goes on: timers keep their
//! numbers, and so do requests of functional modules.

use std::rc::Rc;

use jackfield_scxml_program::{Bundle, Index, Place, Program};
use serde::{Deserialize, Serialize};

use crate::data::saved::SavedData;
use crate::datum::Datum;
use crate::event::EventData;
use crate::host::Environment;
use crate::limits::{Failure, Limits};
use crate::machine::MachineOf;
use crate::session::Session;
use crate::shared::{Delayed, Message, Target};
use crate::steps::Steps;

#[derive(Serialize, Deserialize)]
struct Saved {
    /// Of the tables: another document, or another version of it, cannot go on from here.
    tables: u64,
    active: Vec<Index>,
    histories: Vec<(Index, Vec<Index>)>,
    bound: Vec<Index>,
    generated: u64,
    /// None while nothing needed an engine.
    data: Option<SavedData>,
    delayed: Vec<SavedDelay>,
}

#[derive(Serialize, Deserialize)]
struct SavedDelay {
    timer: u64,
    name: String,
    send_id: Option<String>,
    target: SavedTarget,
    data: Datum,
    at: Place,
}

#[derive(Serialize, Deserialize)]
enum SavedTarget {
    Own,
    Parent,
    Invoked(String),
    Session(String),
    Http { url: String, body: String },
}

/// A number that differs for tables that differ (FNV-1a over their bytes).
fn digest(program: &Program) -> u64 {
    let bytes = postcard::to_stdvec(program).unwrap_or_default();
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |sum, byte| (sum ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

impl<S: Steps> MachineOf<S> {
    /// The machine as bytes, between two calls; none where it could not be had again as it is.
    pub fn snapshot(&mut self) -> Option<Vec<u8>> {
        let world = Rc::clone(self.world());
        if world.has_failed() || !world.posts.borrow().is_empty() || !world.tasks.borrow().is_empty() {
            return None;
        }
        let session = self.only()?;
        let shared = Rc::clone(&session.body.shared);
        let is_quiet = session.is_running()
            && session.body.invocations.is_empty()
            && session.body.states_to_invoke.is_empty()
            && shared.internal.borrow().is_empty()
            && shared.external.borrow().is_empty();
        if !is_quiet {
            return None;
        }
        let states = 0..shared.program.states.len() as Index;
        let histories = states.filter_map(|state| Some((state, session.steps.history(state)?))).collect();
        let delayed = save_delays(session)?;
        let data = match session.body.started_data() {
            None => None,
            Some(data) => Some(data.save().ok()?),
        };
        let saved = Saved {
            tables: digest(&shared.program),
            active: shared.active.borrow().iter().collect(),
            histories,
            bound: session.body.bound.iter().collect(),
            generated: world.generated.get(),
            data,
            delayed,
        };
        postcard::to_stdvec(&saved).ok()
    }

    /// The machine that a snapshot was taken of.
    ///
    /// # Errors
    ///
    /// When the bytes are no snapshot, or one of another document.
    pub fn restore(
        bundle: Bundle,
        environment: Rc<dyn Environment>,
        limits: Limits,
        snapshot: &[u8],
    ) -> Result<MachineOf<S>, Failure> {
        let unsupported = |what: &str| Failure::Unsupported(format!("this session cannot go on: {what}"));
        let saved: Saved = postcard::from_bytes(snapshot).map_err(|_| unsupported("its state is damaged"))?;
        let mut machine: MachineOf<S> = MachineOf::new(bundle, environment, limits)?;
        let world = Rc::clone(machine.world());
        let session = machine.only().ok_or_else(|| unsupported("it has no session"))?;
        let shared = Rc::clone(&session.body.shared);
        if saved.tables != digest(&shared.program) {
            return Err(unsupported("its state is that of another document"));
        }
        saved.active.iter().for_each(|state| shared.active.borrow_mut().insert(*state));
        saved.bound.iter().for_each(|state| session.body.bound.insert(*state));
        for (state, remembered) in saved.histories {
            session.steps.set_history(state, remembered);
        }
        if let Some(data) = &saved.data {
            session.body.load_scripts();
            // They have been run before: what they raise has been taken.
            shared.internal.borrow_mut().clear();
            let taken = session.body.data().and_then(|engine| engine.take_back(data));
            taken.map_err(|trouble| unsupported(&trouble.message))?;
        }
        world.generated.set(saved.generated);
        for delay in saved.delayed {
            restore_delay(&world, delay);
        }
        match world.failure.borrow().clone() {
            Some(failure) => Err(failure),
            None => Ok(()),
        }?;
        Ok(machine)
    }
}

fn save_delays<S: Steps>(session: &mut Session<S>) -> Option<Vec<SavedDelay>> {
    let world = Rc::clone(&session.body.shared.world);
    let mut saved = Vec::new();
    for (timer, delayed) in world.delayed.borrow().iter() {
        let message = &delayed.message;
        let target = match &message.target {
            Target::Own => SavedTarget::Own,
            Target::Parent => SavedTarget::Parent,
            Target::Invoked(id) => SavedTarget::Invoked(id.to_string()),
            Target::Session(id) => SavedTarget::Session(id.to_string()),
            Target::Http { url, body } => SavedTarget::Http { url: url.clone(), body: body.clone() },
            Target::Internal => return None,
        };
        let data = session.body.export(message.data.clone()).ok()?;
        let send_id = message.send_id.as_deref().map(str::to_owned);
        saved.push(SavedDelay { timer: *timer, name: message.name.clone(), send_id, target, data, at: message.at });
    }
    Some(saved)
}

fn restore_delay(world: &crate::shared::World, saved: SavedDelay) {
    let target = match saved.target {
        SavedTarget::Own => Target::Own,
        SavedTarget::Parent => Target::Parent,
        SavedTarget::Invoked(id) => Target::Invoked(id.into()),
        SavedTarget::Session(id) => Target::Session(id.into()),
        SavedTarget::Http { url, body } => Target::Http { url, body },
    };
    let send_id: Option<Rc<str>> = saved.send_id.map(Rc::from);
    let data = match saved.data {
        Datum::Undefined => EventData::None,
        data => EventData::Datum(data),
    };
    let message = Message { name: saved.name, send_id: send_id.clone(), target, data, at: saved.at };
    world.delayed.borrow_mut().insert(saved.timer, Delayed { session: 0, send_id, message });
}
