//! The numbers of a server's reporting events, and the recent events that are kept for clients that come back.
//!
//! Every event has a number, made or not, so that whoever comes back is told exactly what is lost. Events
//! themselves are made and kept only while somebody has asked for that: a client that is resumable, and
//! for a while after the last one went. What is kept is bounded in number and bytes; the oldest go first.
//!
//! The stream lives as long as what the server holds in memory. A restart begins another one, under
//! another id: what the earlier one had told nobody yet is lost then. Who needs a day's events whatever
//! happens to the server writes down what it hears, as `jackfield report` does.

use std::collections::VecDeque;

use jackfield_protocol::v1::{EventReporting, ReportingGap, ReportingPosition};
use prost::Message;

/// See the module.
#[derive(Debug)]
pub(super) struct Stream {
    id: String,
    last: u64,
    /// Without a gap, up to `last`, while it is being kept.
    kept: VecDeque<(usize, EventReporting)>,
    kept_bytes: usize,
    is_keeping: bool,
    most: Most,
}

/// What is kept at the most.
#[derive(Clone, Copy, Debug)]
pub(super) struct Most {
    pub(super) events: usize,
    /// Of events, encoded.
    pub(super) bytes: usize,
}

impl Stream {
    /// `id` must not have been a stream's before.
    pub(super) fn new(id: String, most: Most) -> Stream {
        Stream { id, last: 0, kept: VecDeque::new(), kept_bytes: 0, is_keeping: false, most }
    }

    /// The number of the event that happens now.
    pub(super) fn next(&mut self) -> u64 {
        self.last += 1;
        self.last
    }

    /// Number of the last event.
    pub(super) fn last(&self) -> u64 {
        self.last
    }

    pub(super) fn position(&self, sequence: u64) -> ReportingPosition {
        ReportingPosition { stream_id: self.id.clone(), sequence }
    }

    pub(super) fn is_keeping(&self) -> bool {
        self.is_keeping
    }

    pub(super) fn begin_to_keep(&mut self) {
        self.is_keeping = true;
    }

    /// Forgets what is kept.
    pub(super) fn stop_keeping(&mut self) {
        self.is_keeping = false;
        self.kept = VecDeque::new();
        self.kept_bytes = 0;
    }

    /// The event with the last number, where it is to be kept.
    pub(super) fn keep(&mut self, event: EventReporting) {
        if !self.is_keeping {
            return;
        }
        let bytes = event.encoded_len();
        self.kept_bytes += bytes;
        self.kept.push_back((bytes, event));
        while self.kept.len() > self.most.events || self.kept_bytes > self.most.bytes {
            let Some((bytes, _)) = self.kept.pop_front() else { break };
            self.kept_bytes -= bytes;
        }
    }

    /// What came after that position: the number from which it goes on, what is lost, and what is kept.
    /// None: there has been no such event in this stream.
    pub(super) fn since(
        &self,
        position: &ReportingPosition,
    ) -> Option<(u64, Option<ReportingGap>, impl Iterator<Item = &EventReporting>)> {
        // Of another stream nothing is known; of this one, everything is news.
        let after = if position.stream_id == self.id { position.sequence } else { 0 };
        if after > self.last {
            return None;
        }
        let first = self.kept.front().map_or(self.last + 1, |(_, event)| event.sequence);
        let gap = (after + 1 < first).then(|| ReportingGap { from: after + 1, to: first - 1 });
        let from = gap.map_or(after, |gap| gap.to);
        let kept = self.kept.iter().map(|(_, event)| event).skip_while(move |event| event.sequence <= from);
        Some((from, gap, kept))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn event(sequence: u64, reason: &str) -> EventReporting {
        EventReporting { sequence, reason: reason.into(), ..EventReporting::default() }
    }

    fn stream(events: usize, bytes: usize) -> Stream {
        Stream::new("this".into(), Most { events, bytes })
    }

    fn at(stream_id: &str, sequence: u64) -> ReportingPosition {
        ReportingPosition { stream_id: stream_id.into(), sequence }
    }

    /// From where it goes on, the gap, and what is kept.
    type Since = (u64, Option<(u64, u64)>, Vec<u64>);

    fn since(stream: &Stream, stream_id: &str, sequence: u64) -> Option<Since> {
        let position = at(stream_id, sequence);
        let (from, gap, kept) = stream.since(&position)?;
        Some((from, gap.map(|gap| (gap.from, gap.to)), kept.map(|event| event.sequence).collect()))
    }

    #[test]
    fn nothing_is_kept_before_somebody_asks_and_what_was_not_is_a_gap() {
        let mut stream = stream(10, 1_000);
        for _ in 0..3 {
            let number = stream.next();
            stream.keep(event(number, ""));
        }
        assert_eq!(since(&stream, "this", 3), Some((3, None, vec![])));
        assert_eq!(since(&stream, "this", 1), Some((3, Some((2, 3)), vec![])));
        stream.begin_to_keep();
        let number = stream.next();
        stream.keep(event(number, ""));
        assert_eq!(since(&stream, "this", 1), Some((3, Some((2, 3)), vec![4])));
        stream.stop_keeping();
        assert_eq!(since(&stream, "this", 3), Some((4, Some((4, 4)), vec![])));
    }

    #[test]
    fn a_position_of_another_stream_is_before_the_first_event_and_one_to_come_is_none() {
        let mut stream = stream(10, 1_000);
        stream.begin_to_keep();
        let number = stream.next();
        stream.keep(event(number, ""));
        assert_eq!(since(&stream, "earlier", 77), Some((0, None, vec![1])));
        assert_eq!(since(&stream, "this", 2), None);
    }

    proptest! {
        #[test]
        fn what_is_missed_is_a_gap_and_then_every_event_within_the_bounds(
            sizes in prop::collection::vec(0_usize..40, 1..60),
            events in 0_usize..12,
            bytes in 0_usize..200,
            after in 0_u64..60,
        ) {
            let mut stream = stream(events, bytes);
            stream.begin_to_keep();
            for size in &sizes {
                let number = stream.next();
                stream.keep(event(number, &"x".repeat(*size)));
                prop_assert!(stream.kept.len() <= events);
                let encoded: usize = stream.kept.iter().map(|(_, event)| event.encoded_len()).sum();
                prop_assert!(encoded <= bytes && encoded == stream.kept_bytes);
            }
            let last = sizes.len() as u64;
            match since(&stream, "this", after) {
                None => prop_assert!(after > last),
                Some((from, gap, kept)) => {
                    prop_assert_eq!(gap, (from > after).then_some((after + 1, from)));
                    prop_assert_eq!(kept, (from + 1..=last).collect::<Vec<_>>());
                }
            }
        }
    }
}
