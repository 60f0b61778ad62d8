//! The floor under every benchmark: the same rows and the same commits as the server makes, with no
//! host around.

use std::path::Path;
use std::time::{Duration, Instant};

use jackfield_protocol::v1::{Interaction, KeyValueList};

use super::{Entry, Store, StoreError, Write, sqlite::SqliteStore};

/// What the bare store does.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Floor {
    /// Interactions inserted and deleted a second.
    pub interactions_per_second: f64,
    /// Commits a second.
    pub commits_per_second: f64,
}

/// Inserts and then deletes `interactions` interactions of the size of a short e-mail, `batch` in a
/// commit, in the embedded store at `path`, which must not be in use. Leaves nothing of them there.
///
/// # Errors
/// Those of the store.
pub fn store_floor(path: &Path, interactions: usize, batch: usize) -> Result<Floor, StoreError> {
    let batch = batch.max(1);
    let mut store = SqliteStore::open(path)?;
    let mut opened = Store::open(&mut store, &[])?;
    let mut commits = 0_u32;
    let mut spent = Duration::ZERO;
    let mut first = 0;
    while first < interactions {
        let last = interactions.min(first + batch);
        let samples: Vec<_> = (first..last).map(|number| sample(opened.incarnation, number)).collect();
        let deletes: Vec<Write> = samples.iter().map(|(_, entry)| Write::Delete { key: entry.key.clone() }).collect();
        let inserts: Vec<Write> =
            samples.into_iter().map(|(interaction, entry)| Write::Insert(Box::new(interaction), entry)).collect();
        let start = Instant::now();
        opened.writer.commit(&inserts)?;
        opened.writer.commit(&deletes)?;
        spent += start.elapsed();
        commits += 2;
        first = last;
    }
    let seconds = spent.as_secs_f64().max(f64::EPSILON);
    Ok(Floor {
        interactions_per_second: interactions as f64 / seconds,
        commits_per_second: f64::from(commits) / seconds,
    })
}

/// An e-mail of about 1 KiB, as the mail gateway would hand it in.
pub(crate) fn sample(incarnation: u64, number: usize) -> (Interaction, Entry) {
    let interaction = Interaction {
        interaction_id: format!("0000{:04}{:08}", incarnation % 10_000, number % 100_000_000),
        external_id: format!("<{number}@example.com>"),
        tenant_id: 1,
        media_type: "email".into(),
        interaction_type: "Inbound".into(),
        interaction_subtype: "InboundNew".into(),
        queue: "inbound".into(),
        received_at: 1_760_000_000_000 + i64::try_from(number).unwrap_or(0),
        submitted_at: 1_760_000_000_500,
        submitted_by: "mail".into(),
        placed_in_queue_at: 1_760_000_000_500,
        moved_to_queue_at: 1_760_000_000_500,
        user_data: Some(
            KeyValueList::default()
                .with("FromAddress", "pat@example.com")
                .with("To", "service@example.com")
                .with("Subject", "My order has not come")
                .with("Text", "Where is it? ".repeat(60)),
        ),
        ..Interaction::default()
    };
    let entry = Entry::of(&interaction, &[]);
    (interaction, entry)
}
