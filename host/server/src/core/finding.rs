//! Looking at what waits without taking it.

use jackfield_protocol::limits::{FRAME_BYTES, PULL_COUNT};
use jackfield_protocol::v1::event::Message as EventMessage;
use jackfield_protocol::v1::{EventInteractionsFound, RequestFindInteractions};
use prost::Message;

use super::{Answered, Core, Reply, checks};

/// Bytes of interactions one answer holds; one is always given, whatever its size.
const FOUND_BYTES: usize = FRAME_BYTES / 2;

impl Core {
    /// A page of what waits in a queue.
    pub(super) fn find_interactions(&mut self, request: RequestFindInteractions) -> Answered {
        let RequestFindInteractions { queue, after, count } = request;
        checks::name("the queue", &queue)?;
        checks::optional_name("the id to begin after", &after)?;
        self.known_queue(&queue)?;
        let most = if count == 0 { PULL_COUNT } else { count.min(PULL_COUNT) };
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        let ids = self.views.ids_in(&queue, &after, most.saturating_add(1))?;
        let mut found = EventInteractionsFound { more: ids.len() > most, ..EventInteractionsFound::default() };
        let mut bytes = 0;
        for id in ids.iter().take(most) {
            let Some(interaction) = self.interactions(&[id])?.pop() else { continue };
            bytes += interaction.encoded_len();
            if bytes > FOUND_BYTES && !found.interactions.is_empty() {
                found.more = true;
                break;
            }
            found.interactions.push(interaction);
        }
        Ok(Reply::Now(EventMessage::InteractionsFound(found)))
    }
}
